"""Model calls in plain threads: no handler of the run that started the thread is told of them.

LangChain asks its hooks in every thread, so that it can be known that there was such a call while
a run was at it; whether it belongs to that run cannot.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from langchain_core.callbacks import BaseCallbackHandler

from impactree.adapters.guarding import failed
from impactree.adapters.handler import ReadableHandler
from impactree.adapters.threads import in_plain_thread, note_unseen
from impactree.delivery.forks import free_in_child
from impactree.langchain._current import ambient_callbacks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.tracker import ImpactTracker

__all__ = ["WITNESS"]

_HOOKS: Final = "langchain_core.tracers.context"
_lock: Final = free_in_child(threading.Lock())


class _Witness(BaseCallbackHandler):
    """Beside whatever handlers a plain thread's calls have: it keeps nothing of them."""

    ignore_agent = ignore_chain = ignore_retriever = ignore_custom_event = True
    is_called = False
    everywhere = 0
    """How many blocks follow the whole process, threads included."""

    def __init__(self) -> None:
        self._trackers: WeakSet[ImpactTracker] = WeakSet()

    def watch(self, tracker: ImpactTracker) -> None:
        """Look after the runs of a handler, for as long as somebody keeps its tracker."""
        with _lock:
            self._trackers.add(tracker)

    def call(self) -> None:
        """Have LangChain ask from now on, once it has come as far as to have hooks."""
        hooks = sys.modules.get(_HOOKS)
        with _lock:
            if hooks is not None and not self.is_called:
                hooks.register_configure_hook(self, inheritable=True)
                self.is_called = True

    def get(self) -> BaseCallbackHandler | None:
        """Itself, where a call starts outside any context and no handler of ours is told.

        LangChain asks as it asks a ``ContextVar``.
        """
        try:
            if self.everywhere or not in_plain_thread() or ambient_callbacks() is not None:
                return None
            manager = sys._getframe(1).f_locals.get("callback_manager")
            told: Iterable[Any] = getattr(manager, "handlers", ())
            return None if any(isinstance(each, ReadableHandler) for each in told) else self
        except Exception as error:
            for tracker in self._watched():
                failed(tracker, "a plain thread's call", error)
            return None

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        """A chat model is called."""
        for tracker in self._watched():
            note_unseen(tracker)

    def on_llm_start(self, serialized: Any, prompts: Any, **kwargs: Any) -> None:
        """A completion model is called."""
        self.on_chat_model_start(serialized, prompts)

    def _watched(self) -> list[ImpactTracker]:
        with _lock:
            return list(self._trackers)


WITNESS: Final = _Witness()
"""The process's."""
