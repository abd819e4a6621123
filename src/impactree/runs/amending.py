"""Calls that have ended, and of which it is not known yet what they come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading

    from impactree.calls import ModelCall
    from impactree.runs.run import Run
    from impactree.values.impacts import Impacts

__all__ = ["Amendable"]


class Amendable:
    """Run trees some of whose ended calls may still change; :class:`RunTrees` inherits this."""

    _lock: threading.RLock

    if TYPE_CHECKING:

        def find(self, run_id: Any) -> Run | None: ...  # noqa: D102
        def _impacts(self, call: ModelCall, ended: float) -> Impacts: ...
        def _count(self, own: Impacts) -> None: ...
        def _settle_tree(self, root: Run, left: list[Run], now: float) -> None: ...

    def __init__(self) -> None:
        # What they come to so far, which no total has counted.
        self._provisional: dict[Any, Impacts] = {}
        self._waited_for: set[Any] = set()

    def wait_for(self, key: Any) -> None:
        """The call of this run that is about to end will be told again."""
        self._waited_for.add(key)

    def amend(self, run_id: Any, call: ModelCall) -> None:
        """What was said of an ended call until it was known: now it is, once."""
        run = self.find(run_id)
        if run is None or run.end is None:
            return
        own = self._impacts(call, run.end)
        with self._lock:
            if self._provisional.pop(run.key, None) is None:
                return
            root = run.root
            run.call, run.own = call, own
            root._version += 1
            self._count(own)
            changes = root.end is not None
            if changes:
                root.revision += 1
        if changes:
            self._settle_tree(root, [], run.end)

    # With the lock held

    def _count_or_wait(self, key: Any, own: Impacts) -> None:
        """An ended call's impacts go into the total of all, at once or when they are known."""
        if key in self._waited_for:
            self._waited_for.discard(key)
            self._provisional[key] = own
        else:
            self._count(own)

    def _count_as_it_is(self, run: Run) -> None:
        """A run is forgotten: what it comes to so far is what counts."""
        if self._provisional and run.own is self._provisional.get(run.key) is not None:
            self._count(self._provisional.pop(run.key))
