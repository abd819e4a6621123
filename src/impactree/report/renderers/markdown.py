"""The report as GitHub's Markdown: the same rows, in tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from impactree.report._layout import group_entries, label_text
from impactree.report._sheet import lay_out_report
from impactree.report.renderers._rows import (
    COLUMNS,
    legend,
    missing,
    model_row,
    number_cells,
    tree_row,
    used_columns,
)
from impactree.report.renderers._rows import numbers as numbers_of
from impactree.report.renderers.text import group_notes, named_sentences, total_cells
from impactree.values.formatting import many

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from impactree.report._groups import Grouped
    from impactree.report._layout import Entry
    from impactree.report._sheet import Sheet
    from impactree.report._view import View

__all__ = ["escape", "groups_markdown", "report_markdown", "table"]

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]!|~$@])")


def escape(text: str) -> str:
    """Text that stays text: no tag, no link, no emphasis, no cell of its own."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _SPECIAL.sub(r"\\\1", text)
    return text.replace("://", "&#58;//").replace("www.", "www&#46;")


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1, words: int = 0
) -> str:
    """A table; all columns but the first ``texts`` and last ``words`` are aligned to the right."""
    rule = ["---"] * texts + ["---:"] * (len(header) - texts - words) + ["---"] * words
    lines = [header, rule, *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def report_markdown(report: View) -> str:
    """The whole report."""
    sheet = lay_out_report(report)
    title = f"**impactree** {many(sheet.runs, 'run')}, {many(sheet.calls, 'call')}"
    if not report.runs:
        return f"{title}\n\n{escape(sheet.empty)}\n"
    tree = sheet.tree()
    parts = [title, escape(sheet.about), _tree(tree)]
    models = [model_row(entry) for entry in sheet.models]
    if models:
        columns = [c for c in COLUMNS if c != "time"]
        cells = [[row.name, row.what, *number_cells(row, columns)] for row in models]
        parts.append(table(["model", "calls, how resolved", *columns], cells, 2))
    parts += [_total(sheet), *_sentences(sheet)]
    rows = [tree_row(entry, "") for entry in tree] + models
    parts.append(escape(legend(rows)))
    return "\n\n".join(filter(None, parts)) + "\n"


def _tree(tree: Sequence[Entry]) -> str:
    rows = []
    for entry in tree:
        row = tree_row(entry, "")
        guide = entry.guide.replace(" ", "\u00a0")  # spaces in a row would be one
        name = f"{guide}{row.name}{row.suffix}"
        about = f"{row.what} {row.mark}".strip()
        rows.append([name, f"{about}; {row.note}" if row.note else about])
        rows[-1] += number_cells(row, COLUMNS)
    return table(["run", "kind, model", *COLUMNS], rows, 2)


def _total(sheet: Sheet) -> str:
    if not sheet.coverage.calls:
        return "total: zero, no model was called."
    if not sheet.total.estimated:
        return f"total: not estimated: {escape('; '.join(sheet.coverage.reasons))}"
    label = "total, at least" if sheet.total.lower_bound else "total"
    return table([label, "mean and range", "usage", "embodied"], total_cells(sheet.total))


def _sentences(sheet: Sheet) -> list[str]:
    return [
        f"{name}:\n" + "\n".join(f"- {escape(sentence)}" for sentence in sentences)
        for block in named_sentences(sheet)
        for name, sentences in block.items()
        if sentences
    ]


def groups_markdown(groups: Grouped) -> str:
    """A table of groups."""
    entries = group_entries(groups)
    columns = used_columns(entries)
    rows = []
    for label, entry in zip(groups, entries, strict=True):
        cells = {c: numbers_of(entry).get(c, "") for c in columns}
        if missing(entry):
            cells["CO2eq"] = missing(entry)
        rows.append([*map(label_text, groups.labels(label)), *cells.values()])
    text = table([*map(escape, groups.by), *columns], rows, len(groups.by))
    return "\n\n".join([text, *map(escape, [*group_notes(groups), *groups.credits])]) + "\n"
