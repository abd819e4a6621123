"""The calls that advice is about, as it looks at them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from impactree.advice.difference import Pair, difference
from impactree.values.formatting import clean
from impactree.values.range import Range
from impactree.values.times import past_day

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from impactree.advice.difference import Difference
    from impactree.advice.suggestion import Kind
    from impactree.calls import ModelCall
    from impactree.engine import Engine
    from impactree.engine.reading import Reading
    from impactree.runs import Run

__all__ = [
    "Case",
    "Finding",
    "call_of",
    "pair",
    "span",
    "tokens_of",
    "where",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What could be done, before it is known what it saves."""

    kind: Kind
    what: str
    evidence: str
    how: str
    pairs: tuple[Pair, ...]


class Case:
    """Some run trees, and the engine that says what their calls cost.

    Measured times are left out: what would be otherwise would take another time.
    """

    def __init__(self, roots: Iterable[Run], engine: Engine) -> None:
        self.roots = tuple(roots)
        self.engine = engine
        every = (run for root in self.roots for run in root.walk())
        self.calls = [run for run in every if run.call is not None and not run.cached]

    @cached_property
    def total(self) -> Range | None:
        """Greenhouse gases of all calls, kgCO2eq; None: none could be estimated, or all is zero."""
        if not self.calls:
            return None
        whole = self.saving(Pair(run, call_of(run), None) for run in self.calls)
        return Range(-whole.max, -whole.min, -whole.mean) if whole.mean else None

    def saving(self, pairs: Iterable[Pair]) -> Difference:
        """What calls would cost less (below 0) or more."""
        return difference(pairs, self.engine, timed=False)

    def reading(self, run: Run) -> Reading:
        """How a call is placed."""
        return self.read(call_of(run), run)

    def read(self, call: ModelCall, run: Run) -> Reading:
        """How a call would be placed, made when a run was."""
        return self.engine.read(call, past_day(run.end))

    def name(self, run: Run) -> str:
        """The model of a call, as people write it: the catalog's, else the answered name."""
        return clean(self.reading(run).resolution.model or call_of(run).model)

    @cached_property
    def texts(self) -> list[Run]:
        """Calls that wrote text."""
        return [run for run in self.calls if call_of(run).kind in ("chat", "completion")]

    def grouped(
        self, runs: Iterable[Run], key: Callable[[Run], Hashable] | None = None
    ) -> list[list[Run]]:
        """Calls of one step and model at one host, or by another key."""
        groups: dict[Hashable, list[Run]] = {}
        for run in runs:
            groups.setdefault((key or self.key)(run), []).append(run)
        return [*groups.values()]

    def key(self, run: Run) -> Hashable:
        """Step, model and host of a call."""
        return where(run), self.name(run), self.reading(run).host.id


def call_of(run: Run) -> ModelCall:
    """The call of a run that has one."""
    if run.call is None:
        raise ValueError(f"{run!r} called no model")
    return run.call


def where(run: Run) -> str:
    """What a call worked for: its agent, node, or whatever started it."""
    above = run.parent
    return clean(run.agent or run.node or (above or run).name)[:60] or "(no name)"


def pair(run: Run, **changes: object) -> Pair:
    """A call as it was and with other values."""
    now = call_of(run)
    return Pair(run, now, replace(now, **changes))  # type: ignore[arg-type]


def tokens_of(runs: Iterable[Run], name: str) -> int:
    """The sum of one token count; an unknown one adds nothing."""
    return sum(getattr(call_of(run).tokens, name) or 0 for run in runs)


def span(numbers: Iterable[int]) -> str:
    """``17`` or ``17 to 45``."""
    low, high = min(found := [*numbers]), max(found)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
