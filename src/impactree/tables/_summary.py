"""What a run of ``impactree table`` tells: by model, by day, coverage, warnings, credits."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from impactree.values.criteria import CRITERIA, ENDS, FLAT_COLUMNS
from impactree.values.impact import impact_of

if TYPE_CHECKING:
    import pyarrow as pa

    from impactree.engine import Engine

__all__ = ["BASIS", "READ", "Summary", "shown", "summary"]

BASIS: Final = {
    "model": ("model",),
    "day": ("day",),
    "said": ("day", "warnings", "errors", "rejected", "zone_used"),
}
"""What the summary's own sums are grouped by; by all of it at once there are too many."""
_COUNTS: Final = (
    *("calls", "estimated_calls", "unestimated_calls", "cached_calls", "counted_calls"),
    "rejected_calls",
)
_GWP: Final = "gwp_kgco2eq_mean"
_SHOWN: Final = (*_COUNTS, *FLAT_COLUMNS)
READ: Final = {
    "model": ("model", *_SHOWN),
    "day": ("day", *_SHOWN),
    "said": (*BASIS["said"], "calls", "rejected_calls"),
}
"""What of these sums is read: of 20,000 models each column more is memory."""


@dataclass(kw_only=True)
class Summary:
    """What was done, in plain data."""

    by_model: list[dict[str, Any]]
    by_day: list[dict[str, Any]]
    counts: dict[str, int]
    warnings: Counter[str]
    """Code to number of calls."""
    errors: Counter[str]
    rejected: Counter[str]
    """Column to number of rows that no call can be made of."""
    credits: dict[dt.date | None, tuple[str, ...]]
    unchanged_days: int
    changed: tuple[dict[str, float], dict[str, float]] | None = field(default=None)
    """By model: expected greenhouse gases before and after, kgCO2eq."""

    def credits_on(self, day: dt.date | None) -> tuple[str, ...]:
        """What licences want to be shown beside a day's figures."""
        return self.credits.get(day, ())

    @property
    def all_credits(self) -> tuple[str, ...]:
        """The same of all days."""
        return tuple(dict.fromkeys(c for several in self.credits.values() for c in several))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        told: dict[str, Any] = {
            "by_model": self.by_model,
            "by_day": self.by_day,
            **self.counts,
            "warnings": dict(self.warnings.most_common()),
            "errors": dict(self.errors.most_common()),
            "rejected": dict(self.rejected.most_common()),
            "credits": list(self.all_credits),
            "unchanged_days": self.unchanged_days,
        }
        if self.changed is not None:
            before, after = self.changed
            told["changed"] = {
                model: {"before": before.get(model), "after": after.get(model)}
                for model in sorted({*before, *after})
            }
        return told


def summary(basis: dict[str, pa.Table], engine: Engine, unchanged: int) -> Summary:
    """The summary of sums grouped by ``BASIS``.

    Args:
        basis: The sums, by its names; none: nothing was new.
        engine: Knows the credits.
        unchanged: Days that were there already.
    """
    sums = {name: basis[name].to_pylist() if basis else [] for name in BASIS}
    zones: dict[dt.date | None, dict[str, None]] = {}
    told = Summary(
        by_model=_groups(sums["model"], "model"),
        by_day=_groups(sums["day"], "day"),
        counts={name: sum(row[name] for row in sums["day"]) for name in _COUNTS},
        warnings=Counter(),
        errors=Counter(),
        rejected=Counter(),
        credits={},
        unchanged_days=unchanged,
    )
    for row in sums["said"]:
        for code in (row["warnings"] or "").split():
            told.warnings[code] += row["calls"]
        for code in (row["errors"] or "").split():
            told.errors[code] += row["calls"]
        if row["rejected"] is not None:
            told.rejected[row["rejected"]] += row["rejected_calls"]
        if row["zone_used"] is not None:
            zones.setdefault(row["day"], {})[row["zone_used"]] = None
    factors = engine.method.factors
    told.credits = {day: engine.catalog.credits_for(z, factors, day) for day, z in zones.items()}
    return told


def _groups(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Sums by one key, the one with most greenhouse gases first."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    found = [{key: _plain(label), **_total(group)} for label, group in groups.items()]
    return sorted(found, key=lambda g: -(g[_GWP] or 0))


def _total(group: list[dict[str, Any]]) -> dict[str, Any]:
    told: dict[str, Any] = {name: sum(row[name] for row in group) for name in _COUNTS}
    counted = [row for row in group if row["estimated_calls"] or row["cached_calls"]]
    for criterion in CRITERIA:
        for end in ENDS:
            name = f"{criterion.column}_{end}"
            values = [row[name] for row in counted]
            nothing = not told["estimated_calls"] and told["calls"] > told["cached_calls"]
            unknown = nothing or not values or None in values
            told[name] = None if unknown else math.fsum(values)
    return told


def _plain(label: Any) -> Any:
    return label.isoformat() if isinstance(label, dt.date) else label


def shown(row: dict[str, Any], end: str = "mean") -> list[str]:
    """The criteria of a sum, as a report prints them."""
    cells = []
    for criterion in CRITERIA:
        ends = [row[f"{criterion.column}_{end}"] for end in ENDS]
        cells.append("?" if None in ends else str(impact_of(criterion, *ends)))
    return cells
