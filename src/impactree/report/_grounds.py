"""What the figures of a report rest on: factors, the credits they ask for, makers' own figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

from impactree.engine import Engine, placed_by
from impactree.engine.hypotheses import of_place
from impactree.report._tally import own_of
from impactree.values.times import DAY_S, past_day

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping

    from impactree.calls import ModelCall
    from impactree.runs import Run

__all__ = ["Grounds", "add_up", "calls_asked"]


class Grounds(NamedTuple):
    """What the figures of a report rest on, each entry once."""

    credits: tuple[str, ...] = ()
    disclosures: tuple[str, ...] = ()
    factors: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, calls: Iterable[Run], engine: object) -> Grounds:
        """Those of some calls, as an engine places them; another kind of engine says none."""
        if not isinstance(engine, Engine):
            return cls()
        read = [(engine.read(call, day), estimated) for call, day, estimated in calls_asked(calls)]
        placed = [reading for reading, estimated in read if estimated]
        told = (engine.catalog.disclosed(reading.resolution.record) for reading, _ in read)
        factors = dict.fromkeys(factor for reading in placed for factor in of_place(reading))
        return cls(
            credits=_once(credit for reading in placed for credit in reading.credits),
            disclosures=_once(f"{d} {d.sources[0]}" for each in told for d in each),
            factors=tuple({**asdict(one), "sources": list(one.sources)} for one in factors),
        )


def add_up(several: Iterable[Grounds]) -> Grounds:
    """Those of several reports."""
    known = list(several)
    factors: list[Mapping[str, Any]] = []
    factors += (one for each in known for one in each.factors if one not in factors)
    return Grounds(
        credits=_once(credit for each in known for credit in each.credits),
        disclosures=_once(one for each in known for one in each.disclosures),
        factors=tuple(factors),
    )


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def calls_asked(calls: Iterable[Run]) -> Iterator[tuple[ModelCall, dt.date | None, bool]]:
    """One call for each model, place and day, and whether one of them was estimated."""
    found: dict[object, tuple[ModelCall, float | None, bool]] = {}
    for run in calls:
        call, end = run.call, run.end
        if call is None:
            continue
        estimated = bool(own_of(run).estimated_calls)
        key = (placed_by(call), None if end is None else end // DAY_S, estimated)
        if key not in found:
            found[key] = call, end, estimated
    for call, end, estimated in found.values():
        yield call, past_day(end), estimated
