"""LangChain's current run, without importing more of LangChain than the process already has."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from impactree.ambient import innermost, register_source

if TYPE_CHECKING:
    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = [
    "ambient_callbacks",
    "caused_by",
    "current_run_id",
    "enter_scope",
    "leave_scope",
    "scopes",
]

_FALLBACKS: Final = "RunnableWithFallbacks"

scopes: Final[ContextVar[tuple[tuple[ImpactTracker, Any], ...]]] = ContextVar(
    "impactree_scopes", default=()
)
"""The retrievers around the current code, outermost first: LangChain does not tell it of them."""


def enter_scope(tracker: ImpactTracker, run_id: Any) -> None:
    """A retriever starts: what starts in this context until its end is its work."""
    # Under asyncio, ends are told in a copy of the context: what has ended goes now.
    still_open = (entry for entry in scopes.get() if _is_open(*entry))
    scopes.set((*still_open, (tracker, run_id)))


def leave_scope(run_id: Any) -> None:
    """A run has ended here."""
    if scopes.get():
        scopes.set(tuple(entry for entry in scopes.get() if entry[1] != run_id))


def caused_by(tracker: ImpactTracker, parent_id: Any, name: str) -> Any:
    """The parent of a run that starts here, which may be one that LangChain does not tell."""
    scope = _open_scope(tracker) if scopes.get() else None
    if scope is not None and (parent_id is None or parent_id == scope.parent_id):
        parent_id = scope.id
    told = getattr(ambient_callbacks(), "parent_run_id", None)
    if told is not None and told is not parent_id and told != parent_id:
        # RunnableWithFallbacks starts its attempts with its own config: its parent, and its name
        # if it was given one. Only the context knows of it.
        run = tracker.find(told)
        if (
            run is not None
            and run.end is None
            and run.name in (_FALLBACKS, name)
            and (parent_id is None or run.parent_id == parent_id)
        ):
            parent_id = run.id
    return innermost(tracker, parent_id, current_run_id)


def _open_scope(tracker: ImpactTracker | None = None) -> Run | None:
    """The innermost retriever that is open, of one tracker or of any."""
    for owner, run_id in reversed(scopes.get()):
        if tracker is None or owner is tracker:
            run: Run | None = owner.find(run_id)
            if run is not None and run.end is None:
                return run
    return None


def _is_open(tracker: ImpactTracker, run_id: Any) -> bool:
    run = tracker.find(run_id)
    return run is not None and run.end is None


def ambient_callbacks() -> Any:
    """The callbacks of the run around the current code; None outside any."""
    module = sys.modules.get("langchain_core.runnables.config")
    config = module.var_child_runnable_config.get() if module else None
    return config.get("callbacks") if config else None


def current_run_id() -> Any:
    """The id of the innermost LangChain run that the current code is part of."""
    run_id = getattr(ambient_callbacks(), "parent_run_id", None)
    scope = _open_scope()
    if scope is None:
        return run_id
    inside = run_id is None or run_id == scope.parent_id or _is_above(run_id, scope)
    return scope.id if inside else run_id


def _is_above(run_id: Any, run: Run) -> bool:
    return any(ancestor.id == run_id for ancestor in run.ancestors())


register_source(current_run_id)
