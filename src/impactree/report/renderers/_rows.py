"""Entries of the layout as rows of text: what every printed table shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from impactree.report.renderers._cells import Row, Style, amount, count, duration, percent
from impactree.values.criteria import GWP
from impactree.values.formatting import many, quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from impactree.report._layout import Entry, Spread
    from impactree.report._tally import Tally

__all__ = [
    "COLUMNS",
    "GROUP_COLUMNS",
    "OPTIONAL",
    "header",
    "legend",
    "model_row",
    "number_cells",
    "numbers",
    "tree_row",
    "used_columns",
]

COLUMNS: Final = ("tokens in", "out", "time", "energy", "CO2eq", "share")
GROUP_COLUMNS: Final = (
    *("calls", "tokens in", "cached", "out", "thought", "time"),
    *("energy", "CO2eq", "share"),
)
OPTIONAL: Final = ("thought", "cached", "energy", "time", "tokens in", "out", "calls")
"""Columns that go where the room is small, the first one first."""
_STATUS_STYLE: Final[dict[str, Style]] = {"error": "bold red", "running": "green"}


def header(name: str, what: str, columns: Iterable[str]) -> Row:
    """The line above a table."""
    return Row(name=name, what=what, numbers={c: c for c in columns}, style="bold")


def tree_row(entry: Entry, below: str) -> Row:
    """A line of the tree; ``below`` is the guide of what stands under it."""
    repeated = entry.times > 1
    times = f" × {entry.times:,}" if repeated else ""
    row = Row(
        guide=entry.guide,
        name=entry.name,
        suffix=times + (f" +{entry.hidden:,}" if entry.hidden else ""),
        what=what(entry),
        what_style="cyan" if entry.model else "dim",
        mark=entry.mark,
        mark_style="bold red" if entry.failed else _STATUS_STYLE.get(entry.mark, "yellow"),
        style="" if entry.is_run else "dim",
        numbers=numbers(entry),
        missing=missing(entry),
    )
    spread = "" if entry.spread is None else spread_text(entry.spread)
    parts = f"energy: {entry.parts}" if entry.parts else ""
    row.note, row.note_guide = "; ".join(filter(None, (spread, parts))), below
    return row


def what(entry: Entry) -> str:
    """Kind and model of a run, or the calls of a sum."""
    if entry.is_run:
        return f"{entry.kind} {entry.model}" if entry.model else entry.kind
    return many(entry.tally.calls, "call") if entry.tally.calls else ""


def model_row(entry: Entry) -> Row:
    """A line of the table of models."""
    about = many(entry.tally.calls, "call")
    about += f", {entry.total.grade}" if entry.total.grade else ""
    about += f", {entry.tally.cached:,} cached" if entry.tally.cached else ""
    shown = numbers(entry)
    del shown["time"]
    return Row(name=entry.name, what=about, numbers=shown, missing=missing(entry))


def numbers(entry: Entry) -> dict[str, str]:
    """The printed numbers of a line by column; what called no model has none but its time."""
    time = "" if entry.latency_s is None else duration(entry.latency_s)
    if entry.times > 1 and time:
        time = f"ø{time}"
    tally = entry.tally
    if not tally.calls:
        return {"time": time}
    return {
        "calls": count(tally.calls),
        "tokens in": _tokens(tally.input_tokens, tally.unknown_inputs, tally),
        "cached": count(tally.cached_inputs) if tally.cached_inputs else "",
        "out": _tokens(tally.output_tokens, tally.unknown_outputs, tally),
        "thought": count(tally.reasoning) if tally.reasoning else "",
        "time": time,
        "energy": amount(entry.total, "energy"),
        "CO2eq": amount(entry.total, "gwp"),
        "share": percent(entry.share),
    }


def number_cells(row: Row, columns: Iterable[str]) -> list[str]:
    """A line's numbers in these columns, with what is missing in the place of its CO2eq."""
    cells = {column: row.numbers.get(column, "") for column in columns}
    if row.missing:
        cells["CO2eq"] = row.missing
    return list(cells.values())


def used_columns(entries: Sequence[Entry]) -> list[str]:
    """The columns of a table of groups that hold anything."""
    used = {column for entry in entries for column, text in numbers(entry).items() if text}
    used |= {"CO2eq"} if any(map(missing, entries)) else set()
    return [column for column in GROUP_COLUMNS if column in used]


def missing(entry: Entry) -> str:
    """What stands in the place of an estimate that there is none of."""
    return "not estimated" if entry.tally.calls and not entry.total.estimated else ""


def spread_text(spread: Spread) -> str:
    """What the repetitions of a line cost."""
    first, median, last, dearest = (
        gwp_text(x) for x in (spread.first, spread.median, spread.last, spread.dearest)
    )
    return (
        f"each: first {first}, median {median}, last {last}, "
        f"dearest {dearest} (no. {spread.dearest_at:,})"
    )


def gwp_text(kg: float) -> str:
    """Greenhouse gases as in the tables: g."""
    grams = kg * GWP.shown_factor
    return quantity(grams, grams, grams, "g")


def _tokens(known: int | None, unknown: int, tally: Tally) -> str:
    """``≥`` where some counts are missing, ``~`` where some were made here, ``?`` where all are."""
    if known is None:
        return "?"
    mark = "≥" if unknown else "~" if tally.counted else ""
    return f"{mark}{count(known)}" if tally.reached else ""


_LEGEND: Final = (
    ("→", "a → b × n: these in turn, n times"),
    ("×", "× n: n like runs in a row, summed; ø: their mean time"),
    ("+", "+n: n runs below are not shown"),
    ("≥", "≥: at least"),
    ("~", "~: with tokens counted locally"),
    ("?", "?: unknown"),
)


def legend(rows: Iterable[Row]) -> str:
    """The signs that the rows use, explained."""
    signs = {
        sign
        for row in rows
        for text in (row.suffix, *row.numbers.values(), "→" if row.what == "loop" else "")
        for sign in text
    }
    return "; ".join(text for sign, text in _LEGEND if sign in signs)
