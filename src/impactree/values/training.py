"""The training phase: a model's training, shared out over the calls of its life.

It stands beside usage and embodied, and no criterion of :class:`impactree.Impacts` contains it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from impactree.values.criteria import CRITERIA, ENDS
from impactree.values.figures import sum_of_all
from impactree.values.impact import Impact, impact_of, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "TRAINING_CALLS",
    "TRAINING_COLUMNS",
    "TRAINING_FIGURES",
    "TRAINING_SHARED",
    "TrainingPhase",
    "training_cells",
]

Triple = tuple[float, float, float]
_MOST: Final = 20
"""Assumptions that a sum keeps: sums of any length stay bounded."""


@dataclass(frozen=True, slots=True)
class TrainingPhase:
    """What training the model cost, as far as it falls to these calls.

    A criterion is None where nobody knows it of one of the models. The number of calls that a
    model will ever answer is published by nobody: :attr:`shared_over` says what was assumed.
    """

    values: tuple[Triple | None, ...]
    """Low, expected and high of energy kWh, gwp kgCO2eq, adpe kgSbeq, pe MJ, wcf L."""
    calls: int
    """How many calls it is the share of; of the others' models no training is known."""
    shared_over: tuple[str, ...]
    """Over what each model's training was shared out: assumptions, in words."""
    type: str = field(default="training", init=False)
    name: str = field(default="Training", init=False)

    @property
    def energy(self) -> Impact | None:
        """Electricity, kWh."""
        return self._impact(0)

    @property
    def gwp(self) -> Impact | None:
        """Global warming potential, kgCO2eq: of the electricity, where nothing else is said."""
        return self._impact(1)

    @property
    def adpe(self) -> Impact | None:
        """Abiotic depletion potential of elements, kgSbeq."""
        return self._impact(2)

    @property
    def pe(self) -> Impact | None:
        """Primary energy, MJ."""
        return self._impact(3)

    @property
    def wcf(self) -> Impact | None:
        """Water consumption, L."""
        return self._impact(4)

    def _impact(self, place: int) -> Impact | None:
        triple = self.values[place]
        return None if triple is None else impact_of(CRITERIA[place], *triple)

    @classmethod
    def sum(cls, phases: Sequence[TrainingPhase]) -> Self | None:
        """The sum; of none None."""
        if not phases:
            return None
        shared = dict.fromkeys(text for phase in phases for text in phase.shared_over)
        return cls(
            tuple(
                sum_of_all([*column]) for column in zip(*(p.values for p in phases), strict=True)
            ),
            sum(phase.calls for phase in phases),
            tuple(shared)[:_MOST],
        )

    def scaled(self, factor: float) -> Self:
        """So many times as much, of the same calls."""
        values = tuple(
            one and (one[0] * factor, one[1] * factor, one[2] * factor) for one in self.values
        )
        return type(self)(values, self.calls, self.shared_over)

    def to_dict(self) -> dict[str, Any]:
        """As the other phases, with ``calls`` and ``shared_over``."""
        values = {c.key: shape_of(self._impact(place)) for place, c in enumerate(CRITERIA)}
        told = {"calls": self.calls, "shared_over": list(self.shared_over)}
        return {"type": self.type, "name": self.name, **values, **told}

    def __str__(self) -> str:
        return ", ".join(
            f"{c.label} {impact}"
            for place, c in enumerate(CRITERIA)
            if (impact := self._impact(place)) is not None
        )


TRAINING_FIGURES: Final = tuple(f"training_{c.column}_{end}" for c in CRITERIA for end in ENDS)
TRAINING_CALLS: Final = "training_calls"
TRAINING_SHARED: Final = "training_shared_over"
TRAINING_COLUMNS: Final = (*TRAINING_FIGURES, TRAINING_CALLS, TRAINING_SHARED)
"""Columns of the phase in tables of calls, runs and groups; empty where it was not asked for."""

_NO_TRAINING: Final = (None,) * len(TRAINING_COLUMNS)


def training_cells(phase: TrainingPhase | None) -> Iterable[float | str | None]:
    """The phase in the order of TRAINING_COLUMNS."""
    if phase is None:
        return _NO_TRAINING
    ends = (end for triple in phase.values for end in triple or (None, None, None))
    return (*ends, phase.calls, "; ".join(phase.shared_over))
