"""Runs that match: by what a report can be asked by, or by a function."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from impactree.report._copy import copy_run
from impactree.report._keys import check_key, labels_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from impactree.engine import Engine
    from impactree.runs import Run

__all__ = ["matching_calls", "matching_runs", "topmost"]


def matching_calls(
    roots: Sequence[Run],
    calls: Sequence[Run],
    where: Callable[[Run], object] | None,
    labels: Mapping[str, Any],
    engine: Engine | None,
) -> list[Run]:
    """Those of the runs that have these labels and satisfy the function."""
    if where is not None and not callable(where):
        raise TypeError(f"filter takes a function of a run, or key=label, not {where!r:.80}")
    for key in labels:
        check_key(key)
    found = [run for run in calls if where is None or where(run)]
    for key, wanted in labels.items():
        several = wanted if isinstance(wanted, list | tuple | set | frozenset) else (wanted,)
        texts = {None if one is None else str(one) for one in several}
        labelled = labels_by((key,), roots, found, engine)
        found = [
            run
            for run, has in zip(found, labelled, strict=True)
            if any(label in texts for (label,) in has)
        ]
    return found


def matching_runs(
    roots: Sequence[Run],
    runs: Sequence[Run],
    what: object,
    labels: Mapping[str, Any],
    engine: Engine | None,
) -> list[Run]:
    """As :func:`matching_calls`, and by id or name."""
    where: Any = what
    if isinstance(what, str | uuid.UUID):
        text = str(what)

        def where(run: Run) -> bool:
            return text in (str(run.id), run.name)

    elif what is not None and not callable(what):
        raise TypeError(f"find takes an id, a name or a function, not {what!r:.80}")
    return matching_calls(roots, runs, where, labels, engine)


def topmost(roots: Sequence[Run], calls: Sequence[Run]) -> Iterator[Run]:
    """The fewest trees, whole ones where they can be, that hold these calls and no others."""
    wanted = set(calls)
    for root in roots:
        every = list(root.walk())
        others: dict[Run, int] = {}  # calls in the tree that are not wanted
        held: dict[Run, int] = {}  # calls that are
        for run in reversed(every):
            below = [child for child in tuple(run.children) if child in held]
            is_wanted = run in wanted
            held[run] = is_wanted + sum(map(held.__getitem__, below))
            others[run] = (run.call is not None and not is_wanted) + sum(
                map(others.__getitem__, below)
            )
        stack = [root]
        while stack:
            run = stack.pop()
            if not held.get(run):
                continue
            if not others[run]:
                yield run
                continue
            if run in wanted:
                yield copy_run(run, run.parent)  # without what is called below it
            stack.extend(reversed(tuple(run.children)))
