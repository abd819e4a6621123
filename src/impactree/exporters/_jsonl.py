"""JSON Lines: a line per finished root, with its tree, in files that rotate."""

from __future__ import annotations

import errno
import json
import os
import re
from collections import deque
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
        fd = lock.fd
        assert fd is not None  # noqa: S101
        size = _without_torn_line(fd)
        for tree in in_turns(tuple(waiting)):
            end = _written(fd, size, tree)
            if end > self._max_bytes and size:
                os.ftruncate(fd, size)  # it goes into the next file, whole
                self._rotate()
                return
            size = end
            waiting.popleft()

    def _rotate(self) -> None:
        for number in range(self._backups - 1, 0, -1):
            if self._backup(number).exists():
                self._backup(number).replace(self._backup(number + 1))
        self.path.replace(self._backup(1))

    def _backup(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _written(fd: int, size: int, tree: Tree) -> int:
    """Add a tree's line to a file of a size. Returns its new size.

    Raises:
        OSError: no space; the file is as it was.
    """
    whole, end = False, size
    try:
        for piece in _pieces(tree):
            end += len(piece)
            if os.write(fd, piece) != len(piece):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        whole = True
    finally:
        if not whole:
            os.ftruncate(fd, size)
    return end


def _pieces(tree: Tree) -> Iterator[bytes]:
    """A tree as one JSON object: the root's totals, and all runs under it.

    In pieces: the line of a large tree is never in memory as a whole.
    """
    root, total = tree.root, tree.root.total
    shown = total.to_dict()
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
        "total": shown,
        "credits": credits_for([tree]),
        "runs": [],
    }
    data = json_bytes(head)[: -len(b"]}")]
    for number, run in enumerate(in_turns(root.walk())):
        data += (b"," if number else b"") + json_bytes(_run(run, total, shown))
        if len(data) > _PIECE:
            yield data
            data = b""
    yield data + b"]}\n"


def _run(run: Run, total: Impacts, shown: dict[str, Any]) -> dict[str, Any]:
    """A run; where its call is the root's only one, its impacts are the total, and shown so."""
    out: dict[str, Any] = {
        "id": run.id,
        "parent_id": run.parent_id,
        "name": run.name,
        "kind": run.kind,
        "status": run.status,
        "start": run.start,
        "end": run.end,
        **{label: getattr(run, label) for label in LABELS},
        "tags": list(run.tags),
        "metadata": dict(run.metadata),
    }
    call = run.call
    if call is not None:
        fields = ("provider", "model", "kind", "zone", "latency_s", "tokens_source")
        tokens = ("input", "output", "cached_input", "cache_write", "reasoning")
        out["cached"] = run.cached
        out["call"] = {name: getattr(call, name) for name in fields}
        out["call"] |= {f"{name}_tokens": getattr(call, f"{name}_tokens") for name in tokens}
        if call.media is not None:
            out["call"] |= call.media.known()
        if call.energy is not None:
            out["call"] |= call.energy.to_dict()
        own = run.own
        out["impacts"] = shown if own is total else None if own is None else own.to_dict()
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
