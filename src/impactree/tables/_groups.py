"""Calls summed before they are estimated: once per group and plan, as far as figures are linear.

Of 10^7 calls only what equations multiply with is summed; the many figures are worked out of a few
sums for each group of calls that have all else in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import ibis

from impactree.catalog import near_text
from impactree.exceptions import TableError
from impactree.tables._calls import COUNTS, INNER, NEWEST, refused
from impactree.tables._figures import DERIVED, cells, either, requests, training, words
from impactree.tables._small import KEY, Small, joined
from impactree.tables._terms import CALLS, Term, choose_term, named_features

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from impactree.engine import Engine
    from impactree.tables._beside import Beside
    from impactree.tables._plans import Plans

__all__ = ["ROWS", "grouped"]

SUMMED: Final = (*COUNTS, "latency_s")
ROWS: Final = "rows_"
"""The column of groups that says how many rows of the table each has."""


def grouped(known: Beside, engine: Engine, keys: Sequence[str]) -> ir.Table:
    """Groups of calls of one plan, each with the sums of its figures.

    Args:
        known: The calls and the small tables beside them.
        engine: Estimates.
        keys: Columns of the calls by which the groups will be summed.

    Returns:
        Groups with the columns that calls have one by one, and how many calls and rows they are.

    Raises:
        TableError: there is no such column.
    """
    calls, plans = known.calls, known.plans
    names = [name for name in (*calls.columns, *DERIVED) if name not in INNER]
    for key in keys:
        if key not in names:
            near = near_text(key, names)
            raise TableError(f"by: no column {key!r:.80} to group by; nearest: {near}")
    rows = joined(calls, plans.whole())
    of_plans = {*plans.places, *DERIVED}
    own = [key for key in keys if key in calls.columns and key not in of_plans]
    alike = ["name_no", "rejected_no", "missing"]
    alike += [n for n in ("unreadable", "cached", "usage_notes") if n in known.given]
    traced, features = _traced(rows, known)
    groups = rows.group_by(list(dict.fromkeys((*own, *alike)))).agg(
        **{ROWS: rows.count()}, **_counted(rows, known), **features
    )
    if "cached" not in known.given:
        groups = groups.mutate(cached=ibis.literal(False))
    groups = groups.mutate(rejected=refused(groups))
    return _figured(known.joined(groups, _by_number(plans)), traced, engine, keys)


def _by_number(plans: Plans) -> Small:
    """The plans, to be joined by the number of the name."""
    table = plans.whole().table
    names = [KEY + name if name == "name_no" else name for name in table.column_names]
    return Small(table.rename_columns(names), ("name_no",))


class _Traced(NamedTuple):
    """The figures of one variant, as they follow from sums."""

    cells: tuple[Term, ...]
    features: tuple[str, ...]


def _traced(rows: ir.Table, known: Beside) -> tuple[list[_Traced], dict[str, Any]]:
    """The figures of each variant, and the sums of all features that they are made of."""

    def fixed(name: str) -> Term:
        return Term(rows[name], lambda groups: groups[name], fixed=True)

    traced: list[_Traced] = []
    names: dict[Any, str] = {}
    features: dict[str, Any] = {}
    for variant in known.plans.variants:
        found = cells(rows, variant, choose_term, Term, fixed)
        named = named_features(found, names)
        traced.append(_Traced(found, tuple(named)))
        features |= named
    if "requests" in known.given:
        features = {name: one * requests(rows) for name, one in features.items()}
    return traced, {name: one.sum() for name, one in features.items()}


def _counted(rows: ir.Table, known: Beside) -> dict[str, Any]:
    found = {CALLS: requests(rows).sum() if "requests" in known.given else rows.count()}
    for name in SUMMED:
        if name in rows.columns:
            found[_sum(name)] = rows[name].sum()
    return found


def _sum(name: str) -> str:
    return f"sum_{name}"


def _figured(
    groups: ir.Table, traced: Sequence[_Traced], engine: Engine, keys: Sequence[str]
) -> ir.Table:
    """The groups with their figures, out of the sums of features."""
    masked = {
        f"{name}_{place}": ibis.ifelse(
            groups.estimated & (groups.variant == place), groups[name], None
        )
        for place, one in enumerate(traced)
        for name in (CALLS, *one.features)
    }
    groups = groups.mutate(**masked)
    plain = {name: groups[name] for name in groups.columns}
    found = []
    for place, one in enumerate(traced):
        view = plain | {name: groups[f"{name}_{place}"] for name in (CALLS, *one.features)}
        found.append([cell.total(view) for cell in one.cells])
    asked = groups.rejected.isnull() & ~groups.cached
    output = plain.get(_sum("output_tokens"))
    columns = {
        ROWS: groups[ROWS],
        CALLS: groups[CALLS],
        **{name: plain[_sum(name)] for name in SUMMED if _sum(name) in plain},
        "cached": groups.cached,
        "counted": groups.counted,
        **words(groups, asked, engine),
        **either(groups, found),
        **training(groups, asked, engine, groups[CALLS], output),
        **_labels(groups, keys),
    }
    return groups.select(**columns)


def _labels(groups: ir.Table, keys: Sequence[str]) -> dict[str, Any]:
    """What groups are grouped by: of what plans depend on, as the plans have it."""
    found = {}
    for key in keys:
        name = KEY + key if KEY + key in groups.columns else key
        if name in groups.columns:
            found[key] = groups[name]
    if "day" in found:
        found["day"] = found["day"].nullif(ibis.literal(NEWEST))
    return found
