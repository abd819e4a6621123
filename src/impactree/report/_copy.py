"""Copies of run trees: a report never writes to the runs of a tracker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactree.runs import Run
from impactree.values.impacts import Impacts
from impactree.values.times import past_day

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.calls import ModelCall
    from impactree.engine import Engine

__all__ = ["copy_run", "estimated_anew"]


def copy_run(run: Run, parent: Run | None) -> Run:
    """A run without what is under it, at its place under a parent that does not know of it."""
    copied = Run(
        run.id,
        run.name,
        run.kind,
        parent,
        run.parent_id,
        run.start,
        run.tags,
        dict(run.metadata) or None,
        run.labels,
    )
    copied.end, copied.status, copied.revision = run.end, run.status, run.revision
    copied.call, copied.cached = run.call, run.cached
    copied.own, copied.avoided = run.own, run.avoided
    return copied


def estimated_anew(
    root: Run, engine: Engine, call_of: Callable[[Run], ModelCall | None] | None = None
) -> Run:
    """A copy of a tree with every call estimated by another engine.

    Args:
        root: The tree.
        engine: The other engine.
        call_of: What each run called instead; None: what it did.
    """
    copies: dict[Run, Run] = {}
    for run in root.walk():
        above = run.parent
        parent = root.parent if run is root else copies.get(above) if above else None
        copied = copies[run] = copy_run(run, parent)
        if run is not root and parent is not None:
            parent.adopt(copied)
        call = copied.call = run.call if call_of is None else call_of(run)
        if call is not None:
            own = engine.estimate(call, at=past_day(run.end))
            copied.own, copied.avoided = (Impacts.zero(), own) if run.cached else (own, None)
    return copies[root]
