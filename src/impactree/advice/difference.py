"""What the same calls cost otherwise: the difference, in which unknowns that are shared cancel.

A range says how far an estimate may be off. Of two estimates much may be off alike: the batch, the
software, the hardware; of one model its size too. Taken apart their ranges overlap although the
one is below the other whatever holds (Lesage et al., Int J LCA 23, 2018, doi:10.1007/
s11367-018-1444-x: in comparisons, independent sampling overstates the uncertainty). So both are put
under the same conditions, and what only one of them depends on is left free:

- The same model, on the same host's hardware where the method plans with any: low end with low
  end, expected with expected, high with high. Of two data centres, every PUE with every PUE.
- Another model, host or deployment: at each of three batches (where none is known) the ratio.
  Ranges that are intervals of logs combine in squares, as two independent ones do (Zou and Donner,
  Stat Med 27, 2008, doi:10.1002/sim.3095, on logs); ranges that are bounds must not overlap. No
  difference is wider than from the low end of the one to the high end of the other.
- A call that would not be made saves what it costs.
- Energy that somebody knows of a call is no estimate: only the electricity of its place is.

A latency that was measured on one side only is left out of both; the expected value keeps it.

Greenhouse gases, kgCO2eq, usage and embodied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from impactree.advice.scenario import same_model
from impactree.methods import Site
from impactree.methods.impactree_1.serving import BATCHES
from impactree.values.times import past_day

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from impactree.calls import ModelCall
    from impactree.engine import Engine
    from impactree.engine.reading import Reading
    from impactree.methods import Method, Situation
    from impactree.runs import Run
    from impactree.values.figures import Figures

__all__ = ["Difference", "Pair", "difference"]

Ends = tuple[float, float, float]
"""Low, expected and high."""
_NOTHING: Final[Ends] = (0.0, 0.0, 0.0)
_EXACT: Final = 1e-9
"""Relative to the figures: smaller differences are rounding."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One call as it is and as it would be, each with the engine that estimates it."""

    run: Run
    now: ModelCall
    then: ModelCall | None
    """None: it would not be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What calls would cost more (above 0) or less, kgCO2eq; shared unknowns cancel."""

    min: float
    mean: float
    max: float
    before: float
    """What the calls that change cost now (mean)."""
    unestimated: int = 0
    """Calls that only one side could estimate: they are left out."""

    @property
    def verdict(self) -> str:
        """``lower``, ``higher``, ``the same``, or ``cannot be told apart``."""
        if self.unestimated:
            return "not all estimated"
        if self.min == self.max == 0:
            return "the same"
        if self.max < 0:
            return "lower"
        return "higher" if self.min > 0 else "cannot be told apart"

    def __neg__(self) -> Difference:
        return replace(self, min=-self.max, mean=-self.mean, max=-self.min)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; kgCO2eq."""
        return {
            "min": self.min,
            "mean": self.mean,
            "max": self.max,
            "verdict": self.verdict,
            "unestimated": self.unestimated,
        }


def difference(
    pairs: Iterable[Pair], engine: Engine, other: Engine | None = None, *, timed: bool = True
) -> Difference:
    """Then minus now, over calls of which each may change.

    Args:
        pairs: The calls. Those that stay the same cancel.
        engine: Estimates them as they are.
        other: Estimates them as they would be; None: the same one. By the same method.
        timed: With measured latencies, where both sides have the same.
    """
    other = other or engine
    groups: dict[object, _Group] = {}
    found: list[tuple[Ends, Ends]] = []
    lost = 0
    for pair in pairs:
        if (pair.now == pair.then and other is engine) or pair.run.cached:
            continue
        at = past_day(pair.run.end)
        if pair.now.energy is not None or (pair.then is not None and pair.then.energy is not None):
            known = _of_known(pair, engine, other, at)
            found += [] if known is None else [known]
            lost += known is None
            continue
        here, now = _situation(engine, pair.now, at)
        there, then = (here, now) if pair.then is None else _situation(other, pair.then, at)
        if now is not None and then is not None:
            method = engine.method_for(pair.now.kind)
            is_same = same_model(here, there, hardware=method.plans_hardware)
            made = _Group(method, is_same, timed, now, then)
            key = id(here), id(there), pair.then is None
            groups.setdefault(key, made).pairs.append(pair)
        elif now is not then:
            lost += 1
    found += (group.difference() for group in groups.values())
    low, mean, high = _sum(ends for ends, _ in found)
    return Difference(
        min=low,
        mean=mean,
        max=high,
        before=math.fsum(before[1] for _, before in found),
        unestimated=lost,
    )


def _of_known(
    pair: Pair, engine: Engine, other: Engine, at: dt.date | None
) -> tuple[Ends, Ends] | None:
    """As a group's, of one call whose energy somebody knows; None: a side has no estimate.

    Where it is known on both sides only the place differs: low is set against low, high against
    high; else nothing is shared.
    """
    here = engine.estimate(pair.now, at=at).figures
    there = None if pair.then is None else other.estimate(pair.then, at=at).figures
    if here is None or (there is None and pair.then is not None):
        return None
    now, then = _ends(here), _NOTHING if there is None else _ends(there)
    both = pair.then is None or None not in (pair.now.energy, pair.then.energy)
    ends = [then[1] - now[1], *(_at_ends(now, then) if both else _apart(now, then))]
    return (min(ends), ends[0], max(ends)), now


def _ends(f: Figures) -> Ends:
    return (
        f.gwp_usage_min + f.gwp_embodied_min,
        f.gwp_usage_mean + f.gwp_embodied_mean,
        f.gwp_usage_max + f.gwp_embodied_max,
    )


def _situation(
    engine: Engine, call: ModelCall, at: dt.date | None
) -> tuple[Reading, Situation | None]:
    """How a call is read, and what is planned with; None where it cannot be estimated."""
    reading = engine.read(call, at)
    judged = engine.method_for(call.kind).judge(call.tokens, call.kind)
    return reading, None if judged.errors else reading.situation


class _Group:
    """Calls that change from one model and place to another, all of them alike."""

    def __init__(
        self, method: Method, is_same: bool, timed: bool, now: Situation, then: Situation
    ) -> None:
        self.method = method
        self.is_same = is_same
        self.timed = timed
        self.situations = now, then
        self.pairs: list[Pair] = []

    def difference(self) -> tuple[Ends, Ends]:
        """The difference, and what the calls cost now."""
        now, then = self.situations
        plain = self._both(now, then)
        mean = plain[1][1] - plain[0][1]
        conditions = _places(now, then) if self.is_same else self._batches(now, then)
        compare = _at_ends if self.is_same else self._by_ratio
        ends = [end for a, b in conditions for end in compare(*self._both(a, b, alike=True))]
        widest = _apart(*self._both(now, then, alike=True))
        low, high = (min(max(end, widest[0]), widest[1]) for end in (min(ends), max(ends)))
        low, high = min(low, mean), max(high, mean)
        rounding = _EXACT * plain[0][1]
        exact = max(abs(low), abs(high)) <= rounding
        return (_NOTHING if exact else (low, mean, high)), plain[0]

    def _both(self, now: Situation, then: Situation, *, alike: bool = False) -> tuple[Ends, Ends]:
        """What all the calls cost, as they are and as they would be.

        Args:
            now: As they are.
            then: As they would be.
            alike: Without latencies that only one of both has.
        """
        plans = self.method.plan(now), self.method.plan(then)
        here, there = [], []
        for pair in self.pairs:
            then_s = pair.now.latency_s if pair.then is None else pair.then.latency_s
            once = not self.timed or (alike and pair.now.latency_s != then_s)
            here.append(self._gwp(plans[0], pair.now, once))
            there.append(_NOTHING if pair.then is None else self._gwp(plans[1], pair.then, once))
        return _sum(here), _sum(there)

    def _gwp(self, plan: Any, call: ModelCall, untimed: bool) -> Ends:
        latency = call.latency_s
        if untimed and latency:  # a call that failed at once has taken none
            latency = None
        return _ends(self.method.impacts(plan, call.tokens, latency))

    def _batches(self, now: Situation, then: Situation) -> Iterator[tuple[Situation, Situation]]:
        """Both under the same batch, where neither has one of its own."""
        known = now.deployment.batch_size or then.deployment.batch_size
        if known or not self.method.plans_hardware:
            yield now, then
            return
        for batch in BATCHES:
            yield _at_batch(now, batch), _at_batch(then, batch)

    def _by_ratio(self, now: Ends, then: Ends) -> tuple[float, ...]:
        if now[0] <= 0 or then[0] <= 0:
            return _apart(now, then)
        halves = [math.log(high / low) / 2 for low, _, high in (now, then)]
        half = math.hypot(*halves) if self.method.interval else sum(halves)
        middle = math.sqrt(then[0] * then[2] / now[0] / now[2])
        ratios = middle * math.exp(-half), middle * math.exp(half)
        return tuple(cost * (ratio - 1) for cost in (now[0], now[2]) for ratio in ratios)


def _apart(now: Ends, then: Ends) -> tuple[float, float]:
    """The difference of two figures of which nothing is shared."""
    return then[0] - now[2], then[2] - now[0]


def _at_ends(now: Ends, then: Ends) -> tuple[float, ...]:
    return tuple(b - a for a, b in zip(now, then, strict=True))


def _places(now: Situation, then: Situation) -> Iterator[tuple[Situation, Situation]]:
    """Every PUE of the one place with every PUE of the other; of one place with itself."""
    if now.site == then.site:
        yield now, then
        return
    for here in {now.site.pue_min, now.site.pue_max}:
        for there in {then.site.pue_min, then.site.pue_max}:
            yield _at_pue(now, here), _at_pue(then, there)


def _at_pue(situation: Situation, pue: float) -> Situation:
    site = situation.site
    return situation._replace(site=Site(pue, pue, site.wue_min, site.wue_max))


def _at_batch(situation: Situation, batch: float) -> Situation:
    return situation._replace(deployment=replace(situation.deployment, batch_size=batch))


def _sum(several: Iterable[Ends]) -> Ends:
    columns = list(zip(*several, strict=True)) or [(0.0,)] * 3
    low, mean, high = map(math.fsum, columns)
    return low, mean, high
