"""ImpactTracker: any framework's started and ended events become run trees with impacts.

Thread-safe and framework-free. One lock guards the maps; estimating happens outside it. Callbacks
on a hot path may leave their event with :meth:`ImpactTracker.later`, which takes no lock: events
are handled in order, in batches, and always before anything is read.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Unpack
from weakref import WeakSet

from impactree.exceptions import ConfigurationError
from impactree.runs.current import active_trackers, current_run_ids
from impactree.runs.trees import RunTrees

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.calls import ModelCall
    from impactree.delivery.counts import Health
    from impactree.delivery.dispatch import Dispatch
    from impactree.engine import Engine
    from impactree.engine.settings import EngineSettings
    from impactree.report import Report
    from impactree.runs import Exporter, Pending, Run, RunKind, RunStatus
    from impactree.values.impacts import Impacts

__all__ = ["ImpactTracker", "active_trackers"]

_log: Final = logging.getLogger("impactree")
_MAX_OPEN: Final = 100_000
_MAX_WAITING: Final = 256


class ImpactTracker:
    """Turns events into run trees, estimates each model call, and keeps totals.

    Args:
        max_runs: How many finished trees to keep (1000); totals go on counting beyond it.
        max_open: How many runs may be open at once; past it the oldest tree is closed.
        exporters: Where finished trees go.
        engine: A configured engine instead of ``settings``.
        **settings: ``zone``, ``method``, ``deployments``, ...: see
            :class:`impactree.engine.settings.EngineSettings`.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    def __init__(
        self,
        *,
        max_runs: int | None = None,
        max_open: int = _MAX_OPEN,
        exporters: Iterable[Exporter] = (),
        engine: Engine | None = None,
        **settings: Unpack[EngineSettings],
    ) -> None:
        if engine is None:
            from impactree.engine import shared_engine  # with the catalog's code: on first use

            engine = shared_engine(**settings)
        self.engine = engine
        if max_runs is None:
            max_runs = self.engine.settings.max_runs
        for name, bound in (("max_runs", max_runs), ("max_open", max_open)):
            if type(bound) is not int or bound < 1:
                raise ConfigurationError(f"{name} must be a whole number >= 1, not {bound!r}")
        self.exporters = _checked(exporters)
        self._dispatch = self._dispatcher() if self.exporters else None
        self._problems: dict[str, int] = {}
        # Reentrant: the collector may close a stream, which is an event, wherever it runs.
        self._lock = threading.RLock()
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._catching_up = threading.RLock()
        self._busy_thread: int | None = None
        self._here = threading.local()  # with exporters: events of the calling thread
        self.trees = RunTrees(self._impacts_of, max_runs, max_open, self.note_problem)
        """The trees themselves: what handles the events left with :meth:`later` speaks to them."""
        _guard_against_forks().add(self)
        if self._dispatch is not None:
            self.trees.run_ended = self._dispatch.run_ended
            self.trees.root_finished = self._dispatch.export

    # Events

    def later(self, event: tuple[Any, ...], *, idle: bool = False) -> None:
        """Leave an event to be handled soon: costs a fraction of handling it in place.

        The event is a function and its arguments, one flat tuple: whatever waits is work for the
        garbage collector. It is handled before anything is read from this tracker, before any
        event that is handled in place, and after at most 256 others. Where there are exporters it
        is handled at once, in the caller's thread and context: what has ended is in the journal,
        and what exporters look at (the active span) is the caller's. What it raises is counted as
        a problem. Events keep their order.

        Args:
            event: What to call, with what.
            idle: Only leave it, exporters or not: for finalizers, which run anywhere.
        """
        if self._dispatch is not None and not idle:
            if self._waiting:
                self.catch_up(wait=False)
            self._handle_here(event)
            return
        self._waiting.append(event)
        if not idle and len(self._waiting) >= _MAX_WAITING:
            # No convoy: whoever is at it takes these too, or the next one does, up to a bound.
            self.catch_up(wait=len(self._waiting) >= 50 * _MAX_WAITING)

    def catch_up(self, *, wait: bool = True) -> None:
        """Handle the events that wait now (within an event's handling: none).

        Args:
            wait: Wait for a thread that is at it; else leave it to that thread and the next one.
        """
        if not self._waiting and self._busy_thread is None:
            return
        if self._busy_thread == threading.get_ident() or not self._catching_up.acquire(wait):
            return
        try:
            self._busy_thread = threading.get_ident()
            for _ in range(len(self._waiting)):  # not until empty: others may keep adding
                event = self._waiting.popleft()
                try:
                    event[0](*event[1:])
                except Exception as error:
                    self.note_problem(f"{event[0].__name__}: {type(error).__name__}", error)
                except BaseException:  # a keyboard interrupt: handled again, nothing counts twice
                    self._waiting.appendleft(event)
                    raise
        finally:
            self._busy_thread = None
            self._catching_up.release()

    def start(
        self,
        run_id: Any,
        parent_id: Any = None,
        *,
        name: str,
        kind: RunKind = "chain",
        tags: Iterable[str] = (),
        metadata: dict[str, Any] | None = None,
        start: float | None = None,
        pending: Pending | None = None,
    ) -> Run:
        """A run has started. An open id is returned as it is, an ended one starts anew.

        A parent that is unknown makes the run a root. ``pending`` says what the run has produced
        if it never ends.
        """
        self.catch_up()
        return self.trees.start(run_id, parent_id, name, kind, tags, metadata, start, pending)

    def end(
        self,
        run_id: Any,
        *,
        status: RunStatus = "ok",
        call: ModelCall | None = None,
        cached: bool = False,
        end: float | None = None,
    ) -> Run | None:
        """A run has ended, perhaps with a model call. Late, repeated and unknown ends are safe.

        Returns:
            The run; None when its id was never started or has ended before.
        """
        now = time.time() if end is None else end
        self.catch_up()
        return self.trees.end(run_id, status, call, cached, now)

    def record(self, call: ModelCall, parent_id: Any = None, *, name: str | None = None) -> Run:
        """Add a call made outside the frameworks.

        It hangs under ``parent_id``, else under the framework's run that the current code is part
        of (a raw SDK call inside a tool), else it is a root of its own.
        """
        self.catch_up()
        run_id = uuid.uuid4()
        if parent_id is None:
            parent_id = next(filter(self.trees.find, current_run_ids()), None)
        run = self.start(run_id, parent_id, name=name or call.model, kind=call.kind)
        self.end(run_id, call=call)
        return run

    def alias(self, run_id: Any, parent_id: Any) -> None:
        """A unit of work that shall not show: what starts under it hangs under its parent.

        Held until :meth:`forget_alias`; :meth:`find` then gives the parent's run.
        """
        self.catch_up()
        self.trees.alias(run_id, parent_id)

    def forget_alias(self, run_id: Any) -> None:
        """The end of what :meth:`alias` announced; the id of a real run is left alone."""
        self.catch_up()
        self.trees.forget_alias(run_id)

    # State

    def find(self, run_id: Any) -> Run | None:
        """An open or lately closed run by its id."""
        self.catch_up()
        return self.trees.find(run_id)

    @property
    def runs(self) -> list[Run]:
        """The finished roots that are kept, oldest first."""
        self.catch_up()
        return self.trees.finished()

    @property
    def open_roots(self) -> list[Run]:
        """The roots that are running."""
        self.catch_up()
        return self.trees.open_roots()

    @property
    def last_run(self) -> Run | None:
        """The root that finished last."""
        self.catch_up()
        return self.trees.last()

    @property
    def total(self) -> Impacts:
        """Impacts of all calls ever, those of running and of no longer kept trees included."""
        self.catch_up()
        return self.trees.total()

    @property
    def problems(self) -> dict[str, int]:
        """What went wrong inside, by name, and how often."""
        self.catch_up()
        with self._lock:
            found = dict(self._problems)
        return found if self._dispatch is None else found | self._dispatch.problems()

    @property
    def finished_runs(self) -> int:
        """Finished roots ever, those no longer kept included."""
        self.catch_up()
        return self.trees.finished_runs

    def report(self) -> Report:
        """A report over the finished roots that are kept."""
        from impactree.report import Report

        return Report.of(self)

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what exporters hold; True when nothing is left, nor was lost since the last."""
        self.catch_up()
        return self._dispatch is None or self._dispatch.flush(timeout)

    def health(self) -> dict[str, Health]:
        """By destination (and whom it goes as), how the delivery goes: for a health check.

        Counted are this process's trees: ``pending``, ``delivered``, ``dropped`` (lost),
        ``set_aside``, ``oldest_s`` (of those pending, s), ``last_success`` (Unix time, s) and
        ``failing``, the reason of the last failure, or None.
        """
        self.catch_up()
        return {} if self._dispatch is None else self._dispatch.health()

    def close(self, timeout: float | None = None) -> bool:
        """Flush for up to ``timeout`` s, then end the exporters' threads and connections.

        What is left waits on disk for the next process. Runs that end later are still exported:
        they start all that again.

        Returns:
            True when nothing is left.
        """
        self.catch_up()
        return self._dispatch is None or self._dispatch.close(timeout)

    def note_problem(self, name: str, error: BaseException | None = None) -> None:
        """Count something that went wrong inside; logged the first time."""
        if self._note(name) == 1:
            _log.warning(
                "impactree: %s; impacts may be incomplete, the chain is unaffected",
                name,
                exc_info=error,
            )

    # Inside

    def _handle_here(self, event: tuple[Any, ...]) -> None:
        """Handle an event now; one that comes up within the handling (a collected stream) next."""
        events = self._here.__dict__.setdefault("events", deque())
        events.append(event)
        if len(events) == 1:
            while events:
                event = events[0]
                try:
                    event[0](*event[1:])
                except Exception as error:
                    self.note_problem(f"{event[0].__name__}: {type(error).__name__}", error)
                finally:
                    events.popleft()

    def _unlock(self) -> None:
        """In a forked child: the threads that held a lock are not there."""
        self._lock, self._catching_up = threading.RLock(), threading.RLock()
        self._busy_thread = None
        self.trees.unlock()

    def _note(self, name: str) -> int:
        with self._lock:
            count = self._problems[name] = self._problems.get(name, 0) + 1
        return count

    def _impacts_of(self, call: ModelCall) -> Impacts:
        return self.engine.estimate(call)  # looked up each time: a test or a user may replace it

    def _dispatcher(self) -> Dispatch:
        from impactree.delivery.dispatch import Dispatch

        return Dispatch(self.exporters, self.engine, self.note_problem)


def _checked(exporters: Iterable[Exporter]) -> tuple[Exporter, ...]:
    """What else would be noticed only when the first root ends, and spoil all its exports."""
    lone = not hasattr(exporters, "__iter__")
    listed = () if lone else tuple(exporters)
    wrong: list[object] = [e for e in listed if isinstance(e, type) or not hasattr(e, "export")]
    if lone or wrong:
        raise ConfigurationError(
            "exporters takes a list of exporters, such as [JSONLExporter('impacts.jsonl')], "
            f"not {wrong[0] if wrong else exporters!r:.80}"
        )
    return listed


@cache
def _guard_against_forks() -> WeakSet[ImpactTracker]:
    """The trackers whose locks a forked child renews."""
    trackers: WeakSet[ImpactTracker] = WeakSet()

    def renew() -> None:
        for tracker in trackers:
            tracker._unlock()

    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=renew)
    return trackers
