"""ImpactTracker: any framework's started and ended events become run trees with impacts.

Thread-safe and framework-free. One lock guards the maps; estimating happens outside it.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol, Unpack

from impactree.ambient import current_run_ids
from impactree.engine import Engine, shared_engine
from impactree.exceptions import ConfigurationError
from impactree.impacts import Impacts
from impactree.messages import message
from impactree.runs import Pending, Run, RunKind, RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.calls import ModelCall
    from impactree.exporters._dispatch import Dispatch
    from impactree.report import Report
    from impactree.settings import EngineSettings

__all__ = ["Exporter", "ImpactTracker"]

_log: Final = logging.getLogger("impactree")
_MAX_OPEN: Final = 100_000
_MAX_CLOSED: Final = 4096
_ZERO: Final = Impacts.zero()


class Exporter(Protocol):
    """Sends finished run trees somewhere."""

    def export(self, root: Run) -> None:
        """Take a finished tree; called again with a higher ``revision`` when it changed."""
        ...

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what is pending; True when nothing is left."""
        ...


class ImpactTracker:
    """Turns events into run trees, estimates each model call, and keeps totals.

    Args:
        max_runs: How many finished trees to keep (1000); totals go on counting beyond it.
        max_open: How many runs may be open at once; past it the oldest tree is closed.
        exporters: Where finished trees go.
        engine: A configured engine instead of ``settings``.
        **settings: ``zone``, ``method``, ``deployments``, ...: see
            :class:`impactree.settings.EngineSettings`.

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
        self.engine = engine or shared_engine(**settings)
        if max_runs is None:
            max_runs = self.engine.settings.max_runs
        for name, bound in (("max_runs", max_runs), ("max_open", max_open)):
            if type(bound) is not int or bound < 1:
                raise ConfigurationError(f"{name} must be a whole number >= 1, not {bound!r}")
        self.exporters = tuple(exporters)
        self._dispatch = self._dispatcher() if self.exporters else None
        self.problems: dict[str, int] = {}
        """What went wrong inside, by name, and how often."""
        self.finished_runs = 0
        """Finished roots ever, those no longer kept included."""
        self._max_open = max_open
        self._lock = threading.Lock()
        self._runs: dict[Any, Run] = {}  # open, and lately closed for late ends and children
        self._open_roots: dict[Any, Run] = {}
        self._open_count = 0
        self._closed: deque[Any] = deque()
        self._partial: dict[Any, Impacts] = {}  # of abandoned runs, until their late end
        self._finished: deque[Run] = deque(maxlen=max_runs)
        self._total = _ZERO
        self._uncounted: list[Impacts] = []

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
    ) -> Run:
        """A run has started. An id that is open already is returned as it is.

        A parent that is unknown makes the run a root. ``pending`` says what the run has produced
        if it never ends.
        """
        with self._lock:
            runs = self._runs
            parent = None if parent_id is None else runs.get(parent_id)
            run = Run(
                run_id,
                name=name,
                kind=kind,
                parent=parent,
                parent_id=parent_id,
                start=start,
                tags=tuple(tags) if tags else (),
                metadata=metadata,
            )
            known = runs.setdefault(run_id, run)
            if known is not run:
                return known
            run.pending = pending
            self._open_count += 1
            if parent is None:
                self._open_roots[run_id] = run
            else:
                parent.adopt(run)
                run.root.open_below += 1
            crowded = self._open_count > self._max_open
        if crowded:
            self._evict()
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
        own = None if call is None else self._estimate(call)
        now = time.time() if end is None else end
        finished = None
        with self._lock:
            run = self._runs.get(run_id)
            if run is None or not (run.end is None or run.status == "abandoned"):
                return None
            root = run.root
            late = run.end is not None
            if not late:
                self._close(run, root)
            run.status, run.end, run.pending = status, now, None
            if call is not None:
                run.call, run.cached = call, cached
                run.own, run.avoided = (_ZERO, own) if cached else (own, None)
            if self._partial:
                self._partial.pop(run_id, None)
            if run.own is not None:
                root._version += 1
                self._count(run.own)
            if run is root and not late:
                finished = self._finish(root)
            elif root.end is not None:
                root.revision += 1
                finished = []
        if self._dispatch is not None:
            self._dispatch.run_ended(run)
        if finished is not None:
            if finished:
                self._abandon(finished, root, now)
            self._export(root)
        return run

    def record(self, call: ModelCall, parent_id: Any = None, *, name: str | None = None) -> Run:
        """Add a call made outside the frameworks.

        It hangs under ``parent_id``, else under the framework's run that the current code is part
        of (a raw SDK call inside a tool), else it is a root of its own.
        """
        run_id = uuid.uuid4()
        if parent_id is None:
            parent_id = next((i for i in current_run_ids() if i in self._runs), None)
        run = self.start(run_id, parent_id, name=name or call.model, kind=call.kind)
        self.end(run_id, call=call)
        return run

    def alias(self, run_id: Any, parent_id: Any) -> None:
        """A unit of work that shall not show: what starts under it hangs under its parent.

        Held until :meth:`forget_alias`; :meth:`find` then gives the parent's run.
        """
        with self._lock:
            parent = self._runs.get(parent_id)
            if parent is not None:
                self._runs.setdefault(run_id, parent)

    def forget_alias(self, run_id: Any) -> None:
        """The end of what :meth:`alias` announced; the id of a real run is left alone."""
        with self._lock:
            run = self._runs.get(run_id)
            if run is not None and run.id != run_id:
                del self._runs[run_id]

    # State

    def find(self, run_id: Any) -> Run | None:
        """An open or lately closed run by its id."""
        return self._runs.get(run_id)

    @property
    def runs(self) -> list[Run]:
        """The finished roots that are kept, oldest first."""
        with self._lock:
            return list(self._finished)

    @property
    def open_roots(self) -> list[Run]:
        """The roots that are running."""
        with self._lock:
            return list(self._open_roots.values())

    @property
    def last_run(self) -> Run | None:
        """The root that finished last."""
        with self._lock:
            return self._finished[-1] if self._finished else None

    @property
    def total(self) -> Impacts:
        """Impacts of all calls ever, those of running and of no longer kept trees included."""
        with self._lock:
            return Impacts.sum([self._settle(), *self._partial.values()])

    def report(self) -> Report:
        """A report over the finished roots that are kept."""
        from impactree.report import Report

        return Report.of(self)

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what exporters hold; True when nothing is left."""
        return self._dispatch is None or self._dispatch.flush(timeout)

    def note_problem(self, name: str, error: BaseException | None = None) -> None:
        """Count something that went wrong inside; logged the first time."""
        if self._note(name) == 1:
            _log.warning(
                "impactree: %s; impacts may be incomplete, the chain is unaffected",
                name,
                exc_info=error,
            )

    # Inside

    def _note(self, name: str) -> int:
        with self._lock:
            count = self.problems[name] = self.problems.get(name, 0) + 1
        return count

    def _estimate(self, call: ModelCall) -> Impacts:
        try:
            return self.engine.estimate(call)
        except Exception as error:
            self.note_problem(f"estimate failed: {type(error).__name__}", error)
            return Impacts.not_estimated(message("estimate-failed"))

    def _count(self, own: Impacts) -> None:
        """Into the running total, in batches: adding is cheaper than one sum per call."""
        self._uncounted.append(own)
        if len(self._uncounted) >= 256:
            self._settle()

    def _settle(self) -> Impacts:
        if self._uncounted:
            self._total = Impacts.sum([self._total, *self._uncounted])
            self._uncounted.clear()
        return self._total

    def _close(self, run: Run, root: Run) -> None:
        """A run is no longer open; it is remembered for late ends and late children."""
        self._open_count -= 1
        if run is not root:
            root.open_below -= 1
        self._closed.append(run.id)
        if len(self._closed) > _MAX_CLOSED:
            forgotten = self._closed.popleft()
            del self._runs[forgotten]
            partial = self._partial.pop(forgotten, None)
            if partial is not None:
                self._count(partial)

    def _finish(self, root: Run) -> list[Run]:
        """A root has ended: keep its tree. Returns what is still open in it."""
        del self._open_roots[root.id]
        self._finished.append(root)
        self.finished_runs += 1
        root._version += 1
        if not root.open_below:
            return []
        return [run for run in root.walk() if run.end is None]

    def _abandon(self, left: list[Run], root: Run, now: float) -> None:
        """Close what is open in a finished tree with what it has produced; it may end late."""
        produced = [(run, *self._produced(run)) for run in left]
        with self._lock:
            for run, call, own in produced:
                if run.end is not None:
                    continue  # it ended in between
                self._close(run, root)
                run.status, run.end = "abandoned", now
                if own is not None:
                    run.call, run.own = call, own
                    self._partial[run.id] = own
            root._version += 1

    def _evict(self) -> None:
        """Too many open runs: close the oldest tree, or what late starts left open."""
        self._note("open-runs-evicted")
        now = time.time()
        with self._lock:
            root = next(iter(self._open_roots.values()), None)
            if root is None:
                left = [run for run in self._runs.values() if run.end is None][:1]
                root = left[0].root if left else None
            else:
                left = self._finish(root) or [root]
        if root is not None:
            self._abandon(left, root, now)
            self._export(root)

    def _produced(self, run: Run) -> tuple[ModelCall | None, Impacts | None]:
        """What an abandoned run has produced so far."""
        if run.pending is None:
            return None, None
        try:
            call = run.pending.produced()
        except Exception as error:
            self.note_problem(f"partial answer unreadable: {type(error).__name__}", error)
            return None, None
        return call, None if call is None else self._estimate(call)

    def _export(self, root: Run) -> None:
        if self._dispatch is not None:
            self._dispatch.export(root)

    def _dispatcher(self) -> Dispatch:
        from impactree.exporters._dispatch import Dispatch

        return Dispatch(self.exporters, self.engine.method.name, self.note_problem)
