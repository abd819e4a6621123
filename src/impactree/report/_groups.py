"""What a report counts: model calls, their tokens and impacts, by any attribute."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from impactree.runs import LABELS
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from impactree.runs import Run

__all__ = [
    "KEYS",
    "Coverage",
    "Group",
    "Tally",
    "avoided_of",
    "calls_of",
    "cover",
    "group_by",
    "members_by",
    "own_of",
    "share",
]

_METADATA: Final = "metadata."
# Tags that LangChain sets on its own: where a run stands in its parent, not what it is for.
_INTERNAL_TAGS: Final = ("seq:step:", "graph:step:", "map:key:", "langsmith:")
_GENERATING: Final = ("chat", "completion")
"""The kinds of call that have output tokens at all."""
_NO_IMPACTS: Final = Impacts.not_estimated()


@dataclass(slots=True)
class Tally:
    """Sums over model calls. Token counts leave out cached calls: no model saw those tokens."""

    runs: int = 0
    calls: int = 0
    cached: int = 0
    inputs: int = 0
    outputs: int = 0
    unknown_inputs: int = 0
    """Calls whose input tokens nobody knows."""
    unknown_outputs: int = 0
    counted: int = 0
    """Calls whose tokens were counted here, not reported."""

    @classmethod
    def of(cls, runs: Iterable[Run]) -> Tally:
        """The sums over some runs, each taken alone."""
        tally = cls()
        for run in runs:
            tally.add(run)
        return tally

    def add(self, run: Run) -> None:
        """Take in one run."""
        self.runs += 1
        call = run.call
        if call is None:
            return
        self.calls += 1
        if run.cached:
            self.cached += 1
            return
        self.counted += call.tokens_source == "counted"
        self.inputs += call.input_tokens or 0
        self.outputs += call.output_tokens or 0
        self.unknown_inputs += call.input_tokens is None
        self.unknown_outputs += call.output_tokens is None and call.kind in _GENERATING

    def merge(self, other: Tally) -> None:
        """Take in another tally."""
        self.runs += other.runs
        if not other.calls:
            return
        self.calls += other.calls
        self.cached += other.cached
        self.inputs += other.inputs
        self.outputs += other.outputs
        self.unknown_inputs += other.unknown_inputs
        self.unknown_outputs += other.unknown_outputs
        self.counted += other.counted

    @property
    def reached(self) -> int:
        """Calls that reached a model."""
        return self.calls - self.cached

    @property
    def input_tokens(self) -> int | None:
        """The sum of what is known; None when there are calls and none of them knows."""
        return self.inputs if not self.reached or self.unknown_inputs < self.reached else None

    @property
    def output_tokens(self) -> int | None:
        """As :attr:`input_tokens`."""
        return self.outputs if not self.reached or self.unknown_outputs < self.reached else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The model calls that share an attribute."""

    calls: int
    """Cached ones included."""
    cached: int
    """Calls that a cache answered: zero impacts, and their tokens are not in the sums below."""
    input_tokens: int | None
    """Known counts summed; None when no call has one."""
    output_tokens: int | None
    total: Impacts
    share: float | None
    """Of the report's greenhouse gases (mean of the range), 0 to 1. None when nothing in the
    report, or nothing in the group, was estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What a total stands on. Every call is estimated, not estimated, or cached."""

    calls: int
    estimated: int
    not_estimated: int
    cached: int
    reasons: Mapping[str, int]
    """Of the calls not estimated: error code to number of calls."""
    tokens_reported: int
    """Calls (cached ones apart) whose token counts the provider reported."""
    tokens_counted: int
    """Calls whose tokens were counted locally."""
    tokens_unknown: int
    grades: Mapping[str, int]
    """How the model names were resolved: grade to number of calls, cached ones apart."""


def calls_of(roots: Iterable[Run]) -> list[Run]:
    """The runs that called a model."""
    return [run for root in roots for run in root.walk() if run.call is not None]


def own_of(run: Run) -> Impacts:
    """A call's own impacts; a call that nobody estimated is not a zero."""
    return _NO_IMPACTS if run.own is None else run.own


def avoided_of(calls: Iterable[Run]) -> Impacts:
    """What the cached calls would have cost."""
    return Impacts.sum(run.avoided for run in calls if run.avoided is not None)


def share(part: Impacts, whole: Impacts) -> float | None:
    """The part's fraction of the whole's greenhouse gases, means of the ranges."""
    gwp, all_gwp = part.gwp, whole.gwp
    if gwp is None or all_gwp is None or not 0 < all_gwp.value.mean < math.inf:
        return None
    return gwp.value.mean / all_gwp.value.mean


def cover(calls: Iterable[Run]) -> Coverage:
    """Count what was estimated and what the estimates stand on."""
    estimated = cached = 0
    reasons: Counter[str] = Counter()
    grades: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    for run in calls:
        if run.cached or run.call is None:
            cached += 1
            continue
        own = own_of(run)
        sources[run.call.tokens_source] += 1
        grades[own.grade or "unknown"] += 1
        if own.estimated:
            estimated += 1
        else:
            reasons[own.errors[0].code if own.errors else "unknown"] += 1
    not_estimated = reasons.total()
    return Coverage(
        calls=estimated + not_estimated + cached,
        estimated=estimated,
        not_estimated=not_estimated,
        cached=cached,
        reasons=dict(reasons.most_common()),
        tokens_reported=sources["reported"],
        tokens_counted=sources["counted"],
        tokens_unknown=sources["unknown"],
        grades=dict(grades.most_common()),
    )


_Labels = tuple[str, ...]
"""What a run itself says about an attribute; empty: ask its parent."""


def _text(value: object) -> _Labels:
    return () if value is None or value == "" else (str(value),)


def _metadata(key: str) -> Callable[[Run], _Labels]:
    return lambda run: _text(run.metadata.get(key))


def _tags(run: Run) -> _Labels:
    return tuple(dict.fromkeys(tag for tag in run.tags if not tag.startswith(_INTERNAL_TAGS)))


_OF_CALL: Final[dict[str, Callable[[Run], object]]] = {
    "model": lambda run: run.call and run.call.model,
    "kind": lambda run: run.call and run.call.kind,
    "name": lambda run: run.name,
    "provider": lambda run: run.call and run.call.provider,
    "status": lambda run: run.status,
    **{label: attrgetter(label) for label in LABELS},
}
KEYS: Final = (*_OF_CALL, "tag")
"""The keys of ``by``; besides them ``"metadata.KEY"``."""


def members_by(roots: Iterable[Run], key: str) -> dict[str | None, list[Run]]:
    """The model calls per label, largest greenhouse gases first."""
    members: dict[str | None, list[Run]] = {}
    for run, labels in _labelled(roots, key):
        for label in labels or (None,):
            members.setdefault(label, []).append(run)
    return dict(sorted(members.items(), key=lambda item: -sum(map(_gwp_mean, item[1]))))


def group_by(roots: list[Run], key: str) -> dict[str | None, Group]:
    """The groups of :meth:`Report.by`."""
    whole = Impacts.sum(map(own_of, calls_of(roots)))
    return {label: _group(calls, whole) for label, calls in members_by(roots, key).items()}


def _labelled(roots: Iterable[Run], key: str) -> Iterator[tuple[Run, _Labels]]:
    """Every model call with its labels."""
    if key in _OF_CALL:
        of_call = _OF_CALL[key]
        return ((run, _text(of_call(run))) for run in calls_of(roots))
    read: Callable[[Run], _Labels] = _tags
    if key != "tag":
        if not key.startswith(_METADATA) or key == _METADATA:
            raise ValueError(_unknown_key(key))
        read = _metadata(key.removeprefix(_METADATA))
    return _inherited(roots, read)


def _inherited(
    roots: Iterable[Run], read: Callable[[Run], _Labels]
) -> Iterator[tuple[Run, _Labels]]:
    """Labels from a call's run, else from its nearest ancestor: one pass, parents first."""
    for root in roots:
        above = next(filter(None, map(read, root.ancestors())), ())
        known: dict[Run | None, _Labels] = {}
        for run in root.walk():
            labels = known[run] = read(run) or known.get(run.parent, above)
            if run.call is not None:
                yield run, labels


def _group(calls: list[Run], whole: Impacts) -> Group:
    tally = Tally.of(calls)
    total = Impacts.sum(map(own_of, calls))
    return Group(
        calls=tally.calls,
        cached=tally.cached,
        input_tokens=tally.input_tokens,
        output_tokens=tally.output_tokens,
        total=total,
        share=share(total, whole),
    )


def _gwp_mean(call: Run) -> float:
    gwp = own_of(call).gwp
    return 0.0 if gwp is None else gwp.value.mean


def _unknown_key(key: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, (*KEYS, f"{_METADATA}KEY"), n=1, cutoff=0.5)
    hint = f"; the nearest is {near[0]!r}" if near else ""
    return f"cannot group by {key!r:.80}: use one of {', '.join(KEYS)} or metadata.KEY{hint}"
