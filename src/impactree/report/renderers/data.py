"""The report as plain data, in the shape of ``schemas/report.schema.json``; as JSON, run by run."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from impactree.calls.scrubbing import plain_values
from impactree.report._groups import group_calls
from impactree.report._tally import Tally, avoided_of, calls_of, cover
from impactree.runs import LABELS
from impactree.values.figures import ZERO
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree.report._view import View
    from impactree.runs import Run

__all__ = ["FORMAT", "json_chunks", "report_dict", "run_dicts"]

FORMAT: Final = 2
"""Of the report as data; 1 had no means, and did not say so."""
_PARTS: Final = "energy_parts"
_MAX_KNOWN: Final = 10_000


def report_dict(report: View) -> dict[str, Any]:
    """Everything in a report; runs as a flat list, so that any depth can be written as JSON."""
    head, tail = _around(report)
    return {**head, "runs": [entry for root in report.runs for entry in run_dicts(root)], **tail}


def json_chunks(report: View) -> Iterator[str]:
    """:func:`report_dict` as JSON on one line, in pieces: a tree of any size takes little room."""
    head, tail = _around(report)
    yield f'{_encode(head)[:-1]}, "runs": ['
    writer = _RunWriter()
    comma = ""
    for root in report.runs:
        root_id = str(root.root.id)
        pieces: list[str] = []
        for run in root.walk():
            pieces.append(comma + writer.text(run, root_id))
            comma = ", "
            if len(pieces) == 256:
                yield "".join(pieces)
                pieces.clear()
        yield "".join(pieces)
    yield f"], {_encode(tail)[1:]}"


def _around(report: View) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands before the runs, and after them."""
    calls = calls_of(report.runs)
    models = group_calls(report.runs, ("model",), None, None, 0)
    tally = Tally()
    for group in models.values():
        tally.merge(group.tally)
    head = {
        "format": FORMAT,
        "method": report.method,
        "zone": report.zone,
        "catalog_version": report.catalog_version,
        "calls": len(calls),
        "input_tokens": tally.input_tokens,
        "output_tokens": tally.output_tokens,
        "total": models.total.to_dict(),
        "avoided": avoided_of(calls).to_dict(),
        "coverage": asdict(cover(calls)),
        "by_model": [{"model": name, **group.figures()} for name, group in models.items()],
    }
    tail = {
        "problems": dict(report.problems),
        "finished_runs": report.finished_runs,
        "total_ever": _impacts(report.total_ever),
        "disclosures": list(report.disclosures),
        "credits": list(report.credits),
        "factors": [dict(factor) for factor in report.factors],
    }
    return head, tail


def run_dicts(root: Run) -> Iterator[dict[str, Any]]:
    """A tree's runs, parents before their children."""
    root_id = str(root.root.id)
    for run in root.walk():
        yield {
            **_plain(run, root_id),
            "own": _impacts(run.own),
            "avoided": _impacts(run.avoided),
            "total": run.total.to_dict(),
        }


def _plain(run: Run, root_id: str) -> dict[str, Any]:
    """Everything about a run but its impacts."""
    parent = run.parent
    return {
        "id": str(run.id),
        "parent_id": _id(run.parent_id if parent is None else parent.id),
        "root_id": root_id,
        "name": run.name,
        "kind": run.kind,
        "status": run.status,
        "start": run.start,
        "end": run.end,
        "latency_s": run.latency_s,
        "revision": run.revision,
        **dict(zip(LABELS, map(run.labels.get, LABELS), strict=True)),
        "tags": list(run.tags),
        "metadata": plain_values(run.metadata) if run.metadata else {},
        "call": None if run.call is None else run.call.to_dict(),
        "cached": run.cached,
    }


_encode: Final = json.JSONEncoder().encode


def _fast(data: dict[str, Any]) -> str:
    """As :data:`_encode`, in a third of the time where all text is ASCII."""
    try:
        text = to_json(data, inf_nan_mode="constants").decode()
    except ValueError:  # lone surrogates
        return _encode(data)
    return text if text.isascii() else _encode(data)


class _RunWriter:
    """Runs as JSON. Impacts are most of it, and are filled into a form made once."""

    def __init__(self) -> None:
        # With the tuples of the key: while they are held, no other gets their ids.
        self._ends: dict[object, tuple[str, object, object]] = {}

    def text(self, run: Run, root_id: str) -> str:
        """One run."""
        own, total = run.own, run.total
        of_own = self._impacts(own)
        of_total = of_own if total is own else self._impacts(total)
        return (
            f'{_fast(_plain(run, root_id))[:-1]}, "own": {of_own}, '
            f'"avoided": {self._impacts(run.avoided)}, "total": {of_total}}}'
        )

    def _impacts(self, impacts: Impacts | None) -> str:
        if impacts is None:
            return "null"
        return _figures_text(impacts) + self._end(impacts)

    def _end(self, impacts: Impacts) -> str:
        """What follows the figures: the same for many calls."""
        warnings, errors = impacts.warnings, impacts.errors
        key = (
            id(warnings),  # the same tuple for many; to hash it takes longer
            id(errors),
            impacts.method,
            impacts.grade,
            impacts.estimated_calls,
            impacts.unestimated_calls,
        )
        known = self._ends.get(key)
        if known is None:
            if len(self._ends) >= _MAX_KNOWN:
                self._ends.clear()
            data = impacts.to_dict()
            names = list(data)
            rest = {name: data[name] for name in names[names.index(_PARTS) + 1 :]}
            known = self._ends[key] = f", {_encode(rest)[1:]}", warnings, errors
        return known[0]


@cache
def _form(known: bool, market: bool, parts: bool) -> str:
    """The figures of ``Impacts.to_dict()`` with ``%s`` for each number."""
    zero = (0.0, 0.0, 0.0) if market else None
    data = Impacts(ZERO if known else None, market=zero).to_dict()
    names = list(data)
    form = {name: _holes(data[name]) for name in names[: names.index(_PARTS) + 1]}
    if not parts:
        form[_PARTS] = None
    return _encode(form).replace('"%s"', "%s")[:-1]


def _holes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _holes(one) for key, one in value.items()}
    return "%s" if isinstance(value, float) else value


def _figures_text(impacts: Impacts) -> str:
    f = impacts.figures
    if f is None:
        return _form(known=False, market=False, parts=False)
    market, has_parts = impacts.market, f[24] == f[24]  # a number
    totals = [f[i] + f[i + 12] for i in range(3, 12)]
    numbers = [*f[:3], *totals, *f[12:15], *(market or ()), *f[:24], *(f[24:] if has_parts else ())]
    form = _form(known=True, market=market is not None, parts=has_parts)
    # Five times as fast as repr.
    texts = to_json(numbers, inf_nan_mode="constants").decode()[1:-1].split(",")
    return form % tuple(texts)


def _id(value: object) -> str | None:
    return None if value is None else str(value)


def _impacts(value: Impacts | None) -> dict[str, Any] | None:
    return None if value is None else value.to_dict()
