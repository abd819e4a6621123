"""The report as a fragment of HTML for notebooks: the same rows; no script, no stylesheet."""

from __future__ import annotations

import os
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

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
    from impactree.report.renderers._cells import Row

__all__ = ["groups_html", "notes", "report_html", "table"]

# Notebooks that are not trusted keep inline styles; colours are left to the theme.
_TABLE: Final = "border-collapse:collapse;font-size:12px;margin:4px 0"
_TEXT: Final = "text-align:left;padding:1px 10px 1px 0;white-space:nowrap"
_NUMBER: Final = "text-align:right;padding:1px 0 1px 10px;white-space:nowrap"
_WORDS: Final = "text-align:left;padding:1px 0 1px 10px"
_FAINT: Final = "opacity:.65"
_BAR: Final = (
    "background:linear-gradient(to left,rgba(120,160,120,.35) {0:.1f}%,transparent {0:.1f}%)"
)
_INDENT_PX: Final = 16
_MAX_TEXT: Final = 120
_MAX_WORDS: Final = 1000


def _bdi(text: str, most: int = _MAX_TEXT) -> str:
    """Text that is neither markup nor reorders what stands beside it."""
    shown = text if len(text) <= most else f"{text[: most - 1]}…"
    return f"<bdi>{escape(shown)}</bdi>"


def _cell(content: str, style: str, tag: str = "td") -> str:
    return f'<{tag} style="{style}">{content}</{tag}>'


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1, words: int = 0
) -> str:
    """A table of text; numbers stand between ``texts`` columns and ``words`` ones that wrap."""

    def line(cells: Sequence[str], tag: str) -> str:
        numbers = len(cells) - texts - words
        styles = [_TEXT] * texts + [_NUMBER] * numbers + [_WORDS] * words
        most = [_MAX_TEXT] * (texts + numbers) + [_MAX_WORDS] * words
        return "".join(
            _cell(_bdi(cell, size), style, tag)
            for cell, size, style in zip(cells, most, styles, strict=True)
        )

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return f'<table style="{_TABLE}"><thead><tr>{line(header, "th")}</tr></thead>{body}</table>'


def report_html(report: View, page: str = "", current: bool = True) -> str:
    """The whole report.

    Args:
        report: What to show.
        page: The file of a report as a page, if there is one.
        current: Whether it shows the same runs.
    """
    sheet = lay_out_report(report)
    title = (
        f"<div><b>impactree</b> {many(sheet.runs, 'run')}, {many(sheet.calls, 'call')} "
        f'<span style="{_FAINT}">{escape(sheet.about)}</span></div>'
    )
    if not report.runs:
        problems = "".join(f"<div>{_bdi(problem)}</div>" for problem in sheet.problems)
        return f"<div>{title}<div>{escape(sheet.empty)}</div>{problems}</div>"
    tree = sheet.tree()
    rows = [tree_row(entry, "") for entry in tree]
    models = [model_row(entry) for entry in sheet.models]
    parts = [title, _tree(tree, rows)]
    if models:
        columns = [c for c in COLUMNS if c != "time"]
        cells = [[row.name, row.what, *number_cells(row, columns)] for row in models]
        parts.append(table(["model", "calls, how resolved", *columns], cells, 2))
    parts += [_total(sheet), _sentences(sheet)]
    signs = legend([*rows, *models])
    parts.append(f'<div style="{_FAINT};font-size:11px">{escape(signs)}</div>' if signs else "")
    parts.append(_link(page, current))
    return f"<div>{''.join(parts)}</div>"


def _link(page: str, current: bool) -> str:
    """To the report as a page; a notebook opens what lies beside it."""
    if not page:
        return notes(["To look closer, as a page: handler.report().to_html('report.html')"])
    with suppress(ValueError):  # another drive
        page = os.path.relpath(page)
    where = quote(page.replace(os.sep, "/"))
    what = "The report" if current else "An earlier report"
    link = f'<div><a href="{where}" target="_blank">{what} as a page</a> {_bdi(page)}</div>'
    return link if current else link + notes([f"Anew: handler.report().to_html({page!r})"])


def _tree(entries: Sequence[Entry], rows: Sequence[Row]) -> str:
    heads = [_cell("run", _TEXT, "th"), _cell("kind, model", _TEXT, "th")]
    heads += [_cell(column, _NUMBER, "th") for column in COLUMNS]
    body = "".join(_tree_line(entry, row) for entry, row in zip(entries, rows, strict=True))
    return f'<table style="{_TABLE}"><thead><tr>{"".join(heads)}</tr></thead>{body}</table>'


def _tree_line(entry: Entry, row: Row) -> str:
    indent = f"{_TEXT};padding-left:{entry.depth * _INDENT_PX}px"
    name = _bdi(row.name) + escape(row.suffix)
    about = escape(row.what[:_MAX_TEXT])
    if row.mark:
        about += f" <b>{escape(row.mark)}</b>"
    cells = [_cell(name, indent), _cell(about, f"{_TEXT};{_FAINT}")]
    numbers = number_cells(row, COLUMNS)
    bar = f";{_BAR.format(100 * entry.share)}" if entry.share else ""
    cells += [_cell(escape(number), _NUMBER) for number in numbers[:-1]]
    cells.append(_cell(escape(numbers[-1]), _NUMBER + bar))
    style = "" if entry.is_run else f' style="{_FAINT}"'
    line = f"<tr{style}>{''.join(cells)}</tr>"
    if row.note:
        note = f"{indent.replace('nowrap', 'normal')};{_FAINT};font-size:11px"
        line += f'<tr><td colspan="{len(COLUMNS) + 2}" style="{note}">{escape(row.note)}</td></tr>'
    return line


def _total(sheet: Sheet) -> str:
    if not sheet.coverage.calls:
        return "<div>total: zero, no model was called.</div>"
    if not sheet.total.estimated:
        return f"<div>total: not estimated: {escape('; '.join(sheet.coverage.reasons))}</div>"
    label = "total, at least" if sheet.total.lower_bound else "total"
    return table([label, "mean and range", "usage", "embodied"], total_cells(sheet.total))


def _sentences(sheet: Sheet) -> str:
    out = []
    for name, sentences in (item for block in named_sentences(sheet) for item in block.items()):
        lines = "<br>".join(map(escape, sentences))
        out.append(f'<div style="font-size:12px"><b>{name}</b> {lines}</div>' if lines else "")
    return "".join(out)


def notes(texts: Iterable[str]) -> str:
    """What stands under a table."""
    return "".join(f'<div style="{_FAINT};font-size:11px">{escape(text)}</div>' for text in texts)


def groups_html(groups: Grouped) -> str:
    """A table of groups."""
    entries = group_entries(groups)
    columns = used_columns(entries)
    rows = []
    for label, entry in zip(groups, entries, strict=True):
        cells = {c: numbers_of(entry).get(c, "") for c in columns}
        if missing(entry):
            cells["CO2eq"] = missing(entry)
        rows.append([*map(label_text, groups.labels(label)), *cells.values()])
    below = notes([*group_notes(groups), *groups.credits])
    return f"<div>{table([*groups.by, *columns], rows, len(groups.by))}{below}</div>"
