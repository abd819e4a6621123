"""The columns of a table of calls: what each must be, and which rows no call can be made of."""

from __future__ import annotations

import datetime as dt
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Final, get_args

import ibis

from impactree.calls import Kind, TokensSource
from impactree.calls.known_energy import MAX_KWH
from impactree.calls.quantities import MAX_S, MEDIA_FIELDS, MEDIA_KINDS
from impactree.calls.tokens import MAX_TOKENS
from impactree.catalog import near_text
from impactree.engine import PLACE_FIELDS
from impactree.exceptions import TableError
from impactree.values.times import DAY_S

if TYPE_CHECKING:
    from collections.abc import Collection

    import ibis.expr.types as ir

__all__ = [
    "COUNTS",
    "INNER",
    "MEDIA_COUNTS",
    "NEWEST",
    "PLACES",
    "THEIRS",
    "UNREADABLE",
    "checked_columns",
    "day_of",
    "inner_name",
    "outer_name",
    "prepared",
    "refused",
]

COUNTS: Final = (
    *("input_tokens", "cached_input_tokens", "cache_write_tokens"),
    *("output_tokens", "reasoning_tokens"),
)
PLACES: Final = (*PLACE_FIELDS, "resolution", "frames", "seconds", "sound")
"""What plans are made for: where a call went, and of films and pictures what is judged."""
_REALS: Final = ("latency_s", "seconds", "energy_kwh")
_FLAGS: Final = ("cached", "sound")
_TEXTS: Final = (*PLACE_FIELDS, "resolution", "tokens_source", "usage_notes")
MEDIA_COUNTS: Final = tuple(n for n in MEDIA_FIELDS if n not in (*_TEXTS, *_REALS, *_FLAGS))
_NEEDED: Final = ("input_tokens", "output_tokens", "energy_kwh", *MEDIA_FIELDS)
_NUMBERS: Final = (*COUNTS, *MEDIA_COUNTS, *_REALS, "requests")
_JUDGED: Final = tuple(dict.fromkeys(("model", "kind", "tokens_source", *_NUMBERS, *MEDIA_FIELDS)))
"""Columns that a call may be rejected for."""
_TIMES: Final = ("day", "started_at")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
UNREADABLE: Final = "impactree unreadable"
"""The column in which readers say what of a record is no count."""
INNER: Final = ("missing", "rejected_no", UNREADABLE)
"""Columns of our own on the way."""
THEIRS: Final = "their_"
"""In front of the names of columns that are none of ours, on the way: they may be called as what we
put beside them, now or later. No column of ours begins so."""
NEWEST: Final = dt.date(2149, 6, 6)
"""The day of calls that tell none: they are read as the catalog reads names now.

It is the last that every engine knows (ClickHouse's ``Date``)."""


def prepared(table: ir.Table) -> ir.Table:
    """The table with its calls' columns checked, and what they say of no call in ``rejected``.

    ``rejected_no`` is the number of the column that is named there.


    Raises:
        TableError: a column is missing or of the wrong type; the message names it.
    """
    columns = checked_columns(table)
    columns["day"] = day_of(table)
    ours = {*_known(), *_TIMES, UNREADABLE}
    table = table.rename({THEIRS + name: name for name in table.columns if name not in ours})
    columns["kind"] = _or(columns.get("kind"), "chat")
    columns["tokens_source"] = _or(columns.get("tokens_source"), "reported")
    columns["cached"] = _or(columns.get("cached"), False)
    if "requests" in columns:
        columns["requests"] = _or(columns["requests"], 1)
    calls = table.mutate(**columns).mutate(rejected_no=_rejected_no)
    return calls.mutate(rejected=refused(calls))


def checked_columns(table: ir.Table) -> dict[str, Any]:
    """The columns of ours that a table has, each of the type that it must be.

    Raises:
        TableError: one is missing or of another type; the message names it.
    """
    _day(table)
    names = set(table.columns)
    if "model" not in names:
        near = near_text("model", table.columns)
        raise TableError(f"column 'model' is missing; nearest of the table's: {near}")
    if names.isdisjoint(_NEEDED):
        near = near_text("output_tokens", table.columns)
        raise TableError(
            "no column says what the calls read or wrote: expected 'input_tokens', "
            f"'output_tokens' or both; nearest of the table's: {near}"
        )
    return {name: _typed(table, name) for name in _known() if name in table.columns}


def inner_name(key: str, calls: Collection[str]) -> str:
    """What a column is called on the way.

    Args:
        key: Its name in the table.
        calls: The columns of ``prepared`` calls, or of what was made of them.
    """
    return THEIRS + key if THEIRS + key in calls else key


def outer_name(name: str) -> str:
    """What a column on the way is called in the table."""
    return name.removeprefix(THEIRS)


def _known() -> tuple[str, ...]:
    return (*_TEXTS, *COUNTS, *MEDIA_COUNTS, *_REALS, *_FLAGS, "requests")


def _or(column: ir.Column | None, value: Any) -> Any:
    return ibis.literal(value) if column is None else column.fill_null(value)


def _typed(table: ir.Table, name: str) -> Any:
    """A column, if it is of the type that such a column has."""
    column = table[name]
    kind = column.type()
    if name in _TEXTS:
        expected, fits = "text", kind.is_string()
    elif name in _FLAGS:
        expected, fits = "true or false", kind.is_boolean()
    else:
        expected, fits = "numbers", kind.is_numeric() and not kind.is_boolean()
    if kind.is_null():
        return column.cast("string" if name in _TEXTS else "boolean" if name in _FLAGS else "int64")
    if not fits:
        raise TableError(f"column {name!r} is of type {kind}; expected {expected}")
    return column.cast("float64") if kind.is_decimal() or name in _REALS else column


def day_of(table: ir.Table) -> Any:
    """The UTC day of each call; ``NEWEST`` where it is not known."""
    return _day(table).fill_null(ibis.literal(NEWEST))


def _day(table: ir.Table) -> Any:
    found = [_day_of(table[name], name) for name in _TIMES if name in table.columns]
    return ibis.coalesce(*found) if found else ibis.null("date")


def _day_of(column: Any, name: str) -> Any:
    kind = column.type()
    if kind.is_null():
        return ibis.null("date")
    if kind.is_timestamp() and kind.timezone is not None:  # a cast would take the session's zone
        days = (column.delta(_EPOCH, unit="second") / DAY_S).floor().cast("int64")
        return (ibis.timestamp("1970-01-01") + days.as_interval("D")).date()
    if kind.is_date() or kind.is_timestamp():
        return column.cast("date")
    raise TableError(f"column {name!r} is of type {kind}; expected a date or a time")


def refused(table: ir.Table) -> Any:
    """The first column that :class:`impactree.ModelCall` would refuse; null: none."""
    unreadable = table[UNREADABLE] if UNREADABLE in table.columns else ibis.null("string")
    names = ((table.rejected_no == number, name) for number, name in enumerate(_JUDGED))
    return ibis.coalesce(unreadable, ibis.cases(*names, else_=None))


def _rejected_no(table: ir.Table) -> Any:
    """The number of that column."""
    wrong = {"model": table.model.isnull(), "kind": ~table.kind.isin(get_args(Kind))}
    wrong["tokens_source"] = ~table.tokens_source.isin(get_args(TokensSource))
    media = table.kind.isin(sorted(MEDIA_KINDS))
    found = list(wrong.items())
    numbers = [name for name in _NUMBERS if name in table.columns]
    found += [(name, _no_such_number(table[name], name)) for name in numbers]
    made = [name for name in MEDIA_FIELDS if name in table.columns]
    found += [(name, table[name].notnull() & ~media) for name in made]
    numbered = ((is_wrong, _JUDGED.index(name)) for name, is_wrong in found)
    return ibis.cases(*numbered, else_=None).cast("int8")


def _no_such_number(column: Any, name: str) -> Any:
    least = column <= 0 if name in (*MEDIA_COUNTS, "seconds") else column < 0
    most = {"latency_s": float("inf"), "seconds": MAX_S, "energy_kwh": MAX_KWH}.get(
        name, MAX_TOKENS
    )
    wrong = [least, column >= most if name == "latency_s" else column > most]
    if column.type().is_floating():
        wrong.append(column.isnan())
        if name not in _REALS:
            wrong.append(column != column.floor())
    return reduce(or_, wrong)
