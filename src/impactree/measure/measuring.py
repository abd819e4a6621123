"""What is measured in this process: one meter, one ledger, and a thread that reads now and then."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from impactree.loops import ahead, off_loop, on_loop
from impactree.measure.ledger import Claim, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.measure.meter import Meter

__all__ = ["SAMPLED_EVERY_S", "Measuring", "shared_measuring"]

SAMPLED_EVERY_S: Final = 1.0
"""As CodeCarbon does: for load and power, which are no counters, and counters that wrap."""
_RESTS_AFTER: Final = 10
"""Readings without an open call, after which the thread ends; the next call starts it again."""


class Measuring:
    """A ledger whose calls several trackers may follow: a run that two see is one call.

    Args:
        meter: What is read.
        baseline_w: Power of the idle machine, W.
    """

    def __init__(self, meter: Meter, baseline_w: float = 0.0) -> None:
        self.ledger = Ledger(meter, baseline_w=baseline_w, note=self._note)
        self.ready = False
        """Whether the meter has started."""
        self.failed: str | None = None
        """Why it has not."""
        self.notes: WeakSet[Any] = WeakSet()
        """The trackers that are told what went wrong."""
        self._lock = threading.RLock()
        self._claims: dict[Any, list[Any]] = {}  # by run: the claim, and how many hold it
        self._thread: threading.Thread | None = None
        self._again = False
        """Whether it had started before a fork."""
        _in_process.add(self)

    def start(self) -> None:
        """Start the meter: at once, on an event loop in the background."""
        if not self.ready:
            ahead(self._start)
            if not on_loop():
                self._start()

    def _start(self) -> None:
        with self._lock:
            if self.ready or self.failed:
                return
            try:
                self.ledger.start()
                self.ready = True
            except Exception as error:
                self.failed = f"{type(error).__name__}: {error}"
                self._note(f"energy meter: {type(error).__name__}", error)

    def open(self, key: Any) -> Claim | None:
        """A call of a run starts; None: the meter is not ready."""
        if self._again:
            self._again = False
            off_loop(self._start)
        if not self.ready:
            return None
        with self._lock:
            held = self._claims.get(key)
            if held is None:
                held = self._claims[key] = [self.ledger.open(), 0]
            held[1] += 1
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._sample, name="impactree-meter", daemon=True
                )
                self._thread.start()
            claim: Claim = held[0]
            return claim

    def stop(self, claim: Claim) -> None:
        """It has ended; what it was is said next."""
        self.ledger.stop(claim)

    def close(self, key: Any, claim: Claim, tokens: float | None) -> bool:
        """It has ended; whether its share is final."""
        self._let_go(key)
        return self.ledger.close(claim, tokens)

    def cancel(self, key: Any, claim: Claim) -> None:
        """It did not run here, or nobody will tell of its end."""
        if self._let_go(key):
            self.ledger.cancel(claim)

    def _let_go(self, key: Any) -> bool:
        """One of those that follow a run is done with it; whether it was the last."""
        with self._lock:
            held = self._claims.get(key)
            if held is None:
                return True
            held[1] -= 1
            if held[1] <= 0:
                del self._claims[key]
            return bool(held[1] <= 0)

    def _sample(self) -> None:
        rests, wait = 0, threading.Event().wait
        while rests < _RESTS_AFTER:
            wait(SAMPLED_EVERY_S)
            if self._thread is not threading.current_thread():
                return
            rests = rests + 1 if self.ledger.idle else 0
            self.ledger.tick()

    def _note(self, name: str, error: BaseException | None = None) -> None:
        for tracker in list(self.notes):
            tracker.note_problem(name, error)

    def _renew(self) -> None:
        """In a forked child: thread, locks and open calls are the parent's.

        The meter starts again with the next call: here, any lock may be held by nobody.
        """
        self._lock, self._thread, self._claims = threading.RLock(), None, {}
        self._again, self.ready = self._again or self.ready, False
        self.ledger.renew()


_in_process: Final[WeakSet[Measuring]] = WeakSet()
_shared: dict[float, Measuring] = {}
_making: Final = threading.Lock()


def shared_measuring(baseline_w: float, make: Callable[[], Meter]) -> Measuring:
    """The process's own: what several trackers measure is shared among all their calls."""
    with _making:
        found = _shared.get(baseline_w)
        if found is None:
            found = _shared[baseline_w] = Measuring(make(), baseline_w)
        return found


def _renew_all() -> None:
    for measuring in list(_in_process):
        measuring._renew()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_all)
