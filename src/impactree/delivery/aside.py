"""Runs that their destination will not take, and lines of a newer version: kept, and listed.

One file for the whole spool, a line per run: where it was to go, why it did not, and the journal's
line as it was. ``impactree spool retry`` sends them again; lines of a newer version go out by
themselves once a version reads them that knows their format.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.delivery.journal import LOCK, MARKER
from impactree.delivery.locks import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impactree.delivery.directory import Directory

__all__ = ["Aside", "Kept"]

_FOLDER: Final = "aside"
_FILE: Final = "kept.jsonl"
_DRAFT: Final = "kept.part"
_MAX_BYTES: Final = 64 * 2**20
_WAIT_S: Final = 5.0


class Kept(NamedTuple):
    """A run that was set aside."""

    address: str
    why: str
    at: float
    """Unix time, s."""
    newer: int | None
    """The format of a line that this version does not read; None: the destination refused it."""
    line: bytes


class Aside:
    """What is set aside in a spool.

    Args:
        base: The spool's folder.
    """

    def __init__(self, base: Directory) -> None:
        self._base = base

    def put(self, kept: Kept) -> None:
        """Keep a run.

        Raises:
            OSError: no space, no right, or as much as is kept at most.
        """
        with self._locked(make=True) as folder:
            assert folder is not None  # noqa: S101
            if _FILE in folder.names() and folder.status(_FILE).st_size > _MAX_BYTES:
                raise OSError(27, f"more than {_MAX_BYTES >> 20} MB are set aside")  # EFBIG
            folder.append(_FILE, _encoded(kept))

    def list(self) -> list[Kept]:
        """All of it, oldest first.

        Raises:
            OSError: it cannot be read.
        """
        with self._locked() as folder:
            return [] if folder is None else _read(folder)

    def take(self, wanted: Callable[[Kept], bool], use: Callable[[Kept], None]) -> int:
        """Use some of it, and keep the others. Returns how many were used.

        Raises:
            OSError: it cannot be read or written.
        """
        with self._locked() as folder:
            found = [] if folder is None else _read(folder)
            used = [kept for kept in found if wanted(kept)]
            for kept in used:
                use(kept)
            if used and folder is not None:
                folder.remove(_DRAFT)
                folder.append(_DRAFT, b"".join(_encoded(k) for k in found if k not in used))
                folder.replace(_DRAFT, _FILE)
        return len(used)

    def holds_newer(self) -> bool:
        """Whether there may be lines of a newer version: cheap, to ask before a :meth:`take`."""
        try:
            with self._locked() as folder:
                return folder is not None and b'"newer":' in folder.read(_FILE)
        except OSError:
            return False

    @contextmanager
    def _locked(self, *, make: bool = False) -> Iterator[Directory | None]:
        """The folder, to oneself; None where there is none."""
        try:
            folder = self._base.sub(_FOLDER)
        except FileNotFoundError:
            if not make:
                yield None
                return
            folder = self._made()
        lock = FileLock(lambda: folder.open_file(LOCK, os.O_RDWR | os.O_CREAT))
        deadline = time.monotonic() + _WAIT_S
        try:
            while not lock.try_acquire():
                if time.monotonic() > deadline:
                    raise TimeoutError(110, "another process keeps the set-aside runs locked")
                time.sleep(0.01)
            yield folder
        finally:
            lock.close()
            folder.close()

    def _made(self) -> Directory:
        try:
            folder = self._base.sub(_FOLDER, make=True)
        except FileExistsError:  # another process was quicker
            return self._base.sub(_FOLDER)
        folder.append(MARKER, b"")
        return folder


def _read(folder: Directory) -> list[Kept]:
    found = []
    for line in folder.read(_FILE).split(b"\n"):
        try:
            fields: dict[str, Any] = json.loads(line)
            found.append(
                Kept(
                    str(fields["to"]),
                    str(fields["why"]),
                    float(fields["at"]),
                    fields.get("newer"),
                    str(fields["line"]).encode("utf-8", "surrogateescape"),
                )
            )
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # torn by a full disk: there is nothing to read in it
    return found


def _encoded(kept: Kept) -> bytes:
    fields: dict[str, Any] = {"to": kept.address, "why": kept.why, "at": kept.at}
    if kept.newer is not None:
        fields["newer"] = kept.newer
    fields["line"] = kept.line.decode("utf-8", "surrogateescape")
    return json.dumps(fields).encode() + b"\n"
