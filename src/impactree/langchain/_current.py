"""LangChain's current run, without importing more of LangChain than the process already has."""

from __future__ import annotations

import sys
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from impactree.runs.current import innermost, register_source, remote_parent, sources

if TYPE_CHECKING:
    from types import FrameType

    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = [
    "ambient_callbacks",
    "caused_by",
    "current_run_id",
    "enter_scope",
    "leave_scope",
    "retrieving_trackers",
    "scopes",
]

_CONFIG: Final = "langchain_core.runnables.config"
_FALLBACKS: Final = "RunnableWithFallbacks"
_RETRIEVING: Final = frozenset({"BaseRetriever.invoke", "BaseRetriever.ainvoke"})

scopes: Final[ContextVar[tuple[tuple[ImpactTracker, Any, int | None], ...]]] = ContextVar(
    "impactree_scopes", default=()
)
"""The retrievers around the current code, outermost first: LangChain does not tell it of them."""


def enter_scope(tracker: ImpactTracker, run_id: Any) -> None:
    """A retriever starts: what starts in this context until its end is its work."""
    # Under asyncio, ends are told in a copy of the context: what has ended goes now.
    still_open = [entry for entry in scopes.get() if _run_around(*entry) is not None]
    scopes.set((*still_open, (tracker, run_id, _flow() if _inside_a_retriever() else None)))


def retrieving_trackers() -> list[ImpactTracker]:
    """The trackers of the retrievers around the current code."""
    return [entry[0] for entry in scopes.get() if _run_around(*entry) is not None]


def leave_scope(run_id: Any) -> None:
    """A run has ended here."""
    if scopes.get():
        scopes.set(tuple(entry for entry in scopes.get() if entry[1] != run_id))


def caused_by(tracker: ImpactTracker, parent_id: Any, name: str) -> Any:
    """The parent of a run that starts here, which may be one that LangChain does not tell."""
    module = sys.modules.get(_CONFIG)  # ambient_callbacks(), without a call for every run
    config = module.var_child_runnable_config.get() if module else None
    told = getattr(config.get("callbacks"), "parent_run_id", None) if config else None
    entered = scopes.get()
    if told is parent_id and not entered and len(sources) == 1:  # by far the most
        return remote_parent.get() if parent_id is None else parent_id
    scope = _open_scope(tracker) if entered else None
    alone = parent_id is None
    if scope is not None and (alone or parent_id == scope.parent_id):
        parent_id = scope.id
    if told is not None and told is not parent_id and told != parent_id:
        # Only the context knows of it where a call is given callbacks of its own, which makes it a
        # root, and where RunnableWithFallbacks starts its attempts with its own config: its
        # parent, and its name if it was given one.
        run = tracker.find(told)
        if (
            run is not None
            and run.end is None
            and (
                (alone and (scope is None or scope in run.ancestors()))
                or (run.name in (_FALLBACKS, name) and run.parent_id == parent_id)
            )
        ):
            parent_id = run.id
    return innermost(tracker, parent_id, current_run_id)


def _open_scope(tracker: ImpactTracker | None = None) -> Run | None:
    """The innermost retriever that is open, of one tracker or of any."""
    for owner, run_id, flow in reversed(scopes.get()):
        if tracker is None or owner is tracker:
            run = _run_around(owner, run_id, flow)
            if run is not None:
                return run
    return None


def _run_around(tracker: ImpactTracker, run_id: Any, flow: int | None) -> Run | None:
    run: Run | None = tracker.find(run_id)
    if run is None or run.end is not None:
        return None
    # A retriever that was cancelled never ends, and in a task that goes on nothing else tells.
    return None if flow == _flow() and not _inside_a_retriever() else run


def _flow() -> int:
    """The task, else the thread, that runs this code."""
    import asyncio  # costs as much as all the rest of importing the handler

    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident() if task is None else id(task)


def _inside_a_retriever() -> bool:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_qualname in _RETRIEVING:
            return True
        frame = frame.f_back
    return False


def ambient_callbacks() -> Any:
    """The callbacks of the run around the current code; None outside any."""
    module = sys.modules.get(_CONFIG)
    config = module.var_child_runnable_config.get() if module else None
    return config.get("callbacks") if config else None


def current_run_id(tracker: ImpactTracker | None = None) -> Any:
    """The id of the innermost LangChain run that the current code is part of.

    A retriever that LangChain does not tell of is asked of one tracker, or of any.
    """
    run_id = getattr(ambient_callbacks(), "parent_run_id", None)
    scope = _open_scope(tracker)
    if scope is None:
        return run_id
    inside = run_id is None or run_id == scope.parent_id or _is_above(run_id, scope)
    return scope.id if inside else run_id


def _is_above(run_id: Any, run: Run) -> bool:
    return any(ancestor.id == run_id for ancestor in run.ancestors())


register_source(current_run_id)
