"""Following all LangChain runs of a context without any ``config``."""

from __future__ import annotations

import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from langchain_core.tracers.context import register_configure_hook

from impactree.langchain._current import ambient_callbacks, retrieving_trackers
from impactree.langchain._handler import ImpactHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.runs.budget import ImpactBudget
    from impactree.tracker import ImpactTracker

__all__ = ["ambient_trackers", "attach"]

# One variable per nesting depth, each registered once: LangChain keeps every hook for ever, and
# takes one handler from each.
_depths: Final[list[ContextVar[_BlockHandler | None]]] = []
_lock: Final = threading.Lock()


def attach(tracker: ImpactTracker, budget: ImpactBudget | None = None) -> Callable[[], None]:
    """Send all runs started in this context to a tracker; the returned function stops it."""
    handler = _BlockHandler(tracker=tracker, budget=budget)
    variable = _free_variable()
    token = variable.set(handler)

    def detach() -> None:
        handler.detached = True
        # Left in another context than it was entered in, it stays there, detached.
        with suppress(ValueError):
            variable.reset(token)

    return detach


class _BlockHandler(ImpactHandler):
    """The handler of one block: once detached it only finishes the trees it has begun."""

    detached = False

    def _start(self, run_id: Any, parent_id: Any, *args: Any) -> None:
        if not self.detached or self.tracker.find(parent_id) is not None:
            super()._start(run_id, parent_id, *args)

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
    found += [h for v in _depths if (h := v.get()) is not None and not h.detached]
    trackers = [handler.tracker for handler in found] + retrieving_trackers()
    return list({id(tracker): tracker for tracker in trackers}.values())
