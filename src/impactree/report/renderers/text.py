"""The report as text: one list of styled lines, for plain ``str()`` and for rich."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from impactree.report._groups import Coverage, avoided_of, calls_of, cover, own_of
from impactree.report.renderers._cells import Line, Style, clip, count, grid, many, wrap
from impactree.report.renderers._table import HEADER, legend, model_rows, tree_rows
from impactree.values.criteria import CRITERIA
from impactree.values.formatting import clean
from impactree.values.impacts import Impacts
from impactree.values.messages import MESSAGES
from impactree.values.range import Range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from impactree.report._view import View
    from impactree.runs import Run
    from impactree.values.impacts import EmbodiedPhase, Impact, UsagePhase
    from impactree.values.messages import Message

__all__ = ["WIDTH", "report_lines"]

WIDTH: Final = 100
"""Columns a report takes at most."""
_LABEL: Final = 10
_MAX_SENTENCES: Final = 3
_EMPTY: Final = (
    "no runs yet. A run is listed once its outermost chain, agent or graph has ended; for "
    'LangChain pass the handler along: chain.invoke(..., config={"callbacks": [handler]}).'
)


def report_lines(report: View, width: int = WIDTH) -> list[Line]:
    """The whole report, no line wider than ``width`` cells."""
    sections = _sections(report, width) if report.runs else _empty(report, width)
    lines: list[Line] = []
    for section in filter(None, sections):
        lines += [[], *section] if lines else section
    return [clip(line, width) for line in lines]


def _empty(report: View, width: int) -> Iterator[list[Line]]:
    yield [*_title(report, 0, width), *_paragraph("", _EMPTY, width)]
    yield _problems(report, width)


def _sections(report: View, width: int) -> Iterator[list[Line]]:
    calls = calls_of(report.runs)
    total, coverage = Impacts.sum(map(own_of, calls)), cover(calls)
    tree = [HEADER, *tree_rows(report.runs, total)]
    models = list(model_rows(report.runs, total))
    yield _title(report, len(calls), width)
    yield from grid((tree, models), width)
    yield _total(total, coverage, width)
    yield _coverage(calls, coverage, width)
    yield _warnings(calls, width)
    yield _problems(report, width)
    yield _history(report, width)
    yield _paragraph("legend", legend([*tree, *models]), width, "dim")


def _title(report: View, calls: int, width: int) -> list[Line]:
    runs = len(report.runs)
    title: Line = [("impactree", "bold"), (f"  {many(runs, 'run')}, {many(calls, 'call')}", "")]
    if report.method is None:
        return [title]
    zone = f"zone {report.zone}" if report.zone else "zone of each host"
    about = f"method {report.method}, {zone}, catalog {report.catalog_version or 'unknown'}"
    return [title, *_paragraph("", clean(about), width, "dim")]


def _total(total: Impacts, coverage: Coverage, width: int) -> list[Line]:
    if not coverage.calls:
        return _paragraph("total", "zero: no model was called.", width)
    if not total.estimated:
        return _paragraph("total", f"not estimated: {'; '.join(coverage.reasons)}", width, "red")
    label = "total, at least" if total.lower_bound else "total"
    rows = [(label, "mean and range", "usage", "embodied")]
    for criterion in CRITERIA:
        name, value = f"  {criterion.label}", str(getattr(total, criterion.key) or "unknown")
        usage, embodied = total.usage, total.embodied
        rows.append((name, value, _mean(usage, criterion.key), _mean(embodied, criterion.key)))
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


def _mean(phase: Impacts | UsagePhase | EmbodiedPhase | None, key: str) -> str:
    impact: Impact | None = getattr(phase, key, None)
    if impact is None:
        return ""
    mean = impact.value.mean
    return str(replace(impact, value=Range(mean, mean)))


def _coverage(calls: list[Run], coverage: Coverage, width: int) -> list[Line]:
    if not coverage.calls:
        return []
    parts = [f"{coverage.estimated:,} of {many(coverage.calls, 'call')} estimated"]
    if coverage.not_estimated:
        parts.append(f"{coverage.not_estimated:,} not estimated")
    if coverage.cached:
        avoided = _mean(avoided_of(calls), "gwp")
        spared = f" (avoided {avoided})" if avoided else ""
        parts.append(f"{coverage.cached:,} from a cache{spared}")
    lines = _paragraph("coverage", ", ".join(parts), width)
    for sentence in _sentences(e for run in calls for e in own_of(run).errors[:1]):
        lines += _paragraph("", f"not estimated: {sentence}", width, "yellow")
    sources = {
        "reported": coverage.tokens_reported,
        "counted locally": coverage.tokens_counted,
        "unknown": coverage.tokens_unknown,
    }
    for what, numbers in (("token counts", sources), ("model names", coverage.grades)):
        known = [f"{number:,} {name}" for name, number in numbers.items() if number]
        lines += _paragraph("", f"{what}: {', '.join(known)}", width) if known else []
    return lines


def _warnings(calls: Iterable[Run], width: int) -> list[Line]:
    """Each code once, with its sentence and the number of calls it holds for."""
    sentences = _sentences(w for run in calls for w in own_of(run).warnings)
    return _listed("warnings", sentences, width, "yellow")


def _sentences(messages: Iterable[Message]) -> list[str]:
    """Per code, its calls, its sentence, and the details, of which a few stand for many."""
    by_code: dict[str, Counter[str]] = {}
    for message in messages:
        by_code.setdefault(message.code, Counter())[message.message] += 1
    out = []
    for code, sentences in by_code.items():
        shown = [clean(text) for text, _ in sentences.most_common(_MAX_SENTENCES)]
        shown[1:] = (text.removeprefix(MESSAGES.get(code, "")).strip() for text in shown[1:])
        more = len(sentences) - len(shown)
        tail = f" And {more:,} more like it." if more else ""
        out.append(f"{code} ({many(sentences.total(), 'call')}): {' '.join(shown)}{tail}")
    return out


def _problems(report: View, width: int) -> list[Line]:
    problems = [f"{count(n)} × {clean(name)}" for name, n in report.problems.items()]
    return _listed("problems", problems, width, "red")


def _history(report: View, width: int) -> list[Line]:
    gone = 0 if report.finished_runs is None else report.finished_runs - len(report.runs)
    if gone <= 0:
        return []
    verb = "is" if gone == 1 else "are"
    text = f"{many(gone, 'older run')} {verb} no longer kept and not in the figures above."
    if report.total_ever is not None:
        text += f" Total of every call so far: {clean(str(report.total_ever))}"
    return _paragraph("history", text, width)


def _listed(label: str, items: Iterable[str], width: int, style: Style) -> list[Line]:
    lines: list[Line] = []
    for item in items:
        lines += _paragraph("" if lines else label, item, width, style)
    return lines


def _paragraph(label: str, text: str, width: int, style: Style = "") -> list[Line]:
    """Wrapped text behind a label; nothing when there is no text."""
    if not text:
        return []
    lines = wrap(text, max(width - _LABEL, _LABEL))
    return [
        [(("" if i else label).ljust(_LABEL), "bold"), (line, style)]
        for i, line in enumerate(lines)
    ]
