"""The run that the current code is part of, whichever framework started it.

Adapters register how their framework tells it; nothing here imports a framework.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.runs.run import Run

__all__ = [
    "Finds",
    "active_trackers",
    "current_run_ids",
    "innermost",
    "register_source",
    "remote_parent",
    "sources",
]


class Finds(Protocol):
    """Whoever knows runs by their ids."""

    def find(self, run_id: Any) -> Run | None:
        """An open or lately closed run."""
        ...


active_trackers: Final[ContextVar[tuple[Any, ...]]] = ContextVar(
    "impactree_active_trackers", default=()
)
"""Trackers of the ``track_impacts()`` blocks around the current code, outermost first."""

remote_parent: Final[ContextVar[Any]] = ContextVar("impactree_remote_parent", default=None)
"""The id of the run in another process that the current code works for."""

sources: Final[list[Callable[[Any], Any]]] = []
"""How each framework in use tells the id of its current run, as a tracker knows it; with one, its
word is the last."""


def register_source(source: Callable[[Any], Any]) -> None:
    """Add a way to ask a framework for the id of its current run (None: there is none)."""
    if source not in sources:
        sources.append(source)


def current_run_ids(tracker: Finds) -> list[Any]:
    """Ids of the runs around the current code, one per framework that has one."""
    return [run_id for source in sources if (run_id := source(tracker)) is not None]


def innermost(tracker: Finds, parent_id: Any, own: Callable[[Any], Any] | None = None) -> Any:
    """The parent of a run that starts now, where frameworks call each other.

    Args:
        tracker: Which tracker's runs count.
        parent_id: The parent by the framework's own account, or None.
        own: The framework's own source, which ``parent_id`` speaks for; None: no framework's.

    Returns:
        Another framework's current run if that lies below the framework's own parent (a LangChain
        model inside a LlamaIndex engine inside a LangChain tool); else ``parent_id``; outside
        any run, the caller's run in another process, if one was restored.
    """
    others = sources != [own] and [
        run_id for source in sources if source is not own and (run_id := source(tracker))
    ]
    if others:
        best = None if parent_id is None else tracker.find(parent_id)
        for run in filter(None, map(tracker.find, others)):
            if best is None or any(above is best for above in run.ancestors()):
                best, parent_id = run, run.id
    return remote_parent.get() if parent_id is None else parent_id
