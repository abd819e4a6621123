"""A budget for impacts: warn in time, stop before the next model call."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, get_args
from weakref import ref

from impactree.exceptions import BudgetExceededError, ConfigurationError
from impactree.runs.current import Finds
from impactree.values.criteria import ENERGY, GWP, WCF

if TYPE_CHECKING:
    from impactree.runs.run import Run
    from impactree.values.impacts import Impacts

__all__ = ["BudgetWatch", "ImpactBudget", "Spent"]

_log: Final = logging.getLogger("impactree")

Per = Literal["run", "handler"]
Action = Literal["warn", "raise"]
_LIMITS: Final = {criterion.everyday: criterion for criterion in (GWP, ENERGY, WCF)}


@dataclass(frozen=True, slots=True)
class Spent:
    """How much of a budget is gone, by the limit that is nearest to its end."""

    share: float
    """1.0: all of it."""
    text: str
    """Readable: ``4.2 of 5 gCO2eq``, with what could not be estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactBudget:
    """Limits on what a run, or everything a handler sees, may cost.

    Compared with the mean of each estimated range. Calls that cannot be estimated count as
    nothing, which the message says.

    Args:
        gwp_g: Greenhouse gases, gCO2eq, usage and embodied.
        energy_wh: Electricity, Wh.
        water_l: Water, L.
        per: ``run``: each root run has the budget for itself; ``handler``: all share one.
        action: ``warn`` logs at ``warn_at`` and at the end; ``raise`` also stops the chain with
            :class:`BudgetExceededError` before the next model call.
        warn_at: The share from which to warn.

    Raises:
        ConfigurationError: no limit, or a limit, ``per``, ``action`` or ``warn_at`` out of range.
    """

    gwp_g: float | None = None
    energy_wh: float | None = None
    water_l: float | None = None
    per: Per = "run"
    action: Action = "warn"
    warn_at: float = 0.8

    def __post_init__(self) -> None:
        limits = {name: getattr(self, name) for name in _LIMITS}
        if all(limit is None for limit in limits.values()):
            raise ConfigurationError(f"a budget needs one of {', '.join(_LIMITS)}")
        for name, limit in limits.items():
            if limit is not None and not (isinstance(limit, int | float) and limit > 0):
                raise ConfigurationError(f"{name} must be a number above 0, not {limit!r}")
        for name, allowed in (("per", Per), ("action", Action)):
            if getattr(self, name) not in get_args(allowed):
                raise ConfigurationError(
                    f"{name} must be one of {list(get_args(allowed))}, not {getattr(self, name)!r}"
                )
        if not (isinstance(self.warn_at, int | float) and 0 < self.warn_at <= 1):
            raise ConfigurationError(f"warn_at must be a share in (0, 1], not {self.warn_at!r}")

    def spent(self, total: Impacts) -> Spent:
        """How much of the budget a total has used."""
        worst = Spent(0.0, "nothing")
        for name, criterion in _LIMITS.items():
            limit = getattr(self, name)
            impact = getattr(total, criterion.key)
            if limit is None or impact is None:
                continue
            used = impact.value.mean * criterion.everyday_factor
            if used / limit >= worst.share:
                text = f"{used:.3g} of {limit:.3g} {criterion.shown_unit}"
                worst = Spent(used / limit, text)
        if total.unestimated_calls:
            calls = total.unestimated_calls
            return Spent(worst.share, f"{worst.text} (calls not estimated: {calls})")
        return worst


class Spends(Finds, Protocol):
    """Whoever knows runs, and what all of them have cost."""

    @property
    def total(self) -> Impacts:
        """Impacts of all calls ever."""
        ...

    def annotate(self, run_id: Any, *, metadata: dict[str, Any]) -> None:
        """Keep plain values with a run."""
        ...


class BudgetWatch:
    """Holds a budget against what a tracker has counted, before and after each model call."""

    def __init__(self, budget: ImpactBudget, tracker: Spends) -> None:
        self.budget = budget
        self._tracker = ref(tracker)  # a watch is kept for each tracker: it must not keep it
        self._said: str | None = None

    def check(self, root: Run | None) -> Spent:
        """What is spent now. Logs, and notes on the root run, when a threshold is passed.

        Args:
            root: The root of the run that is about to call a model; None: it is a root itself.
        """
        tracker = self._tracker()
        if self.budget.per == "run":
            total = None if root is None else root.total
        else:
            total = None if tracker is None else tracker.total
        if total is None:
            return Spent(0.0, "nothing")
        spent = self.budget.spent(total)
        if spent.share >= self.budget.warn_at:
            self._say("exceeded" if spent.share >= 1 else "warned", spent, root, tracker)
        return spent

    def hold(self, parent: Run | None) -> None:
        """As :meth:`check`, of the tree of a run that is about to call a model.

        Raises:
            BudgetExceededError: it is spent, and is to stop the chain.
        """
        spent = self.check(parent and parent.root)
        if spent.share >= 1 and self.budget.action == "raise":
            raise BudgetExceededError(f"impact budget per {self.budget.per} spent: {spent.text}")

    def check_run(self, run_id: Any) -> None:
        """As :meth:`check`, of the tree of a run: a model call in it has ended."""
        tracker = self._tracker()
        run = None if tracker is None else tracker.find(run_id)
        if run is not None:
            self.check(run.root)

    def _say(self, event: str, spent: Spent, root: Run | None, tracker: Spends | None) -> None:
        note = f"{event}: {spent.text}"
        before = self._said
        if root is not None:
            noted = root.metadata.get("impact_budget")
            before = noted if self.budget.per == "run" else before
            if tracker is not None:
                tracker.annotate(root.id, metadata={"impact_budget": note})
        if before is None or before.split(":")[0] != event:
            _log.warning("impact budget per %s %s", self.budget.per, note)
        self._said = note
