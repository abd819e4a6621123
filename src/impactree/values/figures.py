"""The floats that a method returns for one call, and that sums are made of."""

# No annotations from __future__: a NamedTuple compiles each that is a string when it is imported.
import math
from operator import add
from typing import Final, NamedTuple

__all__ = ["PARTS", "ZERO", "Figures", "added", "same_figures", "sum_of_all"]


class Figures(NamedTuple):
    """Low, expected and high value of the eight independent figures, and the parts of the energy.

    Usage phase: energy kWh, gwp kgCO2eq, adpe kgSbeq, pe MJ, wcf L. Embodied phase: gwp, adpe, pe.
    The parts, kWh, add up to the expected energy; not a number: nobody recorded them.
    By the same equations these may be numpy arrays or columns of a table in place of floats.
    """

    energy_min: float
    energy_mean: float
    energy_max: float
    gwp_usage_min: float
    gwp_usage_mean: float
    gwp_usage_max: float
    adpe_usage_min: float
    adpe_usage_mean: float
    adpe_usage_max: float
    pe_usage_min: float
    pe_usage_mean: float
    pe_usage_max: float
    wcf_min: float
    wcf_mean: float
    wcf_max: float
    gwp_embodied_min: float
    gwp_embodied_mean: float
    gwp_embodied_max: float
    adpe_embodied_min: float
    adpe_embodied_mean: float
    adpe_embodied_max: float
    pe_embodied_min: float
    pe_embodied_mean: float
    pe_embodied_max: float
    part_input: float
    """Reading input that no cache held."""
    part_cached: float
    """Cached input: read again as context, and written to the cache."""
    part_output: float
    """Generating output, reasoning included."""
    part_host: float
    """The server around the accelerators, and capacity that stands idle."""
    part_overhead: float
    """The data centre around the servers: cooling, conversion."""

    @property
    def totals(self) -> tuple[float, ...]:
        """Low, expected and high of the five criteria, usage plus embodied."""
        return (*self[:3], *map(add, self[3:12], self[15:24]), *self[12:15])

    def market_based(self, factor: float) -> tuple[float, float, float]:
        """Low, expected and high gwp, kgCO2eq, by another factor of the usage, kgCO2eq/kWh."""
        return (
            self.energy_min * factor + self.gwp_embodied_min,
            self.energy_mean * factor + self.gwp_embodied_mean,
            self.energy_max * factor + self.gwp_embodied_max,
        )


PARTS: Final = ("input", "cached", "output", "host", "overhead")
"""What the energy of a call goes into, in the order of the fields."""

ZERO: Final = Figures(*(0.0,) * len(Figures._fields))


def added(figures: list[Figures]) -> Figures:
    """By column: a loop over additions costs several times as much."""
    return Figures._make(map(math.fsum, zip(*figures, strict=True))) if figures else ZERO


def sum_of_all(
    items: list[tuple[float, float, float] | None],
) -> tuple[float, float, float] | None:
    """The sum, or None where one of them is unknown."""
    known = [item for item in items if item is not None]
    if len(known) < len(items):
        return None
    low, mean, high = (math.fsum(item[end] for item in known) for end in range(3))
    return low, mean, high


def same_figures(a: Figures | None, b: Figures | None) -> bool:
    """Whether figures are equal, an unknown one equal to another."""
    if a is None or b is None:
        return a is b
    pairs = zip(a, b, strict=True)
    return all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in pairs)
