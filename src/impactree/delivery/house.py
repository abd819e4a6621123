"""The spool's folder on disk: what is ours in it, and how large it may grow.

Nothing else in the folder is ever touched: a folder of ours has our form of name, the marker (or
what an earlier version left), and belongs to this user alone: see :mod:`directory`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from impactree.delivery.aside import Aside
from impactree.delivery.directory import Directory, UnsafeError
from impactree.delivery.errors import reason
from impactree.delivery.journal import LOCK, MARKER, OWN_FILE, Folder, OwnFolder
from impactree.delivery.locks import FileLock
from impactree.exceptions import ConfigurationError
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

__all__ = ["House", "Left", "max_bytes"]

_log: Final = logging.getLogger("impactree")
_FOLDER: Final = re.compile(r"\d+-[0-9a-f]{8}")
_MAX_MB: Final = 256
_TRY_AGAIN_S: Final = 5.0
_YOUNG_S: Final = 5.0


def max_bytes() -> int:
    """Bound on the folder's size, bytes.

    Raises:
        ConfigurationError: ``IMPACTREE_SPOOL_MAX_MB`` is not a whole number >= 1.
    """
    text = os.environ.get("IMPACTREE_SPOOL_MAX_MB", str(_MAX_MB))
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise ConfigurationError(
            f"IMPACTREE_SPOOL_MAX_MB must be a whole number >= 1 (MB), not {text!r:.80}"
        )
    return int(text) * 2**20


class Left:
    """A folder of another process of this user's, and its lock where that process is dead."""

    def __init__(self, name: str, directory: Directory, lock: FileLock | None) -> None:
        self.name = name
        self.directory = directory
        self.lock = lock

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.lock is None

    def load(self) -> Folder:
        """What is in it.

        Raises:
            OSError: it cannot be read.
        """
        return Folder.load(self.directory)

    def close(self) -> None:
        """Let go of it."""
        if self.lock is not None:
            self.lock.close()
        self.directory.close()


class House:
    """A spool's folder, with this process's own part of it. Thread-safe.

    Args:
        path: The folder that all processes of this user share; None: there is none.
        bound: Its size at most, bytes; beyond it the oldest trees are given up.
        dropped: Told whose trees were given up, how many, and why.
    """

    def __init__(
        self,
        path: Path | None,
        bound: int,
        dropped: Callable[[Counter[str], str], None] = lambda counts, why: None,
    ) -> None:
        self.path = path
        self.own: OwnFolder | None = None
        self._base: Directory | None = None
        self._bound = bound
        self._dropped = dropped
        self._lock = threading.Lock()
        self._claimed: set[str] = set()
        self._broken_at: float | None = None

    def base(self) -> Directory:
        """The folder, open; made where it is not there.

        Raises:
            OSError: it cannot be used; the text says why and what to do.
        """
        with self._lock:
            if self._base is None:
                if self.path is None:
                    raise FileNotFoundError(2, "this user has no home: set IMPACTREE_SPOOL_DIR")
                self._base = Directory.open(self.path, make=True)
            return self._base

    # This process's part

    def write(self, pieces: Sequence[bytes], addresses: Sequence[str]) -> bool:
        """A finished tree into the journal; False when the disk does not take it."""
        broken = self._broken_at
        if broken is not None and time.monotonic() - broken < _TRY_AGAIN_S:
            return False
        try:
            try:
                begun = self._own().append(pieces, addresses)
            except FileNotFoundError:  # somebody removed the whole folder: a new one
                self._forget()
                begun = self._own().append(pieces, addresses)
            if begun:
                self._keep_bounds()
        except OSError as error:
            if broken is None:
                self._say_broken(error)
            self._broken_at = time.monotonic()
            return False
        self._broken_at = None
        return True

    def _own(self) -> OwnFolder:
        base = self.base()
        with self._lock:
            if self.own is None:
                self.own = OwnFolder(base)
            return self.own

    def _forget(self) -> None:
        with self._lock:
            own, base = self.own, self._base
            self.own = self._base = None
        if own is not None:
            self._dropped(own.lost + own.waiting(), "its files were deleted")
            own.close()
        if base is not None:
            base.close()

    def _say_broken(self, error: OSError) -> None:
        what = "is not used" if isinstance(error, UnsafeError) else "is not writable"
        where = "spool folder" if self.path is None else f"spool folder {self.path}"
        cure = "" if "IMPACTREE_SPOOL_DIR" in str(error) else " (set IMPACTREE_SPOOL_DIR)"
        _log.warning(
            "impactree: %s %s (%s); impacts are kept in memory only%s",
            clean(where),
            what,
            reason(error),
            cure,
        )

    def close(self) -> None:
        """Let go; the own folder goes when nothing waits in it."""
        own, base = self.own, self._base
        self.own = self._base = None
        if own is not None and base is not None:
            try:
                if not own.addresses:
                    own.delete_files()
                    base.remove_sub(own.name)
            except OSError as error:
                _log.debug("impactree: spool folder kept: %s", reason(error))
            own.close()
        if base is not None:
            base.close()

    def abandon(self) -> None:
        """In a forked child: everything here is the parent's."""
        if self.own is not None:
            self.own.abandon()
        if self._base is not None:
            self._base.close()

    # The others'

    def names(self) -> list[str]:
        """The other processes' folders, oldest first, by the form of their name."""
        found = []
        try:
            base = self.base()
            names = base.names()
        except OSError:
            return []
        for name in names:
            if _FOLDER.fullmatch(name) and (self.own is None or name != self.own.name):
                with contextlib.suppress(OSError):  # another process removed it
                    found.append((base.status(name).st_mtime, name))
        return [name for _, name in sorted(found)]

    def others(
        self, *, alive: bool = False, passed_over: set[str] | None = None
    ) -> Generator[Left]:
        """Folders of ours whose process is dead, their lock taken; with ``alive``, all of them.

        One lane at a time looks at a folder: to another its lock looks like an owner's. Those
        that another lane looks at are added to ``passed_over``.
        """
        for name in self.names():
            claimed = self._claim(name)
            if not claimed and passed_over is not None:
                passed_over.add(name)
            left = self._left(name) if claimed else None
            try:
                if left is not None and (alive or not left.alive):
                    yield left
            finally:
                if left is not None:
                    left.close()
                    self._claimed.discard(name)

    def _claim(self, name: str) -> bool:
        with self._lock:
            if name in self._claimed:
                return False
            self._claimed.add(name)
            return True

    def _left(self, name: str) -> Left | None:
        """A folder that is ours; None (and let go of) where it is not."""
        try:
            directory = self.base().sub(name)
        except OSError:  # a link, another user's, gone meanwhile
            self._claimed.discard(name)
            return None
        with contextlib.suppress(OSError):
            if _is_ours(directory):
                lock = FileLock(lambda: directory.open_file(LOCK, os.O_RDWR | os.O_CREAT))
                return Left(name, directory, lock if lock.try_acquire() else None)
        directory.close()
        self._claimed.discard(name)
        return None

    def remove(self, left: Left) -> None:
        """Delete what is ours of a dead process's folder, and the folder when that was all.

        Raises:
            OSError: it cannot be deleted.
        """
        Folder(left.directory).delete_files()
        with contextlib.suppress(OSError):  # something else lies in it
            self.base().remove_sub(left.name)

    @property
    def aside(self) -> Aside:
        """What is set aside.

        Raises:
            OSError: the folder cannot be used.
        """
        return Aside(self.base())

    # Its size

    def _keep_bounds(self) -> None:
        """Give up the oldest trees while the folder is too large."""
        given_up: Counter[str] = Counter()
        for left in self.others() if self._over() else ():
            folder = left.load()
            while self._over() and (counts := folder.drop_oldest()) is not None:
                given_up += counts
        while self._over() and self.own and (counts := self.own.drop_oldest()) is not None:
            given_up += counts
        if given_up:
            self._dropped(given_up, f"the spool {self.path} is full ({self._bound >> 20} MB)")

    def _over(self) -> bool:
        base, size = self.base(), 0
        for name in [*self.names(), *([self.own.name] if self.own else [])]:
            with contextlib.suppress(OSError):  # another process removed it
                directory = base.sub(name)
                try:
                    size += sum(directory.status(file).st_size for file in directory.names())
                finally:
                    directory.close()
        return size > self._bound


def _is_ours(directory: Directory) -> bool:
    """Whether a folder has our marker, or is what an earlier version without one left."""
    names = directory.names()
    if MARKER in names:
        return True
    if LOCK not in names or not all(map(OWN_FILE.fullmatch, names)):
        return False
    # A folder of this version is made with its lock first, a moment before the marker.
    return time.time() - directory.status(LOCK).st_mtime > _YOUNG_S
