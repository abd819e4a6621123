"""The report as text: one list of styled lines, for plain ``str()`` and for rich."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len, set_cell_size

from impactree.report._layout import MAX_LINES, group_entries, label_text
from impactree.report._sheet import Sheet, lay_out_report
from impactree.report.renderers._cells import Line, Row, Style, clip, grid, wrap
from impactree.report.renderers._rows import (
    COLUMNS,
    OPTIONAL,
    header,
    legend,
    missing,
    model_row,
    numbers,
    tree_row,
    used_columns,
)
from impactree.values.criteria import CRITERIA
from impactree.values.formatting import many
from impactree.values.range import Range
from impactree.values.sources import source_shares_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.text import Text

    from impactree.report._groups import Grouped
    from impactree.report._layout import Entry
    from impactree.report._view import View
    from impactree.values.impacts import EmbodiedPhase, Impact, Impacts, UsagePhase

__all__ = [
    "checked_width",
    "groups_lines",
    "groups_text",
    "joined",
    "listed",
    "named_sentences",
    "paragraph",
    "plain",
    "report_lines",
    "rich_lines",
    "sheet_lines",
    "total_cells",
]

_WIDTH: Final = 100
"""Columns of a report that goes to no terminal."""
_LEGEND_LINES: Final = 3
"""For the signs of the tree, above which stands an empty line."""
_NARROWEST, _WIDEST = 60, 200
_LABEL: Final = 10
_MIN_LABEL, _MAX_LABEL = 10, 40
_NUMBERS: Final = 34
"""Cells that the numbers of a group take at least."""


def terminal_width() -> int:
    """The columns of the terminal (or of ``COLUMNS``), 60 to 200; without one: 100."""
    columns = shutil.get_terminal_size((_WIDTH, 24)).columns
    return min(max(columns, _NARROWEST), _WIDEST)


def checked_width(width: int | None) -> int:
    """The width that was asked for; None: that of the terminal.

    Raises:
        ValueError: no whole number >= 1.
    """
    if width is None:
        return terminal_width()
    if not isinstance(width, int) or width < 1:
        raise ValueError(f"a width is a whole number of columns, 60 to 200, not {width!r:.40}")
    return width


def plain(lines: Iterable[Line]) -> str:
    """Styled lines as plain text."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def rich_lines(lines: Iterable[Line]) -> Iterator[Text]:
    """Styled lines for rich."""
    from rich.text import Text

    for line in lines:
        yield Text.assemble(*line, no_wrap=True)


def report_lines(report: View, width: int, lines: int = MAX_LINES) -> list[Line]:
    """The whole report in about so many lines, none wider than ``width`` cells."""
    return sheet_lines(lay_out_report(report, lines), width, lines)


def sheet_lines(sheet: Sheet, width: int, lines: int = MAX_LINES) -> list[Line]:
    """As :func:`report_lines`, of what has been laid out."""
    width = min(width, _WIDEST)
    if not sheet.roots:
        return joined(_empty(sheet, width), width)
    whole = _whole(sheet, width, lines)
    return whole if len(whole) <= lines else _whole(sheet.brief(), width, lines)


def _whole(sheet: Sheet, width: int, lines: int) -> list[Line]:
    rest = joined(_sections(sheet, (), width), width)
    tree = sheet.tree(lines - len(rest) - _LEGEND_LINES)
    return joined(_sections(sheet, tree, width), width)


def joined(sections: Iterable[list[Line]], width: int) -> list[Line]:
    """Sections with an empty line between them."""
    lines: list[Line] = []
    for section in filter(None, sections):
        lines += [[], *section] if lines else section
    return [clip(line, width) for line in lines]


def _empty(sheet: Sheet, width: int) -> Iterator[list[Line]]:
    yield [*_title(sheet, width), *paragraph("", sheet.empty, width)]
    yield listed("problems", sheet.problems, width, "red")


def _sections(sheet: Sheet, entries: Sequence[Entry], width: int) -> Iterator[list[Line]]:
    tree = [header("run", "kind, model", COLUMNS), *_tree(entries)]
    models = [model_row(entry) for entry in sheet.models]
    if models:
        models.insert(0, Row(name="by model", what="calls, how resolved", style="bold"))
    yield _title(sheet, width)
    yield from grid((tree, models), width, COLUMNS, OPTIONAL)
    yield _total(sheet, width)
    for block in named_sentences(sheet):
        yield list(_block(block, width))
    yield paragraph("legend", legend([*tree, *models]), width, "dim")


def _tree(entries: Sequence[Entry]) -> Iterator[Row]:
    for place, entry in enumerate(entries):
        opened = place + 1 < len(entries) and entries[place + 1].depth > entry.depth
        guide = entry.guide.replace("├ ", "│ ").replace("└ ", "  ")
        yield tree_row(entry, guide + ("│ " if opened else "  "))


def _market(total: Impacts) -> str:
    impact = total.gwp_market_based if total.estimated_calls else None
    return f"{impact} by what operators say of their contracts (market-based)" if impact else ""


def _training(total: Impacts) -> str:
    """The share of training: a line of its own, in no figure of the table."""
    phase = total.training
    if phase is None:
        return ""
    calls = total.estimated_calls + total.unestimated_calls
    of = "" if phase.calls == calls else f" Of {phase.calls:,} of {many(calls, 'call')}."
    shared = "; ".join(phase.shared_over)
    return f"{phase}: training the models, in no figure above; shared out over {shared}.{of}"


def _block(block: dict[str, Sequence[str]], width: int) -> Iterator[Line]:
    for name, sentences in block.items():
        for place, sentence in enumerate(sentences):
            style = "yellow" if sentence.startswith("not estimated") else _STYLES.get(name, "")
            yield from paragraph("" if place else name, sentence, width, style)


def _title(sheet: Sheet, width: int) -> list[Line]:
    counts = f"  {many(sheet.runs, 'run')}, {many(sheet.calls, 'call')}"
    title: Line = [("impactree", "bold"), (counts, "")]
    return [title, *paragraph("", sheet.about, width, "dim")]


def _total(sheet: Sheet, width: int) -> list[Line]:
    total, coverage = sheet.total, sheet.coverage
    if not coverage.calls:
        return paragraph("total", "zero: no model was called.", width)
    if not total.estimated:
        return paragraph("total", f"not estimated: {'; '.join(coverage.reasons)}", width, "red")
    label = "total, at least" if total.lower_bound else "total"
    rows: list[tuple[str, ...]] = [(label, "mean and range", "usage", "embodied")]
    rows += [(f"  {name}", *cells) for name, *cells in total_cells(total)]
    sizes = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    while len(sizes) > 2 and sum(sizes) - 2 > width:
        sizes.pop()  # a phase less, rather than half a figure
    lines: list[Line] = []
    for row in rows:
        name, value, *phases = (cell.ljust(size) for cell, size in zip(row, sizes, strict=False))
        styles: tuple[Style, Style, Style] = ("", "bold", "") if lines else ("bold", "dim", "dim")
        phase = "".join(phases).rstrip()
        lines.append([(name, styles[0]), (value if phase else value.rstrip(), styles[1])])
        lines[-1].append((phase, styles[2]))
    return lines


def total_cells(total: Impacts) -> list[tuple[str, str, str, str]]:
    """Per criterion its name, its value with the range, and the means of the two phases."""
    usage, embodied = total.usage, total.embodied
    return [
        (
            c.label,
            str(getattr(total, c.key) or "unknown"),
            mean_text(usage, c.key),
            mean_text(embodied, c.key),
        )
        for c in CRITERIA
    ]


def mean_text(phase: Impacts | UsagePhase | EmbodiedPhase | None, key: str) -> str:
    """The mean of a criterion with its unit; empty where there is none."""
    impact: Impact | None = getattr(phase, key, None)
    if impact is None:
        return ""
    mean = impact.value.mean
    return str(replace(impact, value=Range(mean, mean)))


def coverage_sentences(sheet: Sheet) -> list[str]:
    """What the total stands on."""
    coverage = sheet.coverage
    parts = [f"{coverage.estimated:,} of {many(coverage.calls, 'call')} estimated"]
    if coverage.not_estimated:
        parts.append(f"{coverage.not_estimated:,} not estimated")
    if coverage.cached:
        avoided = mean_text(sheet.avoided, "gwp")
        spared = f" (avoided {avoided})" if avoided else ""
        parts.append(f"{coverage.cached:,} from a cache{spared}")
    sources = {
        "reported": coverage.tokens_reported,
        "counted locally": coverage.tokens_counted,
        "unknown": coverage.tokens_unknown,
    }
    out = [", ".join(parts), *(f"not estimated: {reason}" for reason in sheet.reasons)]
    for what, counts in (("token counts", sources), ("model names", coverage.grades)):
        known = [f"{number:,} {name}" for name, number in counts.items() if number]
        out += [f"{what}: {', '.join(known)}"] if known else []
    sourced = source_shares_text(sheet.total)
    out += [f"energy: {sourced}"] if sourced else []
    if coverage.market_based:
        of = f"{coverage.market_based:,} of {many(coverage.estimated, 'estimated call')}"
        lacking = coverage.market_based < coverage.estimated
        out.append(f"market-based figures: {of}{', so they have no sum' if lacking else ''}")
    return out


def named_sentences(sheet: Sheet) -> list[dict[str, Sequence[str]]]:
    """What stands under the tables, in blocks; each by its heading."""
    first = {
        "everyday": (sheet.everyday,),
        "energy": (sheet.parts,),
        "beside": (sheet.uncounted,),
        "market": (_market(sheet.total),),
        "training": (_training(sheet.total),),
        "advice": [f"{said} {shown}".strip() for said, shown in sheet.advice],
    }
    coverage = coverage_sentences(sheet) if sheet.coverage.calls else ()
    blocks: list[dict[str, Sequence[str]]] = [
        {name: tuple(filter(None, texts)) for name, texts in first.items()},
        {"coverage": coverage},
        {"warnings": sheet.warnings},
        {"footnotes": sheet.footnotes},
        {"problems": sheet.problems},
        {"measured": sheet.measured},
        {"history": (sheet.history,) if sheet.history else ()},
        {"makers": sheet.disclosures},
        {"credits": sheet.credits},
    ]
    return blocks


_STYLES: Final[dict[str, Style]] = {
    "warnings": "yellow",
    "problems": "red",
    "footnotes": "dim",
    "makers": "dim",
    "credits": "dim",
}


# Groups


def groups_text(groups: Grouped, width: int | None) -> str:
    """A table of groups as plain text."""
    return plain(groups_lines(groups, checked_width(width)))


def groups_lines(groups: Grouped, width: int) -> list[Line]:
    """A table of groups, no line wider than ``width`` cells."""
    width = min(width, _WIDEST)
    if not groups:
        return joined([paragraph("", "no model was called.", width)], width)
    cells = [groups.by, *([*map(label_text, groups.labels(label))] for label in groups)]
    most = min(_MAX_LABEL, max(_MIN_LABEL, (width - _NUMBERS) // len(groups.by)))
    sizes = [min(max(map(cell_len, column)), most) for column in zip(*cells, strict=True)]
    entries = group_entries(groups)
    columns = used_columns(entries)
    rows = [header(_joined(cells[0], sizes), "", columns)]
    rows += [
        Row(name=_joined(labels, sizes), numbers=numbers(entry), missing=missing(entry))
        for labels, entry in zip(cells[1:], entries, strict=True)
    ]
    notes = [paragraph("", note, width, "dim") for note in group_notes(groups)]
    tables = grid([rows], width, columns, OPTIONAL)
    credited = listed("credits", groups.credits, width, "dim")
    return joined([*tables, [line for note in notes for line in note], credited], width)


def _joined(labels: Iterable[str], sizes: Iterable[int]) -> str:
    """The labels of a row under each other: all but the last one padded."""
    *first, last = zip(labels, sizes, strict=True)
    return "".join(f"{_fit(label, size)}  " for label, size in first) + last[0]


def _fit(label: str, size: int) -> str:
    return (
        label + " " * (size - cell_len(label))
        if cell_len(label) <= size
        else (f"{set_cell_size(label, size - 1)}…")
    )


def group_notes(groups: Grouped) -> list[str]:
    """What is to be said under a table of groups."""
    notes = []
    if not groups.partition:
        notes.append(
            "A call with two tags stands in both groups: shares may add up to more than 100%."
        )
    if groups.older_runs:
        notes.append(
            f"{many(groups.older_runs, 'older run')} no longer kept and not in these groups; "
            f"cure: ImpactHandler(totals_by=[{', '.join(map(repr, groups.by))}]) or a larger "
            "max_runs."
        )
    if groups.total.lower_bound:
        notes.append("≥: at least; some calls could not be estimated.")
    return notes


def listed(label: str, items: Iterable[str], width: int, style: Style) -> list[Line]:
    """Paragraphs under each other, the first one behind a label."""
    lines: list[Line] = []
    for item in items:
        lines += paragraph("" if lines else label, item, width, style)
    return lines


def paragraph(label: str, text: str, width: int, style: Style = "") -> list[Line]:
    """Wrapped text behind a label; nothing when there is no text."""
    if not text:
        return []
    lines = wrap(text, max(width - _LABEL, _LABEL))
    return [
        [(("" if i else label).ljust(_LABEL), "bold"), (line, style)]
        for i, line in enumerate(lines)
    ]
