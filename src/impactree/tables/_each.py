"""A row per call, with its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from impactree.tables._calls import INNER, NEWEST, outer_name
from impactree.tables._figures import cells, either, figures_of, requests, training, words
from impactree.tables._known import is_known, known_figures, known_words
from impactree.values.criteria import ENERGY, FLAT_COLUMNS, MARKET_COLUMNS, PART_COLUMNS
from impactree.values.sources import SOURCES
from impactree.values.training import TRAINING_COLUMNS

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from impactree.engine import Engine
    from impactree.tables._beside import Beside
    from impactree.tables._plans import Variant

__all__ = ["each", "per_call", "sources"]


def per_call(known: Beside, engine: Engine) -> ir.Table:
    """A row per call, with its figures."""
    calls = known.calls
    rows = known.joined(calls)
    columns = {outer_name(name): rows[name] for name in calls.columns if name not in INNER}
    columns["day"] = rows.day.nullif(ibis.literal(NEWEST))
    return rows.select(**columns | each(rows, known, engine))


def each(rows: ir.Table, known: Beside, engine: Engine) -> dict[str, Any]:
    """The figures of calls with all that is known of them, and what is said of them."""
    asked = rows.rejected.isnull() & ~rows.cached
    columns = words(rows, asked, engine)
    variants = known.plans.variants
    found = [_by_one(rows, variant, n) for n, variant in enumerate(variants)]
    columns |= either(found, rows.cached & rows.rejected.isnull())
    columns |= sources(rows.estimated, columns[f"{ENERGY.column}_mean"])
    wrote = rows.output_tokens if "output_tokens" in rows.columns else None
    columns |= training(rows, engine, ibis.ifelse(asked, requests(rows), 0), wrote)
    return columns if "energy_kwh" not in rows.columns else columns | _known(rows, columns, known)


def _known(rows: ir.Table, columns: dict[str, Any], known: Beside) -> dict[str, Any]:
    """The columns in which calls with a known energy differ."""
    which = is_known(rows) & rows.rejected.isnull() & ~rows.cached
    possible = which & (rows.known_errors == "")
    several = [_made(rows, variant, n) for n, variant in enumerate(known.plans.variants)]
    made = [ibis.coalesce(*ends) for ends in zip(*several, strict=True)]
    figures = known_figures(rows, rows.estimated, made)
    new: dict[str, Any] = dict(zip(FLAT_COLUMNS, figures.totals, strict=True))
    new |= zip(MARKET_COLUMNS, figures.market_based(rows.market), strict=True)
    energy = new[f"{ENERGY.column}_mean"]
    new |= dict.fromkeys(PART_COLUMNS)
    new |= sources(possible, energy, "reported")
    new |= {"method": None, "zone_used": rows.zone_used}
    new |= {name: columns[name] for name in TRAINING_COLUMNS}
    found = {name: ibis.ifelse(possible, value, None) for name, value in new.items()}
    found |= {name: said.substr(1) for name, said in known_words(rows, rows.estimated).items()}
    found["estimated"] = possible
    return {name: ibis.ifelse(which, value, columns[name]) for name, value in found.items()}


def _by_one(rows: ir.Table, variant: Variant, place: int) -> tuple[Any, ...]:
    """The figures of the rows of one variant, null elsewhere.

    What is not to be estimated is null from the start: engines work out what expressions share
    once, but not what stands in a CASE.
    """
    found = cells(rows, variant, ibis.ifelse, _as_it_is, rows.__getitem__)
    return tuple(cell * _amount(rows, place) for cell in found)


def _made(rows: ir.Table, variant: Variant, place: int) -> tuple[Any, ...]:
    """Of those making the hardware: gwp, adpe and pe; low, expected, high."""
    found = figures_of(rows, variant, ibis.ifelse, _as_it_is, rows.__getitem__)
    return tuple(cell * _amount(rows, place) for cell in found[15:24])


def _amount(rows: ir.Table, place: int) -> Any:
    return ibis.ifelse(rows.estimated & (rows.variant == place), requests(rows), None)


def _as_it_is(column: Any) -> Any:
    return column


def sources(known: Any, energy: Any, source: str = "estimated") -> dict[str, Any]:
    """Where the energy comes from, where it is known and all from one source."""
    none = ibis.ifelse(known, energy * 0.0, None)  # to DuckDB 0.0 alone is a decimal
    kwh = {f"energy_{other}_kwh": none for other in SOURCES}
    kwh[f"energy_{source}_kwh"] = ibis.ifelse(known, energy, None)
    return {"source": ibis.ifelse(known, source, None), **kwh}
