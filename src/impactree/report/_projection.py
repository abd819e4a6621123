"""What a report's runs come to when they are repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from impactree.advice import Equivalents, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.catalog import Equivalent
    from impactree.values.impacts import Impacts

__all__ = ["Projection", "project"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The mean run of a report, so many times. Print it."""

    runs_per_day: float
    days: float
    total: Impacts
    """Of all these runs."""
    equivalents: Equivalents

    @property
    def runs(self) -> float:
        """How many runs that are."""
        return self.runs_per_day * self.days

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "runs_per_day": self.runs_per_day,
            "days": self.days,
            "runs": self.runs,
            "total": self.total.to_dict(),
            "equivalents": self.equivalents.to_dict(),
        }

    def __str__(self) -> str:
        runs, per_day, days = (f"{n:,.10g}" for n in (self.runs, self.runs_per_day, self.days))
        often = f"{runs} runs, {per_day} a day for {days} days, as these runs on average"
        return f"{often}:\n{self.total}\n{self.equivalents}"


def project(
    total: Impacts, runs: int, things: Iterable[Equivalent], per_day: float, days: float
) -> Projection:
    """The projection of a report over some runs.

    Raises:
        ValueError: a number is not above 0 and finite, or the report has no runs.
    """
    for name, value in (("runs_per_day", per_day), ("days", days)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and 0 < value < math.inf):
            raise ValueError(f"{name} must be a number above 0, not {value!r:.80}")
    if not runs:
        raise ValueError("at() needs a report with at least one run: it has none")
    repeated = scaled(total, per_day * days / runs)
    return Projection(
        runs_per_day=per_day,
        days=days,
        total=repeated,
        equivalents=Equivalents(repeated, things),
    )
