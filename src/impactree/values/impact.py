"""One criterion's value, and the phases that are made of such values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from impactree.values.criteria import CRITERIA, GWP_MARKET, Criterion
from impactree.values.formatting import quantity
from impactree.values.range import Range

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "EmbodiedPhase",
    "Impact",
    "UsagePhase",
    "draft",
    "impact_of",
    "known_impact",
    "rebuilt",
    "shape_of",
    "usage_and_embodied",
]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Impact:
    """One criterion's value. ``str()`` prints it with an SI prefix that fits its size."""

    type: str
    name: str
    value: Range
    unit: str

    def __add__(self, other: Impact) -> Impact:
        if not isinstance(other, Impact):
            return NotImplemented
        if self.type != other.type:
            raise ValueError(f"cannot add {other.type} ({other.unit}) to {self.type} ({self.unit})")
        return Impact(self.type, self.name, self.value + other.value, self.unit)

    def __radd__(self, other: object) -> Impact:
        return self if other == 0 else NotImplemented  # sum() starts from 0

    def to_dict(self) -> dict[str, Any]:
        """EcoLogits' shape: type, name, value as min, mean and max, unit."""
        return {
            "type": self.type,
            "name": self.name,
            "value": self.value.to_dict(),
            "unit": self.unit,
        }

    def __str__(self) -> str:
        criterion = _BY_TYPE.get(self.type)
        value = self.value
        if criterion is None:
            return f"{value} {self.unit}"
        factor = criterion.shown_factor
        return quantity(
            value.min * factor, value.mean * factor, value.max * factor, criterion.shown_unit
        )


_BY_TYPE: Final = {c.type: c for c in (*CRITERIA, GWP_MARKET)}


def draft(cls: type) -> Any:
    """A class of the same slots that lets them be set; the instance then becomes a ``cls``.

    For immutable classes on the hot path: it takes half the time of their own ``__init__``.
    """
    return type(f"{cls.__name__}Draft", (), {"__slots__": cls.__dict__["__slots__"]})


def rebuilt(made: Any, cls: type[_T]) -> _T:
    """A ``cls`` with what the draft holds; for subclasses, which may be laid out otherwise."""
    other = object.__new__(cls)
    for name in type(made).__slots__:
        object.__setattr__(other, name, getattr(made, name))
    return other


_RangeDraft: Final = draft(Range)
_ImpactDraft: Final = draft(Impact)


def impact_of(criterion: Criterion, low: float, mean: float, high: float) -> Impact:
    """A method's figures as an impact; low is at most mean there, and mean at most high."""
    value = _RangeDraft()
    value.min = low
    value.mean = mean
    value.max = high
    value.__class__ = Range
    impact = _ImpactDraft()
    impact.type = criterion.type
    impact.name = criterion.name
    impact.value = value
    impact.unit = criterion.unit
    impact.__class__ = Impact
    return impact  # type: ignore[no-any-return]  # it is one now


def known_impact(criterion: Criterion, low: float, mean: float, high: float) -> Impact | None:
    """An impact, or None where its factor is unknown."""
    return None if mean != mean else impact_of(criterion, low, mean, high)  # noqa: PLR0124


def usage_and_embodied(
    criterion: Criterion, f: Sequence[float], usage: int, made: int
) -> Impact | None:
    """Usage plus embodied, given where each begins."""
    mean = f[usage + 1] + f[made + 1]
    if mean != mean:  # noqa: PLR0124
        return None
    return impact_of(criterion, f[usage] + f[made], mean, f[usage + 2] + f[made + 2])


class UsagePhase(NamedTuple):
    """The usage phase: running the model."""

    energy: Impact
    gwp: Impact
    adpe: Impact | None
    pe: Impact | None
    wcf: Impact
    type: str = "usage"
    name: str = "Usage"

    def to_dict(self) -> dict[str, Any]:
        """EcoLogits' shape."""
        return _phase_dict(self, ("energy", "gwp", "adpe", "pe", "wcf"))


class EmbodiedPhase(NamedTuple):
    """The embodied phase: the share of making and moving the hardware."""

    gwp: Impact
    adpe: Impact
    pe: Impact
    type: str = "embodied"
    name: str = "Embodied"

    def to_dict(self) -> dict[str, Any]:
        """EcoLogits' shape."""
        return _phase_dict(self, ("gwp", "adpe", "pe"))


def _phase_dict(phase: UsagePhase | EmbodiedPhase, keys: tuple[str, ...]) -> dict[str, Any]:
    values = {key: shape_of(getattr(phase, key)) for key in keys}
    return {"type": phase.type, "name": phase.name, **values}


def shape_of(impact: Impact | None) -> dict[str, Any] | None:
    """EcoLogits' shape of a value that may be unknown."""
    return None if impact is None else impact.to_dict()
