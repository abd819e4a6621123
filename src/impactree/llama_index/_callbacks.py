"""LlamaIndex's older callbacks as events of a tracker.

They tell less than the dispatcher: no pieces of streams, no agents, and model calls never name
one another as parents.
"""

from __future__ import annotations

import sys
import weakref
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from impactree.adapters.guarding import guarded, status_of
from impactree.llama_index._embeddings import ranked_texts
from impactree.llama_index._models import OpenModel, answer_text, prompt_texts
from impactree.llama_index._streams import current_run_id
from impactree.runs.current import innermost, register_source

if TYPE_CHECKING:
    from impactree.calls import Kind, ModelCall
    from impactree.runs import Run, RunKind
    from impactree.tracker import ImpactTracker

__all__ = ["CallbackEvents"]

# Left out: text splitting, templates and exceptions, which neither call models nor hold calls.
_KINDS: Final[dict[str, RunKind]] = {
    "agent_step": "agent",
    "embedding": "embedding",
    "function_call": "tool",
    "llm": "chat",
    "query": "chain",
    "reranking": "rerank",
    "retrieve": "retriever",
    "sub_question": "chain",
    "synthesize": "chain",
    "tree": "chain",
}
_MODELS: Final[dict[str, Kind]] = {
    "llm": "chat",
    "embedding": "embedding",
    "reranking": "rerank",
}
_MAX_FRAMES: Final = 12
# The model calls that are open in this context, outermost first.
_open: ContextVar[tuple[_Nested, ...]] = ContextVar("impactree_open_callbacks", default=())


class _Nested:
    """A model call, and of those that started inside it the answers (None: of another prompt)."""

    __slots__ = ("answers", "run", "tracker")

    def __init__(self, tracker: ImpactTracker, run: Run) -> None:
        self.tracker = tracker
        self.run = run
        self.answers: list[int | None] = []


class CallbackEvents:
    """What follows a ``CallbackManager`` for one tracker."""

    def __init__(self, tracker: ImpactTracker) -> None:
        register_source(current_run_id)
        self.tracker = tracker

    @guarded
    def started(self, event_type: Any, payload: dict[Any, Any], event_id: str, parent: str) -> None:
        """An event starts; where the dispatcher is followed as well, it tells more."""
        name = getattr(event_type, "value", event_type)
        kind = _KINDS.get(name)
        if kind is None or _dispatcher_follows(self.tracker):
            return
        fields = _plain(payload)
        pending = self._pending(name, fields)
        if pending is not None:
            name = (
                pending.model_dict.get("class_name") or pending.model_dict.get("model_name") or name
            )
            kind = pending.kind
        elif kind == "tool":
            name = getattr(fields.get("tool"), "name", None) or name
        around = self.around(parent)
        parent_id = innermost(self.tracker, None if around is None else around.id, current_run_id)
        run = self.tracker.start(event_id, parent_id, name=name, kind=kind, pending=pending)
        if pending is not None:
            pending.run = weakref.ref(run)
            if kind in ("chat", "completion"):
                still = (n for n in _open.get() if n.run.end is None)
                _open.set((*still, _Nested(self.tracker, run)))

    def around(self, parent: str) -> Run | None:
        """The run that an event is part of."""
        if _dispatcher_follows(self.tracker):
            return self.tracker.find(current_run_id())
        return self.tracker.find(parent)

    def _pending(self, name: str, fields: dict[str, Any]) -> OpenModel | None:
        kind = _MODELS.get(name)
        if kind is None:
            return None
        model_dict = fields.get("serialized") or {}
        prompt = fields.get("messages")
        if kind == "chat" and prompt is None:
            kind, prompt = "completion", fields.get("formatted_prompt")
        if kind == "rerank":
            model_dict = {"model_name": fields.get("model_name")}
            prompt = (fields.get("query_str"), fields.get("nodes"))
        return OpenModel(
            _asking() if kind in ("chat", "completion") else None,
            kind=kind,
            model_dict=model_dict,
            prompt=prompt,
            note=self.tracker.note_problem,
            by_callback=True,
        )

    @guarded
    def ended(self, event_type: Any, payload: dict[Any, Any], event_id: str) -> None:
        """An event ends, with its result or with an exception."""
        run = self.tracker.find(event_id)
        if run is None:
            return
        fields = _plain(payload)
        error = fields.get("exception")
        status = status_of(error)
        pending = run.pending
        call = None
        if isinstance(pending, OpenModel):
            call = self._call(run, pending, fields, error)
        self.tracker.end(event_id, status=status, call=call)

    def _call(
        self, run: Run, pending: OpenModel, fields: dict[str, Any], error: BaseException | None
    ) -> ModelCall | None:
        if pending.kind == "rerank":
            texts = ranked_texts(*pending.prompt)
            return None if pending.delegates or error is not None else pending.read(texts)
        if pending.kind == "embedding":
            return None if error is not None else pending.read(fields.get("chunks") or ())
        nested = self._leave(run)
        if error is not None:
            self._tell_outer(run, pending, None)
            if nested:
                return None
            call = pending.failed()
            # Of a stream that its reader left, nothing tells how far it came.
            left = isinstance(error, GeneratorExit)
            return replace(call, tokens=replace(call.tokens, output=None)) if left else call
        response = fields.get("response") or fields.get("completion")
        answer = hash(answer_text(response, thoughts=False))
        self._tell_outer(run, pending, answer)
        streamed = getattr(response, "delta", None) is not None
        # A call that was not a stream held its context throughout: all within served it. During a
        # stream other calls may have run: only one that was asked and answered the same did.
        if nested and (not streamed or answer in nested):
            return None
        return pending.answer(response)

    def _leave(self, run: Run) -> list[int | None]:
        """Close a model call; the answers that were given inside it."""
        stack = _open.get()
        mine = next((n for n in stack if n.run is run), None)
        _open.set(tuple(n for n in stack if n is not mine))
        return [] if mine is None else mine.answers

    def _tell_outer(self, run: Run, pending: OpenModel, answer: int | None) -> None:
        for nested in _open.get():
            if nested.tracker is self.tracker and nested.run.start <= run.start:
                around = nested.run.pending
                serves = isinstance(around, OpenModel) and _hands_on(around, pending)
                nested.answers.append(answer if serves else None)


def _hands_on(outer: OpenModel, inner: OpenModel) -> bool:
    """Whether a call asks another all that it was asked, in whatever template."""
    handed = "\n".join(prompt_texts(inner.prompt))
    return all(text in handed for text in prompt_texts(outer.prompt))


def _plain(payload: dict[Any, Any]) -> dict[str, Any]:
    """A payload by the plain names of its keys: an enum's hash is not its value's."""
    return {getattr(key, "value", key): value for key, value in payload.items()}


def _asking() -> Any:
    """The model that reports its own start: the event leaves out what it asks, and where."""
    frame = sys._getframe(1)
    for _ in range(_MAX_FRAMES):
        found = frame.f_locals.get("_self")  # of LlamaIndex's decorator around each model method
        if found is not None and hasattr(found, "callback_manager"):
            return found
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None


def _dispatcher_follows(tracker: ImpactTracker) -> bool:
    module = sys.modules.get("impactree.llama_index._attach")
    return module is not None and module.is_attached(tracker)
