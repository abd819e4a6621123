"""All small tables beside a table of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import ibis

from impactree.tables._calls import prepared
from impactree.tables._judgements import judgements, missing, notes
from impactree.tables._plans import Plans, plans
from impactree.tables._small import KEY, Small, joined

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from impactree.engine import Engine

__all__ = ["Beside", "beside"]


class Beside(NamedTuple):
    """What is known of a table of calls before it is estimated."""

    calls: ir.Table
    """As ``prepared``, with ``missing``."""
    given: frozenset[str]
    """The columns that its maker has."""
    plans: Plans
    judged: Small
    noted: Small | None
    """None: no column of notes."""

    def joined(self, rows: ir.Table, *, numbered: bool = False) -> ir.Table:
        """Rows or groups with all that is known of them, and whether they are estimated."""
        rows = self.plans.joined(rows, numbered=numbered)
        kind = rows[f"{KEY}kind"] if "kind" not in rows.columns else rows.kind
        rows = joined(rows.mutate(kind=kind), self.judged)
        rows = (
            rows.mutate(noted=ibis.literal("")) if self.noted is None else joined(rows, self.noted)
        )
        rows = rows.mutate(rejected=ibis.coalesce(rows.rejected, rows.wrong))
        asked = rows.rejected.isnull() & ~rows.cached
        known = asked & rows.variant.notnull() & (rows.judged_errors == "")
        return rows.mutate(estimated=known.fill_null(False))


def beside(table: ir.Table, engine: Engine, *, by_day: bool) -> Beside:
    """Work out the small tables.

    Args:
        table: Of calls.
        engine: Resolves, plans and judges.
        by_day: Whether names are read as on the day of the call, or as today.
    """
    given = frozenset(table.columns)
    calls = prepared(table)
    calls = calls.mutate(missing=missing(calls, given))
    made = plans(calls, engine, by_day=by_day)
    kinds = made.names.table[f"{KEY}kind"].unique().to_pylist()
    judged = judgements(calls, given, [kind for kind in kinds if kind is not None], engine)
    return Beside(calls, given, made, judged, notes(calls) if "usage_notes" in given else None)
