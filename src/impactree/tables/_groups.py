"""Calls summed before they are estimated: once per group and plan, as far as figures are linear.

Of 10^7 calls only what equations multiply with is summed; the many figures are worked out of a few
sums for each group of calls that have all else in common.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import ibis

from impactree.catalog import near_text
from impactree.exceptions import TableError
from impactree.tables._calls import (
    COUNTS,
    INNER,
    NEWEST,
    UNREADABLE,
    inner_name,
    outer_name,
    refused,
)
from impactree.tables._each import each
from impactree.tables._figures import (
    DERIVED,
    amount,
    cells,
    either,
    requests,
    training,
    with_amounts,
    words,
)
from impactree.tables._known import is_known
from impactree.tables._small import KEY
from impactree.tables._terms import CALLS, Term, apart, choose_term, named_features
from impactree.values.criteria import ENERGY
from impactree.values.sources import SOURCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import ibis.expr.types as ir

    from impactree.engine import Engine
    from impactree.tables._beside import Beside

__all__ = ["BY_SOURCE", "SUMMED", "TALLIES", "Groups", "grouped"]

_ROWS: Final = "rows_"
"""The column that says how many rows of the table a group has."""
SUMMED: Final = (*COUNTS, "latency_s")
TALLIES: Final = (
    *("estimated_calls", "unestimated_calls", "cached_calls", "counted_calls"),
    "rejected_calls",
)
BY_SOURCE: Final = ("reported_calls", "reported_kwh", "equations_kwh")
"""Of groups of calls, some of whose energy is known."""


class Groups(NamedTuple):
    """Groups of calls with all that is summed."""

    table: ir.Table
    complete: bool
    """Whether each stands alone; else several have the same keys."""
    trained: bool
    """Whether they have shares of training."""
    whole: tuple[str, ...]
    """Counts of tokens that are whole numbers."""

    def added(self, column: Any) -> Any:
        """The sum of those with the same keys."""
        return column if self.complete else column.sum()

    def some(self, condition: Any) -> Any:
        """Whether it holds for one of those with the same keys."""
        return condition if self.complete else condition.any()

    def most(self, column: Any) -> Any:
        """The largest of those with the same keys."""
        return column if self.complete else column.max()


def grouped(known: Beside, engine: Engine, keys: Sequence[str]) -> Groups:
    """Groups of calls of one plan, with their figures.

    Args:
        known: The calls and the small tables beside them.
        engine: Estimates.
        keys: What the groups will be summed by.

    Raises:
        TableError: there is no such column.
    """
    _check(known.calls, keys)
    if "energy_kwh" in known.calls.columns:
        return _with_known(known, engine, keys)
    keys = [key if key in DERIVED else inner_name(key, known.calls.columns) for key in keys]
    names = known.plans.names
    of_plans = {*known.plans.places, *DERIVED}
    own = [key for key in keys if key in known.calls.columns and key not in of_plans]
    summed, traced = _summed(known, own)
    groups = known.joined(summed, numbered=True)
    features = dict.fromkeys(name for one in traced for name in one.features)
    judged = _judged(groups, engine, keys, own, features)
    complete = {*names.keys} <= {*keys} and (not names.dated or "day" in keys)
    complete = complete and not {*keys} & {*DERIVED}
    if complete:
        alike = [*own, "name_no"]
        sums = {n: judged[n].sum() for n in judged.columns if n not in alike}
        judged = judged.group_by(alike).agg(**sums)
    table = _figured(judged, known, engine, traced, keys)
    calls = known.calls
    whole = tuple(n for n in COUNTS if n in calls.columns and calls[n].type().is_integer())
    return Groups(table, complete, engine.sharing is not None, whole)


def _check(calls: ir.Table, keys: Sequence[str]) -> None:
    names = [outer_name(name) for name in (*calls.columns, *DERIVED) if name not in INNER]
    for key in keys:
        if key not in names:
            near = near_text(key, names)
            raise TableError(f"by: no column {key!r:.80} to group by; nearest: {near}")


def _with_known(known: Beside, engine: Engine, keys: Sequence[str]) -> Groups:
    """Groups as usual, beside calls whose energy is known: those are no method's, and stay single.

    The latter are few: whoever knows the energy of all calls needs no estimate.
    """
    calls = known.calls
    which = is_known(calls)
    others = known._replace(calls=calls.filter(~which).drop("energy_kwh"))
    groups = grouped(others, engine, keys)
    rows = groups.table
    added = {"reported_calls": 0.0, "reported_kwh": 0.0}
    energy = rows[f"{ENERGY.column}_mean"]
    rows = rows.mutate(
        **{name: ibis.literal(value, "float64") for name, value in added.items()},
        equations_kwh=ibis.ifelse(rows.estimated_calls > 0, energy, 0.0).cast("float64"),
    )
    single = _single(known._replace(calls=calls.filter(which)), engine, keys)
    alike = single.select(**{n: single[n].cast(kind) for n, kind in rows.schema().items()})
    return groups._replace(table=rows.union(alike), complete=False)


def _single(known: Beside, engine: Engine, keys: Sequence[str]) -> ir.Table:
    """Calls whose energy is known, each a group of its own."""
    rows = known.joined(known.calls)
    found = each(rows, known, engine)
    counted, amount = rows.rejected.isnull(), requests(rows)
    asked = counted & ~rows.cached

    def of(which: Any, number: Any = amount) -> Any:
        return ibis.ifelse(which, number, 0)

    summed = {
        name: ibis.ifelse(counted if name == "latency_s" else asked, rows[name], None)
        for name in SUMMED
        if name in rows.columns
    }
    reported = found["source"] == "reported"
    energy = found["energy_reported_kwh"]
    inner = [key if key in DERIVED else inner_name(key, known.calls.columns) for key in keys]
    labels = {key: found[key] if key in DERIVED else rows[key] for key in inner}
    if "day" in labels:
        labels["day"] = labels["day"].nullif(ibis.literal(NEWEST))
    return rows.select(
        **{name: value for name, value in found.items() if name not in (*DERIVED, *SOURCE_COLUMNS)},
        **summed,
        calls=of(counted),
        estimated_calls=of(asked & found["estimated"]),
        unestimated_calls=of(asked & ~found["estimated"]),
        cached_calls=of(counted & rows.cached),
        counted_calls=of(asked & rows.counted),
        rejected_calls=of(~counted, 1),
        worst=ibis.ifelse(asked, rows["rank"], None),
        reported_calls=of(reported.fill_null(False)),
        reported_kwh=energy.fill_null(0.0),
        equations_kwh=0.0,
        **labels,
    )


class _Traced(NamedTuple):
    """The figures of one variant, as they follow from sums."""

    cells: tuple[Term, ...]
    features: tuple[str, ...]


def _summed(known: Beside, own: Sequence[str]) -> tuple[ir.Table, list[_Traced]]:
    """Sums of the calls that have all in common; and what the figures make of them."""
    rows = with_amounts(known.plans.joined(known.calls))
    counted = {CALLS: requests(rows).sum()} if "requests" in known.given else {}
    counted |= {_sum(n): rows[n].cast("float64").sum() for n in SUMMED if n in rows.columns}
    names = {amount(rows, name).op(): _sum(name) for name in COUNTS if name in rows.columns}
    traced, features = _traced(rows, known, names)
    alike = ["name_no", "rejected_no", "missing"]
    alike += [n for n in (UNREADABLE, "cached", "usage_notes") if n in known.given]
    rows, features = apart(rows, {n: f for n, f in features.items() if n not in counted})
    groups = rows.group_by(list(dict.fromkeys((*own, *alike)))).agg(
        **{_ROWS: rows.count()},
        **counted,
        **features,
    )
    if CALLS not in counted:
        groups = groups.mutate(**{CALLS: groups[_ROWS]})
    if "cached" not in known.given:
        groups = groups.mutate(cached=ibis.literal(False))
    return groups.mutate(rejected=refused(groups)), traced


def _traced(
    rows: ir.Table, known: Beside, names: dict[Any, str]
) -> tuple[list[_Traced], dict[str, Any]]:
    """The figures of each variant, and the sums of all features that they are made of."""

    def fixed(name: str) -> Term:
        return Term(rows[name], lambda groups: groups[name], fixed=True)

    traced: list[_Traced] = []
    features: dict[str, Any] = {}
    for variant in known.plans.variants:
        found = cells(rows, variant, choose_term, Term, fixed)
        named = named_features(found, names)
        traced.append(_Traced(found, tuple(named)))
        features |= named
    if "requests" in known.given:
        features = {name: one * requests(rows) for name, one in features.items()}
    return traced, {name: one.sum() for name, one in features.items()}


def _sum(name: str) -> str:
    return f"sum_{name}"


def _judged(
    groups: ir.Table,
    engine: Engine,
    keys: Sequence[str],
    own: Sequence[str],
    features: Iterable[str],
) -> ir.Table:
    """What of the groups counts as what, so that they can be added."""
    counted = groups.rejected.isnull()
    asked = counted & ~groups.cached
    calls, output = groups[CALLS], _sum("output_tokens")

    def of(which: Any, column: Any) -> Any:
        return ibis.ifelse(which, column, 0).cast("float64")  # DuckDB adds whole numbers slowly

    columns = {
        "estimated_calls": of(groups.estimated, calls),
        "unestimated_calls": of(asked & ~groups.estimated, calls),
        "cached_calls": of(counted & groups.cached, calls),
        "counted_calls": of(asked & groups.counted, calls),
        "rejected_calls": of(~counted, groups[_ROWS]),
    }
    for name in SUMMED:
        if _sum(name) in groups.columns:
            which = counted if name == "latency_s" else asked
            columns[name] = ibis.ifelse(which, groups[_sum(name)], None)
    if engine.sharing is not None:
        by_token = engine.sharing.unit == "output_tokens"
        known = asked & groups[output].notnull() if by_token and output in groups.columns else asked
        columns["shared_calls"] = of(known, calls)
    for name in features:
        value = groups[name].fill_null(0.0)
        columns[_estimated(name)] = ibis.ifelse(groups.estimated, value, None)
    said = words(groups, asked, engine)
    labels = {key: said[key] if key in said else groups[key] for key in keys if key in said}
    return groups.select("name_no", *own, **columns, **labels)


def _figured(
    judged: ir.Table,
    known: Beside,
    engine: Engine,
    traced: Sequence[_Traced],
    keys: Sequence[str],
) -> ir.Table:
    """The figures out of the sums of features."""
    groups = known.plans.joined(judged, numbered=True)
    plain = {name: groups[name] for name in groups.columns}
    found = []
    for place, one in enumerate(traced):
        own = {name: groups[_estimated(name)] for name in one.features}
        own[CALLS] = groups.estimated_calls
        if len(traced) > 1:
            own = {n: ibis.ifelse(groups.variant == place, c, None) for n, c in own.items()}
        found.append([cell.total(plain | own) for cell in one.cells])
    asked = groups.estimated_calls + groups.unestimated_calls
    kept = [name for name in (*TALLIES, *SUMMED) if name in plain]
    return groups.select(
        **{name: plain[name] for name in kept},
        calls=asked + groups.cached_calls,
        worst=ibis.ifelse(asked > 0, groups["rank"], None),
        **either(found, (groups.estimated_calls == 0) & (groups.cached_calls > 0)),
        **training(groups, engine, plain.get("shared_calls"), plain.get("output_tokens")),
        **_labels(groups, keys),
    )


def _estimated(name: str) -> str:
    """What of a feature falls to calls that are estimated."""
    return f"estimated_{name}"


def _labels(groups: ir.Table, keys: Sequence[str]) -> dict[str, Any]:
    """What groups are grouped by: of what plans depend on, as the plans have it."""
    found = {}
    for key in keys:
        found[key] = groups[KEY + key] if KEY + key in groups.columns else groups[key]
    if "day" in found:
        found["day"] = found["day"].nullif(ibis.literal(NEWEST))
    return found
