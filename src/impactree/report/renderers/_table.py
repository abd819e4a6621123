"""The rows of the report's table: the run tree, then the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from impactree.report._groups import Tally, members_by, own_of, share
from impactree.report._layout import Node, Scan, lay_out
from impactree.report.renderers._cells import Row, Style, amount, count, duration, many, percent
from impactree.values.formatting import clean
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from impactree.runs import Run

__all__ = ["HEADER", "legend", "model_rows", "tree_rows"]

_MAX_MODELS: Final = 20
_NO_NAME: Final = "(no name)"
_STATUS_STYLE: Final[dict[str, Style]] = {"error": "bold red", "running": "green"}
HEADER: Final = Row(
    name="run",
    what="kind, model",
    numbers=("tokens in", "out", "time", "energy", "CO2eq", "share"),
    style="bold",
)


def tree_rows(roots: list[Run], whole: Impacts) -> Iterator[Row]:
    """A row per line of the tree, depth first."""
    scan = Scan(roots)
    older, nodes = lay_out(roots, scan)
    if older:
        yield _sum_row("", f"… {len(older):,} earlier runs", older, scan, whole)
    for root in nodes:
        stack: list[tuple[Node | list[Run], str, str]] = [(root, "", "")]
        while stack:
            item, guide, below = stack.pop()
            if isinstance(item, list):
                yield _sum_row(guide, f"… {len(item):,} more", item, scan, whole)
                continue
            yield _node_row(item, guide, scan, whole)
            children: list[Node | list[Run]] = [*item.children]
            if item.rest:
                children.append(item.rest)
            for child in reversed(children):
                edge, line = ("└ ", "  ") if child is children[-1] else ("├ ", "│ ")
                stack.append((child, below + edge, below + line))


def _node_row(node: Node, guide: str, scan: Scan, whole: Impacts) -> Row:
    run, size = node.runs[0], len(node.runs)
    times = [t for t in (r.latency_s for r in node.runs) if t is not None]
    time = duration(sum(times) / len(times)) if times else ""
    repeated = f" × {size:,}" if size > 1 else ""
    row = Row(
        guide=guide,
        name=clean(run.name) or _NO_NAME,
        suffix=repeated + (f" +{node.hidden:,}" if node.hidden else ""),
        what=f"{run.kind} {_short_model(run.call.model)}" if run.call else run.kind,
        what_style="cyan" if run.call else "dim",
        mark="cached" if run.cached else run.status if run.status != "ok" else "",
        mark_style=_STATUS_STYLE.get(run.status, "yellow"),
    )
    if repeated and time:
        time = f"ø{time}"
    return _fill(row, scan.tally(node.runs), _total(node.runs), whole, time)


def _sum_row(guide: str, name: str, runs: list[Run], scan: Scan, whole: Impacts) -> Row:
    tally = scan.tally(runs)
    what = many(tally.calls, "call") if tally.calls else ""
    return _fill(Row(guide=guide, name=name, what=what, style="dim"), tally, _total(runs), whole)


def model_rows(roots: list[Run], whole: Impacts) -> Iterator[Row]:
    """A heading, then a row per model, largest first; nothing when no model was called."""
    models = list(members_by(roots, "model").items())
    if not models:
        return
    yield Row(name="by model", what="calls, how resolved", style="bold")
    shown = models if len(models) <= _MAX_MODELS else models[: _MAX_MODELS - 1]
    for name, calls in shown:
        yield _model_row(clean(name or _NO_NAME), calls, whole)
    rest = models[len(shown) :]
    if rest:
        calls = [run for _, members in rest for run in members]
        yield _model_row(f"… {len(rest):,} more models", calls, whole)


def _model_row(name: str, calls: list[Run], whole: Impacts) -> Row:
    tally = Tally.of(calls)
    total = Impacts.sum(map(own_of, calls))
    what = many(tally.calls, "call")
    what += f", {total.grade}" if total.grade else ""
    what += f", {tally.cached:,} cached" if tally.cached else ""
    return _fill(Row(name=name, what=what), tally, total, whole)


def _fill(row: Row, tally: Tally, total: Impacts, whole: Impacts, time: str = "") -> Row:
    """Put in the numbers; what called no model has none but its time."""
    if not tally.calls:
        row.numbers = ("", "", time, "", "", "")
        return row
    row.numbers = (
        _tokens(tally.input_tokens, tally.unknown_inputs, tally),
        _tokens(tally.output_tokens, tally.unknown_outputs, tally),
        time,
        amount(total, "energy"),
        amount(total, "gwp"),
        percent(share(total, whole)),
    )
    row.missing = "" if total.estimated else "not estimated"
    return row


def _tokens(known: int | None, unknown: int, tally: Tally) -> str:
    """``≥`` where some counts are missing, ``~`` where some were made here, ``?`` where all are."""
    if known is None:
        return "?"
    mark = "≥" if unknown else "~" if tally.counted else ""
    return f"{mark}{count(known)}" if tally.reached else ""


def _total(runs: Iterable[Run]) -> Impacts:
    return Impacts.sum(run.total for run in runs)


def _short_model(name: str) -> str:
    """A file path or an ARN by its last part."""
    return clean(name.rstrip("/").rsplit("/", 1)[-1] or name) or _NO_NAME


_LEGEND: Final = (
    ("×", "× n: n like runs in a row, summed; ø: their mean time"),
    ("+", "+n: n runs below are not shown"),
    ("≥", "≥: at least"),
    ("~", "~: with tokens counted locally"),
    ("?", "?: unknown"),
)


def legend(rows: Iterable[Row]) -> str:
    """The signs that the rows use, explained."""
    signs = {sign for row in rows for text in (row.suffix, *row.numbers) for sign in text}
    return "; ".join(text for sign, text in _LEGEND if sign in signs)
