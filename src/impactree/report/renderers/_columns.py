"""Runs, groups and their impacts column by column: what a page carries, in little room.

A column is a list, one value where all are equal, the name of an equal column (figures), or
``{"values": [...], "at": [...]}``: text, or with ``of`` factors of another column. Floats have nine
digits.
"""

from __future__ import annotations

import json
from dataclasses import fields
from math import isfinite, isnan, nan
from typing import TYPE_CHECKING, Any, Final

from impactree.calls.scrubbing import plain_values
from impactree.report._tally import Tally, own_of
from impactree.runs import LABELS
from impactree.values.criteria import CRITERIA
from impactree.values.figures import Figures
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from impactree.report._groups import Grouped
    from impactree.report._outline import OutlineLine
    from impactree.runs import Run
    from impactree.values.training import TrainingPhase

__all__ = ["group_columns", "line_columns"]

_UNKNOWN: Final = (nan, nan, nan)
_ENDS: Final = ("min", "mean", "max")
_BASES: Final = {
    f"{column}_{end}": f"{base}_{end}"
    for base, columns in (
        ("energy", ("gwp_usage", "adpe_usage", "pe_usage", "wcf")),
        ("gwp_embodied", ("adpe_embodied", "pe_embodied")),
    )
    for column in columns
    for end in _ENDS
}
"""What most figures are a multiple of, by a factor of the place or of the hardware."""
_TRAINING: Final = [f"{c.key}_{end}" for c in CRITERIA for end in _ENDS]
_OF_TRAINING: Final = {name: f"energy_{name.rpartition('_')[2]}" for name in _TRAINING[3:]}
_MOST_FACTORS: Final = 200
_COUNTS: Final = tuple(f.name for f in fields(Tally))


def line_columns(lines: Sequence[OutlineLine]) -> dict[str, Any]:
    """The lines of an outline; what several runs share not is null."""
    told = [line.told for line in lines]
    firsts = [line.runs[0] for line in lines]
    start = min((run.start for run in firsts), default=0.0)
    tops = [line.runs for line in lines]
    return {
        "parent": [line.parent for line in lines],
        "times": _numbers([len(line.runs) for line in lines]),
        "below": _numbers([len(t) - len(line.runs) for t, line in zip(told, lines, strict=True)]),
        "id": [str(runs[0].id) if len(runs) == 1 else None for runs in tops],
        "name": _coded([run.name for run in firsts]),
        "kind": _coded([run.kind for run in firsts]),
        "status": _coded(_of_all(tops, lambda run: run.status)),
        "model": _coded([None if run.call is None else run.call.model for run in firsts]),
        "provider": _coded(_of_all(tops, lambda run: run.call and run.call.provider)),
        **{
            label: _coded(_of_all(tops, lambda run, label=label: run.labels.get(label)))
            for label in LABELS
        },
        "said": _coded([_said(runs[0]) if len(runs) == 1 else None for runs in tops]),
        "start_s": start,
        "begin_s": _numbers([round(min(run.start for run in runs) - start, 6) for runs in tops]),
        "elapsed_s": _numbers([round(sum(r.latency_s or 0.0 for r in runs), 6) for runs in tops]),
        "timed": _numbers([sum(1 for r in runs if r.latency_s is not None) for runs in tops]),
        "tally": _tallies(list(map(Tally.of, told))),
        "own": _impacts_of([_own(runs) for runs in told]),
        "avoided": _impacts_of([_avoided(runs) for runs in told]),
    }


def group_columns(groups: Grouped, most: int) -> dict[str, Any]:
    """Groups, the largest first; those beyond ``most`` are summed up in a last one."""
    items = list(groups.items())
    rest = [group for _, group in items[most:]]
    kept = [group for _, group in items[:most]]
    tallies = [group.tally for group in kept]
    totals: list[Impacts | None] = [group.total for group in kept]
    if rest:
        others = Tally()
        for group in rest:
            others.merge(group.tally)
        tallies.append(others)
        totals.append(Impacts.sum(group.total for group in rest))
    return {
        "labels": [None if label is None else str(label) for label, _ in items[:most]],
        "others": len(rest),
        "partition": groups.partition,
        "tally": _tallies(tallies),
        "total": _impacts_of(totals),
    }


def _own(runs: Sequence[Run]) -> Impacts | None:
    calls = [own_of(run) for run in runs if run.call is not None]
    return calls[0] if len(calls) == 1 else (Impacts.sum(calls) if calls else None)


def _avoided(runs: Sequence[Run]) -> Impacts | None:
    known = [run.avoided for run in runs if run.avoided is not None]
    return Impacts.sum(known) if known else None


def _of_all(tops: Iterable[Sequence[Run]], read: Callable[..., Any]) -> list[Any]:
    """What all the runs of a line have in common, else None."""
    return [
        read(runs[0]) if len(runs) == 1 or len(set(map(read, runs))) == 1 else None for runs in tops
    ]


def _said(run: Run) -> str | None:
    """Tags and metadata as JSON: few differ."""
    if not run.tags and not run.metadata:
        return None
    return json.dumps({"tags": list(run.tags), "metadata": plain_values(run.metadata or {})})


def _coded(values: Sequence[str | None]) -> dict[str, Any]:
    places: dict[str | None, int] = {}
    at = [places.setdefault(value, len(places)) for value in values]
    return {"values": list(places), "at": at if len(places) > 1 else 0}


def _numbers(values: Sequence[float | None]) -> Any:
    first = values[0] if values else 0
    return list(values) if any(value != first for value in values) else first


def _tallies(tallies: Sequence[Tally]) -> dict[str, Any]:
    return {name: _numbers([getattr(tally, name) for tally in tallies]) for name in _COUNTS}


def _impacts_of(several: Sequence[Impacts | None]) -> dict[str, Any]:
    """Those that there are, by their place: counts, grade, source, reasons, codes, figures."""
    at = [place for place, impacts in enumerate(several) if impacts is not None]
    known = [impacts for impacts in several if impacts is not None]
    having = [i for i, impacts in enumerate(known) if impacts.figures is not None]
    figures = [impacts.figures for impacts in known if impacts.figures is not None]
    return {
        "at": at,
        "estimated": _numbers([impacts.estimated_calls for impacts in known]),
        "unestimated": _numbers([impacts.unestimated_calls for impacts in known]),
        "grade": _coded([impacts.grade for impacts in known]),
        "source": _coded([impacts.source for impacts in known]),
        "errors": _coded([" ".join(e.code for e in impacts.errors) for impacts in known]),
        "warnings": _coded([" ".join(w.code for w in impacts.warnings) for impacts in known]),
        "having": having,
        "figures": _figures(figures),
        "training": _training([impacts.training for impacts in known]),
    }


def _training(phases: Sequence[TrainingPhase | None]) -> dict[str, Any] | None:
    """The phase that is in no figure: min, mean and max of each criterion, and of how many calls.

    Nobody has it: null.
    """
    having = [place for place, phase in enumerate(phases) if phase is not None]
    known = [phase for phase in phases if phase is not None]
    if not known:
        return None
    rows = [[end for triple in phase.values for end in triple or _UNKNOWN] for phase in known]
    columns = zip(_TRAINING, zip(*rows, strict=True), strict=True)
    return {
        "having": having,
        "calls": _numbers([phase.calls for phase in known]),
        "figures": _written(dict(columns), _OF_TRAINING),
    }


def _figures(figures: Sequence[Figures]) -> dict[str, Any]:
    columns = dict(zip(Figures._fields, zip(*figures, strict=True), strict=False))
    return _written(columns, _BASES)


def _written(columns: Mapping[str, Sequence[float]], bases: Mapping[str, str]) -> dict[str, Any]:
    """Each column: its numbers, the name of an equal one, or few factors of another one."""
    out: dict[str, Any] = {}
    seen: dict[tuple[float | None, ...], str] = {}
    for name, column in columns.items():
        values = tuple(map(_short, column))
        same, base = seen.setdefault(values, name), bases.get(name)
        written = _numbers(values) if same == name else same
        if isinstance(written, list) and base is not None:
            written = _factors(column, columns[base], base) or written
        out[name] = written
    return out


def _factors(column: Sequence[float], base: Sequence[float], name: str) -> dict[str, Any] | None:
    """A column as another one times few factors, to the same digits; None: there are many."""
    places: dict[float, int] = {}
    at = []
    for value, of in zip(column, base, strict=True):
        if not of or not isfinite(value / of):
            return None
        at.append(places.setdefault(float(f"{value / of:.12g}"), len(places)))
        if len(places) > _MOST_FACTORS:
            return None
    return {"of": name, "values": [*places], "at": at if len(places) > 1 else 0}


def _short(value: float) -> float | None:
    return None if isnan(value) else float(f"{value:.9g}")
