"""Alternatives side by side, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from impactree.report.renderers._cells import Line, Row, grid
from impactree.report.renderers._rows import gwp_text, header
from impactree.report.renderers.text import joined, paragraph
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from impactree.report._what_if import Alternative, Alternatives

__all__ = ["comparison_lines", "comparison_table"]

_COLUMNS: Final = ("energy", "CO2eq", "change")
_OPTIONAL: Final = ("energy",)


def comparison_lines(compared: Alternatives, width: int) -> list[Line]:
    """The rows, no line wider than ``width`` cells."""
    width = min(width, 200)
    rows = [header("alternative", "", _COLUMNS)]
    for number, one in enumerate(compared.rows, 1):
        row = Row(name=f"{number} {clean(one.name)}", numbers=_numbers(one))
        row.note, row.note_guide = _verdict(one, compared), "  "
        rows.append(row)
    (table,) = grid([rows], width, _COLUMNS, _OPTIONAL)
    about = paragraph("", f"by {compared.method}; means and ranges", width, "dim")
    notes = [line for note in compared.notes for line in paragraph("", note, width)]
    return joined([about, table, notes], width)


def comparison_table(compared: Alternatives) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text."""
    rows = [
        [f"{number} {clean(one.name)}", *_numbers(one).values(), _verdict(one, compared)]
        for number, one in enumerate(compared.rows, 1)
    ]
    return ["alternative", *_COLUMNS, f"by {compared.method}"], rows


def _numbers(one: Alternative) -> dict[str, str]:
    total, change = one.total, one.change
    relative = "" if one.relative is None or not change.mean else f" ({one.relative:+.0%})"
    sign = "+" if change.mean > 0 else ""
    least = "≥ " if total.lower_bound else ""
    return {
        "energy": f"{least}{total.energy or 'not estimated'}",
        "CO2eq": f"{least}{total.gwp or 'not estimated'}",
        "change": f"{sign}{gwp_text(change.mean)}{relative}" if change.mean else "",
    }


def _verdict(one: Alternative, compared: Alternatives) -> str:
    """What is certain of a row against the calls as they are."""
    if one is compared.base:
        return ""
    change = one.change
    if change.unestimated:
        return "not comparable: some calls are estimated on one side only"
    if change.verdict == "the same":
        return "the same"
    if change.verdict == "cannot be told apart":
        return f"cannot be told apart: {gwp_text(change.min)} to +{gwp_text(change.max)}"
    least, most = sorted((abs(change.min), abs(change.max)))
    return f"{change.verdict}, by {gwp_text(least)} to {gwp_text(most)}"
