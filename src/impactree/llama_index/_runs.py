"""Starting and ending LlamaIndex's runs on a tracker: which of nested calls counts."""

from __future__ import annotations

import time
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

from impactree.llama_index._embeddings import ranked_texts
from impactree.llama_index._models import GENERATING, OpenModel, OpenSpan

if TYPE_CHECKING:
    from collections.abc import Collection

    from impactree.calls import ModelCall
    from impactree.runs import Labels, Run, RunKind, RunStatus
    from impactree.tracker import ImpactTracker

__all__ = ["Runs", "is_open"]


class Runs:
    """The runs that one tracker got from LlamaIndex's dispatcher."""

    def __init__(self, tracker: ImpactTracker) -> None:
        self.tracker = tracker
        self.unread: deque[Run] = deque()
        """Runs whose streams were dropped without an event."""
        self._open_roots: dict[Any, Run] = {}

    def start(
        self,
        run_id: Any,
        parent_id: Any,
        name: str,
        kind: RunKind,
        pending: OpenSpan,
        metadata: dict[str, Any] | None = None,
        labels: Labels | None = None,
    ) -> Run:
        """A run starts."""
        run = self.tracker.start(
            run_id,
            parent_id,
            name=name,
            kind=kind,
            metadata=metadata,
            pending=pending,
            labels=labels,
        )
        if isinstance(pending, OpenModel):
            pending.run = weakref.ref(run)
        if run.parent is None:
            self._open_roots[run_id] = run
        return run

    def end(
        self,
        run: Run,
        status: RunStatus,
        call: ModelCall | None = None,
        *,
        cached: bool = False,
        end: float | None = None,
    ) -> None:
        """A run ends."""
        if run.parent is None:
            self._open_roots.pop(run.id, None)
        if isinstance(run.pending, OpenModel):
            for alias in run.pending.aliases:
                self.tracker.forget_alias(alias)
        self.tracker.end(run.id, status=status, call=call, cached=cached, end=end)

    def end_model(
        self,
        run: Run,
        pending: OpenModel,
        call: ModelCall | None,
        status: RunStatus = "ok",
        *,
        cached: bool = False,
    ) -> None:
        """A model's run ends: of calls that delegate, the innermost with usage counts.

        One without reported usage waits for the model's run around it, which may have it.
        """
        reported = call is not None and call.tokens_source == "reported"
        if run.children and pending.delegates:
            below = [r for r in run.walk() if r is not run and r.kind in GENERATING]
            waiting = [r for r in below if _waits(r)]
            if len(waiting) < len(below) or not (reported or _within(run)):
                self._release(waiting, count=True)
                self.end(run, status)
            elif reported:
                self._release(waiting, count=False)
                self.end(run, status, call)
            else:
                pending.ended, pending.status = time.time(), status
        elif not reported and run.kind in GENERATING and _within(run):
            pending.final, pending.ended, pending.status = call, time.time(), status
        else:
            self.end(run, status, call, cached=cached)

    def embedded(self, run: Run, pending: OpenModel, texts: Any) -> None:
        """An embedding is done; what its cache held cost nothing."""
        hits = pending.hits
        cached = hits is not None and all(hits)
        if hits is not None and not cached:
            texts = [text for text, hit in zip(texts, hits, strict=False) if not hit]
        self.end_model(run, pending, pending.read(texts), cached=cached)

    def requested(self, run: Run, pending: OpenModel, texts: Any, status: RunStatus = "ok") -> None:
        """One of the requests of a batch is done, or has failed without texts."""
        name = run.name.partition(".")[0]
        made = self.tracker.start(
            pending.event_id, run.id, name=name, kind="embedding", start=pending.since
        )
        if texts is None:
            self.end(made, status, pending.failed())
        else:
            self.embedded(made, pending, texts)

    def ranked(self, run: Run, pending: OpenModel) -> None:
        """A ranking is done, by a model of its own or by an LLM whose calls count."""
        texts = [] if pending.delegates else ranked_texts(*pending.prompt)
        self.end(run, "ok", pending.read(texts) if texts else None)

    def settle(self) -> None:
        """End the runs whose streams are gone: dropped unread, or broken without an event.

        Not done when a stream goes, since that may be inside the tracker's lock.
        """
        while self.unread:
            run = self.unread.popleft()
            pending = run.pending
            if isinstance(pending, OpenModel) and pending.ended is None:
                self.end_model(run, pending, pending.produced(), "abandoned")

    def close(self) -> None:
        """No more events will come: close what is open, and let go of its prompts."""
        self.settle()
        for run in list(self._open_roots.values()):
            pending = run.pending
            call = pending.produced() if isinstance(pending, OpenSpan) else None
            self.end(run, "abandoned", call)
        for run in self.tracker.abandoned:
            if isinstance(run.pending, OpenSpan) and not run.pending.by_callback:
                self.tracker.release(run.id)

    def _release(self, waiting: list[Run], *, count: bool) -> None:
        for run in waiting:
            pending = run.pending
            if isinstance(pending, OpenModel):
                call = pending.final if count else None
                self.end(run, pending.status, call, end=pending.ended)


def is_open(run: Run, kinds: Collection[str]) -> bool:
    """Whether a run is an open model call of one of some kinds."""
    pending = run.pending
    return isinstance(pending, OpenModel) and pending.ended is None and pending.kind in kinds


def _waits(run: Run) -> bool:
    """Whether a run has ended but for the one around it."""
    return isinstance(run.pending, OpenModel) and run.pending.ended is not None


def _within(run: Run) -> bool:
    """Whether a model's run that is open is around this one."""
    return any(is_open(above, GENERATING) for above in run.ancestors())
