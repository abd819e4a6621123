"""Starting and ending LlamaIndex's runs on a tracker: which of nested calls counts."""

from __future__ import annotations

import time
import weakref
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from impactree.llama_index import _names as names
from impactree.llama_index._embeddings import ranked_texts
from impactree.llama_index._models import GENERATING, OpenModel, OpenPrediction, OpenSpan
from impactree.llama_index._streams import is_left, opened

if TYPE_CHECKING:
    from collections.abc import Collection

    from impactree.calls import ModelCall
    from impactree.runs import Labels, Run, RunKind, RunStatus
    from impactree.tracker import ImpactTracker

__all__ = ["Runs", "is_open", "settled"]

_CALLS: Final = (OpenModel, OpenPrediction)


class Runs:
    """The runs that one tracker got from LlamaIndex's dispatcher."""

    def __init__(self, tracker: ImpactTracker) -> None:
        self.tracker = tracker
        self.dropped: deque[int] = deque()
        """The streams that nobody can read any more, by their keys in ``streams``."""
        self.streams: dict[int, tuple[weakref.ref[Any], Run]] = {}
        """Those that were not settled yet, and the runs that have returned them."""
        self._keys = count()
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
        if isinstance(pending, OpenModel):
            metadata = names.with_retries(metadata, pending.instance)
        run = self.tracker.start(
            run_id,
            parent_id,
            name=name,
            kind=kind,
            metadata=metadata,
            pending=pending,
            labels=labels,
        )
        if isinstance(pending, _CALLS):
            pending.run = weakref.ref(run)
        if run.parent is None:
            self._open_roots[run_id] = run
        return run

    def opened(self, run: Run, stream: Any) -> None:
        """A run has returned a stream: what starts while that is read is its own."""
        key, dropped = next(self._keys), self.dropped
        self.streams[key] = weakref.ref(stream), run
        opened(stream, self.tracker, run, lambda: dropped.append(key))  # keeps nothing else

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
        self._open_roots.pop(run.id, None)
        pending = run.pending
        if isinstance(pending, OpenModel):
            for alias in pending.aliases:
                self.tracker.forget_alias(alias)
            if call is not None:
                call = settled(self.tracker, run.id, pending, call, cached=cached)
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

    def predicted(self, run: Run, status: RunStatus, call: ModelCall | None) -> None:
        """A structured prediction is over; with a call, it was the model's."""
        if call is not None:
            self.tracker.annotate(run.id, kind="chat")
        self.end(run, status, call)

    def settle(self, *, read: bool = False) -> None:
        """End the runs whose streams are gone, where no event has told of their end.

        Not done when a stream goes, since that may be inside the tracker's lock.

        Args:
            read: Also of those that were read to their end and are still held.
        """
        while self.dropped:
            _, run = self.streams.pop(self.dropped.popleft())
            self._over(run, "abandoned")
        if read:
            for stream, run in list(self.streams.values()):
                if not is_left(stream()):
                    self._over(run, "ok")

    def _over(self, run: Run, status: RunStatus) -> None:
        """No more will come of a run's stream."""
        pending = run.pending
        if isinstance(pending, OpenPrediction):
            self.predicted(run, "ok", pending.produced())
        elif isinstance(pending, OpenModel) and pending.ended is None:
            self.end_model(run, pending, pending.produced(), status)

    def close(self) -> None:
        """What comes is not followed: close what is open. Its streams still are."""
        self.settle(read=True)
        for run in list(self._open_roots.values()):
            self._open_roots.pop(run.id, None)
            self.tracker.abandon(run.id)

    def leave(self) -> None:
        """No more events will come: let go of the prompts of what is open."""
        for run in self.tracker.abandoned:
            if isinstance(run.pending, OpenSpan) and not run.pending.by_callback:
                self.tracker.release(run.id)

    def _release(self, waiting: list[Run], *, count: bool) -> None:
        for run in waiting:
            pending = run.pending
            if isinstance(pending, OpenModel):
                call = pending.final if count else None
                self.end(run, pending.status, call, end=pending.ended)


def settled(
    tracker: ImpactTracker, run_id: Any, pending: OpenModel, call: ModelCall, *, cached: bool
) -> ModelCall:
    """The call that a model's run ends with: what it drew stands beside it, what it read is noted.

    Args:
        tracker: The run's.
        run_id: The run's.
        pending: What was asked and answered.
        call: What it came to.
        cached: Whether a cache answered: nothing was sent.
    """
    for made in pending.drawn:
        tracker.record(made, run_id)
    return tracker.repeats.noted(call, pending.sent) if pending.sent and not cached else call


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
