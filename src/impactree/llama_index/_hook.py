"""LlamaIndex's instrumentation (spans and events of its dispatcher) as events of a tracker."""

from __future__ import annotations

import inspect
import time
from typing import TYPE_CHECKING, Any, Final

from impactree.ambient import active_trackers, innermost
from impactree.guarding import guarded, status_of
from impactree.llama_index import _spans as spans
from impactree.llama_index import _streams as streams
from impactree.llama_index._embeddings import cached_texts, ranked_texts
from impactree.llama_index._models import (
    GENERATING,
    OpenBatch,
    OpenModel,
    OpenPrediction,
    OpenSpan,
)
from impactree.llama_index._workers import cache_size, in_workers, record_workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.budget import BudgetWatch
    from impactree.calls import Kind, ModelCall
    from impactree.runs import Run, RunKind, RunStatus
    from impactree.tracker import ImpactTracker

__all__ = ["Hook"]

_KEPT: Final = frozenset(
    {"conversation_id", "llamaindex.run_id", "session_id", "thread_id", "user_id"}
)


class Hook:
    """What follows LlamaIndex's dispatcher for one tracker."""

    def __init__(self, tracker: ImpactTracker) -> None:
        self.tracker = tracker
        self.everywhere = 0
        """How many users follow all code; with none, only blocks of ``track_impacts``."""
        self.keys = _KEPT
        self.watch: BudgetWatch | None = None
        self._loose: list[Run] = []  # open calls of events outside any span
        self._open_roots: dict[Any, Run] = {}
        self._workers: dict[Any, int | None] = {}  # ingestions: size of the cache before
        self._events: dict[str, Callable[[Any], None]] = {
            "LLMChatStartEvent": self._chat_started,
            "LLMCompletionStartEvent": self._completion_started,
            "LLMChatInProgressEvent": self._generated,
            "LLMCompletionInProgressEvent": self._generated,
            "LLMChatEndEvent": self._answered,
            "LLMCompletionEndEvent": self._answered,
            "EmbeddingStartEvent": self._embedding_started,
            "SparseEmbeddingStartEvent": self._embedding_started,
            "EmbeddingEndEvent": self._embedded,
            "SparseEmbeddingEndEvent": self._embedded,
            "ReRankStartEvent": self._ranking_started,
            "ReRankEndEvent": self._ranked,
            "ExceptionEvent": self._raised,
            "SpanCancelledEvent": self._cancelled,
        }

    def close(self) -> None:
        """No more events will come: close what is open."""
        for run in list(self._open_roots.values()):
            self.tracker.end(run.id, status="abandoned")
        self._open_roots.clear()

    # Spans

    @guarded
    def span_enter(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any = None,
        parent_id: str | None = None,
        tags: Any = None,
    ) -> None:
        """A method starts."""
        tracker = self.tracker
        found_id = innermost(tracker, parent_id, streams.current_run_id)
        parent = None if found_id is None else tracker.find(found_id)
        reading = streams.read_now(tracker)
        if reading is not None and not _is_under(parent, reading):
            parent, found_id = reading, reading.id
        if parent is None and not self.follows():
            return
        name, method = spans.span_name(id_)
        role = spans.role_of(type(instance))
        kind = spans.kind_of(role, method, instance, parent)
        if parent is not None and _inherits(parent, kind, instance):
            self._inherited(parent, id_)
            kind = None
        if kind is None:
            tracker.alias(id_, found_id)
            return
        pending = self._pending(kind, role, instance, method, bound_args)
        if isinstance(pending, OpenBatch):
            kind = "chain"
        metadata = spans.kept(tags, self.keys)
        agent = spans.agent_name(instance, role, bound_args)
        if agent is not None:
            metadata["agent_name"] = agent
        if in_workers(instance, method, bound_args):
            self._workers[id_] = cache_size(instance)
        shown = spans.shown_name(name, instance, role, kind)
        self._start(id_, found_id, shown, kind, pending, metadata)

    def _inherited(self, run: Run, id_: str) -> None:
        if isinstance(run.pending, OpenModel):
            run.pending.aliases.append(id_)

    def _pending(
        self,
        kind: RunKind,
        role: spans.Role,
        instance: Any,
        method: str,
        bound_args: inspect.BoundArguments,
    ) -> OpenSpan:
        if kind not in ("chat", "completion", "embedding", "rerank"):
            if role == "llm":
                return OpenPrediction(instance, asked=bound_args.arguments)
            return OpenSpan(instance)
        asked = bound_args.arguments
        if role == "embedding":
            texts = asked.get("texts") or [asked.get("text", asked.get("query", ""))]
            size = getattr(instance, "embed_batch_size", len(texts))
            if spans.is_batch(method) and len(texts) > size:
                return OpenBatch(instance, texts=texts, size=size)
            prompt: Any = texts
        elif role == "rerank":
            prompt = (asked.get("query_bundle"), asked.get("nodes"))
        else:
            prompt = streams.asked(bound_args)
        return OpenModel(instance, kind=kind, prompt=prompt, note=self.tracker.note_problem)

    @guarded
    def span_exit(self, id_: str, instance: Any = None, result: Any = None) -> None:
        """A method has returned."""
        stream = streams.stream_of(result)
        run = self._own(id_, keep=stream is not None)
        if run is None:
            return
        if id_ in self._workers:
            before = self._workers.pop(id_)
            record_workers(self.tracker, run, instance, result or (), before)
        pending = run.pending
        if stream is not None:
            streams.opened(stream, run)
        elif isinstance(pending, OpenPrediction) and not _generated_below(run):
            run.kind = "chat"
            self._end(run, "ok", pending.call(result, self.tracker.note_problem))
            return
        if not isinstance(pending, OpenModel):
            self._end(run, pending.status if isinstance(pending, OpenSpan) else "ok")
        elif pending.ended is not None or stream is not None:
            return
        elif pending.kind == "rerank":
            self._ranked_by(run, pending)
        elif pending.kind == "embedding":
            self._embedded_by(run, pending, pending.prompt)
        else:
            self._end_model(run, pending, pending.answer(result))

    @guarded
    def span_drop(self, id_: str, err: BaseException | None = None) -> None:
        """A method has raised."""
        run = self._own(id_)
        if run is None:
            return
        self._workers.pop(id_, None)
        pending = run.pending
        if isinstance(pending, OpenModel):
            if pending.ended is None:
                self._end_model(run, pending, pending.failed(), status_of(err))
        else:
            self._fail_events(run, err)
            self._end(run, status_of(err))

    def _own(self, id_: str, *, keep: bool = False) -> Run | None:
        """The run of a span; a hidden span's alias is dropped, unless events are to come."""
        run = self.tracker.find(id_)
        if run is None or run.id == id_:
            return run
        if not (keep and isinstance(run.pending, OpenModel) and id_ in run.pending.aliases):
            self.tracker.forget_alias(id_)
        return None

    def _fail_events(self, run: Run, err: BaseException | None) -> None:
        """Calls that events announced in a span that raised have failed with it."""
        for child in tuple(run.children):
            pending = child.pending
            if isinstance(pending, OpenModel) and pending.event_id is not None:
                self._end_model(child, pending, pending.failed(), status_of(err))

    # Events

    @guarded
    def event(self, event: Any) -> None:
        """Something happened inside a span."""
        handler = self._events.get(event.class_name())
        if handler is not None:
            handler(event)

    def _chat_started(self, event: Any) -> None:
        self._announced(event, "chat", event.model_dict, event.messages)

    def _completion_started(self, event: Any) -> None:
        self._announced(event, "completion", event.model_dict, event.prompt)

    def _embedding_started(self, event: Any) -> None:
        run = self._announced(event, "embedding", event.model_dict, None)
        pending = None if run is None else run.pending
        if isinstance(pending, OpenModel) and pending.prompt:
            pending.hits = cached_texts(pending.instance, pending.prompt)

    def _ranking_started(self, event: Any) -> None:
        model_dict = {"model_name": event.model_name}
        self._announced(event, "rerank", model_dict, (event.query, event.nodes))

    def _generated(self, event: Any) -> None:
        run = self._open_call(event, ("chat", "completion"))
        if run is not None and isinstance(run.pending, OpenModel):
            run.pending.chunk(event.response)

    def _answered(self, event: Any) -> None:
        run = self._open_call(event, ("chat", "completion"))
        if run is not None and isinstance(run.pending, OpenModel):
            self._end_model(run, run.pending, run.pending.answer(event.response))

    def _embedded(self, event: Any) -> None:
        run = self._open_call(event, ("embedding",), first=True)
        if run is not None and isinstance(run.pending, OpenModel):
            self._embedded_by(run, run.pending, event.chunks)

    def _ranked(self, event: Any) -> None:
        run = self._open_call(event, ("rerank",))
        if run is not None and isinstance(run.pending, OpenModel):
            self._ranked_by(run, run.pending)

    def _raised(self, event: Any) -> None:
        """A stream failed, or its reader left it."""
        run = self._open_call(event, ("chat", "completion"))
        if run is not None and isinstance(run.pending, OpenModel):
            self._end_model(run, run.pending, run.pending.failed(), status_of(event.exception))

    def _cancelled(self, event: Any) -> None:
        run = self.tracker.find(event.span_id)
        if run is not None and isinstance(run.pending, OpenSpan):
            run.pending.status = "cancelled"

    def _announced(
        self, event: Any, kind: Kind, model_dict: dict[str, Any], prompt: Any
    ) -> Run | None:
        """A call starts: the span's own, or one of several in the span, or one without."""
        run = self.tracker.find(event.span_id)
        if run is None and not self.follows():
            return None
        if self.watch is not None:
            self.watch.check(run and run.root)
        around = None if run is None else run.pending
        if isinstance(around, OpenModel) and around.kind == kind and not around.announced:
            around.announced, around.model_dict = True, model_dict
            around.started = time.perf_counter()
            around.prompt = around.prompt if prompt is None else prompt
            return run
        instance = around.instance if isinstance(around, OpenSpan) else None
        if isinstance(around, OpenBatch):
            prompt = around.next_texts()
        pending = OpenModel(
            instance,
            kind=kind,
            model_dict=model_dict,
            prompt=prompt,
            event_id=event.id_,
            note=self.tracker.note_problem,
        )
        name = model_dict.get("class_name") or model_dict.get("model_name") or kind
        parent_id = event.span_id if run is None else run.id
        made = self._start(event.id_, parent_id, name, kind, pending, None)
        if run is None:
            self._loose.append(made)
        return made

    def _open_call(self, event: Any, kinds: tuple[Kind, ...], *, first: bool = False) -> Run | None:
        """The open call that an event belongs to.

        Args:
            event: It names its span, and mostly the prompt.
            kinds: Of which kind the call is.
            first: Of several, the one that started first, not last.
        """
        run = self.tracker.find(event.span_id)
        if run is not None and _is_open(run, kinds):
            return run
        if run is None:
            self._loose = [r for r in self._loose if r.pending is not None]
        candidates = [r for r in (self._loose if run is None else run.children) if _is_open(r, kinds)]
        if not first:
            candidates.reverse()
        prompt = getattr(event, "messages", None) or getattr(event, "prompt", None)
        same = (r for r in candidates if prompt and streams.same(r.pending.prompt, prompt))
        return next(same, candidates[0] if candidates else None)

    # Runs

    def follows(self) -> bool:
        """Whether code that runs here and now is followed."""
        return self.everywhere > 0 or self.tracker in active_trackers.get()

    def _start(
        self,
        run_id: Any,
        parent_id: Any,
        name: str,
        kind: RunKind,
        pending: OpenSpan,
        metadata: dict[str, Any] | None,
    ) -> Run:
        run = self.tracker.start(
            run_id, parent_id, name=name, kind=kind, metadata=metadata, pending=pending
        )
        if isinstance(pending, OpenModel):
            pending.run = run
        if run.parent is None:
            self._open_roots[run_id] = run
        return run

    def _end(
        self,
        run: Run,
        status: RunStatus,
        call: ModelCall | None = None,
        *,
        cached: bool = False,
        end: float | None = None,
    ) -> None:
        if run.parent is None:
            self._open_roots.pop(run.id, None)
        if isinstance(run.pending, OpenModel):
            for alias in run.pending.aliases:
                self.tracker.forget_alias(alias)
        self.tracker.end(run.id, status=status, call=call, cached=cached, end=end)

    def _embedded_by(self, run: Run, pending: OpenModel, texts: Any) -> None:
        hits = pending.hits
        cached = hits is not None and all(hits)
        if hits is not None and not cached:
            texts = [text for text, hit in zip(texts, hits, strict=False) if not hit]
        self._end_model(run, pending, pending.read(texts), cached=cached)

    def _ranked_by(self, run: Run, pending: OpenModel) -> None:
        if pending.delegates:  # an LLM ranks, and its calls count
            self._end(run, "ok")
            return
        texts = ranked_texts(*pending.prompt)
        self._end_model(run, pending, pending.read(texts)) if texts else self._end(run, "ok")

    def _end_model(
        self,
        run: Run,
        pending: OpenModel,
        call: ModelCall,
        status: RunStatus = "ok",
        *,
        cached: bool = False,
    ) -> None:
        """End a model's run: of calls that delegate, the innermost with usage counts."""
        reported = call.tokens_source == "reported"
        if run.children and pending.delegates:
            below = [r for r in run.walk() if r is not run and r.kind in GENERATING]
            waiting = [r for r in below if _waits(r)]
            if reported and len(waiting) == len(below):
                for inner in waiting:
                    self._release(inner, counts=False)
                self._end(run, status, call)
            elif not reported and len(waiting) == len(below) and _within(run):
                pending.ended, pending.status = time.time(), status
            else:
                for inner in waiting:
                    self._release(inner, counts=True)
                self._end(run, status)
        elif not reported and run.kind in GENERATING and _within(run):
            pending.final, pending.ended, pending.status = call, time.time(), status
        else:
            self._end(run, status, call, cached=cached)

    def _release(self, run: Run, *, counts: bool) -> None:
        """End a run that has waited for the one around it."""
        pending = run.pending
        if isinstance(pending, OpenModel):
            self._end(run, pending.status, pending.final if counts else None, end=pending.ended)


def _is_open(run: Run, kinds: tuple[Kind, ...]) -> bool:
    pending = run.pending
    return isinstance(pending, OpenModel) and pending.ended is None and pending.kind in kinds


def _waits(run: Run) -> bool:
    """Whether a run has ended but for the one around it."""
    return isinstance(run.pending, OpenModel) and run.pending.ended is not None


def _inherits(parent: Run, kind: RunKind | None, instance: Any) -> bool:
    """Whether a model's method calls another of the same model, and fires no events itself."""
    pending = parent.pending
    return (
        kind in GENERATING
        and isinstance(pending, OpenModel)
        and pending.instance is instance
        and not pending.announced
        and pending.ended is None
        and not parent.children
    )


def _generated_below(run: Run) -> bool:
    return any(below.kind in GENERATING for below in run.walk())


def _is_under(run: Run | None, above: Run) -> bool:
    return run is not None and (run is above or any(r is above for r in run.ancestors()))


def _within(run: Run) -> bool:
    """Whether a model's run that is open is around this one."""
    return any(_is_open(above, ("chat", "completion")) for above in run.ancestors())
