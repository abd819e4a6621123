"""LlamaIndex's instrumentation (spans and events of its dispatcher) as events of a tracker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.adapters.guarding import failed, status_of
from impactree.adapters.threads import in_plain_thread, note_unseen
from impactree.llama_index import _spans as spans
from impactree.llama_index import _streams as streams
from impactree.llama_index._embeddings import document_counts
from impactree.llama_index._events import Events, teller
from impactree.llama_index._models import (
    GENERATING,
    OpenBatch,
    OpenModel,
    OpenPrediction,
    OpenSpan,
)
from impactree.llama_index._runs import Runs
from impactree.llama_index._workers import cache_size, in_workers, record_workers
from impactree.runs import Labels
from impactree.runs.current import innermost, sources
from impactree.tracker import active_trackers

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

    from impactree.runs import Run, RunKind, RunStatus
    from impactree.tracker import ImpactTracker

__all__ = ["Hook"]

_KEPT: Final = frozenset(
    {"conversation_id", "langfuse_user_id", "session_id", "thread_id", "user_id"}
)
_WORKFLOWS: Final = frozenset({"agent", "graph"})
_MODEL_KINDS: Final = GENERATING | {"embedding", "rerank"}


class Hook:
    """What follows LlamaIndex's dispatcher for one tracker; nothing that it does raises."""

    def __init__(self, tracker: ImpactTracker, left: Callable[[], None]) -> None:
        self.tracker = tracker
        self._left = left
        """Told when a stream is over."""
        self.everywhere = 0
        """How many users follow all code; with none, only blocks of ``track_impacts``."""
        self.keys = _KEPT
        self.runs = Runs(tracker)
        self.events = Events(self.runs, self.follows)
        self._workers: dict[str, int | None] = {}  # ingestions: size of the cache before

    def follows(self) -> bool:
        """Whether code that runs here and now is followed."""
        return self.everywhere > 0 or self.tracker in active_trackers.get()

    def settle(self, *, read: bool = False) -> None:
        """End the runs whose streams are gone; see :meth:`Runs.settle`."""
        self.runs.settle(read=read)
        if not self.runs.streams:
            self._left()

    def event(self, event: Any, **kwargs: Any) -> None:
        """Something happened inside a span."""
        method = teller(type(event))  # type: ignore[arg-type]  # every class is hashable
        if method is not None:
            try:
                getattr(self.events, method)(event)
            except Exception as error:
                failed(self.tracker, "event", error)

    def span_enter(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any = None,
        parent_id: str | None = None,
        tags: Any = None,
        **kwargs: Any,
    ) -> None:
        """A method starts."""
        try:
            method = spans.method_of(type(instance), id_[: -spans.UUID] or id_)  # type: ignore[arg-type]
            if method.is_step:
                return
            if self.runs.dropped:
                self.settle()
            found_id, parent = self._parent(parent_id, method)
            if parent is None and not self.follows():
                if (
                    parent_id is None
                    and in_plain_thread()
                    and spans.kind_of(method, instance, None)
                ):
                    note_unseen(self.tracker)
                return
            kind = spans.kind_of(method, instance, parent)
            if kind is None or (parent is not None and _inherits(parent, kind, instance, id_)):
                self.tracker.alias(id_, found_id)
            else:
                self._start(id_, found_id, parent, kind, method, instance, bound_args, tags)
        except Exception as error:
            failed(self.tracker, "span_enter", error)

    def span_exit(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any = None,
        result: Any = None,
        **kwargs: Any,
    ) -> None:
        """A method has returned."""
        try:
            run = self.tracker.find(id_)
            if run is not None:
                if run.id == id_:
                    self._exit(run, instance, result)
                else:
                    self._leave_hidden(run, id_, result)
        except Exception as error:
            failed(self.tracker, "span_exit", error)

    def span_drop(
        self,
        id_: str,
        bound_args: inspect.BoundArguments,
        instance: Any = None,
        err: BaseException | None = None,
        **kwargs: Any,
    ) -> None:
        """A method has raised."""
        try:
            run = self.tracker.find(id_)
            if run is not None:
                if run.id == id_:
                    self._drop(run, err)
                else:
                    self._leave_hidden(run, id_, None)
        except Exception as error:
            failed(self.tracker, "span_drop", error)

    def _start(
        self,
        id_: str,
        found_id: Any,
        parent: Run | None,
        kind: RunKind,
        method: spans.Method,
        instance: Any,
        bound_args: inspect.BoundArguments,
        tags: Any,
    ) -> None:
        """A method that shows starts."""
        pending = self._pending(kind, method, instance, bound_args)
        if isinstance(pending, OpenBatch):
            kind = "chain"
        shown, labels = spans.shown_name(method, instance, kind), None
        metadata = spans.kept(tags, self.keys)
        if instance is None or method.role in spans.WORKING:
            agent = _agent(kind, parent, spans.agent_name(instance, method.role, bound_args))
            if agent is not None:
                metadata["agent_name"] = agent
            if kind == "node":
                labels = Labels(node=shown, step=shown)
        if in_workers(instance, method.name, bound_args):
            self._workers[id_] = cache_size(instance)
        run = self.runs.start(id_, found_id, shown, kind, pending, metadata, labels)
        if method.role == "embedding":
            streams.embedding_entered(run)

    def _exit(self, run: Run, instance: Any, result: Any) -> None:
        opened = streams.streams_of(result)
        if run.id in self._workers:
            record_workers(self.tracker, run, instance, result or (), self._workers.pop(run.id))
        pending = run.pending
        for stream in opened:
            self.runs.opened(run, stream)
        if isinstance(pending, OpenModel):
            if not opened and pending.ended is None:
                self._returned(run, pending, result)
        elif isinstance(pending, OpenPrediction) and not pending.delegates:
            if not opened:  # of a stream, more is known when it has been read
                self.runs.predicted(run, "ok", pending.answer(result))
        else:
            if not opened:
                self.events.leave(run, None)
            if pending is not None:  # else an event has told of its end
                if run.kind == "retriever" and isinstance(result, list):
                    self.tracker.annotate(run.id, metadata=dict(document_counts(result)))
                self.runs.end(run, _status(run, pending, result))

    def _drop(self, run: Run, err: BaseException | None) -> None:
        self._workers.pop(run.id, None)
        pending = run.pending
        if isinstance(pending, OpenModel):
            if pending.ended is None:
                self.runs.end_model(run, pending, pending.failed(err), status_of(err))
            return
        self.events.leave(run, err)
        if isinstance(pending, OpenPrediction):
            self.runs.predicted(run, status_of(err), pending.failed(err))
        else:
            self.runs.end(run, status_of(err))

    def _leave_hidden(self, run: Run, id_: str, result: Any) -> None:
        """A span that does not show is over: its name goes, unless events are to come."""
        inherited = isinstance(run.pending, OpenModel) and id_ in run.pending.aliases
        if not (inherited and streams.streams_of(result)):
            self.tracker.forget_alias(id_)

    def _parent(self, parent_id: str | None, method: spans.Method) -> tuple[Any, Run | None]:
        """The parent of a span that starts now: its id, and its run if there is one."""
        found_id = streams.shown(parent_id)
        if found_id is None or len(sources) > 1:
            found_id = innermost(self.tracker, found_id, streams.current_run_id)
        parent = None if found_id is None else self.tracker.find(found_id)
        reading = streams.read_now(self.tracker)
        if reading is not None and not _is_under(parent, reading):
            found_id, parent = reading.id, reading
        # Before workflows 2, run() leaves its span active in the caller's context: what comes next
        # there, other workflows beside it included, would hang under it.
        while parent is not None and parent.kind in _WORKFLOWS:
            if method.kind not in _WORKFLOWS and parent.end is None:
                break
            parent = parent.parent
            found_id = None if parent is None else parent.id
        return found_id, parent

    def _pending(
        self,
        kind: RunKind,
        method: spans.Method,
        instance: Any,
        bound_args: inspect.BoundArguments,
    ) -> OpenSpan:
        asked, role = bound_args.arguments, method.role
        if kind not in _MODEL_KINDS:
            if role != "llm":
                return OpenSpan(instance)
            return OpenPrediction(instance, note=self.tracker.note_problem, asked=asked)
        if role == "embedding":
            texts = asked.get("texts")
            if texts is None:
                texts = [asked.get("text", asked.get("query", ""))]
            size = getattr(instance, "embed_batch_size", len(texts))
            if spans.is_batch(method.name) and len(texts) > size:
                return OpenBatch(instance, texts=texts, size=size)
            prompt: Any = texts
        elif role == "rerank":
            prompt = (asked.get("query_bundle"), asked.get("nodes"))
        else:
            prompt = streams.asked(bound_args)
        return OpenModel(
            instance,
            kind=kind,  # type: ignore[arg-type]  # one of _MODEL_KINDS
            prompt=prompt,
            beside=asked.get("kwargs"),
            note=self.tracker.note_problem,
        )

    def _returned(self, run: Run, pending: OpenModel, result: Any) -> None:
        """A model's method has returned, and no event has told of its end."""
        if pending.kind == "rerank":
            self.runs.ranked(run, pending)
        elif pending.kind == "embedding" and not pending.prompt:
            self.runs.end(run, "ok")  # nothing to embed, nothing was asked
        elif pending.kind == "embedding":
            self.runs.embedded(run, pending, pending.prompt)
        else:
            self.runs.end_model(run, pending, pending.answer(result))


def _agent(kind: RunKind, parent: Run | None, named: str | None) -> str | None:
    """The agent that a span works for.

    Steps that call tools do not say for whom: for the agent that has just answered.
    """
    if kind == "node" and parent is not None and isinstance(parent.pending, OpenSpan):
        named = parent.pending.agent = named or parent.pending.agent
    return named


def _status(run: Run, pending: Any, result: Any) -> RunStatus:
    """How a run that has returned ended."""
    if isinstance(pending, OpenSpan) and pending.status != "ok":
        return pending.status
    if run.kind in _WORKFLOWS and result is None:
        # Before workflows 2, a workflow that fails returns None, and its step has told.
        failed = [step.status for step in run.children if step.status in ("error", "cancelled")]
        return failed[-1] if failed else "ok"
    return "ok"


def _inherits(parent: Run, kind: RunKind, instance: Any, id_: str) -> bool:
    """Whether a model's method calls another of the same model, and fires no events itself."""
    pending = parent.pending
    if (
        isinstance(pending, OpenModel)
        and kind in GENERATING
        and pending.instance is instance
        and not pending.announced
        and pending.ended is None
        and not parent.children
    ):
        pending.aliases.append(id_)
        return True
    return False


def _is_under(run: Run | None, above: Run) -> bool:
    return run is not None and (run is above or any(r is above for r in run.ancestors()))
