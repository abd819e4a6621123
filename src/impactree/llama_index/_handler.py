"""ImpactHandler for LlamaIndex: on its dispatcher, in its callback manager, or both."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final, Unpack

from impactree.adapters.handler import ReadableHandler, kept_keys, tracker_for, watch_over
from impactree.llama_index._callbacks import CallbackEvents
from impactree.llama_index._managers import unwatch, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Self

    from llama_index.core.callbacks.base_handler import BaseCallbackHandler

    from impactree.engine.settings import TrackerSettings
    from impactree.runs import Exporter
    from impactree.runs.budget import ImpactBudget
    from impactree.tracker import ImpactTracker

    _Base = BaseCallbackHandler
else:
    _Base = object  # registered as a subclass when LlamaIndex is there: importing it takes seconds

__all__ = ["ImpactHandler"]

_ADVICE: Final = (
    "no runs yet. A run is listed once its outermost query, chat or workflow has ended; what runs "
    "within `with ImpactHandler().instrument() as handler:` is followed, or what the models' "
    "CallbackManager([handler]) is told of."
)
_BASE_MODULE: Final = "llama_index.core.callbacks.base_handler"


class ImpactHandler(ReadableHandler, _Base):
    """Follow LlamaIndex and read the impacts of every run: ``print(handler.report())``.

    ``ImpactHandler().instrument()`` follows the whole process through LlamaIndex's
    instrumentation: all of the tree, streams and agents included. In a ``CallbackManager`` it
    sees what that manager is told. Both at once count once.

    One handler may serve many threads and tasks at once. It never changes what a call returns or
    raises, keeps no prompts, documents or answers, and never touches the network.

    Args:
        exporters: Where finished run trees go.
        max_runs: How many finished trees to keep; totals go on counting beyond it.
        metadata_keys: Further instrumentation tags to keep (plain values only).
        budget: Warn, or stop before the next model call, when impacts exceed it. LlamaIndex's
            dispatcher swallows what handlers raise: to stop a run, the handler has to be in the
            model's ``CallbackManager``.
        totals_by: Keys of ``report.by()`` (a tuple for several at once) whose groups go on counting
            what is no longer kept.
        tracker: A tracker to share with other handlers, instead of exporters, max_runs and
            settings.
        **settings: ``zone``, ``region``, ``provider_zones``, ``deployments``, ``models``,
            ``unknown_models``, ``method``: see :class:`impactree.engine.settings.TrackerSettings`.

    Raises:
        ConfigurationError: a setting is wrong.
    """

    event_starts_to_ignore = ()
    event_ends_to_ignore = ()

    def __init__(
        self,
        *,
        exporters: Iterable[Exporter] = (),
        max_runs: int | None = None,
        metadata_keys: Iterable[str] = (),
        budget: ImpactBudget | None = None,
        totals_by: Iterable[str | tuple[str, ...]] = (),
        tracker: ImpactTracker | None = None,
        **settings: Unpack[TrackerSettings],
    ) -> None:
        keys, totals_by = kept_keys(metadata_keys), tuple(totals_by)
        self.tracker = tracker_for(tracker, exporters, max_runs, settings, totals_by)
        self._given = {"max_runs": max_runs, "metadata_keys": keys, "budget": budget}
        self._given |= {"totals_by": totals_by, **settings}
        self._keys = keys
        if tracker is None:
            self.tracker.advice = _ADVICE
        self._watch = watch_over(budget, self.tracker)
        self._detach: Callable[[bool], None] | None = None
        self._switch = threading.RLock()
        self._blocks = 0
        self._callbacks = CallbackEvents(self.tracker)
        watch(self._callbacks)
        base = sys.modules.get(_BASE_MODULE)
        if base is not None:
            base.BaseCallbackHandler.register(type(self))

    # On and off

    def instrument(self) -> Self:
        """Follow the whole process; leaving the handler's (last) ``with`` block stops it.

        Streams that are unread when a block is left are still followed until they are read.
        """
        from impactree.llama_index._attach import attach

        with self._switch:
            if self._detach is None:
                self._detach = attach(
                    self.tracker, everywhere=True, metadata_keys=self._keys, watch=self._watch
                )
                unwatch(self._callbacks)  # the dispatcher tells all that callbacks leave out
        return self

    def uninstrument(self) -> None:
        """Stop following at once; what is open is closed with what it has produced."""
        self._stop(streams=False)
        unwatch(self._callbacks)

    def _stop(self, *, streams: bool) -> None:
        with self._switch:
            if self._detach is not None:
                self._detach(streams)
                self._detach = None
                watch(self._callbacks)

    def __enter__(self) -> Self:
        with self._switch:
            self._blocks += 1
            return self.instrument()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._switch:
            self._blocks -= 1
            if self._blocks == 0:  # blocks of other threads, or around this one, go on
                self._stop(streams=True)

    def _settle(self) -> None:
        module = sys.modules.get("impactree.llama_index._attach")
        if module is not None:
            module.settle(self.tracker)
        self._callbacks.settle()

    # LlamaIndex's callbacks

    def on_event_start(
        self,
        event_type: Any,
        payload: dict[str, Any] | None = None,
        event_id: str = "",
        parent_id: str = "",
        **kwargs: Any,
    ) -> str:
        """Something starts."""
        if self._watch is not None and event_type == "llm":
            self._watch.hold(self._callbacks.around(parent_id))
        watch(self._callbacks)  # again: uninstrument() may have ended it
        self._callbacks.started(event_type, payload or {}, event_id, parent_id)
        return event_id

    def on_event_end(
        self,
        event_type: Any,
        payload: dict[str, Any] | None = None,
        event_id: str = "",
        **kwargs: Any,
    ) -> None:
        """Something ends."""
        self._callbacks.ended(event_type, payload or {}, event_id)

    def start_trace(self, trace_id: str | None = None) -> None:
        """A trace starts; its events carry the tree already."""

    def end_trace(
        self, trace_id: str | None = None, trace_map: dict[str, list[str]] | None = None
    ) -> None:
        """A trace ends."""
