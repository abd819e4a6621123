"""The journal on disk: one folder per process, in it segments of lines and what was delivered.

``000001.jsonl`` holds finished trees, a line each; ``000001.done`` one line per checked-off
delivery: an offset and a destination. Whoever holds the folder's ``lock`` owns it; a folder whose
owner died is anybody's. A segment goes when all it holds is delivered everywhere.
"""

from __future__ import annotations

import errno
import json
import os
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from impactree.exporters._locks import PRIVATE, FileLock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Batch", "Folder", "OwnFolder", "folders", "leftover"]

SEGMENT_BYTES: Final = 4 * 2**20
_READ_BYTES: Final = 2**20
_MAX_LINES: Final = 500
_TO: Final = b'{"to":'
_scan: Final = json.JSONDecoder().raw_decode


@dataclass(slots=True)
class Batch:
    """Lines for one destination, and how far into which segment they reach."""

    lines: list[bytes]
    segment: _Segment
    end: int


@dataclass(slots=True, eq=False)
class _Segment:
    path: Path
    size: int = 0
    last: dict[str, int] = field(default_factory=dict)  # destination -> end of its last line
    done: dict[str, int] = field(default_factory=dict)  # destination -> delivered up to here
    records: int = 0

    def pending(self, destination: str) -> bool:
        return self.done.get(destination, 0) < self.last.get(destination, 0)

    @property
    def finished(self) -> bool:
        return not any(map(self.pending, self.last))

    @property
    def done_path(self) -> Path:
        return self.path.with_suffix(".done")


def destinations_of(line: bytes) -> list[str]:
    """Where a line goes; empty when it is torn or not ours."""
    if not line.startswith(_TO):
        return []
    try:
        value, _ = _scan(line[len(_TO) :].decode("utf-8", "replace"))
    except ValueError:
        return []
    return value if isinstance(value, list) else []


class Folder:
    """One process's part of the journal, read from disk. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()
        self._segments: list[_Segment] = []

    @classmethod
    def load(cls, path: Path) -> Folder:
        """A folder that another process left.

        Raises:
            OSError: it cannot be read.
        """
        folder = cls(path)
        for file in sorted(path.glob("*.jsonl")):
            segment = _Segment(file)
            for line in _lines(file):
                segment.size += len(line)
                segment.records += 1
                segment.last.update(dict.fromkeys(destinations_of(line), segment.size))
            if segment.done_path.exists():
                for text in segment.done_path.read_text("utf-8").splitlines():
                    offset, _, destination = text.partition(" ")
                    if offset.isdigit() and destination:
                        segment.done[destination] = int(offset)
            folder._segments.append(segment)
        return folder

    @property
    def destinations(self) -> set[str]:
        """Destinations with something pending."""
        with self._guard:
            return {d for s in self._segments for d in s.last if s.pending(d)}

    def pending(self, destination: str) -> bool:
        """Whether a destination has something to come."""
        with self._guard:
            return any(segment.pending(destination) for segment in self._segments)

    def count(self, destination: str) -> int:
        """How many trees a destination has to come (reads the files)."""
        return sum(len(batch.lines) for batch in self._batches(destination))

    def read(self, destination: str) -> Batch | None:
        """The next lines for a destination; None when there are none."""
        with self._guard:
            segment = next((s for s in self._segments if s.pending(destination)), None)
            start = 0 if segment is None else segment.done.get(destination, 0)
        return None if segment is None else _read(segment, destination, start)

    def check_off(self, destination: str, batch: Batch) -> None:
        """The batch is delivered. A segment that nobody waits for any more goes.

        Raises:
            OSError: it cannot be written down; the batch may come again after a crash.
        """
        segment = batch.segment
        with self._guard:
            segment.done[destination] = batch.end
            finished = segment.finished and self._sealed(segment)
            if finished and segment in self._segments:
                self._segments.remove(segment)
        if finished:
            _unlink(segment)
        else:
            _append(segment.done_path, f"{batch.end} {destination}\n".encode())

    def drop_oldest(self) -> int:
        """Give up the oldest segment. Returns how many trees it held."""
        with self._guard:
            segment = self._segments.pop(0) if self._segments else None
        if segment is None:
            return 0
        _unlink(segment)
        return segment.records

    def remove_if_empty(self) -> bool:
        """Delete the folder when nothing is pending in it; its lock must be held."""
        if self.destinations:
            return False
        for file in self.path.iterdir():
            file.unlink(missing_ok=True)
        self.path.rmdir()
        return True

    def _sealed(self, segment: _Segment) -> bool:
        return True

    def _batches(self, destination: str) -> Iterator[Batch]:
        with self._guard:
            segments = [(s, s.done.get(destination, 0)) for s in self._segments]
        for segment, start in segments:
            end = start
            while end < segment.last.get(destination, 0):
                batch = _read(segment, destination, end)
                if batch is None or batch.end == end:
                    break
                yield batch
                end = batch.end


class OwnFolder(Folder):
    """This process's folder: appends to it.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, base: Path) -> None:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:  # another process may take a folder for a dead one's before it is locked
            super().__init__(base / f"{os.getpid()}-{uuid.uuid4().hex[:8]}")
            self.path.mkdir(mode=0o700)
            self._lock = FileLock(self.path / "lock")
            if self._lock.try_acquire() and self._lock.path.exists():
                break
        self._fd: int | None = None
        self._number = 0

    def append(self, line: bytes, destinations: Iterable[str]) -> bool:
        """One line, one write. Returns whether a new segment was begun.

        Raises:
            OSError: no space, no right, no folder; nothing is left half written.
        """
        with self._guard:
            begun = self._fd is None or self._segments[-1].size >= SEGMENT_BYTES
            if begun:
                self._begin()
            fd, segment = self._fd, self._segments[-1]
            assert fd is not None  # noqa: S101
            written = os.write(fd, line)
            if written != len(line):
                os.ftruncate(fd, segment.size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            segment.size += written
            segment.records += 1
            for destination in destinations:
                segment.last[destination] = segment.size
        return begun

    def close(self, *, remove: bool) -> None:
        """Let go of the folder, and delete it when nothing is pending."""
        with self._guard:
            self._close_file()
        if remove:
            self.remove_if_empty()
        self._lock.close()

    def abandon(self) -> None:
        """In a forked child: the folder stays the parent's."""
        self._close_file()
        self._lock.close()

    def drop_oldest(self) -> int:
        """Give up the oldest segment, also when it is the one being written."""
        with self._guard:
            if len(self._segments) == 1:
                self._close_file()
        return super().drop_oldest()

    def _begin(self) -> None:
        self._close_file()
        self._number += 1
        path = self.path / f"{self._number:06d}.jsonl"
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, PRIVATE)
        done = [s for s in self._segments if s.finished]
        self._segments = [s for s in self._segments if not s.finished]
        self._segments.append(_Segment(path))
        for segment in done:
            _unlink(segment)

    def _close_file(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _sealed(self, segment: _Segment) -> bool:
        # The one being written stays, unless it is so large that the next line opens another.
        return segment is not self._segments[-1] if self._segments else True


def folders(base: Path) -> list[Path]:
    """All processes' folders, oldest first."""
    try:
        found = [(entry.stat().st_mtime, entry) for entry in base.iterdir() if entry.is_dir()]
    except OSError:
        return []
    return [path for _, path in sorted(found)]


def leftover(path: Path) -> FileLock | None:
    """The lock of a folder whose owner is gone, taken; None when somebody has it."""
    lock = FileLock(path / "lock")
    try:
        # A folder without a lock is being made right now, unless it is old.
        young = time.time() - path.stat().st_mtime < 5
        if young and not lock.path.exists():
            return None
        return lock if lock.try_acquire() else None
    except OSError:
        return None


def _lines(path: Path) -> Iterator[bytes]:
    """Whole lines: a torn last one belongs to a callback that never returned."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield line


def _read(segment: _Segment, destination: str, start: int) -> Batch | None:
    try:
        with segment.path.open("rb") as file:
            file.seek(start)
            lines: list[bytes] = []
            end, size = start, 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                end += len(line)
                if destination in destinations_of(line):
                    lines.append(line)
                    size += len(line)
                if len(lines) >= _MAX_LINES or size >= _READ_BYTES:
                    break
    except FileNotFoundError:  # dropped meanwhile, to keep the spool in its bounds
        return None
    return Batch(lines, segment, end)


def _append(path: Path, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def _unlink(segment: _Segment) -> None:
    segment.path.unlink(missing_ok=True)
    segment.done_path.unlink(missing_ok=True)
