"""Following all LangChain runs of a context without any ``config``."""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from langchain_core.tracers.context import register_configure_hook

from impactree.delivery.forks import free_in_child
from impactree.langchain._current import ambient_callbacks, retrieving_trackers
from impactree.langchain._handler import ImpactHandler
from impactree.langchain._witness import WITNESS
from impactree.loops import on_loop
from impactree.tracker import active_trackers

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.runs import RunKind
    from impactree.runs.budget import ImpactBudget
    from impactree.tracker import ImpactTracker

__all__ = ["ambient_trackers", "attach"]

# One variable per nesting depth, each registered once: LangChain keeps every hook for ever, and
# takes one handler from each.
_depths: Final[list[ContextVar[_BlockHandler | None]]] = []
_everywhere: Final[list[_Everywhere]] = []
_lock: Final = free_in_child(threading.Lock())
_LOST: Final = (
    "a model call in another thread was seen without the run around it; start what a thread does "
    "through contextvars.copy_context().run"
)


def attach(
    tracker: ImpactTracker, budget: ImpactBudget | None = None, *, everywhere: bool = False
) -> Callable[[], None]:
    """Send all runs started in this context to a tracker; the returned function stops it.

    Args:
        tracker: Where runs go.
        budget: A budget to hold them against.
        everywhere: All runs of the process, whatever their context.
    """
    handler = _BlockHandler(tracker=tracker, budget=budget)
    if everywhere:
        place = _free_place()
        place.handler = handler
        WITNESS.everywhere += 1
        return place.leave
    variable = _free_variable()
    token = variable.set(handler)

    def detach() -> None:
        handler.detached = True
        # Left in another context than it was entered in, it stays there, detached.
        with suppress(ValueError):
            variable.reset(token)

    return detach


class _Everywhere:
    """In the place of a ``ContextVar`` for LangChain: one handler, the same in every context."""

    handler: _BlockHandler | None = None

    def get(self) -> _BlockHandler | None:
        return self.handler

    def leave(self) -> None:
        if self.handler is not None:
            self.handler.detached = True
            WITNESS.everywhere -= 1
        self.handler = None


def _free_place() -> _Everywhere:
    with _lock:
        for place in _everywhere:
            if place.handler is None:
                return place
        place = _Everywhere()
        register_configure_hook(place, inheritable=True)  # type: ignore[arg-type]  # asks get()
        _everywhere.append(place)
        return place


class _BlockHandler(ImpactHandler):
    """The handler of one block: once detached it only finishes the trees it has begun."""

    detached = False

    def _start(self, run_id: Any, parent_id: Any, name: str, kind: RunKind, *rest: Any) -> None:
        if self.detached and self.tracker.find(parent_id) is None:
            return
        if parent_id is None and kind in ("chat", "completion") and self._is_out_of_context():
            self.tracker.note_problem(_LOST)
        super()._start(run_id, parent_id, name, kind, *rest)

    def _is_out_of_context(self) -> bool:
        """Whether this thread knows nothing of the block, while runs of it are open."""
        return (
            self.tracker not in active_trackers.get()
            and threading.current_thread() is not threading.main_thread()
            and not on_loop()
            and bool(self.tracker.open_roots)
        )

    def _unknown_end(self, response: Any, run_id: Any) -> None:
        if not self.detached:
            super()._unknown_end(response, run_id)


def _free_variable() -> ContextVar[_BlockHandler | None]:
    with _lock:
        for variable in _depths:
            handler = variable.get()
            if handler is None or handler.detached:
                return variable
        variable = ContextVar[_BlockHandler | None](
            f"impactree_tracking_{len(_depths)}", default=None
        )
        register_configure_hook(variable, inheritable=True)
        _depths.append(variable)
        return variable


def ambient_trackers() -> list[ImpactTracker]:
    """The trackers that follow the current code: of the runs around it, and of blocks."""
    callbacks = ambient_callbacks()
    handlers = callbacks if isinstance(callbacks, list) else getattr(callbacks, "handlers", ())
    found = [h for h in handlers if isinstance(h, ImpactHandler)]
    blocks = [*(v.get() for v in _depths), *(place.handler for place in _everywhere)]
    found += [h for h in blocks if h is not None and not h.detached]
    trackers = [handler.tracker for handler in found] + retrieving_trackers()
    return list({id(tracker): tracker for tracker in trackers}.values())
