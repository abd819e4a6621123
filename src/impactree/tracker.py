"""ImpactTracker: any framework's started and ended events become run trees with impacts.

Thread-safe and framework-free. One lock guards the maps; estimating happens outside it. An event
is handled where it happens, before its call returns. Only what a finalizer tells, which may run in
the midst of anything, waits for the next event or read.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from contextvars import copy_context
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack
from uuid import UUID

from impactree.exceptions import ConfigurationError
from impactree.loops import Worker, ahead, on_loop
from impactree.measure.tracking import KnowsEnergy
from impactree.reported import Reported
from impactree.runs.checking import checked_exporters, unlock_in_children
from impactree.runs.current import active_trackers, innermost
from impactree.runs.trees import RunTrees
from impactree.values.times import past_day

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from impactree.calls import ModelCall
    from impactree.delivery.counts import Health
    from impactree.delivery.dispatch import Dispatch
    from impactree.engine import Engine
    from impactree.engine.settings import TrackerSettings
    from impactree.runs import Exporter, Labels, Pending, Run, RunKind, RunStatus
    from impactree.values.impacts import Impacts

__all__ = ["ImpactTracker", "active_trackers"]

_log: Final = logging.getLogger("impactree")
_MAX_OPEN: Final = 100_000
_T = TypeVar("_T")


class ImpactTracker(KnowsEnergy, Reported):
    """Turns events into run trees, estimates each model call, and keeps totals.

    Args:
        max_runs: How many finished trees to keep (1000); totals go on counting beyond it.
        max_open: How many runs may be open at once; past it the oldest tree is closed.
        exporters: Where finished trees go.
        totals_by: Keys of :meth:`Report.by` (a tuple for several at once) whose groups go on
            counting what is no longer kept.
        engine: A configured engine instead of ``settings``.
        **settings: ``zone``, ``method``, ``deployments``, ...: see
            :class:`impactree.engine.settings.TrackerSettings`.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    def __init__(
        self,
        *,
        max_runs: int | None = None,
        max_open: int = _MAX_OPEN,
        exporters: Iterable[Exporter] = (),
        totals_by: Iterable[str | tuple[str, ...]] = (),
        engine: Engine | None = None,
        **settings: Unpack[TrackerSettings],
    ) -> None:
        measure = settings.pop("measure", None)
        if engine is None:
            from impactree.engine import shared_engine  # with the catalog's code: on first use

            engine = shared_engine(**settings)
        self.engine = engine
        ahead(lambda: self.engine.catalog)
        if max_runs is None:
            max_runs = self.engine.settings.max_runs
        for name, bound in (("max_runs", max_runs), ("max_open", max_open)):
            if type(bound) is not int or bound < 1:
                raise ConfigurationError(f"{name} must be a whole number >= 1, not {bound!r}")
        self.exporters = checked_exporters(exporters)
        self._dispatch = self._dispatcher() if self.exporters else None
        self._problems: dict[str, int] = {}
        # Reentrant: the collector may close a stream, which is an event, wherever it runs.
        self._lock = threading.RLock()
        self._left: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._handling_left = threading.Lock()
        self._busy: set[int] = set()  # threads that hand runs to exporters, or handle what was left
        self._worker = Worker()
        self._trees = RunTrees(self._impacts_of, max_runs, max_open, self.note_problem)
        self._count_older(totals_by)
        self.watch_energy(measure)
        unlock_in_children(self)
        if self._dispatch is not None:
            self._trees.run_ended = partial(self._hand_over, self._dispatch.run_ended)
            self._trees.root_finished = partial(self._hand_over, self._export)

    # Events

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
        labels: Labels | None = None,
    ) -> Run:
        """A run has started. An open id, or an ended one's own start, names the run that is there.

        Args:
            run_id: The framework's own id.
            parent_id: The run it is part of; one that is unknown makes this run a root.
            name: As it shall show.
            kind: What it is.
            tags: Labels of the user's.
            metadata: Plain values to keep with it.
            start: Unix time, s; None: now.
            pending: Asked what the run has produced, if it never ends.
            labels: What it works for (agent, node, step, thread, tool, user), where that is new
                with this run: what stands above it goes on being true.
        """
        if self._left:
            self._handle_left(wait=False)
        run = self._trees.start(
            run_id, parent_id, name, kind, tags, metadata, start, pending, labels
        )
        if self.measures and start is None:  # what has started before is told at its end alone
            self.measure_from(run)
        return run

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
        if end is None:
            end = time.time()
        if not self.knows_energy:
            return self._handle(self._trees.end, run_id, status, call, cached, end)
        call, claim = self.with_energy(call, self._trees.find(run_id), cached=cached)
        run = self._handle(self._trees.end, run_id, status, call, cached, end)
        if claim is not None and call is not None:
            self.settle_if_known(run_id, call, claim)
        return run

    def abandon(self, run_id: Any, *, end: float | None = None) -> None:
        """Nobody will end this run: close it with what it has produced; it may still end late."""
        self._handle(self._trees.abandon, run_id, time.time() if end is None else end)

    def let_go(self, run_id: Any) -> None:
        """As :meth:`abandon`, with the next event or read: for finalizers, which run anywhere."""
        self._leave(self._trees.abandon, run_id, time.time())

    def annotate(
        self,
        run_id: Any,
        *,
        kind: RunKind | None = None,
        metadata: dict[str, Any] | None = None,
        labels: Labels | None = None,
    ) -> None:
        """Something became known about a run after its start; an unknown id is left alone.

        Args:
            run_id: The run's.
            kind: What it has turned out to be.
            metadata: Plain values to keep, beside and instead of those that it has.
            labels: As in :meth:`start`; they hold for what has started under it, too.
        """
        self._handle(self._trees.annotate, run_id, kind, metadata or {}, labels or {})

    def record(self, call: ModelCall, parent_id: Any = None, *, name: str | None = None) -> Run:
        """Add a call made outside the frameworks, which has just ended.

        It hangs under ``parent_id``, else under the innermost run that the current code is part
        of (a raw SDK call inside a tool), else under the caller's in another process, if one was
        restored, else it is a root of its own.
        """
        run_id, now = uuid.uuid4(), time.time()
        if parent_id is None:
            parent_id = innermost(self, None)
        start = now - (call.latency_s or 0.0)
        run = self.start(run_id, parent_id, name=name or call.model, kind=call.kind, start=start)
        self.end(run_id, call=call, end=now)
        return run

    def alias(self, run_id: Any, parent_id: Any) -> None:
        """A unit of work that shall not show: what starts under it hangs under its parent.

        Held until its :meth:`end` or :meth:`forget_alias`; :meth:`find` then gives the parent's
        run.
        """
        self._trees.alias(run_id, parent_id)  # a name only: it may come up within an event

    def forget_alias(self, run_id: Any) -> None:
        """The end of what :meth:`alias` announced; the id of a real run is left alone."""
        self._trees.forget_alias(run_id)

    def release(self, run_id: Any) -> None:
        """Nobody will end an abandoned run late: let go of its ``pending``."""
        self._handle(self._trees.release, run_id)

    # State

    def find(self, run_id: Any) -> Run | None:
        """An open or lately closed run by its id."""
        if self._left:
            self._handle_left(wait=False)
        # As RunTrees.find: LlamaIndex's spans ask 30 times a query.
        return self._trees._runs.get(run_id.int if type(run_id) is UUID else run_id)

    @property
    def runs(self) -> list[Run]:
        """The finished roots that are kept, oldest first."""
        self._handle_left()
        return self._trees.finished()

    @property
    def open_roots(self) -> list[Run]:
        """The roots that are running."""
        self._handle_left()
        return self._trees.open_roots()

    @property
    def abandoned(self) -> list[Run]:
        """The runs that were closed while they were open and may still end late."""
        self._handle_left()
        return self._trees.abandoned()

    @property
    def last_run(self) -> Run | None:
        """The root that finished last."""
        self._handle_left()
        return self._trees.last()

    @property
    def total(self) -> Impacts:
        """Impacts of all calls ever, those of running and of no longer kept trees included."""
        self._handle_left()
        return self._trees.total()

    @property
    def problems(self) -> dict[str, int]:
        """What went wrong inside, by name, and how often."""
        self._handle_left()
        with self._lock:
            found = dict(self._problems)
        return found if self._dispatch is None else found | self._dispatch.problems()

    @property
    def finished_runs(self) -> int:
        """Finished roots ever, those no longer kept included."""
        self._handle_left()
        return self._trees.finished_runs

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what exporters hold; True when nothing is left, and none was lost meanwhile."""
        written, left = self._written(timeout)
        return self._dispatch is None or (self._dispatch.flush(left) and written)

    def health(self) -> dict[str, Health]:
        """How delivery goes, by destination: ``impactree.delivery.counts.Health``."""
        return self._dispatch.health() if self._dispatch else {}

    def close(self, timeout: float | None = None) -> bool:
        """Flush for up to ``timeout`` s, then end the exporters' threads and connections.

        What is left waits on disk for the next process. Runs that end later are still exported:
        they start all that again.

        Returns:
            True when nothing is left.
        """
        written, left = self._written(timeout)
        self._worker.rest()
        return self._dispatch is None or (self._dispatch.close(left) and written)

    def note_problem(self, name: str, error: BaseException | None = None) -> None:
        """Count something that went wrong inside; logged the first time."""
        with self._lock:
            count = self._problems[name] = self._problems.get(name, 0) + 1
        if count == 1:
            _log.warning(
                "impactree: %s; impacts may be incomplete, the chain is unaffected",
                name,
                exc_info=error,
            )

    # Inside

    def _handle(self, event: Callable[..., _T], *arguments: Any) -> _T:
        """Handle an event, after what was left; one that comes up within another is left, too."""
        if self._trees.held():  # the collector closes a stream
            self._leave(event, *arguments)
            return None  # type: ignore[return-value]  # of those that may
        if self._left:
            self._handle_left(wait=False)
        try:
            return event(*arguments)
        except Exception:
            raise
        except BaseException:  # interrupted from the keyboard: handled again, nothing counts twice
            self._leave(event, *arguments)
            raise

    def _leave(self, event: Callable[..., object], *arguments: Any) -> None:
        """Have an event handled before the next one, or before the next read."""
        self._left.append((event, arguments))

    def _handle_left(self, *, wait: bool = True) -> None:
        """Handle what was left, unless this is within an event.

        Args:
            wait: For a thread that is at it, so that its reader sees what was left before.
        """
        if not (self._left or self._handling_left.locked()):
            return
        here = get_ident()
        if here in self._busy or self._trees.held() or not self._handling_left.acquire(wait):
            return
        try:
            for _ in range(len(self._left)):  # not until empty: others may keep adding
                event, arguments = self._left[0]
                try:
                    event(*arguments)
                except Exception as error:
                    self.note_problem(f"{event.__name__}: {type(error).__name__}", error)
                self._left.popleft()
        finally:
            self._handling_left.release()

    def _hand_over(self, taker: Callable[[Run], None], run: Run) -> None:
        """Tell exporters of a run, one after another: they are not asked again meanwhile."""
        here, busy = get_ident(), self._busy
        if here in busy:
            self._leave(taker, run)
            return
        busy.add(here)
        try:
            taker(run)
        finally:
            busy.discard(here)
            if self._left:
                self._handle_left(wait=False)

    def _export(self, root: Run) -> None:
        """Hand a finished tree to the exporters: in place, but on an event loop by a worker."""
        waits = not on_loop()
        if self._dispatch is None:
            return
        if waits and not self._worker.busy:
            self._dispatch.export(root)
            return
        # Behind what is there, in this context: exporters look at the active span.
        self._worker.put(copy_context().run, self._dispatch.export, root)
        if waits:
            self._worker.wait(None)

    def _unlock(self) -> None:
        """In a forked child: the threads that held a lock are not there."""
        self._lock, self._handling_left, self._busy = threading.RLock(), threading.Lock(), set()
        self._trees.unlock()
        super()._unlock()

    def _written(self, timeout: float | None) -> tuple[bool, float | None]:
        """Whether the worker has handed on what it had; and how much of the time is left, s."""
        self._handle_left()
        deadline = None if timeout is None else time.monotonic() + timeout
        written = self._worker.wait(timeout)
        return written, None if deadline is None else max(0.0, deadline - time.monotonic())

    def _impacts_of(self, call: ModelCall, ended: float) -> Impacts:
        return self.engine.estimate(call, at=past_day(ended))  # it may be replaced

    def _dispatcher(self) -> Dispatch:
        from impactree.delivery import dispatch

        return dispatch.Dispatch(self.exporters, self.engine, self.note_problem)
