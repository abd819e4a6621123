"""What a report counts: model calls, their tokens, their time, and how many were estimated."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from impactree.calls import MEDIA_KINDS
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from impactree.runs import Run

__all__ = ["Coverage", "Tally", "avoided_of", "calls_of", "cover", "gwp_mean", "own_of", "share"]

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
    cached_inputs: int = 0
    cache_writes: int = 0
    outputs: int = 0
    reasoning: int = 0
    unknown_inputs: int = 0
    """Calls whose input tokens nobody knows."""
    unknown_outputs: int = 0
    counted: int = 0
    """Calls whose tokens were counted here, not reported."""
    latency_s: float = 0.0
    """Elapsed time of the calls, one after the other."""

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
        end, start = run.end, run.start
        if end is not None and end > start:
            self.latency_s += end - start
        if run.cached:
            self.cached += 1
            return
        tokens = call.tokens
        if call.tokens_source == "counted":
            self.counted += 1
        if tokens.input is None:
            self.unknown_inputs += call.kind not in MEDIA_KINDS
        else:
            self.inputs += tokens.input
        if tokens.output is not None:
            self.outputs += tokens.output
        elif call.kind in _GENERATING:
            self.unknown_outputs += 1
        self.cached_inputs += tokens.cached_input or 0
        self.cache_writes += tokens.cache_write or 0
        self.reasoning += tokens.reasoning or 0

    def merge(self, other: Tally) -> None:
        """Take in another tally."""
        self.runs += other.runs
        if not other.calls:
            return
        self.calls += other.calls
        self.cached += other.cached
        self.inputs += other.inputs
        self.cached_inputs += other.cached_inputs
        self.cache_writes += other.cache_writes
        self.outputs += other.outputs
        self.reasoning += other.reasoning
        self.unknown_inputs += other.unknown_inputs
        self.unknown_outputs += other.unknown_outputs
        self.counted += other.counted
        self.latency_s += other.latency_s

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
    market_based: int = 0
    """Estimated calls that have a market-based figure; only where all have one is there a sum."""


def calls_of(roots: Iterable[Run]) -> list[Run]:
    """The runs that called a model."""
    return [run for root in roots for run in root.walk() if run.call is not None]


def own_of(run: Run) -> Impacts:
    """A call's own impacts; a call that nobody estimated is not a zero."""
    return _NO_IMPACTS if run.own is None else run.own


def avoided_of(calls: Iterable[Run]) -> Impacts:
    """What the cached calls would have cost."""
    return Impacts.sum(run.avoided for run in calls if run.avoided is not None)


def gwp_mean(impacts: Impacts) -> float:
    """The expected greenhouse gases, kgCO2eq; 0 where nothing was estimated."""
    figures = impacts.figures
    return 0.0 if figures is None else figures.gwp_usage_mean + figures.gwp_embodied_mean


def share(part: Impacts, whole: Impacts) -> float | None:
    """The part's fraction of the whole's greenhouse gases, means of the ranges."""
    if part.figures is None or not 0 < gwp_mean(whole) < math.inf:
        return None
    return gwp_mean(part) / gwp_mean(whole)


def cover(calls: Iterable[Run]) -> Coverage:
    """Count what was estimated and what the estimates stand on."""
    estimated = cached = market_based = 0
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
            market_based += own.market is not None
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
        market_based=market_based,
    )
