"""What changed between two reports, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from impactree.report._tally import gwp_mean
from impactree.report.renderers._cells import Line, Row, amount, count, grid, many
from impactree.report.renderers._rows import gwp_text, header
from impactree.report.renderers.text import joined, listed, paragraph
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from impactree.report._diff import Change, Compared
    from impactree.report._groups import Group

__all__ = ["diff_lines", "diff_table"]

_COLUMNS: Final = ("calls", "before", "after", "change")
_OPTIONAL: Final = ("calls",)
_MAX_ROWS: Final = 25


def diff_lines(diff: Compared, width: int) -> list[Line]:
    """The changes, no line wider than ``width`` cells."""
    width = min(width, 200)
    rows = [header("path", "", _COLUMNS)]
    rows.append(Row(name="all", numbers=_numbers(diff.before, diff.after), style="bold"))
    for change in _shown(diff):
        row = Row(name=_name(change), numbers=_numbers(change.before, change.after))
        row.note, row.note_guide = "; ".join(change.causes), "  "
        rows.append(row)
    (table,) = grid([rows], width, _COLUMNS, _OPTIONAL)
    credited = listed("credits", diff.credits, width, "dim")
    return joined([table, _rest(diff, width), credited], width)


def diff_table(diff: Compared) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the changes as text."""
    rows = [["all", *_numbers(diff.before, diff.after).values(), ""]]
    for change in _shown(diff):
        cells = _numbers(change.before, change.after).values()
        rows.append([_name(change), *cells, "; ".join(change.causes)])
    return ["path", *_COLUMNS, "why"], rows


def _shown(diff: Compared) -> list[Change]:
    """What changed at all, up to a bound."""
    return [c for c in diff.changes if c.change or c.causes][:_MAX_ROWS]


def _rest(diff: Compared, width: int) -> list[Line]:
    shown = len(_shown(diff))
    left = diff.changes[shown:]
    if not left:
        return []
    same = sum(1 for change in left if not (change.change or change.causes))
    told = [f"{many(same, 'path')} without a change"] if same else []
    if len(left) > same:
        smaller = gwp_text(sum(change.change for change in left))
        told.append(f"{many(len(left) - same, 'path')} with smaller changes, {smaller} in all")
    return paragraph("", "; ".join(told) + ".", width, "dim")


def _name(change: Change) -> str:
    return " / ".join(clean(name) or "(no name)" for name in change.path)


def _numbers(before: Group, after: Group) -> dict[str, str]:
    calls = count(after.calls)
    if before.calls != after.calls:
        calls = f"{count(before.calls)} → {calls}"
    change = gwp_mean(after.total) - gwp_mean(before.total)
    first = gwp_mean(before.total)
    relative = f" ({change / first:+.0%})" if first and change else ""
    return {
        "calls": calls,
        "before": amount(before.total, "gwp") or "not estimated",
        "after": amount(after.total, "gwp") or "not estimated",
        "change": f"{'+' if change > 0 else ''}{gwp_text(change)}{relative}",
    }
