"""Range: a low and a high estimate, and the expected value between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from impactree.values.formatting import range_text

__all__ = ["Range"]


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
        numbers = isinstance(self.min, int | float) and isinstance(self.max, int | float)
        if not (numbers and self.min <= self.max):  # false for NaN, too
            raise ValueError(
                f"a Range needs two numbers with min <= max, not ({self.min!r}, {self.max!r})"
            )
        if self.mean is None:
            object.__setattr__(self, "mean", (self.min + self.max) / 2)
        elif not (isinstance(self.mean, int | float) and self.min <= self.mean <= self.max):
            raise ValueError(
                f"a Range's mean lies between its ends {self.min!r} and {self.max!r}, "
                f"not at {self.mean!r}"
            )

    def __add__(self, other: Range | float) -> Range:
        if isinstance(other, Range):
            return _between(self.min + other.min, self.mean + other.mean, self.max + other.max)
        if isinstance(other, int | float):
            return _between(self.min + other, self.mean + other, self.max + other)
        return NotImplemented

    __radd__ = __add__

    def __mul__(self, factor: float) -> Range:
        if not isinstance(factor, int | float):
            return NotImplemented
        low, high = self.min * factor, self.max * factor
        return _between(min(low, high), self.mean * factor, max(low, high))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Range:
        if not isinstance(divisor, int | float):
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
