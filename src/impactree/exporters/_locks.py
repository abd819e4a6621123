"""Locks between processes, released by the system when their holder dies."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["PRIVATE", "FileLock", "held"]

PRIVATE: Final = 0o600
"""Mode of every file here: its owner's alone."""


# A forked child shares the locks that its parent holds: as long as it keeps their files open, they
# stay locked, for the parent and for itself. Nobody forks while one is taken or let go.
_taken: Final[set[FileLock]] = set()
_taking: Final = threading.Lock()


class FileLock:
    """An exclusive lock on a file that exists for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free.

        Raises:
            OSError: the file cannot be opened.
        """
        with _taking:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, PRIVATE)
            try:
                _lock(fd)
            except OSError:
                os.close(fd)
                return False
            self._fd = fd
            _taken.add(self)
        return True

    def close(self) -> None:
        """Let go; closing the file is what releases it."""
        with _taking:
            _taken.discard(self)
            fd, self._fd = self._fd, None
            if fd is not None:
                os.close(fd)


def _after_fork_in_child() -> None:
    _taking.release()
    for lock in list(_taken):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_taking.acquire,
        after_in_parent=_taking.release,
        after_in_child=_after_fork_in_child,
    )


@contextmanager
def held(path: Path, *, timeout_s: float = 10.0) -> Iterator[None]:
    """Hold the lock of a path for a moment.

    Raises:
        TimeoutError: another process kept it longer than ``timeout_s``.
        OSError: the file cannot be opened.
    """
    lock = FileLock(path)
    deadline = time.monotonic() + timeout_s
    while not lock.try_acquire():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} is locked by another process")
        time.sleep(0.002)
    try:
        yield
    finally:
        lock.close()


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
