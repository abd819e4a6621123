"""Which runs the text report shows: like siblings on one line, large trees cut to what is readable.

Nothing here recurses: a tree may be 10,000 runs deep.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Final

from impactree.report._groups import Tally

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from impactree.runs import Run

__all__ = ["Node", "Scan", "lay_out"]

_MAX_LINES: Final = 80
_MAX_DEPTH: Final = 8
_MAX_CHILDREN: Final = 24


@dataclass(slots=True, eq=False)
class Node:
    """One line of the tree: a run, or several like ones in a row."""

    runs: list[Run]
    depth: int = 0
    children: list[Node] = field(default_factory=list)
    rest: list[Run] = field(default_factory=list)
    """Children that are summed up in one line after the others."""
    hidden: int = 0
    """Runs below that are not shown at all."""


class Scan:
    """One pass over every run: the sums of its tree, and a number for that tree's shape."""

    def __init__(self, roots: Iterable[Run]) -> None:
        self.tallies: dict[Run, Tally] = {}
        self._shapes: dict[Run, int] = {}
        self._known: dict[object, int] = {}
        for root in roots:
            for run in reversed(list(root.walk())):
                self._take(run)

    def _take(self, run: Run) -> None:
        tally = self.tallies[run] = Tally()
        tally.add(run)
        children = [child for child in tuple(run.children) if child in self.tallies]
        for child in children:
            tally.merge(self.tallies[child])
        call, own = run.call, run.own
        below = tuple((self._shapes[group[0]], len(group)) for group in self.alike(children))
        shape = (
            run.name,
            run.kind,
            run.status,
            run.cached,
            call and (call.model, own is None or own.estimated),
            below,
        )
        self._shapes[run] = self._known.setdefault(shape, len(self._known))

    def alike(self, runs: Iterable[Run]) -> Iterator[list[Run]]:
        """The runs in order, neighbours of one shape together."""
        return (list(group) for _, group in groupby(runs, self._shapes.__getitem__))

    def children(self, runs: list[Run]) -> list[list[Run]]:
        """The children of like runs, merged position by position."""
        merged: list[list[Run]] = []
        for run in runs:
            groups = self.alike(c for c in tuple(run.children) if c in self._shapes)
            for position, group in enumerate(groups):
                if position == len(merged):
                    merged.append([])
                merged[position] += group
        return merged

    def tally(self, runs: Iterable[Run]) -> Tally:
        """The sums of several trees."""
        total = Tally()
        for run in runs:
            total.merge(self.tallies[run])
        return total


def lay_out(roots: list[Run], scan: Scan) -> tuple[list[Run], list[Node]]:
    """The trees to show, newest kept first when there are too many.

    Returns:
        The older roots that are not shown, and the nodes of those that are, oldest first.
    """
    groups = list(scan.alike(roots))
    shown: deque[Node] = deque()
    left = _MAX_LINES
    while groups and left > 0:
        root = Node(groups.pop())
        left -= _expand(root, scan, left)
        shown.appendleft(root)
    return [run for group in groups for run in group], list(shown)


def _expand(root: Node, scan: Scan, lines: int) -> int:
    """Add children level by level while lines are left. Returns the lines used."""
    used = 1
    queue = deque([root])
    while queue:
        node = queue.popleft()
        groups = scan.children(node.runs)
        room = min(_MAX_CHILDREN, lines - used)
        if groups and (room < 1 or node.depth == _MAX_DEPTH):
            node.hidden = sum(scan.tally(group).runs for group in groups)
            continue
        if len(groups) > room:
            node.rest = [run for group in groups[room - 1 :] for run in group]
            groups = groups[: room - 1]
        node.children = [Node(group, node.depth + 1) for group in groups]
        used += len(node.children) + bool(node.rest)
        queue.extend(node.children)
    return used
