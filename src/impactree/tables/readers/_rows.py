"""What readers give: one flat row per call, or per span around calls, in inclusive buckets."""

from __future__ import annotations

import datetime as dt
import json
import math
from typing import TYPE_CHECKING, Any, Final, TypedDict

from impactree.calls import Tokens
from impactree.calls.names import address
from impactree.calls.scrubbing import text
from impactree.calls.usage import MalformedUsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from impactree.calls.reconciling import Reading

__all__ = [
    "Row",
    "call_row",
    "count_of",
    "known_only",
    "number",
    "parsed",
    "read_with",
    "seconds_between",
    "time_of",
]

COUNTS: Final = ("input", "cached_input", "cache_write", "output", "reasoning")


class Row(TypedDict, total=False):
    """Columns as in ``docs/tables.md``, and what hangs a call on its tree."""

    id: str | None
    trace_id: str | None
    parent_id: str | None
    ancestors: str | None
    """The ids of all spans above, the outermost first, where a record tells them."""
    name: str | None
    is_call: bool
    """Else a span that calls stand under."""
    started_at: dt.datetime | None
    latency_s: float | None
    energy_kwh: float | None
    provider: str | None
    model: str
    requested: str | None
    base_url: str | None
    region: str | None
    kind: str
    zone: str | None
    tokens_source: str
    usage_notes: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cached: bool
    requests: int | None
    """Of a report that sums several; 0: it does not say how many."""
    revision: int | None
    agent: str | None
    node: str | None
    step: str | None
    thread: str | None
    tool: str | None
    user: str | None
    unreadable: str | None
    """What of the record is no count."""
    others: Mapping[str, Any]
    """What else it says, for ``--by``."""


def call_row(found: Reading | str | None, **fields: Any) -> Row:
    """The row of a call.

    Args:
        found: Its usage; None: unknown; text: what of it cannot be read.
        **fields: The other columns.
    """
    row: dict[str, Any] = {"is_call": True, "kind": "chat", **fields}
    row["model"] = text(row.get("model")) or ""
    row["base_url"] = address(row.get("base_url"))
    if isinstance(found, str):
        row["unreadable"] = found
        return row  # type: ignore[return-value]
    tokens = Tokens() if found is None else found.tokens
    row |= {f"{name}_tokens": getattr(tokens, name) for name in COUNTS}
    row["usage_notes"] = " ".join(found.notes) or None if found else None
    row["tokens_source"] = "unknown" if tokens == Tokens() else "reported"
    return row  # type: ignore[return-value]


def read_with(how: Callable[[Any], Reading | None], usage: Any) -> Reading | str | None:
    """A reading of usage, or what is wrong with it."""
    try:
        return how(usage)
    except (MalformedUsageError, ValueError, TypeError) as error:
        return f"usage: {error}"[:120]


def count_of(value: Any) -> Any:
    """A count as text (CSV, attributes of spans) as the number that it is; else as it stands."""
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return _float(value)
    if isinstance(value, float) and math.isnan(value):
        return None  # as dataframes say that there is none
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _float(value: str) -> Any:
    if not value.strip():
        return None
    try:
        return float(value)
    except ValueError:
        return value


def number(value: Any) -> float | None:
    """A real number, or None."""
    found = count_of(value)
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None


def parsed(value: Any) -> Any:
    """What a column of JSON holds: as text in tables, as it is in lines."""
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        return dict(value)  # a map of Parquet
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def time_of(value: Any) -> dt.datetime | None:
    """A UTC time from text, s since 1970, or a time; one without a zone is taken as UTC."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip().removesuffix(" UTC"))
        except ValueError:
            value = number(value)
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return dt.datetime.fromtimestamp(value, dt.UTC)
    except (OverflowError, OSError, ValueError):
        return None
    if not isinstance(value, dt.datetime):
        return None
    moment = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    return dt.datetime(*moment.timetuple()[:6], moment.microsecond, dt.UTC)


def seconds_between(start: Any, end: Any) -> float | None:
    """How long that is, s; None: not known."""
    begun, ended = time_of(start), time_of(end)
    if begun is None or ended is None or ended < begun:
        return None
    return (ended - begun).total_seconds()


def known_only(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What is neither None, nor empty, nor a dataframe's gap."""
    return {
        name: value
        for name, value in fields.items()
        if value not in (None, "") and not (isinstance(value, float) and math.isnan(value))
    }
