"""The spool: one per process; a journal in front, a lane per destination behind."""

from __future__ import annotations

import atexit
import functools
import threading
import time
from typing import TYPE_CHECKING, Final

from impactree.delivery.address import Address, spool_folder
from impactree.delivery.codec import encode, ended_at
from impactree.delivery.counts import Counts, Health
from impactree.delivery.forks import around_forks
from impactree.delivery.house import House, max_bytes
from impactree.delivery.lane import Lane

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable
    from pathlib import Path

    from impactree.delivery.codec import ZoneOf
    from impactree.delivery.writer import Writer
    from impactree.runs import Run

__all__ = ["FLUSH_S", "Spool", "known_spool", "spool"]

FLUSH_S: Final = 30.0
"""What a flush without a timeout waits, s."""
_EXIT_FLUSH_S: Final = 2.0


class Spool:
    """Takes finished trees in, and brings them to their destinations in the background.

    Args:
        path: The folder that all processes of this user share; None: memory alone.
        bound: On the folder's size, bytes; beyond it the oldest trees are given up.
    """

    def __init__(self, path: Path | None, bound: int) -> None:
        self.house = House(path, bound, self._dropped)
        self._lanes: dict[str, Lane] = {}
        self._counts: dict[str, Counts] = {}
        self._lock = threading.Lock()

    def put(
        self,
        root: Run,
        method: str,
        writers: Iterable[Writer],
        zone_of: ZoneOf = lambda call: call.zone,
    ) -> None:
        """Append a finished tree to the journal, once, and wake the lanes it goes to."""
        lanes, notes = [], {}
        failed: Exception | None = None
        for writer in writers:
            lane = self._lane(writer)
            lanes.append(lane)
            try:
                # The lane's own exporter may be another one for the same address.
                noted = writer.notes(root)
            except Exception as error:  # raised when the others have their tree
                noted, failed = None, error
            if noted:
                notes[lane.address] = dict(noted)
        addresses = [lane.address for lane in lanes]
        pieces = encode(root, method, addresses, notes, zone_of)
        if not self.house.write(pieces, addresses):
            line = b"".join(pieces)
            for lane in lanes:
                lane.keep_in_memory(line)
        for lane in lanes:
            lane.wake()
        if failed is not None:
            raise failed

    def flush(self, timeout: float | None, writers: Iterable[Writer]) -> bool:
        """Try everything pending at once, for up to ``timeout`` s (None: 30).

        Returns:
            True when nothing is left, and nothing was lost since the last flush.
        """
        timeout = FLUSH_S if timeout is None else min(timeout, threading.TIMEOUT_MAX)
        deadline = time.monotonic() + timeout
        asked = [self._lane(writer) for writer in writers]
        tickets = [lane.ask() for lane in asked]
        done = [lane.wait(t, deadline) for lane, t in zip(asked, tickets, strict=True)]
        # What was handed over, an SDK may still have to send.
        settled = [
            lane.writer.settle(max(0.0, deadline - time.monotonic()))
            for lane, arrived in zip(asked, done, strict=True)
            if arrived
        ]
        self._count_lost_files()
        lost = [lane.counts.take_unanswered() for lane in asked]
        return all(done) and all(settled) and not any(lost)

    def rest(self, timeout_s: float, writers: Iterable[Writer]) -> None:
        """End these exporters' threads and connections; the next tree starts them again."""
        deadline = time.monotonic() + timeout_s
        for writer in writers:
            lane = self._lanes.get(_address_of(writer))
            if lane is not None:
                lane.stop(max(0.1, deadline - time.monotonic()), for_good=False)

    def close(self, timeout_s: float = _EXIT_FLUSH_S) -> None:
        """Deliver for up to ``timeout_s`` s and stop; the rest waits on disk."""
        deadline = time.monotonic() + timeout_s
        lanes = list(self._lanes.values())
        tickets = [lane.ask() for lane in lanes]
        for lane, ticket in zip(lanes, tickets, strict=True):
            lane.wait(ticket, deadline)
        for lane in lanes:
            lane.stop(max(0.1, deadline - time.monotonic()))
            if left := len(lane.memory):
                lane.counts.drop(left, "the process ends, and the spool takes none")
            lane.counts.say(last=True)
        self.house.close()
        self._lanes.clear()

    def health(self, writers: Iterable[Writer] | None = None) -> dict[str, Health]:
        """By address, how the delivery goes; of all addresses when none are given."""
        self._count_lost_files()
        addresses = list(self._counts) if writers is None else [_address_of(w) for w in writers]
        return {address: self._health(address) for address in addresses}

    def counts(self, address: str) -> Counts:
        """What became of an address's trees."""
        with self._lock:
            return self._counts.setdefault(address, Counts(address))

    def before_fork(self) -> None:
        """With all threads at rest: what a child must not find open."""
        for lane in list(self._lanes.values()):
            lane.writer.before_fork()

    def abandon(self) -> None:
        """In a forked child: everything here is the parent's."""
        self.house.abandon()
        for lane in self._lanes.values():
            lane.writer.after_fork()

    def _lane(self, writer: Writer) -> Lane:
        address = _address_of(writer)
        lane = self._lanes.get(address)
        if lane is None:
            counts = self.counts(address)
            with self._lock:
                lane = self._lanes.setdefault(address, Lane(address, writer, self.house, counts))
        lane.offer(writer)
        return lane

    def _health(self, address: str) -> Health:
        counts, lane, own = self.counts(address), self._lanes.get(address), self.house.own
        waiting = (own.count(address) if own else 0) + (len(lane.memory) if lane else 0)
        first = lane.memory.first() if lane else None
        if first is None and own and waiting:
            first = own.first(address)
        since = None if first is None else ended_at(first)
        return Health(
            pending=waiting,
            delivered=counts.delivered,
            dropped=counts.dropped,
            set_aside=counts.set_aside,
            oldest_s=None if since is None else max(0.0, time.time() - since),
            last_success=counts.last_success,
            failing=counts.failing,
        )

    def _dropped(self, lost: Counter[str], why: str) -> None:
        for address, number in lost.items():
            self.counts(address).drop(number, why)

    def _count_lost_files(self) -> None:
        own = self.house.own
        if own is not None:
            self._dropped(own.take_lost(), "their file in the spool was deleted")


def _address_of(writer: Writer) -> str:
    return _text(writer.destination, tuple(writer.owner.items()))


@functools.lru_cache(1024)
def _text(destination: str, owner: tuple[tuple[str, str], ...]) -> str:
    return str(Address(destination, dict(owner)))


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
                _spool = Spool(spool_folder(), max_bytes())
                atexit.register(_close)
    return _spool


def known_spool() -> Spool | None:
    """The process's spool, if anything went through it yet."""
    return _spool


def _close() -> None:
    """At exit, and between tests: deliver what can be delivered, leave the rest on disk."""
    global _spool
    current, _spool = _spool, None
    if current is not None:
        atexit.unregister(_close)
        current.close()


def _before_fork() -> None:
    if _spool is not None:
        _spool.before_fork()


def _in_child() -> None:
    global _spool, _guard
    _guard = threading.Lock()
    current, _spool = _spool, None
    if current is not None:
        atexit.unregister(_close)
        current.abandon()


around_forks(before=_before_fork, in_child=_in_child)
