"""What LangChain's events mean for the tree, worked out when the tracker handles them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impactree.langchain import _kinds as kinds
from impactree.langchain import _names as names
from impactree.langchain._answer import Answer, PendingCall, read_answer

if TYPE_CHECKING:
    from impactree.calls import ModelCall
    from impactree.runs import RunKind, RunStatus
    from impactree.tracker import ImpactTracker

__all__ = ["EventHandling"]


class EventHandling:
    """The half of the handler that the tracker calls."""

    def __init__(self, tracker: ImpactTracker, kept_keys: frozenset[str]) -> None:
        self.tracker = tracker
        self._trees = tracker.trees
        self._keys = kept_keys

    def _chain_started(
        self,
        run_id: Any,
        parent_id: Any,
        name: str,
        tags: list[str] | None,
        metadata: dict[str, Any] | None,
        at: float,
    ) -> None:
        parent = None if parent_id is None else self._trees.find(parent_id)
        kind = kinds.chain_kind(name, tags, metadata, parent, parent_id is None)
        if kind == "node" and parent is not None and parent.kind != "agent":
            kinds.mark_parent(parent, name, tags, metadata)
        self._started(run_id, parent_id, name, kind, tags, metadata, at)

    def _chain_ended(self, run_id: Any, at: float) -> None:
        run = self._trees.find(run_id)
        status: RunStatus = "interrupted" if run and kinds.is_interrupted(run) else "ok"
        self._trees.end(run_id, status, None, False, at)

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
        kept = (names.kept_metadata(metadata, self._keys) or None) if metadata else None
        self._trees.start(run_id, parent_id, name, kind, names.kept_tags(tags), kept, at, pending)

    def _answered(
        self, run_id: Any, at: float, pending: PendingCall, answer: Answer, now: float
    ) -> None:
        call = pending.call(answer, now)
        self._trees.end(run_id, "ok", call, answer.cached, at)

    def _ended(
        self,
        run_id: Any,
        status: RunStatus,
        at: float,
        call: ModelCall | None = None,
        cached: bool = False,
    ) -> None:
        self._trees.end(run_id, status, call, cached, at)

    def _unknown_end(self, response: Any, run_id: Any) -> None:
        """An answer whose start this handler never saw: a root of its own, unless it is known."""
        if self.tracker.find(run_id) is not None:
            return
        answer = read_answer(response, self.tracker.note_problem)
        pending = PendingCall(kind="chat")
        self.tracker.start(run_id, name="model", kind="chat")
        self.tracker.end(run_id, call=pending.call(answer, None), cached=answer.cached)
