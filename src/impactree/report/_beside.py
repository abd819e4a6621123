"""What is known of calls' energy beside what both methods estimate of the same calls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from impactree.methods import METHODS
from impactree.report._tally import own_of
from impactree.values.formatting import clean
from impactree.values.impacts import Impacts
from impactree.values.times import past_day

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from impactree.engine import Engine
    from impactree.runs import Run

__all__ = ["Beside", "beside", "beside_text"]


class Beside(NamedTuple):
    """The calls of one model whose energy is known."""

    model: str
    calls: int
    known: Impacts
    """As measured, modelled or reported."""
    estimates: Mapping[str, Impacts]
    """By method: what it says of the same calls."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "model": self.model,
            "calls": self.calls,
            "known": self.known.to_dict(),
            "estimates": {name: found.to_dict() for name, found in self.estimates.items()},
        }


def beside(calls: Iterable[Run], engine: Engine) -> list[Beside]:
    """By model, in the order that they came.

    Args:
        calls: Those whose energy is known.
        engine: Whose catalog and settings hold.
    """
    by_model: dict[str, list[Run]] = {}
    for run in calls:
        call = run.call
        if call is not None and not run.cached:
            by_model.setdefault(call.model, []).append(run)
    engines = {name: engine.by(name) for name in METHODS} if by_model else {}
    return [
        Beside(
            model,
            len(runs),
            Impacts.sum(map(own_of, runs)),
            {name: Impacts.sum(_estimates(runs, other)) for name, other in engines.items()},
        )
        for model, runs in by_model.items()
    ]


def _estimates(runs: list[Run], engine: Engine) -> Iterable[Impacts]:
    for run in runs:
        assert run.call is not None  # noqa: S101
        yield engine.estimate(replace(run.call, energy=None), at=past_day(run.end))


def beside_text(found: Beside) -> str:
    """Such as ``llama3.2:1b (2 calls): measured 0.2 Wh; ecologits-0.11 estimates 1.3 mWh, ...``."""
    calls = "1 call" if found.calls == 1 else f"{found.calls:,} calls"
    known = f"{found.known.source} {found.known.energy}" if found.known.estimated else "no reading"
    said = [
        f"{name} {estimate.energy if estimate.estimated else 'does not say'}"
        for name, estimate in found.estimates.items()
    ]
    return f"{clean(found.model)} ({calls}): {known}; estimates: {'; '.join(said)}"
