"""The report as plain data, in the shape of ``schemas/report.schema.json``; as JSON, run by run."""

from __future__ import annotations

import json
from dataclasses import asdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from impactree.advice import Equivalents
from impactree.calls.scrubbing import plain_values
from impactree.engine import PLACE_FIELDS
from impactree.report._brief import advice_data
from impactree.report._groups import group_calls
from impactree.report._tally import Tally, avoided_of, cover
from impactree.runs import LABELS
from impactree.values.impacts_text import ImpactsText, numbers_text, remember

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impactree.calls import ModelCall
    from impactree.report._view import View
    from impactree.runs import Run
    from impactree.values.impacts import Impacts

__all__ = ["FORMAT", "head_and_tail", "impacts_writer", "json_chunks", "report_dict", "run_dicts"]

FORMAT: Final = 2
"""Of the report as data; 1 had no means, and did not say so."""
_NULL: Final = ("null",)
_MEASURED: Final = (
    *("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "latency_s"),
)
"""What each call has a value of its own of."""
_MEASURES: Final = attrgetter(*_MEASURED)
_NAMED: Final = attrgetter(
    *PLACE_FIELDS, "tokens_source", "usage_notes", "repeated", "media", "energy"
)
"""What many calls have in common."""
_MEASURED_FORM: Final = "".join(f', "{name}": %s' for name in _MEASURED) + "}"
_MANY: Final = 2_000
"""Pieces of text that are written at once."""


def report_dict(report: View) -> dict[str, Any]:
    """Everything in a report; runs as a flat list, so that any depth can be written as JSON."""
    head, tail = head_and_tail(report)
    return {**head, "runs": [entry for root in report.runs for entry in run_dicts(root)], **tail}


def json_chunks(report: View) -> Iterator[str]:
    """:func:`report_dict` as JSON on one line, in pieces: a tree of any size takes little room."""
    head, tail = head_and_tail(report)
    yield f'{_encode(head)[:-1]}, "runs": ['
    writer = _RunWriter()
    comma = ""
    pieces: list[str] = []
    for root in report.runs:
        root_id = str(root.root.id)
        for run in root.walk():
            pieces += (comma, *writer.pieces(run, root_id))
            comma = ", "
            if len(pieces) > _MANY:
                yield "".join(pieces)
                pieces.clear()
    yield "".join(pieces)
    yield f"], {_encode(tail)[1:]}"


def head_and_tail(report: View) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands before the runs, and after them."""
    models = group_calls(report.runs, ("model",), None, None, 0)
    calls = [run for group in models.values() for run in group.runs]
    grounds = report.grounds(calls)
    tally = Tally()
    for group in models.values():
        tally.merge(group.tally)
    head = {
        "format": FORMAT,
        "method": report.method,
        "zone": report.zone,
        "what_if": report.assumed,
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
        "unattributed": _impacts(report.unattributed),
        "metering": report.metering,
        "beside": [one.to_dict() for one in report.beside(calls)],
        "equivalents": Equivalents(models.total, report.catalog.equivalents).to_dict(),
        "advice": advice_data(report, len(calls)),
        "disclosures": list(grounds.disclosures),
        "credits": list(grounds.credits),
        "factors": [dict(factor) for factor in grounds.factors],
    }
    return head, tail


def run_dicts(root: Run) -> Iterator[dict[str, Any]]:
    """A tree's runs, parents before their children."""
    root_id = str(root.root.id)
    for run in root.walk():
        yield {
            **_plain(run, root_id),
            **_labelled(run),
            "call": None if run.call is None else run.call.to_dict(),
            "own": _impacts(run.own),
            "avoided": _impacts(run.avoided),
            "total": run.total.to_dict(),
        }


def _plain(run: Run, root_id: str) -> dict[str, Any]:
    """What nearly every run has a value of its own of."""
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
        "cached": run.cached,
    }


def _labelled(run: Run) -> dict[str, Any]:
    """What many runs have in common."""
    return {
        **dict(zip(LABELS, map(run.labels.get, LABELS), strict=True)),
        "tags": list(run.tags),
        "metadata": plain_values(run.metadata) if run.metadata else {},
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
    """Runs as JSON. What many have in common is written once, and their figures into a form."""

    def __init__(self) -> None:
        self._labels: dict[object, str] = {}
        self._calls: dict[object, str] = {}
        self.impacts = ImpactsText(_encode)

    def pieces(self, run: Run, root_id: str) -> tuple[str, ...]:
        """One run."""
        call = run.call
        measured = () if call is None else numbers_text(_MEASURES(call))
        return (
            _fast(_plain(run, root_id))[:-1],
            self._labelled(run),
            ', "call": ',
            "null" if call is None else self._call(call) + _MEASURED_FORM % tuple(measured),
            ', "own": ',
            *(_NULL if run.own is None else self.impacts(run.own)),
            ', "avoided": ',
            *(_NULL if run.avoided is None else self.impacts(run.avoided)),
            ', "total": ',
            *self.impacts(run.total),
            "}",
        )

    def _labelled(self, run: Run) -> str:
        if run.metadata:
            return f", {_fast(_labelled(run))[1:-1]}"
        key = (*run.labels.items(), run.tags)
        known = self._labels.get(key)
        if known is None:
            known = f", {_fast(_labelled(run))[1:-1]}"
            remember(self._labels, key, known)
        return known

    def _call(self, call: ModelCall) -> str:
        """All but what is measured, without the closing brace."""
        key = _NAMED(call)
        known = self._calls.get(key)
        if known is None:
            fields = {n: v for n, v in call.to_dict().items() if n not in _MEASURED}
            known = _encode(fields)[:-1]
            remember(self._calls, key, known)
        return known


def impacts_writer() -> Callable[[Impacts], tuple[str, ...]]:
    """Writes ``Impacts.to_dict()`` as JSON in pieces, several times as fast as from the dict."""
    return ImpactsText(_encode)


def _id(value: object) -> str | None:
    return None if value is None else str(value)


def _impacts(value: Impacts | None) -> dict[str, Any] | None:
    return None if value is None else value.to_dict()
