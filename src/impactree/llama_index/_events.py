"""LlamaIndex's instrumentation events as model calls."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from impactree.adapters.guarding import status_of
from impactree.llama_index._embeddings import cached_texts
from impactree.llama_index._models import GENERATING, OpenBatch, OpenModel, OpenSpan
from impactree.llama_index._runs import is_open
from impactree.llama_index._streams import same

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from impactree.calls import Kind
    from impactree.llama_index._runs import Runs
    from impactree.runs import Run
    from impactree.runs.budget import BudgetWatch

__all__ = ["Events", "teller"]

_NOT_STOPPED: Final = (
    "a spent budget did not stop a call, for LlamaIndex's dispatcher swallows what is raised; "
    "cure: the handler in the model's CallbackManager as well"
)
_METHODS: Final = {
    "LLMChatStartEvent": "chat_started",
    "LLMCompletionStartEvent": "completion_started",
    "LLMChatInProgressEvent": "generated",
    "LLMCompletionInProgressEvent": "generated",
    "LLMChatEndEvent": "answered",
    "LLMCompletionEndEvent": "answered",
    "EmbeddingStartEvent": "embedding_started",
    "SparseEmbeddingStartEvent": "embedding_started",
    "EmbeddingEndEvent": "embedded",
    "SparseEmbeddingEndEvent": "embedded",
    "ReRankStartEvent": "ranking_started",
    "ReRankEndEvent": "ranked",
    "ExceptionEvent": "raised",
    "SpanCancelledEvent": "cancelled",
}


@lru_cache(maxsize=512)
def teller(cls: type) -> str | None:
    """The method of :class:`Events` for events of a class; None: most are of no interest."""
    return _METHODS.get(cls.class_name())  # type: ignore[attr-defined]  # every event's


class Events:
    """Finds the run that each event is about, and tells it.

    Most model calls are a span of their own, which the event names. Several requests of one span,
    and events outside any, get a run under the event's id.
    """

    def __init__(self, runs: Runs, follows: Callable[[], bool]) -> None:
        self.watch: BudgetWatch | None = None
        self._runs = runs
        self._tracker = runs.tracker
        self._follows = follows
        # Open calls by the run of their span, None outside any.
        self._announced_in: dict[Any, list[Run]] = {}

    def leave(self, run: Run, error: BaseException | None) -> None:
        """A span ends: what events announced in it and did not end has failed with it."""
        for child in self._announced_in.pop(run.id, ()):
            pending = _model(child)
            if pending is not None and pending.ended is None:
                self._runs.end_model(child, pending, pending.failed(error), status_of(error))
        if isinstance(run.pending, OpenBatch):
            for pending in run.pending.requests:
                self._runs.requested(run, pending, None, status_of(error))

    def chat_started(self, event: Any) -> None:
        self._announced(event, "chat", event.model_dict, event.messages)

    def completion_started(self, event: Any) -> None:
        self._announced(event, "completion", event.model_dict, event.prompt)

    def embedding_started(self, event: Any) -> None:
        run = self._tracker.find(event.span_id)
        if run is not None and isinstance(run.pending, OpenBatch):
            pending: OpenModel | None = run.pending.request(event, self._tracker.note_problem)
            self._tracker.measure_ahead(event.id_, pending)
        else:
            pending = self._announced(event, "embedding", event.model_dict, None)
        if pending is not None and pending.prompt:
            note = self._tracker.note_problem
            pending.hits = cached_texts(pending.instance, pending.prompt, note)

    def ranking_started(self, event: Any) -> None:
        model_dict = {"model_name": event.model_name}
        self._announced(event, "rerank", model_dict, (event.query, event.nodes))

    def generated(self, event: Any) -> None:
        _, pending = self._open_call(event, GENERATING)
        if pending is not None:
            pending.chunk(event.response)

    def answered(self, event: Any) -> None:
        run, pending = self._open_call(event, GENERATING)
        if run is not None and pending is not None:
            self._runs.end_model(run, pending, pending.answer(event.response))

    def embedded(self, event: Any) -> None:
        run = self._tracker.find(event.span_id)
        if run is not None and isinstance(run.pending, OpenBatch) and run.pending.requests:
            self._runs.requested(run, run.pending.requests.popleft(), event.chunks)
            return
        run, pending = self._open_call(event, ("embedding",), first=True)
        if run is not None and pending is not None:
            self._runs.embedded(run, pending, event.chunks)

    def ranked(self, event: Any) -> None:
        run, pending = self._open_call(event, ("rerank",))
        if run is not None and pending is not None:
            self._runs.ranked(run, pending)

    def raised(self, event: Any) -> None:
        """A stream failed, or its reader left it."""
        run, pending = self._open_call(event, GENERATING)
        if run is not None and pending is not None:
            self._runs.end_model(
                run, pending, pending.failed(event.exception), status_of(event.exception)
            )

    def cancelled(self, event: Any) -> None:
        run = self._tracker.find(event.span_id)
        if run is not None and isinstance(run.pending, OpenSpan):
            run.pending.status = "cancelled"

    def _announced(
        self, event: Any, kind: Kind, model_dict: dict[str, Any], prompt: Any
    ) -> OpenModel | None:
        """A call starts: the span's own, or one of several in the span, or one without."""
        run = self._tracker.find(event.span_id)
        if run is None and not self._follows():
            return None
        around = None if run is None else run.pending
        if self.watch is not None:
            self._check_budget(self.watch, run, getattr(around, "instance", None))
        beside = vars(event).get("additional_kwargs")
        if isinstance(around, OpenModel) and around.kind == kind and not around.announced:
            around.announced, around.model_dict = True, model_dict
            around.started = time.perf_counter()
            around.prompt = around.prompt if prompt is None else prompt
            around.beside = beside or around.beside
            return around
        pending = OpenModel(
            around.instance if isinstance(around, OpenSpan) else None,
            kind=kind,
            model_dict=model_dict,
            prompt=prompt,
            beside=beside,
            event_id=event.id_,
            note=self._tracker.note_problem,
        )
        name = model_dict.get("class_name") or model_dict.get("model_name") or kind
        parent_id = event.span_id if run is None else run.id
        made = self._runs.start(event.id_, parent_id, name, kind, pending)
        self._announced_in.setdefault(None if run is None else run.id, []).append(made)
        return pending

    def _check_budget(self, watch: BudgetWatch, run: Run | None, model: Any) -> None:
        """Hold the budget against what is spent; nothing that is raised here would stop a call."""
        spent = watch.check(run and run.root)
        manager = getattr(model, "callback_manager", None)
        trackers = [getattr(h, "tracker", None) for h in getattr(manager, "handlers", ())]
        wanted = spent.share >= 1 and watch.budget.action == "raise"
        if wanted and all(tracker is not self._tracker for tracker in trackers):
            self._tracker.note_problem(_NOT_STOPPED)

    def _open_call(
        self, event: Any, kinds: Collection[str], *, first: bool = False
    ) -> tuple[Run | None, OpenModel | None]:
        """The open call that an event belongs to.

        Args:
            event: It names its span, and mostly the prompt.
            kinds: Of which kinds the call may be.
            first: Of several, the one that started first, not last.
        """
        run = self._tracker.find(event.span_id)
        if run is not None and is_open(run, kinds):
            return run, _model(run)
        candidates = self._candidates(None if run is None else run.id, kinds)
        if not first:
            candidates.reverse()
        prompt = getattr(event, "messages", None) or getattr(event, "prompt", None)
        for candidate in candidates:
            pending = _model(candidate)
            if prompt and pending is not None and same(pending.prompt, prompt):
                return candidate, pending
        return (candidates[0], _model(candidates[0])) if candidates else (None, None)

    def _candidates(self, key: Any, kinds: Collection[str]) -> list[Run]:
        announced = [r for r in self._announced_in.pop(key, ()) if r.pending is not None]
        if announced:
            self._announced_in[key] = announced
        return [r for r in announced if is_open(r, kinds)]


def _model(run: Run) -> OpenModel | None:
    return run.pending if isinstance(run.pending, OpenModel) else None
