"""The report as plain data, in the shape of ``schemas/report.schema.json``; as JSON, run by run."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from math import isnan, nan
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
from impactree.values.figures import ZERO, Figures
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from impactree.calls import ModelCall
    from impactree.report._view import View
    from impactree.runs import Run
    from impactree.values.sources import Source

__all__ = ["FORMAT", "head_and_tail", "impacts_writer", "json_chunks", "report_dict", "run_dicts"]

FORMAT: Final = 2
"""Of the report as data; 1 had no means, and did not say so."""
_LAST: Final = "energy_by_source"
"""The last of the figures in ``Impacts.to_dict()``; what follows many calls have in common."""
_NULL: Final = ("null",)
_MAX_KNOWN: Final = 10_000
_MEASURED: Final = (
    *("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "latency_s"),
)
"""What each call has a value of its own of."""
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
        root_id = _quoted(str(root.root.id))
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
            **_plain(run, root_id, _parent_id(run)),
            **_labelled(run),
            "call": None if run.call is None else run.call.to_dict(),
            "own": _impacts(run.own),
            "avoided": _impacts(run.avoided),
            "total": run.total.to_dict(),
        }


def _parent_id(run: Run) -> str | None:
    parent = run.parent
    return _id(run.parent_id if parent is None else parent.id)


def _plain(run: Run, root_id: str, parent_id: str | None) -> dict[str, Any]:
    """What nearly every run has a value of its own of."""
    return {
        "id": str(run.id),
        "parent_id": parent_id,
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
_quoted: Final = json.encoder.encode_basestring_ascii


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
        # With what the keys are the ids of: while it is held, no other gets them.
        self._ends: dict[object, tuple[str, object, object]] = {}
        self._labels: dict[object, str] = {}
        self._calls: dict[object, str] = {}
        # What the next run often has too: its siblings' parent, the impacts of the run above.
        self._parent: Run | None = None
        self._parent_id = "null"
        self._impacts: Impacts | None = None
        self._texts: tuple[str, ...] = ()

    def pieces(self, run: Run, root_id: str) -> tuple[str, ...]:
        """One run."""
        parent, call = run.parent, run.call
        if parent is None or parent is not self._parent:
            self._parent, self._parent_id = parent, _encode(_parent_id(run))
        numbers: list[float | None] = [run.start, run.end, run.latency_s, run.revision]
        if call is not None:
            t = call.tokens
            numbers += (t.input, t.output, t.cached_input, t.cache_write, t.reasoning)
            numbers.append(call.latency_s)
        start, end, latency, revision, *measured = _texts_of(numbers)
        plain = (
            f'{{"id": {_quoted(str(run.id))}, "parent_id": {self._parent_id}, "root_id": {root_id}'
            f', "name": {_text(run.name)}, "kind": {_quoted(run.kind)}'
            f', "status": {_quoted(run.status)}, "start": {start}, "end": {end}'
            f', "latency_s": {latency}, "revision": {revision}'
            f', "cached": {"true" if run.cached else "false"}'
        )
        return (
            plain,
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
            _keep(self._labels, key, known)
        return known

    def _call(self, call: ModelCall) -> str:
        """All but what is measured, without the closing brace."""
        key = _NAMED(call)
        known = self._calls.get(key)
        if known is None:
            fields = {n: v for n, v in call.to_dict().items() if n not in _MEASURED}
            known = _encode(fields)[:-1]
            _keep(self._calls, key, known)
        return known

    def impacts(self, impacts: Impacts) -> tuple[str, ...]:
        """``Impacts.to_dict()`` of one, in pieces."""
        if impacts is not self._impacts:
            self._impacts, self._texts = impacts, (_figures_text(impacts), self._end(impacts))
        return self._texts

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
            impacts.training,
            impacts.by_source and impacts.source,
            impacts.figures is None,
        )
        known = self._ends.get(key)
        if known is None:
            data = impacts.to_dict()
            names = list(data)
            rest = {name: data[name] for name in names[names.index(_LAST) + 1 :]}
            known = f", {_encode(rest)[1:]}", warnings, errors
            _keep(self._ends, key, known)
        return known[0]


def impacts_writer() -> Callable[[Impacts], tuple[str, ...]]:
    """Writes ``Impacts.to_dict()`` as JSON in pieces, several times as fast as from the dict."""
    return _RunWriter().impacts


def _keep(known: dict[object, Any], key: object, value: object) -> None:
    if len(known) >= _MAX_KNOWN:
        known.clear()
    known[key] = value


@cache
def _form(market: bool, unknown: tuple[int, ...], sources: tuple[Source, ...]) -> list[str]:
    """The figures of ``Impacts.to_dict()`` in pieces, every second one for a number.

    Args:
        market: Whether there is a market-based figure.
        unknown: Which of the figures are not a number.
        sources: Where the energy comes from.
    """
    figures = Figures(*(nan if place in unknown else 0.0 for place in range(len(ZERO))))
    by_source = tuple((source, 0.0) for source in sources)
    told = (0.0, 0.0, 0.0) if market else None
    data = Impacts(figures, market=told, by_source=by_source).to_dict()
    names = list(data)
    form = {name: _holes(data[name]) for name in names[: names.index(_LAST) + 1]}
    return [piece for text in _encode(form)[:-1].split('"%s"') for piece in (text, "")][:-1]


def _holes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _holes(one) for key, one in value.items()}
    return "%s" if isinstance(value, float) else value


_NOTHING: Final = Impacts.not_estimated().to_dict()
_NO_FIGURES: Final = _encode(
    {name: _NOTHING[name] for name in [*_NOTHING][: [*_NOTHING].index(_LAST) + 1]}
)[:-1]


def _figures_text(impacts: Impacts) -> str:
    f = impacts.figures
    if f is None:
        return _NO_FIGURES
    market = impacts.market
    energies = impacts.energy_by_source or {}
    numbers = [*f.totals(), *(market or ()), *f, *energies.values()]
    unknown: tuple[int, ...] = ()
    if isnan(f[6] + f[9] + f[24]):
        unknown = tuple(place for place, number in enumerate(f) if isnan(number))
        numbers = [number for number in numbers if not isnan(number)]
    pieces = _form(market is not None, unknown, (*energies,)).copy()
    pieces[1::2] = _texts_of(numbers)
    return "".join(pieces)


def _text(name: object) -> str:
    """A name, which a caller may have given as something else than text."""
    return _quoted(name) if isinstance(name, str) else _encode(name)


def _texts_of(numbers: Sequence[float | None]) -> list[str]:
    """Numbers as JSON, several times as fast as one by one."""
    return to_json(numbers, inf_nan_mode="constants").decode()[1:-1].split(",")


def _id(value: object) -> str | None:
    return None if value is None else str(value)


def _impacts(value: Impacts | None) -> dict[str, Any] | None:
    return None if value is None else value.to_dict()
