"""Sums of the figures of calls, by groups, with what they stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from impactree.tables._calls import COUNTS
from impactree.tables._groups import ROWS
from impactree.tables._terms import CALLS
from impactree.values.criteria import CRITERIA, ENDS, ENERGY, GWP_MARKET, PART_COLUMNS
from impactree.values.grades import GRADES
from impactree.values.sources import SOURCES
from impactree.values.training import TRAINING_CALLS, TRAINING_SHARED

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

__all__ = ["sources", "sums"]


def sources(known: Any, energy: Any) -> dict[str, Any]:
    """Where the energy comes from: in tables all of it is estimated."""
    kwh = {f"energy_{source}_kwh": ibis.ifelse(known, 0.0, None) for source in SOURCES}
    kwh["energy_estimated_kwh"] = ibis.ifelse(known, energy, None)
    return {"source": ibis.ifelse(known, "estimated", None), **kwh}


def sums(groups: ir.Table, keys: Sequence[str]) -> ir.Table:
    """The sums of ``grouped`` calls by keys.

    A sum over calls of which none could be estimated is null, never 0; one that leaves calls out
    (``unestimated_calls``, ``rejected_calls``) is a lower bound. ``adpe``, ``pe`` and what is
    market-based are null where a factor of one of the calls is not known.
    """
    counted = groups.rejected.isnull()
    asked = counted & ~groups.cached

    def number_of(which: Any) -> Any:
        return ibis.ifelse(which, groups[CALLS], 0).sum()

    counts = {
        "calls": number_of(counted),
        "estimated_calls": number_of(groups.estimated),
        "unestimated_calls": number_of(asked & ~groups.estimated),
        "cached_calls": number_of(counted & groups.cached),
        "counted_calls": number_of(asked & groups.counted),
        "rejected_calls": ibis.ifelse(counted, 0, groups[ROWS]).sum(),
    }
    rank = ibis.cases(*((groups.grade == grade, n) for n, grade in enumerate(GRADES)))
    found = (groups.group_by(keys) if keys else groups).agg(
        **counts,
        **_tokens(groups, asked),
        worst=rank.max(),
        **_figures(groups),
    )
    worst = ibis.cases(*((found.worst == n, grade) for n, grade in enumerate(GRADES)))
    return found.mutate(grade=worst).drop("worst")


def _tokens(groups: ir.Table, asked: Any) -> dict[str, Any]:
    """Token counts leave out cached calls, as in the report: no model saw those tokens."""
    found = {name: groups[name].sum(where=asked) for name in COUNTS if name in groups.columns}
    if "latency_s" in groups.columns:
        found["latency_s"] = groups.latency_s.sum(where=groups.rejected.isnull())
    return found


def _figures(rows: ir.Table) -> dict[str, Any]:
    estimated = rows.estimated.sum()
    known: dict[str, Any] = {}
    nothing = (estimated == 0) & (rows.rejected.notnull() | (~rows.cached & ~rows.estimated)).any()
    for criterion in (*CRITERIA, GWP_MARKET):
        names = [f"{criterion.column}_{end}" for end in ENDS]
        gap = (rows.estimated & rows[names[0]].isnull()).any()
        known |= {name: ibis.ifelse(nothing | gap, None, rows[name].sum()) for name in names}
    for name in PART_COLUMNS:
        known[name] = ibis.ifelse(nothing, None, rows[name].sum())
    known |= sources(estimated > 0, known[f"{ENERGY.column}_mean"])
    shares = rows[TRAINING_CALLS]
    for criterion in CRITERIA:
        names = [f"training_{criterion.column}_{end}" for end in ENDS]
        gap = (shares.notnull() & rows[names[0]].isnull()).any()
        known |= {name: ibis.ifelse(gap, None, rows[name].sum()) for name in names}
    known[TRAINING_CALLS] = shares.sum()
    known[TRAINING_SHARED] = rows[TRAINING_SHARED].max()
    return known
