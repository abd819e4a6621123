"""What LlamaIndex's callbacks leave out, told by its dispatcher.

Which object is asked, and structured predictions, of which some clients tell no callback at all.
"""

from __future__ import annotations

import threading
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol

from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.span import active_span_id
from llama_index_instrumentation.span_handlers import BaseSpanHandler

from impactree.delivery.forks import free_in_child
from impactree.llama_index._spans import role_of
from impactree.llama_index._streams import is_step

if TYPE_CHECKING:
    import inspect

__all__ = ["asked_now", "is_running", "unwatch", "watch"]


class Predicts(Protocol):
    """Whoever is told of models' methods and of structured predictions."""

    def returned(self, id_: str, result: Any) -> None:
        """A model's method has returned."""
        ...

    def predicting(self, id_: str, instance: Any, bound_args: inspect.BoundArguments) -> None:
        """One starts."""
        ...

    def predicted(self, id_: str, result: Any, error: BaseException | None = None) -> None:
        """One has returned."""
        ...


_MODELS: Final = frozenset({"llm", "embedding", "rerank"})
_asked: Final[ContextVar[tuple[str, Any] | None]] = ContextVar("impactree_asked", default=None)
_running: Final[set[str]] = set()
_watched: Final[weakref.WeakSet[Predicts]] = weakref.WeakSet()
_ending: Final[weakref.WeakSet[Predicts]] = weakref.WeakSet()  # those whose end is looked out for
_lock: Final = free_in_child(threading.RLock())  # the collector may end a handler in here


class _Watch(BaseSpanHandler[Any]):
    def span_enter(
        self, id_: str, bound_args: Any, instance: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        if is_step(id_) or role_of(instance) not in _MODELS:
            return
        _asked.set((id_, instance))
        _running.add(id_)
        if "structured_predict" in id_:
            for events in _managing(instance):
                events.predicting(id_, instance, bound_args)

    def span_exit(
        self, id_: str, bound_args: Any, instance: Any = None, result: Any = None, **kwargs: Any
    ) -> None:
        if id_ not in _running:
            return
        _running.discard(id_)
        for events in _managing(instance):
            events.returned(id_, result)
            if "structured_predict" in id_:
                events.predicted(id_, result)

    def span_drop(
        self, id_: str, bound_args: Any, instance: Any = None, err: Any = None, **kwargs: Any
    ) -> None:
        _running.discard(id_)
        if "structured_predict" in id_:
            for events in _managing(instance):
                events.predicted(id_, None, err)

    def new_span(self, *args: Any, **kwargs: Any) -> None:
        """Not reached."""

    prepare_to_exit_span = prepare_to_drop_span = new_span


_watch: Final = _Watch()


def _managing(instance: Any) -> list[Predicts]:
    """The handlers in the callback manager of a model."""
    manager = getattr(instance, "callback_manager", None)
    found = (getattr(handler, "_callbacks", None) for handler in getattr(manager, "handlers", ()))
    return [events for events in found if events is not None and events in _watched]


def watch(events: Predicts) -> None:
    """Tell a handler what callbacks leave out, as long as it lives."""
    if events in _watched:
        return
    with _lock:
        _watched.add(events)
        if events not in _ending:
            _ending.add(events)
            weakref.finalize(events, _leave).atexit = False
        if all(handler is not _watch for handler in root_dispatcher.span_handlers):
            root_dispatcher.span_handlers = [*root_dispatcher.span_handlers, _watch]


def unwatch(events: Predicts) -> None:
    """The end of :func:`watch`."""
    _watched.discard(events)
    _leave()


def _leave() -> None:
    with _lock:
        if not list(_watched):  # its length counts one that is just ending
            root_dispatcher.span_handlers = [
                handler for handler in root_dispatcher.span_handlers if handler is not _watch
            ]


def asked_now() -> tuple[str | None, Any]:
    """The span of the model's method that runs here, and the model."""
    found = _asked.get()
    if found is None or found[0] != active_span_id.get():
        return None, None
    return found


def is_running(span_id: str | None) -> bool:
    """Whether a model's method has not returned."""
    return span_id in _running
