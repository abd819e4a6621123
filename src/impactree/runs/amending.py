"""Calls that have ended, and of which it is not known yet what they come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    import threading

    from impactree.calls import ModelCall
    from impactree.runs.run import Run

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

    def _count_own(self, run: Run, late: bool, provisional: bool) -> None:
        """An ended call's impacts go into the totals, into that of all when they are known."""
        own, root = run.own, run.root
        if own is None:
            return
        known = root._total
        if known is not None and known[0] == root._version and not late:
            # Somebody holds a budget against the root: adding takes a sum of two.
            root._total = known[0] + 1, Impacts.sum((known[1], own))
        root._version += 1
        if provisional:
            self._provisional[run.key] = own
        else:
            self._count(own)

    def _count_as_it_is(self, run: Run) -> None:
        """A run is forgotten: what it comes to so far is what counts."""
        if self._provisional and run.own is self._provisional.get(run.key) is not None:
            self._count(self._provisional.pop(run.key))
