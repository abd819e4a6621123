"""What became of the trees of one address, in this process."""

from __future__ import annotations

import logging
import threading
import time
from typing import Final, TypedDict

from impactree.values.formatting import clean

__all__ = ["Counts", "Health"]

_log: Final = logging.getLogger("impactree")
_SAY_EVERY_S: Final = 60.0


class Health(TypedDict):
    """How the delivery to one destination goes."""

    pending: int
    """Trees of this process that wait, on disk and in memory."""
    delivered: int
    """Trees delivered by this process, those that dead processes left included."""
    dropped: int
    """Trees of this process that are lost."""
    set_aside: int
    """Trees that the destination did not take: kept, see ``impactree spool status``."""
    oldest_s: float | None
    """For how long the oldest pending tree has waited, s; None: nothing waits."""
    last_success: float | None
    """Unix time of the last delivery, s; None: there was none."""
    failing: str | None
    """Why the last attempt failed; None: it did not."""


class Counts:
    """Counts for one address. Thread-safe; what is lost is logged, at most once a minute."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.delivered = self.dropped = self.set_aside = 0
        self.last_success: float | None = None
        self.failing: str | None = None
        self._lock = threading.Lock()
        self._unsaid = self._unanswered = 0
        self._said_at: float | None = None
        self._why = ""

    def deliver(self, number: int) -> None:
        """So many have arrived."""
        with self._lock:
            self.delivered += number
            self.last_success = time.time()

    def drop(self, number: int, why: str) -> None:
        """So many are lost."""
        with self._lock:
            self.dropped += number
            self._unsaid += number
            self._unanswered += number
            self._why = why
        self.say()

    def say(self, *, last: bool = False) -> None:
        """Log what is lost and not logged yet: once a minute, and when it is the last chance."""
        with self._lock:
            now = time.monotonic()
            recent = self._said_at is not None and now - self._said_at < _SAY_EVERY_S
            if not self._unsaid or (recent and not last):
                return
            self._said_at, number, self._unsaid = now, self._unsaid, 0
            lost = "1 finished run is lost" if number == 1 else f"{number} finished runs are lost"
            in_all, why = self.dropped, self._why
        _log.error("impactree: %s: %s, %d in all: %s", clean(self.address), lost, in_all, why)

    def set_one_aside(self) -> bool:
        """One is kept for a look at it. Returns whether it is the first."""
        with self._lock:
            self.set_aside += 1
            return self.set_aside == 1

    def take_unanswered(self) -> int:
        """How many were lost since this was last asked: what a flush answers for."""
        with self._lock:
            number, self._unanswered = self._unanswered, 0
        return number
