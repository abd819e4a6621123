"""The floats that a method returns for one call, and that sums are made of."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["ZERO", "Figures"]


class Figures(NamedTuple):
    """Low, expected and high value of the eight independent figures.

    Usage phase: energy kWh, gwp kgCO2eq, adpe kgSbeq, pe MJ, wcf L. Embodied phase: gwp, adpe, pe.
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


ZERO: Final = Figures(*(0.0,) * len(Figures._fields))
