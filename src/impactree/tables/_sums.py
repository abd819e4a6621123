"""Sums of the figures of calls, by groups, with what they stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from impactree.tables._calls import COUNTS
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


def sums(rows: ir.Table, keys: Sequence[str]) -> ir.Table:
    """The groups' sums.

    A sum over calls of which none could be estimated is null, never 0; one that leaves calls out
    (``unestimated_calls``, ``rejected_calls``) is a lower bound. ``adpe``, ``pe`` and what is
    market-based are null where a factor of one of the calls is not known.
    """
    counted = rows.rejected.isnull()
    asked = counted & ~rows.cached
    group = rows.group_by(keys) if keys else rows
    each = ibis.ifelse(rows.requests > 1, rows.requests, 1)

    def number_of(which: Any) -> Any:
        return ibis.ifelse(which, each, 0).sum()

    counts = {
        "calls": number_of(counted),
        "estimated_calls": number_of(rows.estimated),
        "unestimated_calls": number_of(asked & ~rows.estimated),
        "cached_calls": number_of(counted & rows.cached),
        "counted_calls": number_of(asked & (rows.tokens_source == "counted")),
        "rejected_calls": rows.rejected.notnull().sum(),
    }
    rank = ibis.cases(*((rows.grade == grade, n) for n, grade in enumerate(GRADES)))
    found = group.agg(
        **counts,
        **_tokens(rows, asked),
        worst=rank.max(),
        **_figures(rows),
    )
    worst = ibis.cases(*((found.worst == n, grade) for n, grade in enumerate(GRADES)))
    return found.mutate(grade=worst).drop("worst")


def _tokens(rows: ir.Table, asked: Any) -> dict[str, Any]:
    """Token counts leave out cached calls, as in the report: no model saw those tokens."""
    found = {}
    for name in COUNTS:
        if name in rows.columns:
            tokens = rows[name].cast("float64") if rows[name].type().is_floating() else rows[name]
            found[name] = tokens.sum(where=asked)
    if "latency_s" in rows.columns:
        found["latency_s"] = rows.latency_s.sum(where=rows.rejected.isnull())
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
