"""Run trees as flat rows: what tables, lines and columns share."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from impactree.calls import MEDIA_FIELDS
from impactree.catalog import load_catalog
from impactree.methods import METHODS
from impactree.runs import LABELS
from impactree.values.columns import FIGURE_COLUMNS, figure_cells
from impactree.values.times import past_day, resolved_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date

    from impactree.catalog import Catalog
    from impactree.delivery.codec import Tree, ZoneOf
    from impactree.methods import FactorChoice
    from impactree.runs import Run

    _Used = tuple[str | None, str | None, date | None]

__all__ = [
    "call_row",
    "credits_by_run",
    "credits_for",
    "credits_of",
    "credits_under",
    "run_row",
]

_STORED_ZONE: Final = attrgetter("zone")


_NO_MEDIA: Final = dict.fromkeys(MEDIA_FIELDS)


def run_row(tree: Tree) -> dict[str, Any]:
    """A root as one row."""
    root = tree.root
    calls = root.calls
    asked = [run.call for run in calls if run.call is not None and not run.cached]
    total = root.total
    return {
        "id": root.id,
        "revision": root.revision,
        "name": root.name,
        "kind": root.kind,
        "status": root.status,
        "started_at": resolved_at(root.start),
        "ended_at": resolved_at(root.end),
        "latency_s": root.latency_s,
        "method": tree.method,
        "calls": len(calls),
        "estimated_calls": total.estimated_calls,
        "unestimated_calls": total.unestimated_calls,
        "input_tokens": sum(call.input_tokens or 0 for call in asked),
        "output_tokens": sum(call.output_tokens or 0 for call in asked),
        **dict(zip(FIGURE_COLUMNS, figure_cells(total), strict=True)),
    }


def call_row(run: Run) -> dict[str, Any]:
    """A model call as one row; ``run.call`` must be there."""
    call = run.call
    assert call is not None  # noqa: S101
    own = run.own
    return {
        "id": run.id,
        "run_id": run.root.id,
        "run_started_at": resolved_at(run.root.start),
        "parent_id": run.parent_id,
        "name": run.name,
        "kind": call.kind,
        **{label: getattr(run, label) for label in LABELS},
        "status": run.status,
        "cached": run.cached,
        "started_at": resolved_at(run.start),
        "ended_at": resolved_at(run.end),
        "provider": call.provider,
        "model": call.model,
        "zone": call.zone,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "cached_input_tokens": call.cached_input_tokens,
        "reasoning_tokens": call.reasoning_tokens,
        **(_NO_MEDIA if call.media is None else {n: getattr(call.media, n) for n in MEDIA_FIELDS}),
        "tokens_source": call.tokens_source,
        "latency_s": call.latency_s,
        "grade": None if own is None else own.grade,
        "warnings": "" if own is None else " ".join(m.code for m in own.warnings),
        "errors": "" if own is None else " ".join(m.code for m in own.errors),
        **dict(zip(FIGURE_COLUMNS, figure_cells(own), strict=True)),
    }


def credits_for(trees: Iterable[Tree]) -> list[str]:
    """What the licences of the electricity factors behind trees' figures want to be shown."""
    return credits_of(
        used for tree in trees for run in tree.root.walk() for used in _used(run, tree.method)
    )


def credits_under(run: Run, zone_of: ZoneOf) -> list[str]:
    """The same of a run that has just ended, and of those below it.

    Args:
        run: Its calls say the zone that was asked for, if any.
        zone_of: Says the zone that a call was estimated with.
    """
    method = run.total.method
    return credits_of(used for below in run.walk() for used in _used(below, method, zone_of))


def credits_by_run(tree: Tree) -> Callable[[Run], list[str]]:
    """The same of any run of a stored tree, and of those below it."""
    used: dict[Run, tuple[_Used, ...]] = {}
    for run in reversed(list(tree.root.walk())):
        below = chain.from_iterable(used[child] for child in run.children)
        used[run] = tuple(dict.fromkeys((*_used(run, tree.method), *below)))
    known = cache(credits_of)
    return lambda run: known(used[run])


def _used(run: Run, method: str | None, zone_of: ZoneOf = _STORED_ZONE) -> Iterator[_Used]:
    if run.call is not None and run.own is not None and run.own.estimated_calls:
        yield zone_of(run.call), method, past_day(run.end)


def credits_of(used: Iterable[_Used]) -> list[str]:
    """The same of calls by their zone, method and day."""
    catalog = load_catalog()
    found: dict[str, None] = {}
    for zone, method, day in dict.fromkeys(used):
        if zone and method in METHODS:
            found |= dict.fromkeys(_credits_of_zone(catalog, zone, METHODS[method].factors, day))
    return list(found)


@lru_cache(256)
def _credits_of_zone(
    catalog: Catalog, zone: str, factors: FactorChoice, day: date | None
) -> tuple[str, ...]:
    return catalog.credits_for([zone], factors, day)
