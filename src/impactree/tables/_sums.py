"""Sums of the figures of calls, by groups, with what they stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from impactree.exceptions import TableError
from impactree.tables._calls import inner_name
from impactree.tables._each import sources
from impactree.tables._figures import DERIVED, no_training
from impactree.tables._groups import BY_SOURCE, SUMMED, TALLIES
from impactree.values.criteria import CRITERIA, ENDS, ENERGY, GWP_MARKET, PART_COLUMNS
from impactree.values.grades import GRADES
from impactree.values.sources import MIXED
from impactree.values.training import TRAINING_CALLS, TRAINING_SHARED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from impactree.tables._groups import Groups

__all__ = ["sums"]


def sums(groups: Groups, keys: Sequence[str]) -> ir.Table:
    """The sums of ``grouped`` calls by keys.

    A sum over calls of which none could be estimated is null, never 0; one that leaves calls out
    (``unestimated_calls``, ``rejected_calls``) is a lower bound. ``adpe``, ``pe`` and what is
    market-based are null where a factor of one of the calls is not known.

    Raises:
        TableError: a key is called as one of the sums.
    """
    rows = groups.table
    inner = [key if key in DERIVED else inner_name(key, rows.columns) for key in keys]
    tallies = ("calls", *TALLIES)
    found = {name: groups.added(rows[name]) for name in tallies}
    found |= {name: groups.added(rows[name]) for name in SUMMED if name in rows.columns}
    found["worst"] = groups.most(rows.worst)
    found |= {name: groups.added(rows[name]) for name in _by_source(rows)}
    found |= _figures(groups)
    if groups.complete:
        table = rows.select(*inner, **found)
    else:
        table = (rows.group_by(inner) if keys else rows).agg(**found)
    grade = ibis.cases(*((table.worst == n, grade) for n, grade in enumerate(GRADES)))
    whole = {name: table[name].cast("int64") for name in (*tallies, *groups.whole)}
    others = {} if groups.trained else no_training()
    said = others | _sources(table)
    made = table.mutate(**whole, grade=grade, **said).drop("worst", *_by_source(table))
    for key in keys:
        if key not in DERIVED and key in {*found, *whole, *said} - {"worst"}:
            raise TableError(f"by: {key!r} is the name of a sum; expected a column of another name")
    names = zip(keys, inner, strict=True)
    return made.rename({key: name for key, name in names if key != name})


def _by_source(rows: ir.Table) -> list[str]:
    """The columns that say how much of the energy is reported, where there are any."""
    return [name for name in BY_SOURCE if name in rows.columns]


def _sources(table: ir.Table) -> dict[str, Any]:
    """Where the energy comes from."""
    energy = table[f"{ENERGY.column}_mean"]
    found = sources(table.estimated_calls > 0, energy)
    if not _by_source(table):
        return found
    some = table.reported_calls > 0
    mixed = ibis.ifelse(table.reported_calls < table.estimated_calls, MIXED, "reported")
    found["energy_reported_kwh"] = ibis.ifelse(
        some, table.reported_kwh, found["energy_reported_kwh"]
    )
    found["energy_estimated_kwh"] = ibis.ifelse(
        some, table.equations_kwh, found["energy_estimated_kwh"]
    )
    return found | {"source": ibis.ifelse(some, mixed, found["source"])}


def _figures(groups: Groups) -> dict[str, Any]:
    rows = groups.table
    estimated = groups.added(rows.estimated_calls)
    others = groups.added(rows.rejected_calls + rows.unestimated_calls)
    nothing = (estimated == 0) & (others > 0)
    known: dict[str, Any] = {}
    for criterion in (*CRITERIA, GWP_MARKET):
        names = [f"{criterion.column}_{end}" for end in ENDS]
        gap = groups.some((rows.estimated_calls > 0) & rows[names[0]].isnull())
        known |= {n: ibis.ifelse(nothing | gap, None, groups.added(rows[n])) for n in names}
    gap = groups.some((rows.estimated_calls > 0) & rows[PART_COLUMNS[0]].isnull())
    for name in PART_COLUMNS:
        known[name] = ibis.ifelse(nothing | gap, None, groups.added(rows[name]))
    if not groups.trained:
        return known
    for criterion in CRITERIA:
        names = [f"training_{criterion.column}_{end}" for end in ENDS]
        gap = groups.some(rows[TRAINING_CALLS].notnull() & rows[names[0]].isnull())
        known |= {name: ibis.ifelse(gap, None, groups.added(rows[name])) for name in names}
    known[TRAINING_CALLS] = groups.added(rows[TRAINING_CALLS])
    known[TRAINING_SHARED] = groups.most(rows[TRAINING_SHARED])
    return known
