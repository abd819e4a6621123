"""Text that fits: cells, columns and wrapped paragraphs, by the width a terminal gives them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from unicodedata import bidirectional

from rich.cells import cell_len, chop_cells, set_cell_size

from impactree.values.formatting import quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from impactree.values.impacts import Impacts

__all__ = [
    "Line",
    "Row",
    "Style",
    "amount",
    "clip",
    "count",
    "duration",
    "grid",
    "percent",
    "wrap",
]

Style = Literal["", "bold", "dim", "cyan", "yellow", "red", "bold red", "green"]
Line = list[tuple[str, Style]]
"""One line of text in pieces, each with its rich style."""

_SEP: Final = "  "
_LEAST: Final = 34
"""Cells that names keep before columns go."""
_ESTIMATED: Final = ("energy", "CO2eq")
_GUARD: Final = "\u2800"
"""Looks like a space and reads rightwards: after a right-to-left name, terminals that reorder text
would else draw the numbers before it."""


def wrap(text: str, width: int) -> list[str]:
    """Break at spaces; a word longer than a line is broken where it must be."""
    lines: list[str] = []
    line = ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= width:
            line = joined
            continue
        if line:
            lines.append(line)
        *whole, line = chop_cells(word, width) if word else [""]
        lines += whole
    return [*lines, line]


def clip(line: Line, width: int) -> Line:
    """The line, cut where it is too wide after all."""
    out: Line = []
    for text, style in line:
        if cell_len(text) > width:
            return [*out, (_cut(text, width)[0], style)] if width > 0 else out
        width -= cell_len(text)
        out.append((text, style))
    return out


def amount(impacts: Impacts, key: Literal["energy", "gwp"]) -> str:
    """The mean of a criterion in a table cell: Wh, or g of CO2eq."""
    impact = getattr(impacts, key)
    if impact is None:
        return ""
    mean, unit = impact.value.mean * 1e3, "Wh" if key == "energy" else "g"
    text = quantity(mean, mean, mean, unit) if mean < 1e15 else f"{mean:.1e} {unit}"
    return f"≥{text}" if impacts.lower_bound else text


def count(number: int) -> str:
    """A number in at most seven characters: ``12,345``, ``123k``, ``1.2M``."""
    if number < 100_000:
        return f"{number:,}"
    for size, unit in ((10**6, "k"), (10**9, "M"), (10**12, "G"), (10**15, "T")):
        if number < size:
            value = number * 1000 / size
            if value < 999.5:
                return f"{value:.1f}{unit}" if value < 99.95 else f"{value:.0f}{unit}"
    return ">999T"


def duration(seconds: float) -> str:
    """An elapsed time in at most six characters."""
    if seconds < 0.0005:
        return "<1 ms"
    for limit, size, unit in ((0.9995, 1e-3, "ms"), (999.5, 1.0, "s"), (5970.0, 60.0, "min")):
        if seconds < limit:
            return _short(seconds / size, unit)
    hours = seconds / 3600
    return _short(hours, "h") if hours < 99.5 else _short(min(hours / 24, 9999), "d")


def _short(value: float, unit: str) -> str:
    return f"{value:.1f} {unit}" if unit != "ms" and value < 9.95 else f"{value:.0f} {unit}"


def percent(share: float | None) -> str:
    """A share in at most five characters."""
    if share is None:
        return ""
    if 0 < share < 0.001:
        return "<0.1%"
    return f"{share:.1%}" if share < 0.0995 and share else f"{share:.0%}"


@dataclass(slots=True, kw_only=True)
class Row:
    """One line of a table: a name, what it is, and numbers by the name of their column."""

    guide: str = ""
    name: str
    suffix: str = ""
    """Kept whole when the name is cut."""
    what: str = ""
    what_style: Style = "dim"
    mark: str = ""
    """Kept whole when ``what`` is cut."""
    numbers: dict[str, str] = field(default_factory=dict)
    missing: str = ""
    """Instead of the last column before the share, and of the one before that."""
    note: str = ""
    """A line below, behind ``note_guide``."""
    note_guide: str = ""
    style: Style = ""
    mark_style: Style = "yellow"


def grid(
    sections: Iterable[list[Row]], width: int, columns: Sequence[str], optional: Sequence[str]
) -> list[list[Line]]:
    """Tables with their numbers aligned, at most ``width`` cells wide.

    Where names would keep less than they need and less than half, columns go.

    Args:
        sections: Tables with the same columns.
        width: Cells at most.
        columns: The numbers to show, in order.
        optional: Those that may go, the first one first.
    """
    tables = [rows for rows in sections if rows]
    rows = [row for table in tables for row in table]
    shown, going = [c for c in columns if any(r.numbers.get(c) for r in rows)], [*optional]
    needed = max(sum(_needed(table)) for table in tables)
    while True:
        sizes = _sizes(rows, shown)
        room = width - sum(sizes.values()) - len(_SEP) * len(sizes)
        if room >= min(needed, max(_LEAST, width * 5 // 11)) or not any(c in shown for c in going):
            break
        gone = next(c for c in going if c in shown)
        shown.remove(gone)
    room = min(room, needed)
    return [
        [line for row in table for line in _lines(row, _split(table, room), sizes, width)]
        for table in tables
    ]


def _sizes(rows: list[Row], columns: list[str]) -> dict[str, int]:
    sizes = {c: max(cell_len(row.numbers.get(c, "")) for row in rows) for c in columns}
    spanned = _spanned(columns)
    if spanned:
        *before, last = spanned
        room = sum(sizes[c] + len(_SEP) for c in before)
        sizes[last] = max(sizes[last], max(len(row.missing) for row in rows) - room)
    return sizes


def _spanned(columns: Iterable[str]) -> list[str]:
    """The columns that a missing estimate stands in."""
    return [c for c in columns if c in _ESTIMATED]


def _needed(table: list[Row]) -> tuple[int, int]:
    """The cells that names, with a separator, and kinds with models would take uncut."""
    names = max(cell_len(row.guide + row.name + row.suffix) for row in table)
    whats = max(cell_len(row.what) + cell_len(row.mark) + bool(row.mark) for row in table)
    return names + len(_SEP), whats


def _split(table: list[Row], room: int) -> tuple[int, int]:
    """The room of names and of kinds with models: names go first, the rest keeps two fifths."""
    names, whats = _needed(table)
    whats = min(whats, max(room - names, room * 2 // 5))
    return room - whats, whats


def _lines(row: Row, rooms: tuple[int, int], sizes: dict[str, int], width: int) -> Iterator[Line]:
    names, whats = rooms
    name, padding = _cut(row.name, names - len(_SEP) - cell_len(row.guide + row.suffix))
    room = whats - cell_len(row.mark) - bool(row.mark)
    what, rest = _cut(row.what, room) if whats > 0 else ("", "")
    gap = " " if row.mark else ""
    after = row.suffix + padding + _SEP
    if _reads_leftwards(name):
        after = _GUARD + after[1:]
    line: Line = [
        (row.guide, "dim"),
        (name, row.style),
        (after, "dim"),
        (what, row.style or row.what_style),
        (gap + row.mark, row.mark_style),
        (rest, ""),
    ]
    yield [*line, *((_SEP + cell, row.style) for cell in _numbers(row, sizes))]
    if row.note:
        room = max(width - cell_len(row.note_guide), 1)
        for part in wrap(row.note, room):
            yield [(row.note_guide, "dim"), (part, "dim")]


def _numbers(row: Row, sizes: dict[str, int]) -> list[str]:
    cells = {c: row.numbers.get(c, "").rjust(size) for c, size in sizes.items()}
    spanned = _spanned(sizes)
    if row.missing and spanned:
        room = sum(sizes[c] for c in spanned) + len(_SEP) * (len(spanned) - 1)
        for column in spanned[1:]:
            del cells[column]
        cells[spanned[0]] = row.missing.rjust(room)
    return list(cells.values())


def _reads_leftwards(text: str) -> bool:
    return not text.isascii() and any(bidirectional(c) in {"R", "AL", "AN"} for c in text)


def _cut(text: str, width: int) -> tuple[str, str]:
    """The text, cut with an ellipsis where it is too wide, and the spaces that fill the width."""
    width = max(width, 1)
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip(" ") + "…"
    return text, " " * (width - cell_len(text))
