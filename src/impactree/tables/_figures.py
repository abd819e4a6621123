"""The equations of methods on columns, and what is said beside their figures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import ibis

from impactree.calls.quantities import FRAMES_PER_S
from impactree.tables._calls import COUNTS
from impactree.values.criteria import FLAT_COLUMNS, MARKET_COLUMNS, PART_COLUMNS
from impactree.values.figures import Figures
from impactree.values.grades import GRADES
from impactree.values.training import (
    TRAINING_CALLS,
    TRAINING_COLUMNS,
    TRAINING_FIGURES,
    TRAINING_SHARED,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import ibis.expr.types as ir

    from impactree.engine import Engine
    from impactree.tables._plans import Variant

__all__ = [
    "DERIVED",
    "amount",
    "cells",
    "either",
    "figures_of",
    "no_training",
    "requests",
    "training",
    "with_amounts",
    "words",
]

DERIVED: Final = ("rejected", "estimated", "grade", "method", "warnings", "errors", "zone_used")
"""What is said of calls, by which they can be grouped, too."""
_NAMES: Final = (*FLAT_COLUMNS, *PART_COLUMNS, *MARKET_COLUMNS)
"""Of figures, in the order of :func:`cells`."""


def requests(rows: ir.Table) -> Any:
    """How many requests a row stands for, where it says so; else one."""
    if "requests" not in rows.columns:
        return ibis.literal(1)
    return ibis.ifelse(rows.requests > 1, rows.requests, 1)


def cells(
    rows: ir.Table,
    variant: Variant,
    where: Callable[[Any, Any, Any], Any],
    wrap: Callable[[Any], Any],
    fixed: Callable[[str], Any],
) -> tuple[Any, ...]:
    """The figures of calls of one variant: the lines of ``methods/``, run on columns.

    Args:
        rows: Calls with their plans.
        variant: Whose equations.
        where: Chooses between two values.
        wrap: Makes of a column what the equations are run on.
        fixed: The same of a column of the plans, by its name.
    """
    figures = figures_of(rows, variant, where, wrap, fixed)
    return (*figures.totals, *figures[24:], *figures.market_based(fixed("market")))


def figures_of(
    rows: ir.Table,
    variant: Variant,
    where: Callable[[Any, Any, Any], Any],
    wrap: Callable[[Any], Any],
    fixed: Callable[[str], Any],
) -> Figures:
    """The same, by phase."""
    plan = variant.plan._make(fixed(f"plan_{name}") for name in variant.plan._fields)
    latency = wrap(rows.latency_s) if "latency_s" in rows.columns else None
    quantities = _quantities(rows, variant.sized, wrap, fixed)
    return Figures._make(variant.method.impacts(plan, quantities, latency, where=where))


def _quantities(
    rows: ir.Table, sized: bool, wrap: Callable[[Any], Any], fixed: Callable[[str], Any]
) -> SimpleNamespace:
    """What a method asks of :class:`impactree.Tokens` and ``Media``, as columns.

    What is not known is 0, as a method takes it; where it may not be, its judgement is an error.
    """
    found = {
        name.removesuffix("_tokens"): wrap(amount(rows, name)) if name in rows.columns else 0.0
        for name in COUNTS
    }
    if "cached_input_tokens" in rows.columns:
        found["input"] = wrap(_read(rows))
    frames = ibis.coalesce(
        amount(rows, "frames", None), (amount(rows, "seconds", None) * FRAMES_PER_S + 1).floor()
    )
    sound = rows.sound if "sound" in rows.columns else ibis.null("boolean")
    return SimpleNamespace(
        **found,
        pixels=fixed("pixels") if sized else None,
        frame_count=wrap(frames),
        pieces=wrap(amount(rows, "count", 1)) if "count" in rows.columns else 1.0,
        silent=wrap((sound == ibis.literal(False)).fill_null(False)),
    )


def with_amounts(rows: ir.Table) -> ir.Table:
    """Rows with the counts of tokens that equations are run on: worked out once, not in each."""
    counts = [name for name in COUNTS if name in rows.columns]
    found = {_AMOUNT + name: amount(rows, name) for name in counts}
    if "cached_input_tokens" in counts:
        found[_READ] = _read(rows)
    return rows.mutate(**found) if found else rows


_AMOUNT: Final = "amount_"
_READ: Final = f"{_AMOUNT}read"


def _read(rows: ir.Table) -> Any:
    """The input; where nobody knows it, at least what came from the cache."""
    if _READ in rows.columns:
        return rows[_READ]
    cached = amount(rows, "cached_input_tokens")
    if "input_tokens" not in rows.columns:
        return cached
    return ibis.ifelse(rows.input_tokens.isnull(), cached, amount(rows, "input_tokens"))


def amount(rows: ir.Table, name: str, unknown: float | None = 0) -> Any:
    """A count as a float: products of counts outgrow whole numbers.

    Counts that no call can have are null: some engines stop at a division by zero.
    """
    if name not in rows.columns:
        return ibis.literal(unknown, "float64")
    if _AMOUNT + name in rows.columns:
        return rows[_AMOUNT + name]
    no_such = rows.rejected_no.notnull()
    if name == "cached_input_tokens" and "input_tokens" in rows.columns:
        no_such = no_such | (rows[name] > rows.input_tokens)
    column = ibis.ifelse(no_such, None, rows[name]).cast("float64")
    if name in COUNTS and "requests" in rows.columns:
        column = column / requests(rows)  # of a sum of requests: their mean
    return column if unknown is None else column.fill_null(unknown)


def either(found: Sequence[Sequence[Any]], cached: Any) -> dict[str, Any]:
    """Figures by name: of the variant that has any; 0 where a cache answered."""
    nothing = ibis.ifelse(cached, 0.0, None).cast("float64")
    columns = zip(*found, strict=True) if found else [()] * len(_NAMES)
    return {
        name: ibis.coalesce(*several, nothing) if several else nothing
        for name, several in zip(_NAMES, columns, strict=True)
    }


def words(rows: ir.Table, asked: Any, engine: Engine) -> dict[str, Any]:
    """What is said of each call; of those that a cache answered, or that were rejected, nothing."""
    planned = rows.variant.notnull()
    said = rows.plan_warnings + rows.call_warnings + rows.noted
    judged = rows.judged_warnings + rows.media_warnings
    warnings = ibis.ifelse(planned, said + judged, said)
    errors = ibis.ifelse(planned, rows.judged_errors, rows.plan_errors)
    grades = ibis.cases(*((rows["rank"] == n, grade) for n, grade in enumerate(GRADES)))
    return {
        "rejected": rows.rejected,
        "estimated": rows.estimated,
        "grade": ibis.ifelse(asked, grades, None),
        "method": ibis.ifelse(rows.estimated, engine.method.name, None),
        "warnings": ibis.ifelse(asked, warnings.substr(1), ""),  # not the space before the first
        "errors": ibis.ifelse(asked, errors.substr(1), ""),
        "zone_used": ibis.ifelse(rows.estimated, rows.zone_used, None),
    }


def no_training() -> dict[str, Any]:
    """The columns of training, empty."""
    kinds = {TRAINING_CALLS: "int64", TRAINING_SHARED: "string"}
    return {name: ibis.null(kinds.get(name, "float64")) for name in TRAINING_COLUMNS}


def training(rows: ir.Table, engine: Engine, calls: Any, output: Any) -> dict[str, Any]:
    """The share of training, where it is asked for and known.

    Args:
        rows: With their plans.
        engine: Knows over what training is shared out.
        calls: How many calls, that a model answered, each row is.
        output: How many tokens they wrote; None: no column says.
    """
    sharing = engine.sharing
    if sharing is None:
        return no_training()
    known, times = (calls > 0) & rows.shared_over.notnull(), calls
    if sharing.unit == "output_tokens":
        times = ibis.null("float64") if output is None else output.cast("float64")
        known = known & times.notnull()
    columns: dict[str, Any] = {
        name: ibis.ifelse(known, rows[name] * times, None) for name in TRAINING_FIGURES
    }
    columns[TRAINING_CALLS] = ibis.ifelse(known, calls, None).cast("int64")
    columns[TRAINING_SHARED] = ibis.ifelse(known, rows.shared_over, None)
    return columns
