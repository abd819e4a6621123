"""Model calls in groups that share an attribute, and what has been counted of runs now gone."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from impactree.exceptions import ConfigurationError
from impactree.report._keys import TAG, check_keys, labels_by, plain_label
from impactree.report._tally import Tally, calls_of, gwp_mean, own_of, share
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from impactree.engine import Engine
    from impactree.report._keys import Key
    from impactree.runs import Run

__all__ = ["OTHERS", "Group", "Grouped", "RunningTotals", "as_group", "group_calls", "regroup"]

_MAX_LABELS: Final = 10_000
_LIKE: Final = "as in ['user', ('user', 'model')]"
OTHERS: Final = "(others)"
"""Where running totals put the labels beyond a bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The model calls that share an attribute."""

    calls: int
    """Cached ones included."""
    cached: int
    """Calls that a cache answered: zero impacts, and their tokens are not in the sums below."""
    input_tokens: int | None
    """Known counts summed; None when no call has one."""
    cached_input_tokens: int
    """Of the input: read from the provider's prompt cache."""
    cache_write_tokens: int
    """Of the input: written to it."""
    output_tokens: int | None
    reasoning_tokens: int
    """Of the output: thought before the answer."""
    latency_s: float
    """Elapsed time of the calls, one after the other."""
    total: Impacts
    """All criteria, with ``usage`` and ``embodied``."""
    share: float | None
    """Of the report's greenhouse gases (mean of the range), 0 to 1. None when nothing in the
    report, or nothing in the group, was estimated."""
    runs: tuple[Run, ...] = field(repr=False)
    """The calls, each as its run; of runs no longer kept the figures above remain."""
    tally: Tally = field(repr=False, compare=False)
    """The counts as they were added up."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data; runs by their ids."""
        return {**self.figures(), "run_ids": [str(run.id) for run in self.runs]}

    def figures(self) -> dict[str, Any]:
        """Plain data without the runs."""
        return {
            "calls": self.calls,
            "cached": self.cached,
            "input_tokens": self.input_tokens,
            "cached_input_tokens": self.cached_input_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "output_tokens": self.output_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "latency_s": self.latency_s,
            "total": self.total.to_dict(),
            "share": self.share,
        }


class Grouped(dict[Any, Group]):
    """Groups by label, the one with most greenhouse gases first.

    The label is text, or None for the calls without the attribute; by several keys it is a tuple.
    """

    def __init__(
        self,
        groups: dict[Any, Group],
        *,
        by: tuple[str, ...],
        total: Impacts,
        tally: Tally,
        older_runs: int = 0,
        credits: tuple[str, ...] = (),
    ) -> None:
        super().__init__(groups)
        self.by = by
        """The names of the keys."""
        self.total = total
        """Of all calls, each once."""
        self.tally = tally
        """Their counts, each call once."""
        self.older_runs = older_runs
        """How many finished runs are no longer kept and not in these groups."""
        self.credits = credits
        """What the licences of the electricity factors want to be shown."""

    @property
    def partition(self) -> bool:
        """Whether each call stands in one group, so that shares sum to 1. By tag it may not."""
        return TAG not in self.by

    def labels(self, label: Hashable) -> tuple[Hashable, ...]:
        """A group's label per key."""
        return label if len(self.by) > 1 and isinstance(label, tuple) else (label,)

    def top(self, n: int) -> Self:
        """The first ``n`` groups."""
        first = dict(list(self.items())[: _at_least_one(n)])
        return type(self)(
            first,
            by=self.by,
            total=self.total,
            tally=self.tally,
            older_runs=self.older_runs,
            credits=self.credits,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``by``, ``partition``, ``older_runs``, ``total``, ``groups``, ``credits``."""
        return {
            "by": list(self.by),
            "partition": self.partition,
            "older_runs": self.older_runs,
            "total": self.total.to_dict(),
            "groups": [
                {
                    "label": dict(zip(self.by, map(plain_label, self.labels(label)), strict=True)),
                    **group.to_dict(),
                }
                for label, group in self.items()
            ],
            "credits": list(self.credits),
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} by {', '.join(self.by)}: {len(self)}>"


def _at_least_one(n: int) -> int:
    if not isinstance(n, int) or n < 1:
        raise ValueError(f"top takes a whole number >= 1, not {n!r}")
    return n


def group_calls(
    roots: Sequence[Run],
    keys: tuple[Key, ...],
    engine: Engine | None,
    older: RunningTotals | None,
    older_runs: int,
) -> Grouped:
    """The groups of :meth:`Report.by`.

    Args:
        roots: The trees.
        keys: One or several.
        engine: Places models for ``maker``, ``host`` and ``zone``.
        older: What has been counted of runs no longer kept.
        older_runs: How many those are.
    """
    if not keys:
        raise ValueError("by() needs a key, such as 'model'")
    names = check_keys(keys)
    calls = calls_of(roots)
    members: dict[Any, list[Run]] = {}
    for run, labels in zip(calls, labels_by(keys, roots, calls, engine), strict=True):
        for label in labels:
            members.setdefault(label, []).append(run)
    gone = None if older is None else older.of(names)
    sums = _sums(members, gone or {})
    tally, whole = _whole(sums, calls, older if gone else None, TAG not in names)
    groups = {
        label[0] if len(keys) == 1 else label: as_group(*known, whole, members.get(label, []))
        for label, known in sorted(sums.items(), key=lambda item: -gwp_mean(item[1][1]))
    }
    left_out = 0 if gone is not None else older_runs
    return Grouped(groups, by=names, total=whole, tally=tally, older_runs=left_out)


def _whole(
    sums: dict[Any, tuple[Tally, Impacts]],
    calls: list[Run],
    older: RunningTotals | None,
    partition: bool,
) -> tuple[Tally, Impacts]:
    """Of all calls, each once."""
    parts = list(sums.values())
    if not partition:
        parts = [(Tally.of(calls), Impacts.sum(map(own_of, calls)))]
        parts += [] if older is None else [(older.tally, older.total)]
    tally = Tally()
    for counts, _ in parts:
        tally.merge(counts)
    return tally, Impacts.sum(total for _, total in parts)


def _sums(
    members: dict[Any, list[Run]], gone: dict[Any, tuple[Tally, Impacts]]
) -> dict[Any, tuple[Tally, Impacts]]:
    """Counts and impacts per label, of the runs that are kept and of those that are not."""
    sums = {
        label: (Tally.of(runs), Impacts.sum(map(own_of, runs))) for label, runs in members.items()
    }
    for label, (tally, total) in gone.items():
        known = sums.get(label, (Tally(), Impacts.zero()))
        tally.merge(known[0])
        sums[label] = tally, Impacts.sum((total, known[1]))
    return sums


def regroup(runs: list[Run], whole: Impacts) -> Group:
    """Some calls as a group."""
    return as_group(Tally.of(runs), Impacts.sum(map(own_of, runs)), whole, runs)


def as_group(tally: Tally, total: Impacts, whole: Impacts, runs: Sequence[Run] = ()) -> Group:
    """What has been added up as a group."""
    return Group(
        calls=tally.calls,
        cached=tally.cached,
        input_tokens=tally.input_tokens,
        cached_input_tokens=tally.cached_inputs,
        cache_write_tokens=tally.cache_writes,
        output_tokens=tally.output_tokens,
        reasoning_tokens=tally.reasoning,
        latency_s=tally.latency_s,
        total=total,
        share=share(total, whole),
        runs=tuple(runs),
        tally=tally,
    )


def _named_keys(keys: object) -> tuple[tuple[str, ...], ...]:
    if isinstance(keys, str) or not isinstance(keys, Iterable):
        raise ConfigurationError(f"totals_by must be several keys, {_LIKE}, not {keys!r:.80}")
    found = []
    for key in keys:
        several = key if isinstance(key, tuple | list) else (key,)
        if not several or not all(isinstance(one, str) for one in several):
            raise ConfigurationError(f"totals_by takes names of keys, {_LIKE}, not {key!r:.80}")
        try:
            check_keys(several)
        except ValueError as error:
            raise ConfigurationError(f"totals_by: {error}") from error
        found.append(tuple(several))
    return tuple(found)


class RunningTotals:
    """Groups of the runs that a tracker no longer keeps, by keys named beforehand. Thread-safe.

    Args:
        keys: Names as for :meth:`Report.by`; a tuple for several at once.
        engine: Places models.

    Raises:
        ConfigurationError: an unknown key.
    """

    def __init__(self, keys: Iterable[str | tuple[str, ...]], engine: Engine | None) -> None:
        self.keys = _named_keys(keys)
        self._engine = engine
        self._lock = threading.Lock()
        self._sums: dict[tuple[str, ...], dict[Any, tuple[Tally, Impacts]]] = {
            several: {} for several in self.keys
        }
        self.total = Impacts.zero()
        """Of all that was added."""
        self.tally = Tally()
        """Its counts."""

    def unlock(self) -> None:
        """In a forked child: the thread that held the lock is not there."""
        self._lock = threading.Lock()

    def add(self, root: Run) -> None:
        """Take in a tree that will be kept no longer."""
        calls = calls_of([root])
        if not calls:
            return
        labelled = {keys: labels_by(keys, [root], calls, self._engine) for keys in self.keys}
        with self._lock:
            for keys, several in labelled.items():
                sums = self._sums[keys]
                for run, labels in zip(calls, several, strict=True):
                    for label in labels:
                        _add(sums, label, run)
            self.total = Impacts.sum([self.total, *map(own_of, calls)])
            self.tally.merge(Tally.of(calls))

    def of(self, keys: tuple[str, ...]) -> dict[Any, tuple[Tally, Impacts]] | None:
        """Copies of the sums by these keys; None: they were not named."""
        with self._lock:
            if keys not in self._sums:
                return None
            copies: dict[Any, tuple[Tally, Impacts]] = {}
            for label, (tally, total) in self._sums[keys].items():
                copies[label] = Tally(), total
                copies[label][0].merge(tally)
            return copies


def _add(sums: dict[Any, tuple[Tally, Impacts]], label: tuple[Hashable, ...], run: Run) -> None:
    if label not in sums and len(sums) >= _MAX_LABELS:
        label = (OTHERS,) * len(label)
    tally, total = sums.get(label) or (Tally(), Impacts.zero())
    tally.add(run)
    sums[label] = tally, Impacts.sum((total, own_of(run)))
