"""JSON Lines: a line per finished root, with its tree, in files that rotate."""

from __future__ import annotations

import errno
import json
import os
import re
from collections import deque
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.delivery.codec import json_bytes
from impactree.delivery.exporter import SpooledExporter
from impactree.delivery.forks import held_off
from impactree.delivery.locks import FileLock, locked_file
from impactree.delivery.turns import in_turns
from impactree.exceptions import ConfigurationError
from impactree.runs import LABELS
from impactree.store.rows import credits_for
from impactree.values.impacts_text import ImpactsText

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set

    from impactree.delivery.codec import Tree, TreeKey
    from impactree.runs import Run
    from impactree.values.impacts import Impacts

__all__ = ["JSONLExporter"]

FORMAT: Final = 2
"""Of a line; 1 had no means, and did not say its format."""

_PIECE: Final = 2**20
MAX_BYTES: Final = 100 * 2**20
BACKUPS: Final = 10

_CALL: Final = (
    *("provider", "model", "kind", "zone", "latency_s", "tokens_source"),
    *("input_tokens", "output_tokens", "cached_input_tokens"),
    *("cache_write_tokens", "reasoning_tokens"),
)
_CALL_FIELDS: Final = attrgetter(*_CALL)
_KEY: Final = re.compile(rb'\{"id":("(?:[^"\\]|\\.)*"),"revision":(\d+),')
_START: Final = re.compile(rb'"start":([0-9.eE+-]+)')  # no text holds it: its quotes are escaped


class JSONLExporter(SpooledExporter):
    """Appends each finished root to a file, exactly once per (``id``, ``start``, ``revision``).

    A late end gives a further line with a higher ``revision``: readers keep the highest of each
    ``id`` and ``start``. Any
    number of processes may share the file. Full files become ``impacts.jsonl.1``, ``.2``, ...

    Args:
        path: The file; its folder must exist.
        max_bytes: Size at which the file rotates.
        backups: How many full files to keep beside the one being written.

    Several users may share a file that all of them may write: the file itself is the lock.

    Raises:
        ConfigurationError: a bound below 1.
    """

    def __init__(
        self, path: str | Path, *, max_bytes: int = MAX_BYTES, backups: int = BACKUPS
    ) -> None:
        for name, bound in (("max_bytes", max_bytes), ("backups", backups)):
            if type(bound) is not int or bound < 1:
                raise ConfigurationError(f"{name} must be a whole number >= 1, not {bound!r}")
        self.path = Path(path).absolute()
        self._max_bytes = max_bytes
        self._backups = backups
        self._destination = f"jsonl:{self.path}"
        self._text_of = ImpactsText(lambda value: json_bytes(value).decode())
        options = {"max_bytes": (max_bytes, MAX_BYTES), "backups": (backups, BACKUPS)}
        self._owner = {name: str(is_) for name, (is_, usual) in options.items() if is_ != usual}

    @property
    def destination(self) -> str:
        """``jsonl:`` and the path."""
        return self._destination

    @property
    def owner(self) -> Mapping[str, str]:
        """How the file rotates, where it is not the usual way."""
        return self._owner

    def deliver(self, trees: Sequence[Tree]) -> None:
        """Append the batch under the file's lock."""
        waiting = deque(trees)
        while waiting:
            with locked_file(self.path) as lock, held_off():
                self._append(lock, waiting)

    def delivered(self, keys: Set[TreeKey]) -> Set[TreeKey]:
        """Which keys the files hold already."""
        found = set()
        with locked_file(self.path), held_off():
            for path in (self.path, *map(self._backup, range(1, self._backups + 1))):
                if path.exists():
                    found.update(_keys_in(path) & keys)
        return found

    def _append(self, lock: FileLock, waiting: deque[Tree]) -> None:
        """What fits into the file; then the file rotates, and the rest goes to the next one."""
        assert lock.fd is not None  # noqa: S101
        file, whole = _File(lock.fd), False
        try:
            full = self._add(file, waiting)
            file.write()
            whole = True
        finally:  # it comes again as a whole
            if not whole:
                file.cut(file.begin)
        if full:
            self._rotate()

    def _add(self, file: _File, waiting: deque[Tree]) -> bool:
        """True: the next one does not fit."""
        for tree in in_turns(tuple(waiting)):
            before = file.size
            for piece in _pieces(tree, self._text_of):
                file.add(piece)
            if file.size > self._max_bytes and before:
                file.cut(before)  # it goes into the next file, whole
                return True
            waiting.popleft()
        return False

    def _rotate(self) -> None:
        for number in range(self._backups - 1, 0, -1):
            if self._backup(number).exists():
                self._backup(number).replace(self._backup(number + 1))
        self.path.replace(self._backup(1))

    def _backup(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


class _File:
    """An open file, and what is added to it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.begin = self._written = _without_torn_line(fd)
        self._buffer = bytearray()

    @property
    def size(self) -> int:
        """Bytes, with what is added."""
        return self._written + len(self._buffer)

    def add(self, data: bytes) -> None:
        """At its end; written as soon as that is worth it.

        Raises:
            OSError: no space.
        """
        self._buffer += data
        if len(self._buffer) > _PIECE:
            self.write()

    def write(self) -> None:
        """What is not written yet.

        Raises:
            OSError: no space.
        """
        if os.write(self._fd, self._buffer) != len(self._buffer):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written += len(self._buffer)
        self._buffer.clear()

    def cut(self, size: int) -> None:
        """Back to a size."""
        del self._buffer[max(0, size - self._written) :]
        self._written = min(self._written, size)
        os.ftruncate(self._fd, self._written)


def _pieces(tree: Tree, text_of: ImpactsText) -> Iterator[bytes]:
    """A tree as one JSON object: the root's totals, and all runs under it.

    In pieces: the line of a large tree is never in memory as a whole.
    """
    root = tree.root
    head = {
        "id": root.id,
        "revision": root.revision,
        "format": FORMAT,
        "method": tree.method,
        "name": root.name,
        "kind": root.kind,
        "status": root.status,
        "start": root.start,
        "end": root.end,
        "credits": credits_for([tree]),
    }
    yield json_bytes(head)[:-1] + _member("total", root.total, text_of) + b',"runs":['
    for number, run in enumerate(in_turns(root.walk())):
        data = json_bytes(_run(run))
        if run.call is not None:
            data = data[:-1] + _member("impacts", run.own, text_of) + b"}"
        yield b"," + data if number else data
    yield b"]}\n"


def _member(name: str, impacts: Impacts | None, text_of: ImpactsText) -> bytes:
    text = "null" if impacts is None else "".join(text_of(impacts))
    return f',"{name}":{text}'.encode()


def _run(run: Run) -> dict[str, Any]:
    """A run, without its impacts."""
    out: dict[str, Any] = {
        "id": run.id,
        "parent_id": run.parent_id,
        "name": run.name,
        "kind": run.kind,
        "status": run.status,
        "start": run.start,
        "end": run.end,
        **dict(zip(LABELS, map(run.labels.get, LABELS), strict=True)),
        "tags": run.tags,
        "metadata": dict(run.metadata),
    }
    call = run.call
    if call is not None:
        out["cached"] = run.cached
        out["call"] = dict(zip(_CALL, _CALL_FIELDS(call), strict=True))
        if call.media is not None:
            out["call"] |= call.media.known()
        if call.energy is not None:
            out["call"] |= call.energy.to_dict()
    return out


def _keys_in(path: Path) -> set[TreeKey]:
    keys = set()
    with path.open("rb") as file:
        for data in file:
            found = _KEY.match(data) if data.endswith(b"\n") else None
            start = _START.search(data)
            if found and start:
                keys.add((json.loads(found[1]), float(start[1]), int(found[2])))
    return keys


def _without_torn_line(fd: int) -> int:
    """Cut off what a killed writer left half written. Returns the size.

    Its tree was not checked off, so that it comes again.
    """
    size = os.fstat(fd).st_size
    end = size
    while end:
        start = max(0, end - 4096)
        os.lseek(fd, start, os.SEEK_SET)
        newline = os.read(fd, end - start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end != size:
        os.ftruncate(fd, end)
    return end
