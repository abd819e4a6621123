"""The small tables beside the calls: a plan per situation, a judgement per kind of quantities.

Both are worked out in Python, once per distinct combination that the calls hold, by the engine.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import ibis
import pyarrow as pa

from impactree.calls import ModelCall, Tokens
from impactree.catalog import WatchedDay, change_days, same_until
from impactree.engine.engine import usage_message
from impactree.methods import Judgement, covers_media
from impactree.tables._calls import MEDIA_COUNTS, NEWEST, PLACES
from impactree.tables._placing import fetched
from impactree.values.grades import GRADES
from impactree.values.messages import message
from impactree.values.training import TRAINING_FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import ibis.expr.types as ir

    from impactree.engine import Engine
    from impactree.engine.engine import Plan
    from impactree.methods import Method

__all__ = ["KEY", "Small", "Variant", "judgements", "missing", "plans"]

KEY: Final = "key_"
"""In front of the names of columns that are joined by."""
_NAMES: Final = ("input", "output", "cached_input", "cache_write", "reasoning")
_UNKNOWN: Final = {name: 1 << place for place, name in enumerate(_NAMES)}
_ABOVE: Final = {name: 1 << (place + 5) for place, name in enumerate(_NAMES[2:])}
_SUMMED: Final = 256
_UNCOUNTED: Final = 512
"""Bits of ``missing``: of a count that it is not known, of a part that it is above its whole, and
of a record that it sums requests, and does not say how many."""


class Variant(NamedTuple):
    """Equations that some of the plans are for."""

    method: Method
    plan: Any
    """The class of their plans."""
    sized: bool
    """Whether the number of pixels is known."""


class Small(NamedTuple):
    """A small table, and how it is joined."""

    table: pa.Table
    keys: tuple[str, ...]
    """Columns of the calls that are the same in both: what never varies is no key."""
    dated: bool = False
    """Whether its rows hold from ``valid_from`` to ``valid_to``."""
    variants: tuple[Variant, ...] = ()


def plans(calls: ir.Table, engine: Engine, *, by_day: bool) -> Small:
    """The plans of all situations in the calls.

    Args:
        calls: As ``prepared``.
        engine: Resolves names and plans.
        by_day: Whether names are read as on the day of the call, or as today.
    """
    keys = [name for name in PLACES if name in calls.columns]
    known = calls.filter(calls.rejected.isnull())
    if by_day:
        groups = known.group_by(*keys, undated=known.day == ibis.literal(NEWEST))
        found = groups.agg(first=known.day.min(), last=known.day.max())
    else:
        found = known.select(keys).distinct()
    found = fetched(found)
    changes = change_days(engine.catalog) if by_day else ()
    variants: dict[Variant, int] = {}
    rows = [
        row
        for situation in found.to_pylist()
        for row in _rows(situation, keys, engine, changes, variants)
    ]
    dated = len(rows) > len({tuple(row[KEY + name] for name in keys) for row in rows})
    fields = dict.fromkeys(name for v in variants for name in v.plan._fields)
    columns = (*_FIXED, *((f"plan_{name}", pa.float64()) for name in fields))
    if engine.sharing is not None:
        columns = (*columns, *_TRAINING)
    columns = (*_keys(found.schema, keys), *columns)
    return Small(_arrow(rows, columns), _varying(rows, keys, "model"), dated, tuple(variants))


_FIXED: Final = (
    *((name, pa.date32()) for name in ("valid_from", "valid_to")),
    *((name, pa.int32()) for name in ("variant", "rank")),
    *((name, pa.string()) for name in ("plan_warnings", "plan_errors", "media_warnings", "wrong")),
    *(("market", pa.float64()), ("pixels", pa.float64()), ("zone_used", pa.string())),
)
_TRAINING: Final = (
    *((name, pa.float64()) for name in TRAINING_FIGURES),
    ("shared_over", pa.string()),
)


def _rows(
    situation: dict[str, Any],
    keys: Sequence[str],
    engine: Engine,
    changes: tuple[dt.date, ...],
    variants: dict[Variant, int],
) -> Iterator[dict[str, Any]]:
    """The plans of one situation, one after the other as days pass."""
    given = {name: situation[name] for name in keys}
    key = {KEY + name: value for name, value in given.items()}
    given |= {n: int(given[n]) for n in MEDIA_COUNTS if given.get(n) is not None}
    day, last = situation.get("first"), situation.get("last")
    try:
        call = ModelCall(**given)
    except (TypeError, ValueError):
        yield {**key, "wrong": "resolution", "valid_from": day, "valid_to": last}
        return
    while True:
        watched = None
        if day is not None and day != NEWEST:
            watched = WatchedDay(day.year, day.month, day.day)
        made = engine.plan(call, watched)
        until = last if watched is None or last is None else same_until(watched, last, changes)
        cells = _cells(made, call, engine, variants)
        yield {**key, "valid_from": day, "valid_to": until, **cells}
        if until is None or until == last:
            return
        day = until + dt.timedelta(1)


def _cells(
    plan: Plan, call: ModelCall, engine: Engine, variants: dict[Variant, int]
) -> dict[str, Any]:
    pixels = call.media.pixels if call.media else None
    zone = plan.found.zone
    cells: dict[str, Any] = {
        "rank": GRADES.index(plan.grade),
        "plan_warnings": _codes(plan.warnings),
        "plan_errors": _codes(plan.errors),
        "market": plan.market,
        "pixels": pixels,
        "zone_used": zone.id if zone else None,
    }
    judged = Judgement()
    if covers_media(engine.method.name, call.kind) and plan.made is not None:
        judged = plan.method.judge(call.tokens, call.kind, plan.made)
    cells["plan_errors"] += _codes(judged.errors)
    cells["media_warnings"] = _codes(judged.warnings)
    if plan.made is not None and not judged.errors:
        variant = Variant(plan.method, type(plan.made), pixels is not None)
        cells["variant"] = variants.setdefault(variant, len(variants))
        cells |= {f"plan_{name}": _number(value) for name, value in plan.made._asdict().items()}
    phase = None if plan.share is None else plan.share.phase
    if phase is not None:
        ends = [end for triple in phase.values for end in triple or (None,) * 3]
        cells |= zip(TRAINING_FIGURES, ends, strict=True)
        cells["shared_over"] = "; ".join(phase.shared_over)
    return cells


def _number(value: Any) -> float | None:
    """NaN, an unknown factor, is null in a table: it goes through the same arithmetic."""
    return None if math.isnan(value) else float(value)


def _codes(messages: Iterable[Any]) -> str:
    """Each after a space, so that texts can be put together."""
    return "".join(f" {m.code}" for m in messages)


def missing(calls: ir.Table) -> Any:
    """What of the tokens is not known or contradicts itself, as bits of a number."""
    known = {n: calls[f"{n}_tokens"] for n in _NAMES if f"{n}_tokens" in calls.columns}
    nothing = sum(bit for name, bit in _UNKNOWN.items() if name not in known)
    bits = ibis.literal(nothing, "int16")
    for name, column in known.items():
        bits = bits + ibis.ifelse(column.isnull(), _UNKNOWN[name], 0)
    read, wrote = known.get("input"), known.get("output")
    cached, written = known.get("cached_input"), known.get("cache_write")
    if read is not None and cached is not None:
        bits = bits + ibis.ifelse(cached > read, _ABOVE["cached_input"], 0)
    if read is not None and written is not None:
        parts = written if cached is None else written + cached.fill_null(0)
        bits = bits + ibis.ifelse(parts > read, _ABOVE["cache_write"], 0)
    if "reasoning" in known:
        whole = 0 if wrote is None else wrote.fill_null(0)
        bits = bits + ibis.ifelse(known["reasoning"] > whole, _ABOVE["reasoning"], 0)
    several = ibis.cases((calls.requests > 1, _SUMMED), (calls.requests < 1, _UNCOUNTED), else_=0)
    return (bits + several).cast("int16")


def judgements(calls: ir.Table, engine: Engine) -> Small:
    """What of the calls' quantities is unknown, as the method judges it."""
    keys = ["kind", "tokens_source", "missing"]
    keys += ["usage_notes"] if "usage_notes" in calls.columns else []
    asked = calls.filter(calls.rejected.isnull() & ~calls.cached)
    found = fetched(asked.select(keys).distinct())
    rows = [_judged(row, engine) for row in found.to_pylist()]
    names = ("call_warnings", "judged_warnings", "judged_errors")
    columns = (*_keys(found.schema, keys), *((name, pa.string()) for name in names))
    return Small(_arrow(rows, columns), _varying(rows, keys, "missing"))


def _judged(row: dict[str, Any], engine: Engine) -> dict[str, Any]:
    judged = Judgement()  # of films and pictures: with their plans
    if not covers_media(engine.method.name, row["kind"]):
        judged = engine.method.judge(_like(row["missing"]), row["kind"])
    warnings, errors = judged
    if row["missing"] & _SUMMED and not engine.method.linear:
        warnings = (*warnings, message("requests-summed"))
    if row["missing"] & _UNCOUNTED and not engine.method.linear:
        errors = errors or (message("requests-unknown"),)
    elif row["missing"] & _UNCOUNTED:
        warnings = (*warnings, message("requests-unknown"))
    said = [message("token-count-approximate")] if row["tokens_source"] == "counted" else []
    said += map(usage_message, (row.get("usage_notes") or "").split())
    return {
        **{KEY + name: value for name, value in row.items()},
        "call_warnings": _codes(said),
        "judged_warnings": _codes(warnings),
        "judged_errors": _codes(errors),
    }


def _like(bits: int) -> Tokens:
    """Quantities of which the same is unknown, and the same parts are above their wholes."""
    whole, fits, above = 10, 0, 20
    found: dict[str, int | None] = {"input": whole, "output": whole}
    found |= {name: above if bits & bit else fits for name, bit in _ABOVE.items()}
    return Tokens(**{n: None if bits & _UNKNOWN[n] else found[n] for n in _NAMES})


def _varying(rows: list[dict[str, Any]], keys: Sequence[str], always: str) -> tuple[str, ...]:
    """The keys that tell rows apart, and one that is never null: engines want an equality."""
    if len(rows) == 1:
        return ()
    return tuple(n for n in keys if n == always or len({row[KEY + n] for row in rows}) > 1)


def _keys(schema: pa.Schema, names: Iterable[str]) -> Iterator[tuple[str, pa.DataType]]:
    """Columns to join by, of the same types as those of the calls."""
    return ((KEY + name, schema.field(name).type) for name in names)


def _arrow(rows: list[dict[str, Any]], columns: Iterable[tuple[str, pa.DataType]]) -> pa.Table:
    return pa.table({name: pa.array([r.get(name) for r in rows], kind) for name, kind in columns})
