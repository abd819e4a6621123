"""Folders that are this user's alone, held open: no link and no other user leads us elsewhere."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any, Final

from impactree.delivery.locks import PRIVATE

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

__all__ = ["Directory", "UnsafeError"]

_POSIX: Final = os.name == "posix"
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_OTHERS_WRITE: Final = 0o022


class UnsafeError(OSError):
    """A folder or a file that is not this user's alone; the text says what to do."""

    def __init__(self, text: str) -> None:
        super().__init__(1, text)  # EPERM


class Directory:
    """A folder of this user's that nobody else may write.

    Once open, everything happens in this very folder, whatever its path comes to mean; names are
    opened without following links. (Windows keeps to the path: there a profile is its user's.)
    """

    def __init__(self, path: Path, fd: int | None) -> None:
        self.path = path
        self._fd = fd

    @classmethod
    def open(cls, path: Path, *, make: bool = False) -> Self:
        """Open a folder by its path.

        Raises:
            UnsafeError: it is a link, another user's, or others may write it.
            OSError: it is not there, or cannot be made.
        """
        if make:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls._checked(path, path, None)

    def sub(self, name: str, *, make: bool = False) -> Self:
        """A folder in this one.

        Raises:
            UnsafeError: as :meth:`open`.
            OSError: it is not there, or with ``make`` it is there already.
        """
        name_or_path, where = self._at(name)
        if make:
            os.mkdir(name_or_path, 0o700, **where)  # noqa: PTH102 (in this folder)
        return self._checked(self.path / name, name_or_path, where.get("dir_fd"))

    @classmethod
    def _checked(cls, path: Path, name: str | Path, dir_fd: int | None) -> Self:
        if not _POSIX:
            if not path.is_dir():
                raise NotADirectoryError(20, os.strerror(20))
            return cls(path, None)
        try:
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | _NOFOLLOW, dir_fd=dir_fd)
        except OSError:
            if stat.S_ISLNK(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode):
                raise UnsafeError("it is a link: name the folder that it leads to") from None
            raise
        try:
            _check(os.fstat(fd))
        except UnsafeError:
            os.close(fd)
            raise
        return cls(path, fd)

    def names(self) -> list[str]:
        """What is in it."""
        if self._fd is None:
            return os.listdir(self.path)  # noqa: PTH208
        # A descriptor of its own: two threads that list one at a time each see a part only.
        fd = os.open(".", os.O_RDONLY, dir_fd=self._fd)
        try:
            return os.listdir(fd)  # noqa: PTH208
        finally:
            os.close(fd)

    def status(self, name: str) -> os.stat_result:
        """Of something in it, links not followed."""
        name_or_path, where = self._at(name)
        return os.stat(name_or_path, follow_symlinks=False, **where)  # noqa: PTH116

    def open_file(self, name: str, flags: int) -> int:
        """Open a plain file of this user's, ``PRIVATE`` where it is made.

        Raises:
            UnsafeError: it is something else.
            OSError: it cannot be opened.
        """
        name_or_path, where = self._at(name)
        flags |= _NOFOLLOW | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
        fd = os.open(name_or_path, flags, PRIVATE, **where)
        if _POSIX:
            try:
                _check(os.fstat(fd), file=True)
            except UnsafeError:
                os.close(fd)
                raise
        return fd

    def read(self, name: str) -> bytes:
        """A small file; empty when it is not there."""
        try:
            fd = self.open_file(name, os.O_RDONLY)
        except FileNotFoundError:
            return b""
        with os.fdopen(fd, "rb") as file:
            return file.read()

    def append(self, name: str, data: bytes) -> None:
        """Add to a small file, whole or not at all.

        Raises:
            OSError: no space, no right.
        """
        fd = self.open_file(name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            written = os.write(fd, data)
            if written != len(data):  # half a line would spoil the next one
                os.ftruncate(fd, os.fstat(fd).st_size - written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(fd)

    def replace(self, name: str, new: str) -> None:
        """Put a file in the place of another."""
        if self._fd is None:
            (self.path / name).replace(self.path / new)
        else:
            os.rename(name, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)

    def link(self, name: str, new: str) -> None:
        """Give a file a second name, unless there is one of that name."""
        try:
            if self._fd is None:
                (self.path / new).hardlink_to(self.path / name)
            else:
                os.link(name, new, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except FileExistsError:
            return

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        name_or_path, where = self._at(name)
        try:
            os.unlink(name_or_path, **where)
        except FileNotFoundError:
            return

    def remove_sub(self, name: str) -> None:
        """Delete an empty folder in it."""
        name_or_path, where = self._at(name)
        os.rmdir(name_or_path, **where)

    def close(self) -> None:
        """Let go of it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _at(self, name: str) -> tuple[str | Path, dict[str, Any]]:
        return (self.path / name, {}) if self._fd is None else (name, {"dir_fd": self._fd})


def _check(found: os.stat_result, *, file: bool = False) -> None:
    if file and not stat.S_ISREG(found.st_mode):
        raise UnsafeError("it is not a plain file")
    if found.st_uid != os.geteuid():
        raise UnsafeError(
            f"it belongs to user {found.st_uid}, this is user {os.geteuid()}: "
            "set IMPACTREE_SPOOL_DIR to a folder of your own"
        )
    if found.st_mode & _OTHERS_WRITE:
        raise UnsafeError(
            f"others may write it (mode {stat.S_IMODE(found.st_mode):04o}): chmod go-w it, or set "
            "IMPACTREE_SPOOL_DIR to a folder of your own"
        )
