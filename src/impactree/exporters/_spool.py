"""The spool: one per process; a journal in front, a lane per destination behind."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from impactree.exceptions import ConfigurationError
from impactree.exporters._codec import encode
from impactree.exporters._errors import reason
from impactree.exporters._journal import Folder, OwnFolder, folders, leftover
from impactree.exporters._lane import Lane

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from impactree.exporters._base import SpooledExporter
    from impactree.exporters._codec import ZoneOf
    from impactree.runs import Run

__all__ = ["FLUSH_S", "Spool", "spool", "spool_folder"]

_log: Final = logging.getLogger("impactree")
FLUSH_S: Final = 30.0
"""What a flush without a timeout waits, s."""
_EXIT_FLUSH_S: Final = 2.0
_MAX_MB: Final = 256
_RETRY_JOURNAL_S: Final = 5.0


def spool_folder() -> Path:
    """Where journals lie: ``IMPACTREE_SPOOL_DIR``, else the user's state folder."""
    chosen = os.environ.get("IMPACTREE_SPOOL_DIR")
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_state_path("impactree", appauthor=False) / "spool"


class Spool:
    """Takes finished trees in, and brings them to their destinations in the background.

    Args:
        base: The folder that all processes of this user share.
        max_bytes: Bound on the folder's size; beyond it the oldest trees are given up.
    """

    def __init__(self, base: Path, *, max_bytes: int = _MAX_MB * 2**20) -> None:
        self.base = base
        self.own: OwnFolder | None = None
        self.dropped = 0
        """Trees given up to keep the folder in its bound."""
        self._max_bytes = max_bytes
        self._full = False
        self._lanes: dict[str, Lane] = {}
        self._lock = threading.Lock()
        self.replaying: set[Path] = set()
        """Dead processes' folders that a lane of this process is busy with."""
        self._journal_broken_at: float | None = None

    def put(
        self,
        root: Run,
        method: str,
        exporters: Iterable[SpooledExporter],
        zone_of: ZoneOf = lambda call: call.zone,
    ) -> None:
        """Append a finished tree to the journal, once, and wake the lanes it goes to."""
        lanes, notes = [], {}
        failed: Exception | None = None
        for exporter in exporters:
            lane = self._lane(exporter)
            lanes.append(lane)
            try:
                # The lane's own exporter may be another one for the same destination.
                noted = exporter.notes(root)
            except Exception as error:  # raised when the others have their tree
                noted, failed = None, error
            if noted:
                notes[lane.destination] = dict(noted)
        destinations = [lane.destination for lane in lanes]
        line = encode(root, method, destinations, notes, zone_of)
        if not self._write(line, destinations):
            for lane in lanes:
                lane.memory.append(line)
        for lane in lanes:
            lane.wake()
        if failed is not None:
            raise failed

    def flush(
        self, timeout: float | None = None, exporters: Iterable[SpooledExporter] | None = None
    ) -> bool:
        """Try everything pending at once; True when nothing is left within ``timeout`` s."""
        deadline = time.monotonic() + (FLUSH_S if timeout is None else timeout)
        asked = (
            list(self._lanes.values())
            if exporters is None
            else [self._lane(exporter) for exporter in exporters]
        )
        tickets = [lane.ask() for lane in asked]
        done = [lane.wait(t, deadline) for lane, t in zip(asked, tickets, strict=True)]
        return all(done)

    def rest(self, timeout_s: float, exporters: Iterable[SpooledExporter]) -> None:
        """End these exporters' threads and connections; the next tree starts them again."""
        deadline = time.monotonic() + timeout_s
        for exporter in exporters:
            lane = self._lanes.get(exporter.destination)
            if lane is not None:
                lane.stop(max(0.1, deadline - time.monotonic()), for_good=False)

    def claim(self, path: Path) -> bool:
        """One lane at a time looks at a folder: to another one its lock looks like an owner's."""
        with self._lock:
            if path in self.replaying:
                return False
            self.replaying.add(path)
            return True

    def close(self, timeout_s: float = _EXIT_FLUSH_S) -> None:
        """Deliver for up to ``timeout_s`` s and stop; the rest waits on disk."""
        deadline = time.monotonic() + timeout_s
        drained = self.flush(timeout_s)
        for lane in self._lanes.values():
            lane.stop(max(0.1, deadline - time.monotonic()))
        if self.own is not None:
            try:
                self.own.close(remove=drained)
            except OSError as error:
                _log.debug("impactree: spool folder kept: %s", reason(error))
        self._lanes.clear()
        self.own = None

    def abandon(self) -> None:
        """In a forked child: everything here is the parent's."""
        if self.own is not None:
            self.own.abandon()
        for lane in self._lanes.values():
            lane.exporter.after_fork()

    def _lane(self, exporter: SpooledExporter) -> Lane:
        lane = self._lanes.get(exporter.destination)
        if lane is None:
            with self._lock:
                lane = self._lanes.setdefault(exporter.destination, Lane(self, exporter))
        lane.offer(exporter)
        return lane

    def _write(self, line: bytes, destinations: Sequence[str]) -> bool:
        """Into the journal; False when the disk does not take it."""
        broken = self._journal_broken_at
        if broken is not None and time.monotonic() - broken < _RETRY_JOURNAL_S:
            return False
        try:
            with self._lock:
                if self.own is None:
                    self.own = OwnFolder(self.base)
            if self.own.append(line, destinations):
                self._keep_bounds()
        except OSError as error:
            if broken is None:
                _log.warning(
                    "impactree: spool folder %s is not writable (%s); impacts are kept in memory "
                    "only (set IMPACTREE_SPOOL_DIR)",
                    self.base,
                    reason(error),
                )
            self._journal_broken_at = time.monotonic()
            return False
        self._journal_broken_at = None
        return True

    def _keep_bounds(self) -> None:
        """Give up the oldest trees while the folder is too large."""
        over = _size(self.base) - self._max_bytes
        for path in folders(self.base) if over > 0 else ():
            own = self.own if self.own is not None and path == self.own.path else None
            lock = None if own is not None else leftover(path)
            if own is None and lock is None:
                continue
            folder = own or Folder.load(path)
            while over > 0 and (dropped := folder.drop_oldest()):
                self.dropped += dropped
                over = _size(self.base) - self._max_bytes
            if lock is not None:
                lock.close()
        if self.dropped and not self._full:
            self._full = True
            _log.error(
                "impactree: the spool %s is full (%d MB); the oldest runs are given up",
                self.base,
                self._max_bytes >> 20,
            )


def _size(base: Path) -> int:
    total = 0
    for path in folders(base):
        try:
            total += sum(file.stat().st_size for file in path.iterdir())
        except OSError:  # another process removed it
            continue
    return total


_spool: Spool | None = None
_guard = threading.Lock()


def spool() -> Spool:
    """The process's spool; made on first use.

    Raises:
        ConfigurationError: ``IMPACTREE_SPOOL_MAX_MB`` is not a number >= 1.
    """
    global _spool
    if _spool is None:
        with _guard:
            if _spool is None:
                _spool = Spool(spool_folder(), max_bytes=_max_bytes())
                atexit.register(_close)
    return _spool


def _max_bytes() -> int:
    text = os.environ.get("IMPACTREE_SPOOL_MAX_MB", str(_MAX_MB))
    if not text.isdigit() or int(text) < 1:
        raise ConfigurationError(
            f"IMPACTREE_SPOOL_MAX_MB must be a whole number >= 1 (MB), not {text!r}"
        )
    return int(text) * 2**20


def _close() -> None:
    """At exit, and between tests: deliver what can be delivered, leave the rest on disk."""
    global _spool
    current, _spool = _spool, None
    if current is not None:
        atexit.unregister(_close)
        current.close()


def _after_fork() -> None:
    global _spool, _guard
    _guard = threading.Lock()
    current, _spool = _spool, None
    if current is not None:
        atexit.unregister(_close)
        current.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
