"""Estimates and explanations of calls, as plain data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from impactree.advice import Equivalents
from impactree.calls import MEDIA_FIELDS, Media
from impactree.calls.counting import count_tokens, counts_by
from impactree.catalog._catalog import as_day
from impactree.engine import shared_engine
from impactree.engine.explain import explain, explained
from impactree.engine.own import OwnEngine, as_entered
from impactree.engine.settings import EngineSettings
from impactree.report.renderers.data import impacts_writer
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from impactree.calls import ModelCall
    from impactree.engine import Engine
    from impactree.engine.explain import Explanation
    from impactree.engine.own import Own
    from impactree.engine.reading import Reading

__all__ = ["counted", "engine_of", "estimates", "explanation", "one_estimate"]


def one_estimate(
    call: ModelCall,
    at: dt.date | str | None = None,
    settings: Mapping[str, Any] | None = None,
    own: Own | None = None,
) -> dict[str, Any]:
    """The impacts of one call, with method, catalog version, zone, grade and credits.

    Args:
        call: What was asked of which model.
        at: Its day; None: today.
        settings: As for :class:`impactree.engine.settings.EngineSettings`.
        own: Figures in place of the catalog's.

    Raises:
        ConfigurationError: a setting, or a figure of one's own, is wrong.
    """
    engine, day = engine_of(settings), as_day(at)
    if own is not None:
        engine = OwnEngine(engine, own)
    impacts = engine.estimate(call, at=day)
    place = _place(engine.read(call, day))
    return {**_head(engine, [call], day, impacts), **place, "impacts": impacts.to_dict()}


def estimates(
    calls: Sequence[ModelCall],
    at: dt.date | str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[str]:
    """The impacts of each call and of all, the sum of the calls' figures, as JSON in pieces.

    Args:
        calls: What was asked of which models.
        at: Their day; None: today.
        settings: As for :class:`impactree.engine.settings.EngineSettings`.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    engine, day = engine_of(settings), as_day(at)
    found = [engine.estimate(call, at=day) for call in calls]
    total = Impacts.sum(found)
    head = {**_head(engine, calls, day, total), "total": total.to_dict()}
    return _pieces(head, engine, calls, found, day)


def _pieces(
    head: dict[str, Any],
    engine: Engine,
    calls: Sequence[ModelCall],
    found: Sequence[Impacts],
    day: dt.date | None,
) -> Iterator[str]:
    yield f'{json.dumps(head)[:-1]}, "results": ['
    pieces = impacts_writer()
    read, begun = None, ""
    for number, (call, impacts) in enumerate(zip(calls, found, strict=True)):
        now = engine.read(call, day)
        if now is not read:
            read, begun = now, json.dumps(_place(now))[:-1]
        yield "".join((", " * bool(number), begun, ', "impacts": ', *pieces(impacts), "}"))
    yield "]}"


def _head(
    engine: Engine, calls: Sequence[ModelCall], day: dt.date | None, total: Impacts
) -> dict[str, Any]:
    return {
        "method": engine.method.name,
        "catalog_version": engine.catalog.version,
        "credits": list(engine.credits_for(calls, day)),
        "equivalents": Equivalents(total, engine.catalog.equivalents).to_dict()["readable"],
    }


def engine_of(settings: Mapping[str, Any] | None) -> Engine:
    """The engine of some settings.

    Raises:
        ConfigurationError: one is wrong, or hardware is asked for of a method without any.
    """
    asked = settings or {}
    engine = shared_engine(**asked)
    if asked.get("deployment") and not engine.method.plans_hardware:
        engine.served_by(asked["deployment"])  # says which methods do
    return engine


def _place(found: Reading) -> dict[str, Any]:
    return {
        "model": found.resolution.model,
        "host": found.resolution.host,
        "zone": found.zone.id if found.zone else None,
    }


def explanation(name: str, own: Own | None = None, **asked: Any) -> Explanation:
    """How a figure came about: as :func:`impactree.explain`; media's fields stand beside others.

    Args:
        name: The model's.
        own: Figures in place of the catalog's.
        **asked: As for :func:`impactree.explain`.

    Raises:
        ConfigurationError: a setting, or a figure of one's own, is wrong.
        ValueError: of pictures and films, a value that cannot be.
    """
    if asked.get("deployment"):
        engine_of({name: asked[name] for name in ("method", "deployment") if name in asked})
    fields = {key: asked.pop(key) for key in [*asked] if key in MEDIA_FIELDS}
    found = explain(name, media=Media(**fields), **asked)
    if own is None:
        return found
    settings = {key: value for key, value in asked.items() if key in EngineSettings.__annotations__}
    engine = OwnEngine(shared_engine(**settings), own)
    found = explained(engine, found.call, as_day(asked.get("at")))
    return replace(found, hypotheses=as_entered(found.hypotheses, own))


def counted(text: str) -> dict[str, Any]:
    """How many tokens a text has, and by what they were counted; nothing of it is kept."""
    return {"tokens": count_tokens(text, remember=False), "by": counts_by()}
