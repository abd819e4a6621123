"""LangChain's callbacks as events of the tracker."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final, NoReturn, Unpack

from langchain_core.callbacks import BaseCallbackHandler

from impactree.adapters.guarding import failed, guarded, status_of
from impactree.adapters.handler import ReadableHandler, kept_keys, tracker_for, watch_over
from impactree.calls.media import media_in
from impactree.calls.retrying import MAY_RETRY
from impactree.exceptions import ConfigurationError
from impactree.langchain import _kinds as kinds
from impactree.langchain import _names as names
from impactree.langchain._answer import Batches, PendingCall, read_answer
from impactree.langchain._current import caused_by, enter_scope, leave_scope
from impactree.langchain._inline import told_with_all
from impactree.langchain._open_calls import OpenCalls
from impactree.langchain._witness import WITNESS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.calls import Kind
    from impactree.engine.settings import TrackerSettings
    from impactree.runs import Exporter, RunKind, RunStatus
    from impactree.runs.budget import ImpactBudget
    from impactree.tracker import ImpactTracker

__all__ = ["ImpactHandler"]

_KEPT: Final = frozenset(
    {
        "conversation_id",
        "langgraph_checkpoint_ns",
        "langgraph_node",
        "langgraph_step",
        "langfuse_user_id",
        "lc_agent_name",
        "session_id",
        "thread_id",
        "user_id",
        MAY_RETRY,
    }
)


class ImpactHandler(ReadableHandler, BaseCallbackHandler):
    """Put it in ``callbacks`` and read the impacts of every run: ``print(handler.report())``.

    One handler may serve many chains, threads and tasks at once. It never changes what a chain
    returns or raises, keeps no prompts or outputs, and never touches the network.

    Args:
        exporters: Where finished run trees go.
        max_runs: How many finished trees to keep; totals go on counting beyond it.
        metadata_keys: Further keys of run metadata to keep (plain values only).
        budget: Warn, or stop the chain before the next model call, when impacts exceed it.
        totals_by: Keys of ``report.by()`` (a tuple for several at once) whose groups go on counting
            what is no longer kept.
        tracker: A tracker to share with other handlers, instead of exporters, max_runs and
            settings.
        **settings: ``zone``, ``region``, ``provider_zones``, ``deployments``, ``models``,
            ``unknown_models``, ``method``: see :class:`impactree.engine.settings.TrackerSettings`.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    # LangChain asks before each event: plain values answer faster than the base's properties.
    ignore_llm = ignore_chat_model = ignore_chain = False

    def __init__(
        self,
        *,
        exporters: Iterable[Exporter] = (),
        max_runs: int | None = None,
        metadata_keys: Iterable[str] = (),
        budget: ImpactBudget | None = None,
        totals_by: Iterable[str | tuple[str, ...]] = (),
        tracker: ImpactTracker | None = None,
        **settings: Unpack[TrackerSettings],
    ) -> None:
        super().__init__()
        keys, totals_by = kept_keys(metadata_keys), tuple(totals_by)
        self.tracker = tracker_for(tracker, exporters, max_runs, settings, totals_by)
        self._given = {"max_runs": max_runs, "metadata_keys": keys, "budget": budget}
        self._given |= {"totals_by": totals_by, **settings}
        self._keys = _KEPT | keys
        self._calls = OpenCalls(self.tracker)
        self._batches = Batches()
        self._watch = watch_over(budget, self.tracker)
        WITNESS.watch(self.tracker)
        # Only a spent budget ever leaves a callback; without it LangChain would swallow that too.
        self.raise_error = budget is not None and budget.action == "raise"

    @property
    def run_inline(self) -> bool:  # type: ignore[override]  # an attribute there
        """True: under asyncio too, events are handled in order and in the caller's context.

        But where LangChain tells all handlers of a completion model: there it would skip those
        that do not run inline, if only one does.
        """
        try:
            return not told_with_all(self, sys._getframe(1))
        except Exception as error:
            failed(self.tracker, "run_inline", error)
            return True

    def instrument(self) -> NoReturn:
        """There is none: LangChain's handler goes into ``callbacks``.

        Raises:
            ConfigurationError: always; it says what to import.
        """
        raise ConfigurationError(
            "this is LangChain's handler: pass it in callbacks=[handler]; for LlamaIndex, "
            "`from impactree.llama_index import ImpactHandler`"
        )

    # LangChain's callbacks

    # Those that come most often guard themselves: a wrapper would cost as much as their work.

    def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: Any,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        name: Any = None,
        **kwargs: Any,
    ) -> None:
        """A chain, graph, node or agent starts."""
        try:
            if type(name) is not str or not 0 < len(name) <= names.MAX_NAME:
                name = names.run_name(serialized, name, "chain")
            parent_id = caused_by(self.tracker, parent_run_id, name)
            kind = kinds.NAMED.get(name, "chain")
            if metadata:  # LangGraph and create_agent give all theirs some
                kind = self._chain_kind(name, parent_id, tags, metadata)
            self._start(run_id, parent_id, name, kind, tags, metadata)
        except Exception as error:
            failed(self.tracker, "on_chain_start", error)

    def on_chain_end(self, outputs: Any, *, run_id: Any, **kwargs: Any) -> None:
        """A chain ends."""
        try:
            self.tracker.end(run_id)
        except Exception as error:
            failed(self.tracker, "on_chain_end", error)

    @guarded
    def on_chain_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        """A chain fails, is cancelled, or is interrupted to wait for a human."""
        self.tracker.end(run_id, status=status_of(error))

    @guarded
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool starts."""
        name = names.run_name(serialized, kwargs.get("name"), "tool")
        parent_id = caused_by(self.tracker, parent_run_id, name)
        self._start(run_id, parent_id, name, "tool", tags, metadata)

    @guarded
    def on_tool_end(self, output: Any, *, run_id: Any, **kwargs: Any) -> None:
        """A tool ends."""
        self.tracker.end(run_id)

    @guarded
    def on_tool_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        """A tool fails."""
        self.tracker.end(run_id, status=status_of(error))

    @guarded
    def on_retriever_start(
        self,
        serialized: dict[str, Any],
        query: str,
        *,
        run_id: Any,
        parent_run_id: Any = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A retriever starts."""
        name = names.run_name(serialized, kwargs.get("name"), "retriever")
        parent_id = caused_by(self.tracker, parent_run_id, name)
        run_id = self._calls.watch(run_id)
        enter_scope(self.tracker, run_id)
        self._start(run_id, parent_id, name, "retriever", tags, metadata)

    @guarded
    def on_retriever_end(self, documents: Any, *, run_id: Any, **kwargs: Any) -> None:
        """A retriever ends."""
        self._retrieved(run_id, "ok", documents)

    @guarded
    def on_retriever_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        """A retriever fails."""
        self._retrieved(run_id, status_of(error))

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[Any]],
        *,
        run_id: Any,
        parent_run_id: Any = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A chat model is called."""
        try:
            prompt = messages[0] if messages else []
            self._model_start(
                "chat", serialized, prompt, run_id, parent_run_id, tags, metadata, kwargs
            )
        except Exception as error:
            failed(self.tracker, "on_chat_model_start", error)

    @guarded
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],
        *,
        run_id: Any,
        parent_run_id: Any = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A completion model is called."""
        prompt = prompts[0] if prompts else ""
        self._model_start(
            "completion", serialized, prompt, run_id, parent_run_id, tags, metadata, kwargs
        )

    @guarded
    def on_llm_new_token(
        self, token: Any, *, chunk: Any = None, run_id: Any, **kwargs: Any
    ) -> None:
        """A piece of a streamed answer: only its length is kept."""
        pending = self._calls.get(run_id)
        if pending is not None:
            pending.streamed(token, chunk)

    @guarded
    def on_stream_event(self, event: Any, *, run_id: Any, **kwargs: Any) -> None:
        """As :meth:`on_llm_new_token`, of ``stream_events(version="v3")``."""
        pending = self._calls.get(run_id)
        if pending is not None:
            pending.streamed_event(event)

    def on_llm_end(self, response: Any, *, run_id: Any, **kwargs: Any) -> None:
        """A model has answered."""
        try:
            pending = self._calls.pop(run_id)
            if pending is None:
                self._unknown_end(response, run_id)
                return
            # Counting tokens takes a time that is not the run's.
            now, at = time.perf_counter(), time.time()
            answer = read_answer(response, self.tracker.note_problem)
            call = pending.call(answer, now)
            for made in pending.beside(answer, call) if answer.pictures or call.usage_notes else ():
                self.tracker.record(made, run_id)
            self.tracker.end(run_id, call=call, cached=answer.cached, end=at)
            if self._watch is not None:
                self._watch.check_run(run_id)
        except Exception as error:
            failed(self.tracker, "on_llm_end", error)
            self._calls.let_go(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        """A model call failed, perhaps after part of an answer, which counts."""
        try:
            pending = self._calls.pop(run_id)
            if pending is None:
                return
            now, at = time.perf_counter(), time.time()
            answer = read_answer(kwargs.get("response"), self.tracker.note_problem, error)
            call = pending.failed_call(answer, error, now)
            self.tracker.end(run_id, status=status_of(error), call=call, end=at)
            if self._watch is not None:
                self._watch.check_run(run_id)
        except Exception as fault:
            failed(self.tracker, "on_llm_error", fault)
            self._calls.let_go(run_id)

    # Inside

    def _chain_kind(self, name: str, parent_id: Any, tags: Any, metadata: Any) -> RunKind:
        """The kind of a chain that starts; it may tell what its parent is, too."""
        parent = None if parent_id is None else self.tracker.find(parent_id)
        kind = kinds.chain_kind(name, tags, metadata, parent, parent_id is None)
        if kind == "node" and parent is not None and parent.kind != "agent":
            found = kinds.parent_kind(parent, name, tags, metadata)
            if found is not None:
                told = kinds.agent_metadata(parent) if found == "agent" else None
                self.tracker.annotate(parent_id, kind=found, metadata=told)
        return kind

    def _start(
        self,
        run_id: Any,
        parent_id: Any,
        name: str,
        kind: RunKind,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
        pending: PendingCall | None = None,
    ) -> None:
        if not WITNESS.is_called:
            WITNESS.call()
        self.tracker.start(
            run_id,
            parent_id,
            name=name,
            kind=kind,
            tags=names.kept_tags(tags) if tags else (),
            metadata=names.kept_metadata(metadata, self._keys) if metadata else None,
            pending=pending,
        )

    def _retrieved(self, run_id: Any, status: RunStatus, documents: Any = ()) -> None:
        self._calls.unwatch(run_id)
        leave_scope(run_id)
        self.tracker.annotate(run_id, metadata=names.document_counts(documents))
        self.tracker.end(run_id, status=status)

    def _unknown_end(self, response: Any, run_id: Any) -> None:
        """An answer whose start this handler never saw: a root of its own, unless it is known."""
        if self._calls.is_past(run_id) or self.tracker.find(run_id) is not None:
            return
        answer = read_answer(response, self.tracker.note_problem)
        pending = PendingCall(kind="chat", class_name="chat")
        self.tracker.start(run_id, name="model", kind="chat")
        self.tracker.end(run_id, call=pending.call(answer, None), cached=answer.cached)

    def _model_start(
        self,
        kind: Kind,
        serialized: Any,
        prompt: Any,
        run_id: Any,
        parent_id: Any,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
        kwargs: dict[str, Any],
    ) -> None:
        class_name = names.run_name(serialized, None, kind)
        given = kwargs.get("name")
        name = (names.text(given) or class_name) if given else class_name
        parent_id = caused_by(self.tracker, parent_id, name)
        if self._watch is not None:
            self._watch.hold(self.tracker.find(parent_id))
        params = told if isinstance(told := kwargs.get("invocation_params"), dict) else {}
        pending = PendingCall(
            kind=kind,
            class_name=class_name,
            serialized=serialized,
            metadata=metadata or {},
            params=params,
            prompt=prompt,
            media=media_in(prompt, "content"),
            repeats=self.tracker.repeats,
            batch=None if kwargs.get("batch_size") == 1 else self._batches.of(kwargs),
            started=time.perf_counter(),
        )
        if parent_id is None:  # else the end of the run around it closes it
            run_id = self._calls.watch(run_id)
        metadata = names.with_retries(metadata, class_name, params, serialized)
        self._start(run_id, parent_id, name, kind, tags, metadata, pending)
        self._calls.add(run_id, pending)
