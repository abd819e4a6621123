"""Calls in plain threads: nobody tells a framework which run started the thread.

That there was such a call while a run was at it can be known, not whether it belongs to that run.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from impactree.runs.current import active_trackers

if TYPE_CHECKING:
    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = ["in_plain_thread", "note_unseen"]

_CALLS: Final = frozenset({"chat", "completion", "embedding", "rerank", "image"})
_UNSEEN: Final = (
    "a call in a plain thread was not seen, while a run was open; if it belongs there, it is "
    "missing; cure: track_impacts(everywhere=True), or start what a thread does through "
    "contextvars.copy_context().run"
)


def in_plain_thread() -> bool:
    """Whether this thread knows nothing of any block; the framework's context is asked apart."""
    if threading.get_ident() == threading.main_thread().ident:
        return False
    return not active_trackers.get()


def note_unseen(tracker: ImpactTracker) -> None:
    """A plain thread makes a call that this tracker does not follow: say so, if it may miss it."""
    if any(map(_is_at_it, tracker.open_roots)):
        tracker.note_problem(_UNSEEN)


def _is_at_it(run: Run) -> bool:
    """Whether the user's own code runs in a tree: its innermost open run calls no model."""
    below = [child for child in run.children if child.end is None]
    return any(map(_is_at_it, below)) if below else run.kind not in _CALLS
