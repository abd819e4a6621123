"""The runs of a report as one flat list of lines; where they are too many, like ones in one line.

Nothing here recurses: a tree may be 10,000 runs deep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from impactree.runs import Run

__all__ = ["MAX_LINES", "OutlineLine", "outline"]

MAX_LINES: Final = 15_000
_MAX_DEPTH: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class OutlineLine:
    """One run, or like ones under one line."""

    runs: Sequence[Run]
    parent: int
    """Place of the line above in the list; -1: none."""
    whole: bool
    """Whether what is under the runs is summed up here, for no line of its own shows it."""

    @property
    def told(self) -> list[Run]:
        """The runs that this line speaks for."""
        return [run for top in self.runs for run in top.walk()] if self.whole else [*self.runs]


def outline(roots: Sequence[Run], most: int = MAX_LINES) -> list[OutlineLine]:
    """Level by level, parents first: every run while a level fits, then like ones together.

    Args:
        roots: Outermost runs.
        most: Lines; of roots that cannot be told apart there may be more.
    """
    lines: list[OutlineLine] = []
    level: list[tuple[list[Run], int]] = _lines_of(roots, -1, len(roots) > most)
    for depth in range(_MAX_DEPTH + 1):
        first = len(lines)
        below = [_children(runs) for runs, _ in level]
        room = most - first - len(level)
        together = sum(map(len, below)) > room
        following: list[tuple[list[Run], int]] = []
        for place, children in enumerate(below, first):
            together_here = together or len(level[place - first][0]) > 1
            following += _lines_of(children, place, together_here)
        stop = depth == _MAX_DEPTH or len(following) > max(room, 0)
        lines += (
            OutlineLine(runs, parent, stop and bool(children))
            for (runs, parent), children in zip(level, below, strict=True)
        )
        if stop or not following:
            break
        level = following
    return lines


def _children(runs: Iterable[Run]) -> list[Run]:
    return [child for run in runs for child in tuple(run.children)]


def _lines_of(runs: Sequence[Run], parent: int, together: bool) -> list[tuple[list[Run], int]]:
    if not together:
        return [([run], parent) for run in runs]
    groups: dict[Hashable, list[Run]] = {}
    for run in runs:
        groups.setdefault(_like(run), []).append(run)
    return [(group, parent) for group in groups.values()]


def _like(run: Run) -> Hashable:
    return run.name, run.kind, None if run.call is None else run.call.model
