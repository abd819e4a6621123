"""Smaller models of the same maker, and lower-carbon regions of the same host."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from impactree.advice.case import Finding, call_of, span, where
from impactree.advice.difference import Pair
from impactree.advice.scenario import Scenario
from impactree.engine import PLACE_FIELDS, placed_by
from impactree.values.formatting import many
from impactree.values.times import past_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from impactree.advice.case import Case
    from impactree.catalog import Catalog, Region
    from impactree.catalog._records import ModelRecord
    from impactree.engine.reading import Reading
    from impactree.runs import Run

__all__ = ["SHORT", "SMALLER", "regions", "smaller_models"]

SHORT: Final = 200
"""Tokens of the longest answer of a step whose answers are short."""
SMALLER: Final = 0.5
"""A smaller model has at most this share of the parameters, all and active."""
_TRIED: Final = 4
_NEWEST: Final = 99
_DATE: Final = re.compile(r"(\d\d-)?20\d{6}|20\d\d-\d\d(-\d\d)?|(?<=-)\d{4}$|-latest$|@.*$")
_WORDS: Final = re.compile(r"[a-z]+|\d+(?:\.\d+)*b?")
_TASKS: Final = frozenset(
    {
        *("audio", "base", "code", "coder", "codex", "customtools", "deep", "distill", "embed"),
        *("exp", "experimental", "guard", "image", "instant", "live", "math", "moderation", "moe"),
        *("ocr", "omni", "preview", "r1", "realtime", "research", "robotics", "saba", "safeguard"),
        *("search", "speech", "thinking", "transcribe", "tts", "vision", "vl"),
    }
)
"""Words of models made for something else, unless the model in use is, too."""


# Smaller models


def smaller_models(case: Case) -> Iterator[Iterable[Finding]]:
    """Steps whose answers are short, by a model that has a smaller sibling at the same host."""
    siblings: dict[Any, list[ModelRecord]] = {}  # many steps ask few models
    for runs in case.grouped(run for run in case.texts if run.status == "ok"):
        written = [call_of(run).tokens.output for run in runs]
        known = [tokens for tokens in written if tokens is not None]
        if len(known) < len(written) or not known or not 0 < max(known) <= SHORT:
            continue
        record = case.reading(runs[0]).resolution.record
        if record is None:
            continue
        model = record.id, record.total, record.active
        if model not in siblings:
            siblings[model] = _siblings(case.engine.catalog, record)[:_TRIED]
        found = (_by_sibling(case, runs, known, one) for one in siblings[model])
        yield (one for one in found if one is not None)


def _by_sibling(
    case: Case, runs: list[Run], written: list[int], sibling: ModelRecord
) -> Finding | None:
    """The step with its sibling; None where that does not run at the same host."""
    try:
        pairs = _elsewhere(case, runs, Scenario(engine=case.engine, model=sibling.id))
    except ValueError:  # nobody there is known by that name
        return None
    first, then = runs[0], pairs[0].then
    if then is None or case.read(then, first).host.id != case.reading(first).host.id:
        return None
    name, other, size = (
        case.name(runs[0]),
        _undated(case, runs[0], sibling),
        case.reading(runs[0]).resolution.total_params,
    )
    if size is None or sibling.total is None:
        return None
    return Finding(
        kind="smaller-model",
        what=f"Try {other} for {where(runs[0])} in place of {name}",
        evidence=f"{many(len(runs), 'answer')} of {span(written)} tokens: short ones. "
        f"{other} has about {sibling.total.mean:,.3g} billion parameters, {name} about "
        f"{size.mean:,.3g} billion.",
        how="Compare both on cases of your own first: what a smaller model has to do twice, or "
        "gets wrong, saves nothing.",
        pairs=pairs,
    )


def _elsewhere(case: Case, runs: list[Run], scenario: Scenario) -> tuple[Pair, ...]:
    """The calls as they would be; those that are asked alike are placed alike."""
    placed: dict[object, dict[str, Any]] = {}
    pairs = []
    for run in runs:
        call = call_of(run)
        asked = (*placed_by(call), past_day(run.end), call.energy is None)
        if asked not in placed:
            then = scenario.apply(run) or call
            placed[asked] = dict(zip(PLACE_FIELDS, placed_by(then), strict=True))
            if call.energy is not None and then.energy is None:  # it was another model's
                placed[asked]["energy"] = None
        pairs.append(Pair(run, call, replace(call, **placed[asked])))
    return tuple(pairs)


def _undated(case: Case, run: Run, record: ModelRecord) -> str:
    """A model's name without its date, where that means the same model."""
    name = _DATE.sub("", record.id).rstrip("-")
    found = case.engine.read(replace(call_of(run), model=name, requested=None))
    return name if found.resolution.model == record.id else record.id


def _siblings(catalog: Catalog, record: ModelRecord) -> list[ModelRecord]:
    """Smaller models of the same maker and kind: those most like it first, of these the larger."""
    if record.total is None or record.active is None:
        return []
    mine = words(record.id)
    found = []
    for other in by_maker(catalog).get(record.maker, ()):
        theirs = words(other.id)
        likeness = _likeness(theirs, mine)
        if likeness >= 0 and is_smaller(other, record) and not (theirs - mine) & _TASKS:
            found.append((-likeness, -_size(other), len(other.id), other.id, other))
    return [row[-1] for row in sorted(found, key=lambda row: row[:-1])]


def _size(record: ModelRecord) -> float:
    return record.total.mean if record.total else 0.0


def _likeness(theirs: set[str], mine: set[str]) -> int:
    """How many words two names share, less those of the one alone; versions count twice.

    Below 0: hardly any, or those of an older generation.
    """
    older = _generation(theirs) < _generation(mine)
    unversioned = _generation(theirs) == _NEWEST > _generation(mine)  # such as made for phones
    if older or unversioned or not {word for word in theirs & mine if word.isalpha()}:
        return -1
    shared, strange = (
        sum(1 + word[0].isdigit() for word in some) for some in (theirs & mine, theirs - mine)
    )
    return shared - strange


def _generation(named: set[str]) -> int:
    """The first number of a version; of names without any the newest."""
    return max((int(w.partition(".")[0]) for w in named if w[0].isdigit()), default=_NEWEST)


def is_smaller(one: ModelRecord, other: ModelRecord) -> bool:
    """Whether a model that can do the same has at most :data:`SMALLER` of the parameters."""
    if one.total is None or one.active is None or other.total is None or other.active is None:
        return False
    return (
        one.kind == other.kind
        and one.total.mean <= SMALLER * other.total.mean
        and one.active.mean <= SMALLER * other.active.mean
    )


def words(name: str) -> set[str]:
    """The words of a model's name, without date and size: claude, haiku, 4, 5."""
    found = _WORDS.findall(_DATE.sub("", name.lower().rpartition("/")[2]))
    return {word for word in found if not (word[0].isdigit() and word.endswith("b"))}


@lru_cache(maxsize=4)
def by_maker(catalog: Catalog) -> dict[str, list[ModelRecord]]:
    """The newest entry of every model that writes text, by its maker."""
    newest = {record.id: record for record in catalog.records() if record.kind == "chat"}
    found: dict[str, list[ModelRecord]] = {}
    for record in newest.values():
        found.setdefault(record.maker, []).append(record)
    return found


# Regions


def regions(case: Case) -> Iterator[Iterable[Finding]]:
    """Calls in a cloud's region, and its regions on lower-carbon electricity."""
    placed = [r for r in case.calls if case.reading(r).region and _by_region(case.reading(r))]
    for runs in case.grouped(placed, lambda run: case.reading(run).region):
        reading = case.reading(runs[0])
        here = reading.region
        if here is None:
            continue
        rates = {region: _rate(case, runs[0], region) for region in _of_cloud(case, here)}
        lower = sorted((r for r in rates if rates[r] < rates[here]), key=rates.__getitem__)
        yield (_moved(case, runs, here, lower[n:], rates) for n in range(len(lower[:_TRIED])))


def _by_region(reading: Reading) -> bool:
    """Whether the electricity is the region's, not one that somebody has set."""
    return reading.zone_origin.startswith("the region ")


def _of_cloud(case: Case, here: Region) -> list[Region]:
    return [r for r in case.engine.catalog.regions.values() if r.cloud == here.cloud]


def _rate(case: Case, run: Run, region: Region) -> float:
    """Greenhouse gases of 1 kWh of IT in a region: kgCO2eq, with the expected PUE."""
    catalog, method = case.engine.catalog, case.engine.method
    finest = (method.factors == "yearly" and region.subzone) or region.zone
    zone = catalog.zone(finest)
    if zone is None:
        return float("inf")
    mix = catalog.electricity(zone, method.factors, past_day(run.end)).mix
    return mix.gwp * region.site.pue[1]


def _moved(
    case: Case, runs: list[Run], here: Region, lower: list[Region], rates: dict[Region, float]
) -> Finding:
    best, *next_best = lower
    scenario = Scenario(engine=case.engine, region=best.id)
    pairs = _elsewhere(case, runs, scenario)
    others = ", ".join(f"{r.id} ({1000 * rates[r]:,.0f} g)" for r in next_best[:2])
    return Finding(
        kind="region",
        what=f"Move calls from {here.id} to {best.id}",
        evidence=f"{many(len(runs), 'call')} ran in {here.id} ({here.name or here.zone}), where "
        f"1 kWh of computing emits {1000 * rates[here]:,.0f} gCO2eq, PUE included; in {best.id} "
        f"({best.name or best.zone}) {1000 * rates[best]:,.0f} g.",
        how="See that the model is offered there and that the data may go there"
        + (f"; next best: {others}." if others else "."),
        pairs=pairs,
    )
