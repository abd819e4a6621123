"""Locks between processes, released by the system when their holder dies."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from impactree.delivery.forks import around_forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["PRIVATE", "FileLock", "is_anothers", "locked_file", "no_right_to"]

PRIVATE: Final = 0o600
"""Mode of every file in the spool: its owner's alone."""
_NO_LOCKS: Final = "its file system has no locks; use a folder on a local disk"
_TAKEN: Final = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK})


# A forked child shares the locks that its parent holds: as long as it keeps their files open, they
# stay locked, for the parent and for itself. Nobody forks while one is taken or let go.
_taken: Final[set[FileLock]] = set()
_taking: Final = threading.Lock()


class FileLock:
    """An exclusive lock on a file.

    Args:
        open_file: Opens it; called for each attempt.
    """

    def __init__(self, open_file: Callable[[], int]) -> None:
        self._open = open_file
        self.fd: int | None = None
        """The open file, while the lock is held."""

    def try_acquire(self) -> bool:
        """Take the lock if it is free.

        Raises:
            OSError: the file cannot be opened, or its file system has no locks.
        """
        with _taking:
            fd = self._open()
            try:
                _lock(fd)
            except OSError as error:
                os.close(fd)
                if error.errno in _TAKEN:
                    return False
                raise OSError(errno.ENOLCK, _NO_LOCKS) from error
            self.fd = fd
            _taken.add(self)
        return True

    def close(self) -> None:
        """Let go; closing the file is what releases it."""
        with _taking:
            _taken.discard(self)
            fd, self.fd = self.fd, None
            if fd is not None:
                os.close(fd)


def _before_fork() -> None:
    _taking.acquire()


def _in_child() -> None:
    _taking.release()
    for lock in list(_taken):
        lock.close()


around_forks(before=_before_fork, in_parent=_taking.release, in_child=_in_child)


@contextmanager
def locked_file(path: Path, mode: int = 0o644, *, timeout_s: float = 10.0) -> Iterator[FileLock]:
    """A file to append to, made when it is not there, locked for a moment.

    The file is its own lock: whoever may write it may take it, whichever user came first.

    Raises:
        TimeoutError: another process kept it longer than ``timeout_s``.
        OSError: it cannot be opened, or its file system has no locks.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    lock = FileLock(lambda: _opened(path, flags, mode))
    deadline = time.monotonic() + timeout_s
    try:
        # Another process may have moved the file away between our opening and our locking it.
        while not lock.try_acquire() or not _still_there(lock, path):
            lock.close()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path.name} is locked by another process")
            time.sleep(0.002)
        yield lock
    finally:
        lock.close()


def _opened(path: Path, flags: int, mode: int) -> int:
    try:
        return os.open(path, flags, mode)
    except PermissionError:
        if is_anothers(path):
            raise no_right_to(path) from None
        raise


def is_anothers(path: Path) -> bool:
    """Whether a file is there that this user may not write."""
    as_now = os.access in os.supports_effective_ids
    return os.access(path, os.F_OK, effective_ids=as_now) and not os.access(
        path, os.W_OK, effective_ids=as_now
    )


def no_right_to(path: Path) -> PermissionError:
    """What to raise where not: it says whose the file is, and what to do."""
    owner = path.stat().st_uid
    said = f"{path.name} belongs to user {owner}: let this one write it too, or name another file"
    return PermissionError(errno.EACCES, said)


def _still_there(lock: FileLock, path: Path) -> bool:
    assert lock.fd is not None  # noqa: S101
    try:
        return os.path.samestat(os.fstat(lock.fd), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock(fd: int) -> None:
        # A byte that no file has: what is locked there, others cannot read either.
        os.lseek(fd, 2**31 - 2, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
