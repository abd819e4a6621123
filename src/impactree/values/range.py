"""Range: a low and a high estimate, and the expected value between them."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final

from impactree.values.formatting import range_text

__all__ = ["Range"]


_PLAIN: Final = (int, float, type(None))


@dataclass(frozen=True, slots=True)
class Range:
    """An interval with its expected value; a point has two equal ends.

    Adding adds low to low, mean to mean and high to high: bounds as if every unknown were shared,
    which can only be too wide; expected values add whatever depends on what.

    Args:
        min: The low estimate.
        max: The high estimate.
        mean: The expected value; None: the middle of the interval.

    Raises:
        ValueError: an end is not a number, ``min`` is above ``max``, or ``mean`` not between them.
    """

    min: float
    max: float
    if TYPE_CHECKING:
        mean: float
    else:
        mean: float | None = None

    if TYPE_CHECKING:

        def __init__(self, min: float, max: float, mean: float | None = None) -> None: ...

    def __post_init__(self) -> None:
        for name in ("min", "max", "mean"):
            if type(value := getattr(self, name)) not in _PLAIN:
                object.__setattr__(self, name, _plain(value))
        if not (_is_number(self.min) and _is_number(self.max) and self.min <= self.max):
            raise ValueError(  # for NaN, too
                f"a Range needs two numbers with min <= max, not ({self.min!r}, {self.max!r})"
            )
        if self.mean is None:
            object.__setattr__(self, "mean", (self.min + self.max) / 2)
        elif not (_is_number(self.mean) and self.min <= self.mean <= self.max):
            raise ValueError(
                f"a Range's mean lies between its ends {self.min!r} and {self.max!r}, "
                f"not at {self.mean!r}"
            )

    def __add__(self, other: Range | float) -> Range:
        if isinstance(other, Range):
            return _between(self.min + other.min, self.mean + other.mean, self.max + other.max)
        if isinstance(other, Real):
            return _between(self.min + other, self.mean + other, self.max + other)
        return NotImplemented

    __radd__ = __add__

    def __mul__(self, factor: float) -> Range:
        if not isinstance(factor, Real):
            return NotImplemented
        low, high = self.min * factor, self.max * factor
        return _between(min(low, high), self.mean * factor, max(low, high))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Range:
        if not isinstance(divisor, Real):
            return NotImplemented
        return self * (1 / divisor)

    def to_dict(self) -> dict[str, float]:
        """``{"min": ..., "mean": ..., "max": ...}``."""
        return {"min": self.min, "mean": self.mean, "max": self.max}

    def __str__(self) -> str:
        return range_text(self.min, self.mean, self.max)


def _between(low: float, mean: float, high: float) -> Range:
    """Rounding may put a mean one digit beyond an end."""
    return Range(low, high, min(max(mean, low), high))


def _plain(value: Any) -> Any:
    """Numbers of numpy and fractions as Python's own; what is none, and a bool, as it is."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _is_number(value: object) -> bool:
    return type(value) in (int, float)
