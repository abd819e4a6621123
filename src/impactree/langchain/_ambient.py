"""LangChain's current run, without importing more of LangChain than the process already has."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from impactree.ambient import register_source

if TYPE_CHECKING:
    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = ["ambient_callbacks", "current_run_id", "open_scope", "scopes"]

scopes: Final[ContextVar[tuple[tuple[ImpactTracker, Any], ...]]] = ContextVar(
    "impactree_scopes", default=()
)
"""The runs around the current code that LangChain does not tell it of, outermost first."""


def open_scope(tracker: ImpactTracker | None = None) -> Run | None:
    """The innermost of them that is open, of one tracker or of any."""
    entered = scopes.get()
    if not entered:
        return None
    told = getattr(ambient_callbacks(), "parent_run_id", None)
    for owner, run_id in reversed(entered):
        if tracker is None or owner is tracker:
            run: Run | None = owner.find(run_id)
            # Fallbacks set the context for each attempt; a batch of them starts others beside it,
            # and the consumer of their stream is not inside.
            if run is not None and run.end is None and (run.kind == "retriever" or told == run_id):
                return run
    return None


def ambient_callbacks() -> Any:
    """The callbacks of the run around the current code; None outside any."""
    module = sys.modules.get("langchain_core.runnables.config")
    config = module.var_child_runnable_config.get() if module else None
    return config.get("callbacks") if config else None


def current_run_id() -> Any:
    """The id of the innermost LangChain run that the current code is part of."""
    run_id = getattr(ambient_callbacks(), "parent_run_id", None)
    scope = open_scope()
    if scope is None:
        return run_id
    inside = run_id is None or run_id == scope.parent_id or _is_above(run_id, scope)
    return scope.id if inside else run_id


def _is_above(run_id: Any, run: Run) -> bool:
    return any(ancestor.id == run_id for ancestor in run.ancestors())


register_source(current_run_id)
