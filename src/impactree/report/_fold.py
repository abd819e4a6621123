"""What repeats in a list of runs: like neighbours, and sequences such as ``model -> tools``."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from impactree.report._tally import Tally, gwp_mean

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from impactree.runs import Run

__all__ = ["Fold", "Scan"]

_MAX_PERIOD: Final = 6
_MIN_ROUNDS: Final = 3


@dataclass(slots=True, eq=False)
class Fold:
    """What one line stands for: a run, like ones, or the rounds of a sequence."""

    rounds: list[list[Run]]
    """The runs of each repetition."""
    steps: tuple[str, ...] = ()
    """The names of a sequence's steps; empty: a run, or like ones."""

    @property
    def runs(self) -> list[Run]:
        """All of them, in order."""
        return [run for one in self.rounds for run in one]

    @property
    def costs(self) -> list[float]:
        """Greenhouse gases of each repetition, kgCO2eq (means)."""
        return [sum(gwp_mean(run.total) for run in one) for one in self.rounds]


def _singly(runs: Iterable[Run]) -> Fold:
    return Fold([[run] for run in runs])


def _like(run: Run) -> Hashable:
    """What runs of one step have in common, however each went."""
    return run.name, run.kind, None if run.call is None else run.call.model


def _step(run: Run) -> Hashable:
    return run.name, run.kind


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
        call, own = run.call, run.own
        below: tuple[tuple[int, int], ...] = ()
        if run.children:  # most have none
            children = self._below(run)
            for child in children:
                tally.merge(self.tallies[child])
            below = tuple((self._shapes[group[0]], len(group)) for group in self._alike(children))
        shape = (
            run.name,
            run.kind,
            run.status,
            run.cached,
            call and (call.model, own is None or own.estimated),
            below,
        )
        self._shapes[run] = self._known.setdefault(shape, len(self._known))

    def _below(self, run: Run) -> list[Run]:
        """The children, those left out that have started since."""
        return [child for child in tuple(run.children) if child in self.tallies]

    def _alike(self, runs: Iterable[Run]) -> Iterator[list[Run]]:
        """The runs in order, neighbours of one shape together."""
        return (list(group) for _, group in groupby(runs, self._shapes.__getitem__))

    def tally(self, runs: Iterable[Run]) -> Tally:
        """The sums of several trees."""
        total = Tally()
        for run in runs:
            total.merge(self.tallies[run])
        return total

    def roots(self, roots: Iterable[Run]) -> list[Fold]:
        """Trees in order, like neighbours together."""
        return [_singly(group) for group in self._alike(roots)]

    def children(self, fold: Fold, room: int) -> list[Fold]:
        """What stands under a line, folded as far as ``room`` lines make necessary."""
        runs = fold.runs
        if fold.steps:
            return self._merged(runs)
        if len(runs) == 1:
            found = self._in_sequence(self._below(runs[0]))
        elif len({self._shapes[run] for run in runs}) == 1:
            found = self._by_place(runs)
        else:
            found = self._merged([child for run in runs for child in self._below(run)])
        if len(found) > room:
            merged = self._merged([child for run in runs for child in self._below(run)])
            found = merged if len(merged) < len(found) else found
        return found

    def _by_place(self, runs: list[Run]) -> list[Fold]:
        """The children of trees of one shape, merged position by position."""
        merged: list[list[Run]] = []
        for run in runs:
            for place, group in enumerate(self._alike(self._below(run))):
                if place == len(merged):
                    merged.append([])
                merged[place] += group
        return [_singly(group) for group in merged]

    def _merged(self, runs: Iterable[Run]) -> list[Fold]:
        """Like runs together wherever they stand, in the order of the first ones."""
        groups: dict[Hashable, list[Run]] = {}
        for run in runs:
            groups.setdefault(_like(run), []).append(run)
        return [_singly(group) for group in groups.values()]

    def _in_sequence(self, runs: list[Run]) -> list[Fold]:
        """Runs in order: sequences that repeat as one, else like neighbours together."""
        steps = [list(group) for _, group in groupby(runs, _step)]
        repeats = _Repeats([_step(step[0]) for step in steps])
        out: list[Fold] = []
        plain: list[Run] = []
        at = 0
        while at < len(steps):
            period, rounds = repeats.at(at)
            if not rounds:
                plain += steps[at]
                at += 1
                continue
            out += map(_singly, self._alike(plain))
            plain = []
            each = range(at, at + period * rounds, period)
            out.append(
                Fold(
                    [[run for step in steps[i : i + period] for run in step] for i in each],
                    tuple(step[0].name for step in steps[at : at + period]),
                )
            )
            at += period * rounds
        return [*out, *map(_singly, self._alike(plain))]


class _Repeats:
    """Where a list repeats itself, for any start, in linear time per period."""

    def __init__(self, items: list[Hashable]) -> None:
        self._same: dict[int, list[int]] = {}
        for period in range(2, min(_MAX_PERIOD, len(items) // _MIN_ROUNDS) + 1):
            same = [0] * (len(items) + 1)  # from here on: how many equal the one a period later
            for i in range(len(items) - period - 1, -1, -1):
                same[i] = same[i + 1] + 1 if items[i] == items[i + period] else 0
            self._same[period] = same

    def at(self, start: int) -> tuple[int, int]:
        """The period and the rounds that take in most from here; no rounds: it does not repeat."""
        best = (0, 0)
        for period, same in self._same.items():
            rounds = same[start] // period + 1
            if rounds >= _MIN_ROUNDS and period * rounds > best[0] * best[1]:
                best = period, rounds
        return best
