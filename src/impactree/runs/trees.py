"""RunTrees: started and ended events become run trees, in memory, with totals. Thread-safe."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from impactree.runs.amending import Amendable
from impactree.runs.labels import Labels, labels_of
from impactree.runs.run import RUN_KINDS, Pending, Run, RunKind, RunStatus, check_run, run_key
from impactree.values.impacts import Impacts
from impactree.values.messages import message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from impactree.calls import ModelCall

__all__ = ["RunTrees"]

_MAX_CLOSED: Final = 1024
_ZERO: Final = Impacts.zero()
_GRAPHS: Final = frozenset({"graph", "agent"})


class RunTrees(Amendable):
    """The runs that are open, those that may still be meant by a late event, and what is kept.

    One lock guards the maps; estimating happens outside it. What may come in while its own thread
    holds it (see ``held``) is a start.

    Args:
        estimate: Impacts of a call that ended at a time (Unix, s); may raise.
        max_runs: How many finished roots to keep.
        max_open: How many runs may be open.
        note: Told what went wrong, by name.
    """

    def __init__(
        self,
        estimate: Callable[[ModelCall, float], Impacts],
        max_runs: int,
        max_open: int,
        note: Callable[[str, BaseException | None], None],
    ) -> None:
        self._estimate = estimate
        self._max_open = max_open
        self._note = note
        self.run_ended: Callable[[Run], None] | None = None
        """Told of every run that has ended."""
        self.root_finished: Callable[[Run], None] | None = None
        """Told of every root that has finished, and again when a late event has changed it."""
        self.root_dropped: Callable[[Run], None] | None = None
        """Told of every root that is kept no longer."""
        self.finished_runs = 0
        super().__init__()
        self.unlock()
        self._runs: dict[Any, Run] = {}  # open and lately closed, aliases included
        self._open_roots: dict[Any, Run] = {}
        self._open_count = 0
        self._closed: deque[Any] = deque()  # keys of ended runs that are still known, oldest first
        # Of runs closed while they were open, until their late end: what they had produced.
        self._partial: dict[Any, Impacts] = {}
        self._finished: deque[Run] = deque(maxlen=max_runs)
        self._kept: set[int] = set()  # identities of those
        self._counted: list[Impacts] = [_ZERO]  # a sum of most, then what came since

    # Events

    def start(
        self,
        run_id: Any,
        parent_id: Any,
        name: str,
        kind: RunKind,
        tags: Iterable[str],
        metadata: dict[str, Any] | None,
        start: float | None,
        pending: Pending | None,
        labels: Labels | None,
    ) -> Run:
        """A run has started; see :meth:`ImpactTracker.start`."""
        if labels or kind not in RUN_KINDS:
            check_run(kind, labels)
        with self._lock:
            runs = self._runs
            key = run_id.int if type(run_id) is UUID else run_id  # run_key, as in find and end
            known = runs.get(key)
            if known is not None and not self._is_outlived(known, key, start):
                return known
            parent_key = parent_id.int if type(parent_id) is UUID else parent_id
            parent = None if parent_key is None else runs.get(parent_key)
            if metadata or kind == "tool":
                above = None if parent is None else parent.metadata
                said = labels_of(name, kind, metadata or {}, above)
                labels = {**said, **labels} if labels else said
            run = Run(run_id, name, kind, parent, parent_id, start, tuple(tags), metadata, labels)
            runs[key], run.pending = run, pending
            if parent is None:
                self._open_roots[key] = run
            else:
                parent.adopt(run)
            self._open_count = open_count = self._open_count + 1
        if open_count > self._max_open:
            self._evict()
        return run

    def end(
        self, run_id: Any, status: RunStatus, call: ModelCall | None, cached: bool, now: float
    ) -> Run | None:
        """A run has ended; see :meth:`ImpactTracker.end`."""
        own = None if call is None else self._impacts(call, now)
        key = run_id.int if type(run_id) is UUID else run_id
        with self._lock:
            run = self._runs.get(key)
            if run is None or run.key != key:  # an alias: its unit of work is over, the run is not
                self._runs.pop(key, None)
                return None
            above, late = run._root, run.end is not None
            root = run if above is None else above() or run  # run.root
            if late and key not in self._partial:
                return None
            if run.kind in _GRAPHS and status == "ok" and _waits(run):
                status = "interrupted"
            run.status, run.end, run.pending = status, now, None
            if call is not None or late:
                self._take(run, root, call, own, cached, late)
            left: Sequence[Run] = ()
            if not late:
                self._open_count -= 1
                if above is None:
                    left = self._finish(run)
                elif root.end is not None:  # it started after its root's end (or lost it since)
                    root.revision += 1
                    self._keep(key)
        if self.run_ended is not None:
            self.run_ended(run)
        if left or (self.root_finished is not None and root.end is not None):
            self._settle_tree(root, left, now)  # the tree is whole, or has changed since
        return run

    def abandon(self, run_id: Any, now: float) -> None:
        """Nobody will end this run: close it with what it has produced; it may still end late."""
        key = run_key(run_id)
        with self._lock:
            run = self._runs.get(key)
            if run is None or run.end is not None or run.key != key:
                return
            root = run.root
            is_root = run._root is None
            left = (self._finish(root) if is_root else []) or [run]
            changes = root.end is not None
            if changes:
                root.revision += 1
        if is_root or changes:
            self._settle_tree(root, left, now)
        else:
            self._abandon(left, root, now)

    def annotate(
        self, run_id: Any, kind: RunKind | None, metadata: dict[str, Any], labels: Labels
    ) -> None:
        """Something became known about a run; see :meth:`ImpactTracker.annotate`."""
        check_run("other" if kind is None else kind, labels)
        with self._lock:
            run = self._runs.get(run_key(run_id))
            if run is None:
                return
            if kind is not None:
                run.kind = kind
            if metadata:
                run.metadata = {**run.metadata, **metadata}
                above = None if run.parent is None else run.parent.metadata
                labels = {**labels_of(run.name, run.kind, metadata, above), **labels}
            if labels:
                run.relabel(labels)

    def release(self, run_id: Any) -> None:
        """Nobody will end a run late: what its adapter kept for that goes."""
        with self._lock:
            run = self._runs.get(run_key(run_id))
            if run is not None and run.end is not None:
                run.pending = None

    def alias(self, run_id: Any, parent_id: Any) -> None:
        """What starts under ``run_id`` hangs under ``parent_id``, until it is forgotten."""
        parent = self.find(parent_id)
        if parent is not None:
            self._runs.setdefault(run_key(run_id), parent)  # one step: it needs no lock

    def forget_alias(self, run_id: Any) -> None:
        """The end of an alias; the id of a real run is left alone."""
        key = run_key(run_id)
        run = self._runs.get(key)
        if run is not None and run.key != key:
            self._runs.pop(key, None)

    # State

    def find(self, run_id: Any) -> Run | None:
        """An open or lately closed run by its id."""
        return self._runs.get(run_id.int if type(run_id) is UUID else run_id)  # as run_key

    def abandoned(self) -> list[Run]:
        """The runs that were closed while they were open and may still end late."""
        with self._lock:
            known = [self._runs.get(key) for key in self._closed]
        return [run for run in known if run is not None and run.pending is not None]

    def finished(self) -> list[Run]:
        """The finished roots that are kept, oldest first."""
        with self._lock:
            return list(self._finished)

    def last(self) -> Run | None:
        """The root that finished last."""
        with self._lock:
            return self._finished[-1] if self._finished else None

    def open_roots(self) -> list[Run]:
        """The roots that are running."""
        with self._lock:
            return list(self._open_roots.values())

    def total(self) -> Impacts:
        """Impacts of all calls ever."""
        with self._lock:
            unsure = (*self._partial.values(), *self._provisional.values())
            return Impacts.sum([self._settle(), *unsure])

    def unlock(self) -> None:
        """Start with a lock of its own: in a forked child nobody may hold the old one."""
        self._lock = threading.RLock()  # a collected stream ends within another's reading
        self.held: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        """Whether this thread is within an event, or reads: what then comes up has to wait."""

    # Inside, with the lock held

    def _is_outlived(self, known: Run, key: Any, start: float | None) -> bool:
        """Whether an id that is known now starts another run: the one that had it has ended."""
        if known.end is None or known.key != key or known.start == start:
            return False
        partial = self._partial.pop(key, None)
        if partial is not None:
            self._count(partial)  # abandoned: it will not end late any more
        known.key = known.pending = None
        return True

    def _take(
        self,
        run: Run,
        root: Run,
        call: ModelCall | None,
        own: Impacts | None,
        cached: bool,
        late: bool,
    ) -> None:
        """What a run that ends brings: its call, or that nothing stands for it any longer."""
        if call is not None:
            run.call, run.cached = call, cached
            run.own, run.avoided = (_ZERO, own) if cached else (own, None)
        elif run.call is not None and run.call.tokens_source == "unknown":
            run.call = run.own = None  # what stood for it had no call of its own after all
            root._version += 1
        if late:
            self._partial.pop(run.key, None)
            root.revision += 1
        if run.own is not None:
            known = root._total
            if known is not None and known[0] == root._version and not late:
                # Somebody holds a budget against the root: adding takes a sum of two.
                root._total = known[0] + 1, Impacts.sum((known[1], run.own))
            root._version += 1
            self._count_or_wait(run.key, run.own)

    def _finish(self, root: Run) -> list[Run]:
        """A root has ended: keep its tree, for late events, too. Returns what is still open."""
        if self._open_roots.pop(root.key, None) is None:
            return []  # evicted meanwhile
        if len(self._finished) == self._finished.maxlen:
            oldest = self._finished.popleft()
            self._drop(oldest)
            if self.root_dropped is not None:
                self.root_dropped(oldest)
        self._finished.append(root)
        self._kept.add(id(root))
        self.finished_runs += 1
        root._version += 1
        left = [] if root.end is not None else [root]
        below = [*root.children]
        for run in below:  # grows while it is walked
            if run.children:
                below += run.children
            if run.end is None:
                left.append(run)
        self._keep(root.key)
        return left

    def _drop(self, root: Run) -> None:
        """A tree is no longer kept: its ended runs are forgotten, unless a late end may come."""
        self._kept.discard(id(root))
        runs, partial = self._runs, self._partial
        for run in root.walk():
            self._count_as_it_is(run)
            if run.end is not None and run.key not in partial and runs.get(run.key) is run:
                del runs[run.key]

    def _keep(self, key: Any) -> None:
        """Remember an ended run for late ends and late children; the oldest is forgotten."""
        self._closed.append(key)
        if len(self._closed) > _MAX_CLOSED:
            forgotten = self._closed.popleft()
            run = self._runs.get(forgotten)
            partial = self._partial.pop(forgotten, None)
            if run is not None and run.end is not None:  # else its id was used again
                run.pending = None  # it may refer to a prompt
                if id(run.root) not in self._kept:
                    del self._runs[forgotten]
            if partial is not None:
                self._count(partial)

    def _count(self, own: Impacts) -> None:
        """Into the running total, in batches: adding is cheaper than one sum per call."""
        self._counted.append(own)
        if len(self._counted) > 256:
            self._settle()

    def _settle(self) -> Impacts:
        if len(self._counted) > 1:
            since: list[Impacts] = []
            counted, self._counted = self._counted, since
            since.insert(0, Impacts.sum(counted))
        return self._counted[0]

    # Inside, without it

    def _settle_tree(self, root: Run, left: Sequence[Run], now: float) -> None:
        if left:
            self._abandon(left, root, now)
        if self.root_finished is not None:
            self.root_finished(root)

    def _abandon(self, left: Sequence[Run], root: Run, now: float) -> None:
        """Close what is open in a finished tree with what it has produced; it may end late."""
        produced = [(run, *self._produced(run)) for run in left]
        with self._lock:
            for run, call, own in produced:
                if run.end is not None:
                    continue  # it ended in between
                self._open_count -= 1
                if run._root is not None:
                    self._keep(run.key)
                run.status, run.end = "abandoned", now
                if own is not None:
                    run.call, run.own = call, own
                self._partial[run.key] = own or _ZERO
            root._version += 1

    def _evict(self) -> None:
        """Too many open runs: close the oldest tree, or what late starts left open."""
        self._note("open-runs-evicted", None)
        now = time.time()
        with self._lock:
            root = next(iter(self._open_roots.values()), None)
            if root is None:
                left = [run for run in self._runs.values() if run.end is None][:1]
                root = left[0].root if left else None
            else:
                left = self._finish(root) or [root]
        if root is not None:
            self._settle_tree(root, left, now)

    def _produced(self, run: Run) -> tuple[ModelCall | None, Impacts | None]:
        """What an abandoned run has produced so far."""
        if run.pending is None:
            return None, None
        try:
            call = run.pending.produced()
        except Exception as error:
            self._note(f"partial answer unreadable: {type(error).__name__}", error)
            return None, None
        return call, None if call is None else self._impacts(call, time.time())

    def _impacts(self, call: ModelCall, ended: float) -> Impacts:
        try:
            return self._estimate(call, ended)
        except Exception as error:
            self._note(f"estimate failed: {type(error).__name__}", error)
            return Impacts.not_estimated(message("estimate-failed"))


def _waits(run: Run) -> bool:
    """Whether a graph that has ended waits for a human: frameworks tell only the node's end."""
    return any(child.status == "interrupted" for child in run.children)
