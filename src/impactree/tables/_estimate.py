"""Calls joined to their plans, the equations of the method, and sums of what comes out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack

import ibis

from impactree.calls.quantities import FRAMES_PER_S
from impactree.catalog import near_text
from impactree.engine import shared_engine
from impactree.exceptions import TableError
from impactree.tables._calls import COUNTS, NEWEST, prepared
from impactree.tables._placing import placed
from impactree.tables._plans import KEY, Small, Variant, judgements, missing, plans
from impactree.tables._sums import sources, sums
from impactree.values.criteria import ENERGY, FLAT_COLUMNS, MARKET_COLUMNS, PART_COLUMNS
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
    import pyarrow as pa

    from impactree.engine import Engine
    from impactree.engine.settings import EngineSettings

__all__ = ["At", "estimate", "grouped", "per_call"]

At = Literal["call", "today"]
_NAMES: Final = (*FLAT_COLUMNS, *PART_COLUMNS, *MARKET_COLUMNS)


def estimate(
    table: Any,
    by: str | Sequence[str] | None = None,
    *,
    at: At = "call",
    **settings: Unpack[EngineSettings],
) -> ir.Table:
    """The impacts of every call of a table, or sums of them.

    ``docs/tables.md`` lists the columns that are read and made. Only names, not rows, pass through
    Python.

    Args:
        table: A table of Ibis, on any engine; or of pandas, polars or pyarrow, for DuckDB.
        by: Columns to group by (``day`` may be one); None: a row per call.
        at: Names that moved are read as on the day of the call (``call``) or as ``today``; the
            year of the electricity factors likewise.
        **settings: ``method``, ``zone``, ``deployments``, ...: see
            :class:`impactree.engine.settings.EngineSettings`.

    Returns:
        An expression of Ibis (``.to_pandas()``, ``.to_polars()``, ``.to_parquet(path)``): per call
        the table's columns and figures with their units in their names, null where unknown; by
        groups counts, tokens and sums.

    Raises:
        TableError: a column is missing or of the wrong type; the message names it.
        ConfigurationError: a setting is wrong.
    """
    if at not in ("call", "today"):
        raise TableError(f"at must be 'call' or 'today', not {at!r:.80}")
    rows, _ = per_call(_as_ibis(table), shared_engine(**settings), at)
    return rows if by is None else grouped(rows, [by] if isinstance(by, str) else by)


def grouped(rows: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Sums by columns that the rows have.

    Raises:
        TableError: they lack one.
    """
    for key in keys:
        if key not in rows.columns:
            near = near_text(key, rows.columns)
            raise TableError(f"by: no column {key!r:.80} to group by; nearest: {near}")
    return sums(rows, keys)


def _as_ibis(table: Any) -> ir.Table:
    if isinstance(table, ibis.Table):
        return table
    if not hasattr(table, "__arrow_c_stream__"):
        expected = "a table of Ibis, pandas, polars or pyarrow"
        raise TableError(f"table: expected {expected}, not {type(table).__name__}")
    import pyarrow as pa

    return ibis.memtable(pa.table(table))


def per_call(
    table: ir.Table,
    engine: Engine,
    at: At,
    *,
    seen: ir.Table | None = None,
    place: Callable[[pa.Table, ir.Table], ir.Table] = placed,
) -> tuple[ir.Table, Small]:
    """A row per call, with its figures, and the plans behind them.

    Args:
        table: The calls.
        engine: Estimates.
        at: As for :func:`estimate`.
        seen: Where their situations are looked up; None: in the calls.
        place: Makes a table beside the calls of a small one.
    """
    calls = _marked(table)
    known = calls if seen is None else _marked(seen)
    small = plans(known, engine, by_day=at == "call")
    rows = calls
    for one in (small, judgements(known, engine)):
        rows = _joined(rows, one, place(one.table, table))
    rows = rows.mutate(rejected=ibis.coalesce(rows.rejected, rows.wrong))
    asked = rows.rejected.isnull() & ~rows.cached
    rows = rows.mutate(
        estimated=(asked & rows.variant.notnull() & (rows.judged_errors == "")).fill_null(False)
    )
    columns = {name: rows[name] for name in calls.columns if name != "missing"}
    columns["day"] = rows.day.nullif(ibis.literal(NEWEST))
    columns |= _words(rows, asked, engine)
    columns |= _figures(rows, small)
    columns |= _training(rows, asked, engine)
    return rows.select(**columns), small


def _marked(table: ir.Table) -> ir.Table:
    calls = prepared(table)
    return calls.mutate(missing=missing(calls))


def _joined(calls: ir.Table, small: Small, beside: ir.Table) -> ir.Table:
    """Each call with its row of a small table; without one, nulls."""
    conditions = [_same(calls[name], beside[KEY + name], small.table) for name in small.keys]
    if small.dated:
        conditions += [calls.day >= beside.valid_from, calls.day <= beside.valid_to]
    if not conditions:
        return calls.cross_join(beside)
    return calls.left_join(beside, conditions)


def _same(ours: Any, key: Any, table: pa.Table) -> Any:
    """Equal, null too; plainly where no key is null, which every engine joins by hashing."""
    plain = table[key.get_name()].null_count == 0
    return ours == key if plain else ours.identical_to(key)


def _words(rows: ir.Table, asked: Any, engine: Engine) -> dict[str, Any]:
    """What is said of each call; of those that a cache answered, or that were rejected, nothing."""
    planned = rows.variant.notnull()
    said = rows.plan_warnings + rows.call_warnings
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


def _figures(rows: ir.Table, small: Small) -> dict[str, Any]:
    """The lines of ``methods/``, run on columns.

    What is not to be estimated is null from the start: engines work out what expressions share
    once, but not what stands in a CASE.
    """
    nothing = ibis.ifelse(rows.cached & rows.rejected.isnull(), 0.0, None).cast("float64")
    by_variant = [_by_one(rows, variant, n) for n, variant in enumerate(small.variants)]
    columns = zip(*by_variant, strict=True) if by_variant else [()] * len(_NAMES)
    found = {
        name: ibis.coalesce(*cells, nothing) if cells else nothing
        for name, cells in zip(_NAMES, columns, strict=True)
    }
    return found | sources(rows.estimated, found[f"{ENERGY.column}_mean"])


def _by_one(rows: ir.Table, variant: Variant, place: int) -> tuple[Any, ...]:
    """The figures of the rows of one variant, null elsewhere."""
    plan = variant.plan._make(rows[f"plan_{name}"] for name in variant.plan._fields)
    latency = rows.latency_s if "latency_s" in rows.columns else None
    quantities = _quantities(rows, variant.sized)
    figures = variant.method.impacts(plan, quantities, latency, where=ibis.ifelse)
    figures = Figures._make(figures)
    both = [figures[at] + figures[at + 12] for at in range(3, 12)]  # usage and embodied
    market = figures.market_based(rows.market)
    cells = (*figures[:3], *both, *figures[12:15], *figures[24:], *market)
    amount = ibis.ifelse(rows.estimated & (rows.variant == place), _requests(rows), None)
    return tuple(cell * amount for cell in cells)


def _quantities(rows: ir.Table, sized: bool) -> SimpleNamespace:
    """What a method asks of :class:`impactree.Tokens` and ``Media``, as columns.

    What is not known is 0, as a method takes it; where it may not be, its judgement is an error.
    """
    found = {name.removesuffix("_tokens"): _amount(rows, name) for name in COUNTS}
    frames = _amount(rows, "seconds", None) * FRAMES_PER_S + 1
    frames = ibis.coalesce(_amount(rows, "frames", None), frames.floor())
    sound = rows.sound if "sound" in rows.columns else ibis.null("boolean")
    return SimpleNamespace(
        **found,
        pixels=rows.pixels if sized else None,
        frame_count=frames,
        pieces=_amount(rows, "count", 1),
        silent=(sound == ibis.literal(False)).fill_null(False),
    )


def _amount(rows: ir.Table, name: str, unknown: float | None = 0) -> Any:
    """A count as a float, products of counts outgrow whole numbers; null where none is to be used.

    Of negative counts some engines would stop at a division by zero.
    """
    if name not in rows.columns:
        return ibis.literal(unknown, "float64")
    column = ibis.ifelse(rows.estimated, rows[name].cast("float64"), None)
    if name in COUNTS:
        column = column / _requests(rows)  # of a sum of requests: their mean
    return column if unknown is None else column.fill_null(unknown)


def _requests(rows: ir.Table) -> Any:
    """How many requests a row stands for, where it says so; else one."""
    return ibis.ifelse(rows.requests > 1, rows.requests, 1)


def _training(rows: ir.Table, asked: Any, engine: Engine) -> dict[str, Any]:
    """The share of training of each call, where it is asked for and known."""
    sharing = engine.sharing
    if sharing is None:
        kinds = {TRAINING_CALLS: "int64", TRAINING_SHARED: "string"}
        return {name: ibis.null(kinds.get(name, "float64")) for name in TRAINING_COLUMNS}
    known = asked & rows.shared_over.notnull()
    times = _requests(rows)
    if sharing.unit == "output_tokens":
        written = "output_tokens" in rows.columns
        times = rows.output_tokens.cast("float64") if written else ibis.null("float64")
        known = known & times.notnull()
    columns: dict[str, Any] = {
        name: ibis.ifelse(known, rows[name] * times, None) for name in TRAINING_FIGURES
    }
    columns[TRAINING_CALLS] = ibis.ifelse(known, _requests(rows), None).cast("int64")
    columns[TRAINING_SHARED] = ibis.ifelse(known, rows.shared_over, None)
    return columns
