"""JSON Lines: a line per finished root, with its tree, in files that rotate."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.exceptions import ConfigurationError
from impactree.exporters._base import SpooledExporter
from impactree.exporters._locks import held
from impactree.runs import LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from impactree.exporters._codec import Tree
    from impactree.runs import Run

__all__ = ["JSONLExporter"]

FORMAT: Final = 2
"""Of a line; 1 had no means, and did not say its format."""
_dumps: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

_KEY: Final = re.compile(rb'\{"id":("(?:[^"\\]|\\.)*"),"revision":(\d+),')


class JSONLExporter(SpooledExporter):
    """Appends each finished root to a file, exactly once per (``id``, ``revision``).

    A late end gives a further line with a higher ``revision``: readers keep the highest. Any
    number of processes may share the file. Full files become ``impacts.jsonl.1``, ``.2``, ...

    Args:
        path: The file; its folder must exist.
        max_bytes: Size at which the file rotates.
        backups: How many full files to keep beside the one being written.

    Raises:
        ConfigurationError: a bound below 1.
    """

    def __init__(
        self, path: str | Path, *, max_bytes: int = 100 * 2**20, backups: int = 10
    ) -> None:
        for name, bound in (("max_bytes", max_bytes), ("backups", backups)):
            if type(bound) is not int or bound < 1:
                raise ConfigurationError(f"{name} must be a whole number >= 1, not {bound!r}")
        self.path = Path(path).absolute()
        self._lock_path = self.path.with_name(f".{self.path.name}.lock")
        self._max_bytes = max_bytes
        self._backups = backups
        self._destination = f"jsonl:{self.path}"

    @property
    def destination(self) -> str:
        """``jsonl:`` and the path."""
        return self._destination

    def deliver(self, trees: Sequence[Tree]) -> None:
        """Append the batch under the file's lock."""
        with held(self._lock_path):
            self._append([(_dumps(line(tree)) + "\n").encode() for tree in trees])

    def delivered(self, keys: Set[tuple[str, int]]) -> Set[tuple[str, int]]:
        """Which keys the files hold already."""
        found = set()
        with held(self._lock_path):
            for path in (self.path, *map(self._backup, range(1, self._backups + 1))):
                if path.exists():
                    found.update(_keys_in(path) & keys)
        return found

    def _append(self, lines: list[bytes]) -> None:
        fd = self._open()
        try:
            size = _without_torn_line(fd)
            for data in lines:
                if size and size + len(data) > self._max_bytes:
                    os.close(fd)
                    fd = -1
                    self._rotate()
                    fd, size = self._open(), 0
                written = os.write(fd, data)
                if written != len(data):
                    os.ftruncate(fd, size)
                    raise OSError(28, os.strerror(28))  # ENOSPC
                size += written
        finally:
            if fd >= 0:
                os.close(fd)

    def _open(self) -> int:
        return os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)

    def _rotate(self) -> None:
        for number in range(self._backups - 1, 0, -1):
            if self._backup(number).exists():
                self._backup(number).replace(self._backup(number + 1))
        self.path.replace(self._backup(1))

    def _backup(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def line(tree: Tree) -> dict[str, Any]:
    """A tree as one JSON object: the root's totals, and all runs under it."""
    root = tree.root
    return {
        "id": root.id,
        "revision": root.revision,
        "format": FORMAT,
        "method": tree.method,
        "name": root.name,
        "kind": root.kind,
        "status": root.status,
        "start": root.start,
        "end": root.end,
        "total": root.total.to_dict(),
        "runs": [_run(run) for run in root.walk()],
    }


def _run(run: Run) -> dict[str, Any]:
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
        out["impacts"] = None if run.own is None else run.own.to_dict()
    return out


def _keys_in(path: Path) -> set[tuple[str, int]]:
    keys = set()
    with path.open("rb") as file:
        for data in file:
            found = _KEY.match(data) if data.endswith(b"\n") else None
            if found:
                keys.add((json.loads(found[1]), int(found[2])))
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
