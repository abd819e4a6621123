"""The journal on disk: one folder per process, in it segments of lines and what was delivered.

``000001.jsonl`` holds finished trees, a line each; ``000001.done`` one line per checked-off
delivery: an offset and an address. Whoever holds the folder's ``lock`` owns it; a folder whose
owner died is anybody's of the same user. A segment goes when all it holds is delivered everywhere.
"""

from __future__ import annotations

import errno
import json
import os
import re
import threading
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from impactree.delivery.address import digest
from impactree.delivery.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from impactree.delivery.directory import Directory

__all__ = ["BATCH", "LOCK", "MARKER", "OWN_FILE", "Batch", "Folder", "OwnFolder", "addresses_of"]

MARKER: Final = "impactree-spool"
"""A file that says whose a folder is: made with it, before anything is in it."""
LOCK: Final = "lock"
FORMAT: Final = 2
"""Of the folder: 2 has the marker, and short names of addresses where 1 had them in full."""
OWN_FILE: Final = re.compile(r"lock|impactree-spool|\d{6,}\.(jsonl|done)")
"""What a folder of ours may hold: nothing else in it is ever touched."""
SEGMENT_BYTES: Final = 4 * 2**20
_READ_BYTES: Final = 2**20
BATCH: Final = 500
"""Lines that are read and delivered at a time, at most."""
_TO: Final = b'{"to":'
_scan: Final = json.JSONDecoder().raw_decode


@dataclass(slots=True)
class Batch:
    """Lines for one address, and how far into which segment they reach."""

    lines: list[bytes]
    segment: _Segment
    end: int


@dataclass(slots=True, eq=False)
class _Segment:
    name: str
    size: int = 0
    last: dict[str, int] = field(default_factory=dict)  # address -> end of its last line
    done: dict[str, int] = field(default_factory=dict)  # address -> delivered up to here
    waiting: Counter[str] = field(default_factory=Counter)  # address -> lines

    def pending(self, address: str) -> bool:
        return self.done.get(address, 0) < self.last.get(address, 0)

    @property
    def finished(self) -> bool:
        return not any(map(self.pending, self.last))

    @property
    def done_name(self) -> str:
        return f"{self.name.removesuffix('.jsonl')}.done"

    def left(self) -> Counter[str]:
        """Address -> how many of its lines are still to come."""
        return +Counter({a: n for a, n in self.waiting.items() if self.pending(a)})

    def add(self, size: int, addresses: Iterable[str]) -> None:
        self.size += size
        for address in addresses:
            self.last[address] = self.size
            self.waiting[address] += 1


def addresses_of(line: bytes) -> list[str]:
    """Where a line goes; empty when it is torn or not ours."""
    if not line.startswith(_TO):
        return []
    try:
        value, _ = _scan(line[len(_TO) :].decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return []
    return [a for a in value if isinstance(a, str)] if isinstance(value, list) else []


class Folder:
    """One process's part of the journal, read from disk. Thread-safe."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self._guard = threading.Lock()
        self._segments: list[_Segment] = []
        self.lost: Counter[str] = Counter()
        """Address -> trees whose file somebody deleted."""

    @classmethod
    def load(cls, directory: Directory) -> Folder:
        """A folder that another process left.

        Raises:
            OSError: it cannot be read.
        """
        folder = cls(directory)
        for name in sorted(n for n in directory.names() if n.endswith(".jsonl")):
            if OWN_FILE.fullmatch(name):
                folder._segments.append(folder._load(_Segment(name)))
        return folder

    def _load(self, segment: _Segment) -> _Segment:
        done: dict[str, int] = {}
        for line in self.directory.read(segment.done_name).split(b"\n"):
            offset, _, name = line.partition(b" ")
            # Anything else in the file is no reason to hold up what it is about.
            if offset.isdigit() and len(offset) < 19:
                done[name.decode("utf-8", "replace")] = int(offset)
        for line in _lines(self._open(segment)):
            addresses = addresses_of(line)
            segment.add(len(line), addresses)
            for address in addresses:
                checked = segment.done.get(address)
                if checked is None:
                    checked = max(done.get(digest(address), 0), done.get(address, 0))
                    segment.done[address] = checked
                if segment.size <= checked:
                    segment.waiting[address] -= 1
        return segment

    @property
    def addresses(self) -> set[str]:
        """Addresses with something pending."""
        with self._guard:
            return {a for s in self._segments for a in s.last if s.pending(a)}

    def pending(self, address: str) -> bool:
        """Whether an address has something to come."""
        with self._guard:
            return any(segment.pending(address) for segment in self._segments)

    def waiting(self) -> Counter[str]:
        """Address -> how many trees are to come."""
        counts: Counter[str] = Counter()
        with self._guard:
            for segment in self._segments:
                counts += segment.left()
        return counts

    def count(self, address: str) -> int:
        """How many trees an address has to come."""
        with self._guard:
            return sum(s.waiting[address] for s in self._segments if s.pending(address))

    def first(self, address: str) -> bytes | None:
        """The line that an address waits for the longest."""
        batch = self.read(address, most=1)
        return batch.lines[0] if batch and batch.lines else None

    def take_lost(self) -> Counter[str]:
        """What was lost since this was last asked."""
        with self._guard:
            lost, self.lost = self.lost, Counter()
        return lost

    def read(self, address: str, most: int = BATCH) -> Batch | None:
        """The next lines for an address; None when there are none."""
        with self._guard:
            segment = next((s for s in self._segments if s.pending(address)), None)
            start = 0 if segment is None else segment.done.get(address, 0)
        return None if segment is None else self._read(segment, address, start, most)

    def check_off(self, address: str, batch: Batch) -> None:
        """The batch is delivered. A segment that nobody waits for any more goes.

        Raises:
            OSError: it cannot be written down; the batch may come again after a crash.
        """
        segment = batch.segment
        with self._guard:
            segment.done[address] = batch.end
            segment.waiting[address] -= len(batch.lines)
            finished = segment.finished and self._sealed(segment)
            if finished and segment in self._segments:
                self._segments.remove(segment)
        if finished:
            self._remove(segment)
        else:
            line = f"{batch.end} {digest(address)}\n"
            self.directory.append(segment.done_name, line.encode())

    def drop_oldest(self) -> Counter[str] | None:
        """Give up the oldest segment. Returns how many trees waited for whom; None: no segment."""
        with self._guard:
            segment = self._segments.pop(0) if self._segments else None
        if segment is None:
            return None
        self._remove(segment)
        return segment.left()

    def delete_files(self) -> None:
        """Delete what is ours in the folder; its lock must be held."""
        for name in self.directory.names():
            if OWN_FILE.fullmatch(name):
                self.directory.remove(name)

    def _sealed(self, segment: _Segment) -> bool:
        return True

    def _open(self, segment: _Segment) -> int:
        return self.directory.open_file(segment.name, os.O_RDONLY)

    def _remove(self, segment: _Segment) -> None:
        self.directory.remove(segment.name)
        self.directory.remove(segment.done_name)

    def _read(self, segment: _Segment, address: str, start: int, most: int) -> Batch | None:
        lines: list[bytes] = []
        end, size = start, 0
        try:
            for line in _lines(self._open(segment), start):
                end += len(line)
                if address in addresses_of(line):
                    lines.append(line)
                    size += len(line)
                if len(lines) >= most or size >= _READ_BYTES:
                    break
        except FileNotFoundError:
            self._gone(segment)
            return None
        return Batch(lines, segment, end)

    def _gone(self, segment: _Segment) -> None:
        """Somebody deleted the file: what waited in it is lost, and is counted so."""
        with self._guard:
            if segment in self._segments:  # else it was given up, to keep the spool in its bounds
                self._segments.remove(segment)
                self.lost += segment.left()


class OwnFolder(Folder):
    """This process's folder: appends to it.

    Raises:
        OSError: it cannot be made, or its file system has no locks.
    """

    def __init__(self, base: Directory) -> None:
        self.name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        super().__init__(base.sub(self.name, make=True))
        self._lock = FileLock(lambda: self.directory.open_file(LOCK, os.O_RDWR | os.O_CREAT))
        try:
            self._lock.try_acquire()
            # Before it has the marker or the lock, no other process takes the folder for ours.
            self.directory.append(MARKER, f'{{"format":{FORMAT}}}\n'.encode())
        except OSError:
            self.delete_files()
            base.remove_sub(self.name)
            self.abandon()
            raise

    _fd: int | None = None
    _number = 0

    def append(self, pieces: Iterable[bytes], addresses: Iterable[str]) -> bool:
        """One line, in pieces where it is long. Returns whether a new segment was begun.

        Raises:
            OSError: no space, no right, no folder; nothing is left half written.
        """
        with self._guard:
            begun = self._fd is None or self._segments[-1].size >= SEGMENT_BYTES
            if begun:
                self._begin()
            fd, segment = self._fd, self._segments[-1]
            assert fd is not None  # noqa: S101
            written, whole = 0, False
            try:
                for piece in pieces:
                    written += _write(fd, piece)
                whole = True
            finally:  # after a keyboard interrupt as well: half a line spoils the next one
                if not whole:
                    os.ftruncate(fd, segment.size)
            segment.add(written, addresses)
        return begun

    def close(self) -> None:
        """Let go of the folder: what waits in it is anybody's."""
        with self._guard:
            self._close_file()
        self._lock.close()
        self.directory.close()

    def abandon(self) -> None:
        """In a forked child: the folder stays the parent's."""
        self._close_file()
        self._lock.close()
        self.directory.close()

    def drop_oldest(self) -> Counter[str] | None:
        """Give up the oldest segment, also when it is the one being written."""
        with self._guard:
            if len(self._segments) == 1:
                self._close_file()
        return super().drop_oldest()

    def _gone(self, segment: _Segment) -> None:
        with self._guard:
            if self._segments and segment is self._segments[-1]:
                self._close_file()  # what is written to it now, nobody finds
        super()._gone(segment)

    def _begin(self) -> None:
        self._close_file()
        name = f"{self._number + 1:06d}.jsonl"
        self._fd = self.directory.open_file(
            name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        )
        self._number += 1
        done = [s for s in self._segments if s.finished]
        self._segments = [s for s in self._segments if not s.finished]
        self._segments.append(_Segment(name))
        for segment in done:
            self._remove(segment)

    def _close_file(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _sealed(self, segment: _Segment) -> bool:
        # The one being written stays, unless it is so large that the next line opens another.
        return segment is not self._segments[-1] if self._segments else True


def _write(fd: int, data: bytes) -> int:
    written = os.write(fd, data)
    if written != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return written


def _lines(fd: int, start: int = 0) -> Iterator[bytes]:
    """Whole lines: a torn last one belongs to a callback that never returned."""
    with os.fdopen(fd, "rb") as file:
        file.seek(start)
        for line in file:
            if line.endswith(b"\n"):
                yield line
