"""Putting a tracker on LlamaIndex's dispatcher, once, and taking it off."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar, Final

from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation.span_handlers import BaseSpanHandler

from impactree.delivery.forks import free_in_child
from impactree.llama_index._hook import Hook
from impactree.llama_index._streams import current_run_id
from impactree.propagation import capture, set_parent
from impactree.runs.current import register_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from impactree.runs.budget import BudgetWatch
    from impactree.tracker import ImpactTracker

__all__ = ["attach", "is_attached", "settle"]

_lock: Final = free_in_child(threading.Lock())
_attached: Final[dict[ImpactTracker, _Attached]] = {}


class _Events(BaseEventHandler):
    def handle(self, event: Any, **kwargs: Any) -> None:
        """Not reached: each has its hook's."""


class _Spans(BaseSpanHandler[Any]):
    _hook: ClassVar[Hook]  # of each one, in its __dict__: a private attribute is found slowly

    # The base class would keep every span for ever: its own entry points are replaced by the
    # hook's, in the __dict__ of each one.

    def capture_propagation_context(self) -> dict[str, Any]:
        return capture(self._hook.tracker)

    def restore_propagation_context(self, context: dict[str, Any]) -> None:
        set_parent(context)

    def close(self) -> None:
        self._hook.runs.close()

    def new_span(self, *args: Any, **kwargs: Any) -> None:
        """Not reached."""

    prepare_to_exit_span = prepare_to_drop_span = new_span


class _Attached:
    """A tracker on the dispatcher: once nobody asks for it, until its last stream is read."""

    def __init__(self, tracker: ImpactTracker) -> None:
        register_source(current_run_id)
        self.hook = hook = Hook(tracker, self.left)
        self.users = 0
        self._events, self._spans = _Events(), _Spans()
        # What is called most goes straight to the hook.
        vars(self._events)["handle"] = hook.event
        vars(self._spans).update(
            _hook=hook,
            span_enter=hook.span_enter,
            span_exit=hook.span_exit,
            span_drop=hook.span_drop,
        )
        # New lists: the dispatcher may be walking the old ones in another thread.
        root_dispatcher.event_handlers = [*root_dispatcher.event_handlers, self._events]
        root_dispatcher.span_handlers = [*root_dispatcher.span_handlers, self._spans]

    def left(self, *, streams: bool = True) -> None:
        """Nobody asks for it any more, or a stream is over: if that was all, it goes.

        Args:
            streams: Wait for those that are open.
        """
        with _lock:
            tracker = self.hook.tracker
            if self.users or (streams and self.hook.runs.streams):
                return
            if _attached.get(tracker) is not self:
                return
            del _attached[tracker]
            root_dispatcher.event_handlers = [
                handler for handler in root_dispatcher.event_handlers if handler is not self._events
            ]
            root_dispatcher.span_handlers = [
                handler for handler in root_dispatcher.span_handlers if handler is not self._spans
            ]
        self.hook.runs.leave()


def attach(
    tracker: ImpactTracker,
    *,
    everywhere: bool = False,
    metadata_keys: Iterable[str] = (),
    watch: BudgetWatch | None = None,
) -> Callable[..., None]:
    """Send LlamaIndex's runs to a tracker, once however often this is called.

    Args:
        tracker: Where runs go.
        everywhere: All code of the process; else the ``track_impacts()`` blocks of this tracker.
        metadata_keys: Further instrumentation tags to keep.
        watch: A budget to warn about.

    Returns:
        A function that stops it; ``streams=False`` leaves those that are open unread.
    """
    with _lock:
        attached = _attached.get(tracker) or _attached.setdefault(tracker, _Attached(tracker))
        attached.users += 1
        attached.hook.everywhere += everywhere
        attached.hook.keys |= frozenset(metadata_keys)
        attached.hook.events.watch = watch or attached.hook.events.watch
    left = False

    def detach(streams: bool = True) -> None:
        nonlocal left
        with _lock:
            if left:
                return
            left = True
            attached.users -= 1
            attached.hook.everywhere -= everywhere
        if attached.users == 0:
            attached.hook.runs.close()
            attached.left(streams=streams)

    return detach


def settle(tracker: ImpactTracker) -> None:
    """End the runs of a tracker whose streams were dropped unread."""
    attached = _attached.get(tracker)
    if attached is not None:
        attached.hook.settle(read=True)


def is_attached(tracker: ImpactTracker) -> bool:
    """Whether the dispatcher's events go to a tracker here and now."""
    attached = _attached.get(tracker)
    return attached is not None and attached.hook.follows()
