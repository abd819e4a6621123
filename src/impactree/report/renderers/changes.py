"""What changed between two reports, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from impactree.report._groups import as_group
from impactree.report._layout import MAX_LINES, label_text
from impactree.report._tally import Tally, gwp_mean
from impactree.report.renderers._cells import Line, Row, amount, count, grid
from impactree.report.renderers._rows import gwp_text, header
from impactree.report.renderers.text import joined, listed
from impactree.values.formatting import clean, many
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from impactree.report._diff import Change, Compared
    from impactree.report._groups import Group

__all__ = ["diff_lines", "diff_notes", "diff_table"]

_COLUMNS: Final = ("calls", "before", "after", "change", "%")
_OPTIONAL: Final = ("calls", "%", "before")
_BRIEF: Final = ("new", "gone")
"""Causes that need no line of their own."""
_MAX_ROWS: Final = 25
"""Of a table that is no text."""
_ROW_LINES: Final = 8
"""That a change takes at most, its causes included."""


def diff_lines(diff: Compared, width: int) -> list[Line]:
    """The changes in at most 60 lines, none wider than ``width`` cells."""
    width = min(width, 200)
    notes = listed("", diff_notes(diff), width, "dim")
    credited = listed("credits", diff.credits, width, "dim")
    most = MAX_LINES
    while True:
        rows = [header(_what(diff), "", _COLUMNS), *_rows(diff, most)]
        (table,) = grid([rows], width, _COLUMNS, _OPTIONAL)
        lines = joined([table, notes, credited], width)
        over = len(lines) - MAX_LINES
        if over <= 0 or not most:
            return lines
        most -= min(-(-over // _ROW_LINES), most)


def diff_table(diff: Compared) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the changes as text."""
    rows = [
        [row.name, *row.numbers.values(), row.what or row.note] for row in _rows(diff, _MAX_ROWS)
    ]
    return [_what(diff), *_COLUMNS, "why"], rows


def diff_notes(diff: Compared) -> list[str]:
    """What is to be said under the changes."""
    notes = []
    if not diff.partition:
        notes.append("A call with two tags stands in both groups: changes may not add up to all.")
    if diff.older_runs:
        keys = f"[{', '.join(map(repr, diff.by))}]" if diff.by else "[KEY], by=KEY"
        notes.append(
            f"{many(diff.older_runs, 'older run')} no longer kept and not in these figures; "
            f"cure: ImpactHandler(totals_by={keys}) or a larger max_runs."
        )
    if diff.before.total.unestimated_calls or diff.after.total.unestimated_calls:
        notes.append("Some calls could not be estimated (≥: at least) and are in no change.")
    return notes


def _what(diff: Compared) -> str:
    return " / ".join(map(clean, diff.by)) or "path"


def _rows(diff: Compared, most: int) -> Iterator[Row]:
    """All, the largest changes, and in two lines what is left."""
    yield Row(name="all", numbers=_numbers(diff.before, diff.after), style="bold")
    changed = [change for change in diff.changes if change.change or change.causes]
    for change in changed[:most]:
        row = Row(name=_name(change), numbers=_numbers(change.before, change.after))
        why = "; ".join(change.causes)
        row.what, row.note, row.note_guide = (why, "", "") if why in _BRIEF else ("", why, "  ")
        yield row
    noun = "group" if diff.by else "path"
    smaller = changed[most:]
    same = [change for change in diff.changes if not (change.change or change.causes)]
    for left, said in ((smaller, "with smaller changes"), (same, "without a change")):
        if left:
            sums = (_sum([getattr(c, side) for c in left]) for side in ("before", "after"))
            name = f"… {many(len(left), noun)} {said}"
            yield Row(name=name, numbers=_numbers(*sums), style="dim")


def _sum(groups: Sequence[Group]) -> Group:
    tally = Tally()
    for group in groups:
        tally.merge(group.tally)
    total = Impacts.sum(group.total for group in groups)
    return as_group(tally, total, total)


def _name(change: Change) -> str:
    if change.label:
        return " / ".join(map(label_text, change.label.values()))
    return " / ".join(clean(name) or "(no name)" for name in change.path)


def _numbers(before: Group, after: Group) -> dict[str, str]:
    calls = count(after.calls)
    if before.calls != after.calls:
        calls = f"{count(before.calls)} → {calls}"
    change = gwp_mean(after.total) - gwp_mean(before.total)
    first = gwp_mean(before.total)
    return {
        "calls": calls,
        "before": amount(before.total, "gwp") or "not estimated",
        "after": amount(after.total, "gwp") or "not estimated",
        "change": f"{'+' if change > 0 else ''}{gwp_text(change)}",
        "%": f"{change / first:+.0%}" if first and change else "",
    }
