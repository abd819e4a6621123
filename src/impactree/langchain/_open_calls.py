"""The model calls of one handler that are open, by their runs' ids."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID
from weakref import ref

from impactree.runs import run_key

if TYPE_CHECKING:
    from impactree.langchain._answer import PendingCall
    from impactree.tracker import ImpactTracker

__all__ = ["OpenCalls"]

_MAX_PAST: Final = 4096
_SWEPT_AT: Final = 4096


class OpenCalls:
    """What is known of calls that have started, those included that were abandoned since.

    Bounded: calls whose runs the tracker has forgotten are dropped in time.
    """

    def __init__(self, tracker: ImpactTracker) -> None:
        self._tracker = tracker
        self._calls: dict[Any, PendingCall] = {}
        self._sweep_at = _SWEPT_AT
        self._past: deque[Any] = deque(maxlen=_MAX_PAST)
        self._watched: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, run_id: Any, pending: PendingCall) -> None:
        """A call has started."""
        calls = self._calls
        calls[run_id.int if type(run_id) is UUID else run_id] = pending  # run_key, as in pop
        if len(calls) >= self._sweep_at:
            self._sweep()

    def get(self, run_id: Any) -> PendingCall | None:
        """An open call."""
        return self._calls.get(run_key(run_id))

    def pop(self, run_id: Any) -> PendingCall | None:
        """A call has ended: from now on it is one of the past."""
        key = run_id.int if type(run_id) is UUID else run_id
        pending = self._calls.pop(key, None)
        if pending is not None:
            if self._watched:
                self._watched.pop(key, None)
            self._past.append(key)
        return pending

    def is_past(self, run_id: Any) -> bool:
        """Whether a call is over: an end that comes again is none."""
        return run_key(run_id) in self._past

    def watch(self, run_id: Any) -> Any:
        """An equal id to keep for a run that may never be ended.

        LangChain holds a run's id while the run can still end. Of one that is cancelled, or
        interrupted from the keyboard, no callback tells, but its id is freed.
        """
        if type(run_id) is not UUID:
            return run_id
        kept = UUID(int=run_id.int)
        self._watched[run_id.int] = ref(run_id, partial(self._freed, kept))
        return kept

    def unwatch(self, run_id: Any) -> None:
        """A run that was watched, and is no call, has ended."""
        self._watched.pop(run_key(run_id), None)

    def let_go(self, run_id: Any) -> None:
        """Nobody will end this run: it is closed with the next event."""
        pending = self.get(run_id)
        if pending is not None:
            pending.forget()
        self._tracker.let_go(run_id)

    def _freed(self, run_id: Any, _: Any) -> None:
        """Called wherever an id is freed, perhaps by the collector."""
        try:
            if self._watched.pop(run_key(run_id), None) is not None:
                self.let_go(run_id)
        except Exception as error:
            self._tracker.note_problem(f"let_go: {type(error).__name__}", error)

    def _sweep(self) -> None:
        """Drop the calls whose runs the tracker has closed and forgotten: they will not end."""
        for key in list(self._calls):
            if self._tracker.find(key) is None:
                self.pop(key)
        self._sweep_at = max(_SWEPT_AT, 2 * len(self._calls))
