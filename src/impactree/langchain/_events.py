"""What LangChain's events mean for the tree, worked out when the tracker handles them."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from weakref import ref

from impactree.langchain import _kinds as kinds
from impactree.langchain import _names as names
from impactree.langchain._answer import Answer, PendingCall, read_answer
from impactree.runs import run_key
from impactree.runs.trees import RunTrees

if TYPE_CHECKING:
    from impactree.runs import RunKind
    from impactree.tracker import ImpactTracker

__all__ = ["EventHandling"]

_MAX_PAST: Final = 4096
_SWEPT_AT: Final = 4096


class EventHandling:
    """The half of the handler that the tracker calls."""

    def __init__(self, tracker: ImpactTracker, kept_keys: frozenset[str]) -> None:
        self.tracker = tracker
        self._trees = tracker.trees
        self._keys = kept_keys
        self._calls: dict[Any, PendingCall] = {}
        """The model calls that are open, and those that were abandoned and may end late."""
        self._sweep_at = _SWEPT_AT
        self._retrieving: dict[Any, Any] = {}
        self._past: deque[Any] = deque(maxlen=_MAX_PAST)
        """Keys of the model calls that are over: an end that comes again is none."""

    def _chain_started(
        self,
        run_id: Any,
        parent_id: Any,
        name: str,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
        at: float,
    ) -> None:
        kept = None
        if metadata:  # LangGraph and create_agent give all theirs some
            parent = None if parent_id is None else self._trees.find(parent_id)
            kind = kinds.chain_kind(name, tags, metadata, parent, parent_id is None)
            if kind == "node" and parent is not None and parent.kind != "agent":
                kinds.mark_parent(parent, name, tags, metadata)
            kept = names.kept_metadata(metadata, self._keys)
        else:
            kind = kinds.named_kind(name)
        kept_tags = names.kept_tags(tags) if tags else ()
        self._trees.start(run_id, parent_id, name, kind, kept_tags, kept, at, None)

    def _started(
        self,
        run_id: Any,
        parent_id: Any,
        name: str,
        kind: RunKind,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
        at: float,
        pending: PendingCall | None = None,
    ) -> None:
        kept = names.kept_metadata(metadata, self._keys) if metadata else None
        self._trees.start(run_id, parent_id, name, kind, names.kept_tags(tags), kept, at, pending)

    def _answered(
        self, run_id: Any, at: float, pending: PendingCall, answer: Answer, now: float
    ) -> None:
        call = pending.call(answer, now)
        self._trees.end(run_id, "ok", call, answer.cached, at)

    def _unknown_end(self, response: Any, run_id: Any) -> None:
        """An answer whose start this handler never saw: a root of its own, unless it is known."""
        if run_key(run_id) in self._past or self.tracker.find(run_id) is not None:
            return
        answer = read_answer(response, self.tracker.note_problem)
        pending = PendingCall(kind="chat", class_name="chat")
        self.tracker.start(run_id, name="model", kind="chat")
        self.tracker.end(run_id, call=pending.call(answer, None), cached=answer.cached)

    # Runs that LangChain never ends

    def _watched(self, run_id: Any) -> tuple[Any, Any]:
        """An equal id to keep, and what tells when LangChain has let go of its own.

        LangChain holds a run's id while the run can still end. Cancelled calls do not: no
        callback tells of them, but their id is freed.
        """
        if type(run_id) is not UUID:
            return run_id, None
        kept = UUID(int=run_id.int)
        return kept, ref(run_id, partial(self._let_go, kept))

    def _let_go(self, run_id: Any, _: Any = None) -> None:
        """Called wherever an object is freed, perhaps by the collector: only leaves an event."""
        try:
            pending = self._calls.get(run_key(run_id))
            if pending is not None:
                pending.forget()
            self._retrieving.pop(run_key(run_id), None)
            self.tracker.later((RunTrees.abandon, self._trees, run_id, time.time()), idle=True)
        except Exception as error:
            self.tracker.note_problem(f"_let_go: {type(error).__name__}", error)

    def _sweep(self) -> None:
        """Drop the calls whose runs the tracker has closed and forgotten: they will not end."""
        keys = list(self._calls)
        self.tracker.catch_up()
        for key in keys:
            if self._trees.find(key) is None and self._calls.pop(key, None) is not None:
                self._past.append(key)
        self._sweep_at = max(_SWEPT_AT, 2 * len(self._calls))
