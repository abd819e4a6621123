"""Text that fits: cells, columns and wrapped paragraphs, by the width a terminal gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from rich.cells import cell_len, chop_cells, set_cell_size

from impactree.values.formatting import quantity

if TYPE_CHECKING:
    from collections.abc import Iterable

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
    "many",
    "percent",
    "wrap",
]

Style = Literal["", "bold", "dim", "cyan", "yellow", "red", "bold red", "green"]
Line = list[tuple[str, Style]]
"""One line of text in pieces, each with its rich style."""

_SEP: Final = "  "


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


def many(number: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
    """One line of the table that the tree and the models share."""

    guide: str = ""
    name: str
    suffix: str = ""
    """Kept whole when the name is cut."""
    what: str = ""
    what_style: Style = "dim"
    mark: str = ""
    """Kept whole when ``what`` is cut."""
    numbers: tuple[str, str, str, str, str, str] = ("",) * 6
    """Tokens in, tokens out, time, energy, CO2eq, share."""
    missing: str = ""
    """Instead of energy and CO2eq."""
    style: Style = ""
    mark_style: Style = "yellow"


def grid(sections: Iterable[list[Row]], width: int) -> list[list[Line]]:
    """Tables with their numbers aligned, at most ``width`` cells wide; only names are cut."""
    tables = [rows for rows in sections if rows]
    rows = [row for table in tables for row in table]
    numbers = [max(len(row.numbers[i]) for row in rows) for i in range(6)]
    numbers[3] = max(numbers[3], max(len(row.missing) for row in rows) - len(_SEP) - numbers[4])
    room = width - sum(numbers) - len(_SEP) * 6
    room = min(room, max(sum(_needed(table)) for table in tables))
    return [[_line(row, *_split(table, room), numbers) for row in table] for table in tables]


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


def _line(row: Row, names: int, whats: int, numbers: list[int]) -> Line:
    name, padding = _cut(row.name, names - len(_SEP) - cell_len(row.guide + row.suffix))
    what, rest = _cut(row.what, whats - cell_len(row.mark) - bool(row.mark))
    gap = " " if row.mark else ""
    line: Line = [
        (row.guide, "dim"),
        (name, row.style),
        (row.suffix + padding + _SEP, "dim"),
        (what, row.style or row.what_style),
        (gap + row.mark, row.mark_style),
        (rest, ""),
    ]
    cells = [cell.rjust(size) for cell, size in zip(row.numbers, numbers, strict=True)]
    if row.missing:
        cells[3:5] = [row.missing.rjust(numbers[3] + len(_SEP) + numbers[4])]
    return [*line, *((_SEP + cell, row.style) for cell in cells)]


def _cut(text: str, width: int) -> tuple[str, str]:
    """The text, cut with an ellipsis where it is too wide, and the spaces that fill the width."""
    width = max(width, 1)
    if cell_len(text) > width:
        text = set_cell_size(text, width - 1).rstrip(" ") + "…"
    return text, " " * (width - cell_len(text))
