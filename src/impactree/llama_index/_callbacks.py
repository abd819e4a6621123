"""LlamaIndex's older callbacks as events of a tracker.

They tell less than the dispatcher: no pieces of streams, no agents, and model calls never name
one another as parents.
"""

from __future__ import annotations

import sys
import uuid
import weakref
from collections import deque
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from impactree.adapters.guarding import guarded, status_of
from impactree.llama_index import _names as names
from impactree.llama_index._embeddings import document_counts, ranked_texts
from impactree.llama_index._managers import asked_now, is_running
from impactree.llama_index._models import OpenModel, OpenPrediction, prompt_texts
from impactree.llama_index._runs import settled
from impactree.llama_index._streams import current_run_id, opened, read_now, streams_of
from impactree.runs.current import innermost, register_source
from impactree.runs.marks import BY_MANAGER, TOLD_BY

if TYPE_CHECKING:
    import inspect

    from impactree.calls import Kind, ModelCall
    from impactree.runs import Run, RunKind, RunStatus
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
# The structured predictions around the current code that no event has told of.
_predicting: ContextVar[tuple[OpenPrediction, ...]] = ContextVar("impactree_predicting", default=())
# The model calls that are open in this context, outermost first.
_open: ContextVar[tuple[_Nested, ...]] = ContextVar("impactree_open_callbacks", default=())


class _Nested:
    """A model call, and of those that it made, whether they were asked all that it was asked."""

    __slots__ = ("inside", "made", "run", "span_id", "tracker")

    def __init__(self, tracker: ImpactTracker, reading: _Nested | None) -> None:
        self.tracker = tracker
        self.run: Run | None = None
        self.span_id = asked_now()[0]
        here = (n for n in _open.get() if n is not reading and n.tracker is tracker)
        running = [n for n in here if n.is_open() and is_running(n.span_id)]
        if reading is not None:
            within = [n for n in running if reading in n.inside]
            running = [*(n for n in running if n not in within), reading, *within]
        self.inside: list[_Nested] = running
        """Those that made it, outermost first: their methods run, or their streams are read."""
        self.made: list[bool] = []

    def is_open(self) -> bool:
        return self.run is not None and self.run.end is None


class CallbackEvents:
    """What follows a ``CallbackManager`` for one tracker."""

    def __init__(self, tracker: ImpactTracker) -> None:
        register_source(current_run_id)
        self.tracker = tracker
        self._nested: dict[str, _Nested] = {}  # model calls that are open, by their events
        self._predictions: dict[str, OpenPrediction] = {}
        self._unread: deque[OpenPrediction] = deque()  # their streams are gone

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
        reading = read_now(self.tracker)
        around = self.around(parent) or reading  # a stream names no parent
        mine = None
        if kind in ("chat", "completion"):
            mine = _Nested(self.tracker, self._nested.get("" if reading is None else reading.id))
            around = mine.inside[-1].run if mine.inside else around
        parent_id = innermost(self.tracker, None if around is None else around.id, current_run_id)
        told = {TOLD_BY: BY_MANAGER} if parent_id is None else None
        if pending is not None:
            told = names.with_retries(told, pending.instance)
        run = self.tracker.start(
            event_id, parent_id, name=name, kind=kind, metadata=told, pending=pending
        )
        if pending is not None:
            pending.run = weakref.ref(run)
            if mine is not None:
                mine.run = run
                self._nested[event_id] = mine
                _open.set((*(n for n in _open.get() if n.is_open()), mine))
                for prediction in _predicting.get():
                    prediction.told = True

    def around(self, parent: str) -> Run | None:
        """The run that an event is part of."""
        if _dispatcher_follows(self.tracker):
            return self.tracker.find(current_run_id(self.tracker))
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
            asked_now()[1],
            kind=kind,
            model_dict=model_dict,
            prompt=prompt,
            beside=fields.get("additional_kwargs"),
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
            if call is not None:
                call = settled(self.tracker, event_id, pending, call, cached=False)
        else:
            for stream in streams_of(fields.get("response")):
                opened(stream, self.tracker, run, _nothing)
            if run.kind == "retriever":
                counts = document_counts(fields.get("nodes"))
                self.tracker.annotate(event_id, metadata=dict(counts))
        self.tracker.end(event_id, status=status, call=call)

    def _call(
        self, run: Run, pending: OpenModel, fields: dict[str, Any], error: BaseException | None
    ) -> ModelCall | None:
        if pending.kind == "rerank":
            texts = ranked_texts(*pending.prompt)
            return None if pending.delegates or error is not None else pending.read(texts)
        if pending.kind == "embedding":
            return None if error is not None else pending.read(fields.get("chunks") or ())
        mine = self._leave(run)
        made = [] if mine is None else mine.made
        self._tell_outer(mine, pending, served=error is None)
        if error is not None:
            if made or pending.delegates:
                return None
            # Of a stream that broke, nothing tells how far it came.
            streamed = mine is not None and not is_running(mine.span_id)
            return pending.failed(GeneratorExit() if streamed else error)
        response = fields.get("response") or fields.get("completion")
        streamed = getattr(response, "delta", None) is not None
        # What a call that was no stream made has served it; a stream may have asked for other ends.
        return None if any(made) or (made and not streamed) else pending.answer(response)

    def _leave(self, run: Run) -> _Nested | None:
        """Close a model call."""
        mine = self._nested.pop(run.id, None)
        _open.set(tuple(n for n in _open.get() if n is not mine))
        return mine

    def _tell_outer(self, mine: _Nested | None, pending: OpenModel, *, served: bool) -> None:
        for outer in () if mine is None else mine.inside:
            around = outer.run and outer.run.pending
            if outer.is_open():
                asked = isinstance(around, OpenModel) and _hands_on(around, pending)
                outer.made.append(served and asked)

    @guarded
    def returned(self, id_: str, result: Any) -> None:
        """A model's method has returned: what starts while its stream is read is its own."""
        mine = next(
            (n for n in _open.get() if n.span_id == id_ and n.tracker is self.tracker), None
        )
        if mine is not None and mine.run is not None:
            for stream in streams_of(result):
                opened(stream, self.tracker, mine.run, partial(self._dropped, mine.run.id))

    def _dropped(self, event_id: str) -> None:
        """Nobody can read a model's stream any more: if no event has told of its end, none will."""
        self._nested.pop(event_id, None)
        self.tracker.let_go(event_id)

    # Structured predictions, of which some clients tell nothing

    @guarded
    def predicting(self, id_: str, instance: Any, bound_args: inspect.BoundArguments) -> None:
        """A structured prediction starts."""
        if _dispatcher_follows(self.tracker):
            return
        asked = bound_args.arguments
        pending = OpenPrediction(instance, note=self.tracker.note_problem, asked=asked)
        self._predictions[id_] = pending
        _predicting.set((*(p for p in _predicting.get() if not p.told), pending))

    @guarded
    def predicted(self, id_: str, result: Any, error: BaseException | None = None) -> None:
        """A structured prediction has returned; of a stream, more is known when that is gone."""
        pending = self._predictions.pop(id_, None)
        if pending is None or pending.told:
            return
        opened, unread = streams_of(result), self._unread
        if opened:
            pending.stream = weakref.ref(opened[0], lambda _: unread.append(pending))
            return
        call = pending.answer(result) if error is None else pending.failed(error)
        self._predicted(pending, call, status_of(error))

    @guarded
    def settle(self) -> None:
        """Streams of structured predictions are gone: what no event told of is unknown."""
        while self._unread:
            pending = self._unread.popleft()
            if not pending.told:
                self._predicted(pending, pending.produced(), "ok")

    def _predicted(
        self, pending: OpenPrediction, call: ModelCall | None, status: RunStatus
    ) -> None:
        pending.told = True
        run_id, name = uuid.uuid4(), type(pending.instance).__name__
        parent_id = innermost(self.tracker, None, current_run_id)
        self.tracker.start(run_id, parent_id, name=name, kind="chat", start=pending.since)
        self.tracker.end(run_id, status=status, call=call)


def _nothing() -> None:
    """A synthesis has ended before its stream is read: nothing is left to do when that is gone."""


def _hands_on(outer: OpenModel, inner: OpenModel) -> bool:
    """Whether a call asks another all that it was asked, in whatever template."""
    handed = "\n".join(prompt_texts(inner.prompt))
    return all(text in handed for text in prompt_texts(outer.prompt))


def _plain(payload: dict[Any, Any]) -> dict[str, Any]:
    """A payload by the plain names of its keys: an enum's hash is not its value's."""
    return {getattr(key, "value", key): value for key, value in payload.items()}


def _dispatcher_follows(tracker: ImpactTracker) -> bool:
    module = sys.modules.get("impactree.llama_index._attach")
    return module is not None and module.is_attached(tracker)
