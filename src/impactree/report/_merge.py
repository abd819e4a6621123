"""Reports of several machines as one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from impactree.report._grounds import add_up
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from impactree.report._view import View
    from impactree.runs import Run

__all__ = ["merged"]


def merged(views: Sequence[View]) -> tuple[list[Run], dict[str, Any]]:
    """The root runs of all, each once, and what else a report of them is made of.

    The same id and start is the same run: of two revisions the later one counts, and a root that
    is part of another's tree counts there. The same id with another start is another run.

    Raises:
        ValueError: they were estimated by two methods.
    """
    methods = {view.method or view.total.method for view in views} - {None}
    if len(methods) > 1:
        raise ValueError(
            f"reports by {' and '.join(sorted(map(str, methods)))} do not add up to anything: "
            "estimate one anew, with handler.report(method=...)"
        )
    runs, twice = _each_once(views)
    older = [view.older_runs for view in views]
    totals = [view.total_ever for view in views]
    ever = None if twice or None in totals else Impacts.sum(t for t in totals if t is not None)
    return runs, {
        "method": next(iter(methods), None),
        "zone": _one({view.zone for view in views}),
        "catalog_version": _one({view.catalog_version for view in views}),
        "problems": dict(sum((Counter(view.problems) for view in views), Counter[str]())),
        "finished_runs": len(runs) + (max(older) if twice else sum(older)),
        "total_ever": ever,
        "grounds": add_up(view.grounds() for view in views),
    }


def _each_once(views: Sequence[View]) -> tuple[list[Run], bool]:
    """The roots of all by their start, and whether anything was told of twice."""
    roots: dict[tuple[str, float], Run] = {}
    twice = False
    for view in views:
        for run in view.runs:
            known = roots.get(_key(run))
            twice |= known is not None
            if known is None or run.revision > known.revision:
                roots[_key(run)] = run
    inner = {_key(run) for root in roots.values() for run in root.walk() if run is not root}
    twice |= bool(inner & roots.keys())
    runs = [root for key, root in roots.items() if key not in inner]
    covered = {_key(run) for root in runs for run in root.walk()}
    for root in roots.values():  # what only the tree of its own process has
        runs += _missing(root, covered)
    return sorted(runs, key=lambda run: run.start), twice


def _missing(run: Run, covered: set[tuple[str, float]]) -> Iterator[Run]:
    """The topmost runs of a tree that are not covered; they are covered from then on."""
    waiting = [run]
    while waiting:
        run = waiting.pop()
        if _key(run) in covered:
            waiting += run.children
        else:
            covered |= {_key(below) for below in run.walk()}
            yield run


def _key(run: Run) -> tuple[str, float]:
    return str(run.id), run.start


def _one(values: set[str | None]) -> str | None:
    """What all of them say; of several all."""
    known = sorted(value for value in values if value is not None)
    return " and ".join(known) or None
