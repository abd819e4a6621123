"""What a method plans with: a model as the equations see it, and the place where it runs."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

__all__ = ["FactorChoice", "Mix", "Params", "Site", "Situation"]

FactorChoice = Literal["ecologits-0.11.3", "yearly"]
"""Whose electricity factors a method uses: EcoLogits' as published, or those of the call's year."""


class Params(NamedTuple):
    """A model as the equations see it: parameters in 10^9, low and high."""

    active_min: float
    active_max: float
    total_min: float
    total_max: float
    tps: float | None = None
    """Measured output tokens per second of one request."""
    ttft: float | None = None
    """Measured time to first token, s."""


class Site(NamedTuple):
    """A data centre: power usage effectiveness and water usage effectiveness (L/kWh)."""

    pue_min: float
    pue_max: float
    wue_min: float
    wue_max: float


class Mix(NamedTuple):
    """An electricity mix, per kWh: kgCO2eq, kgSbeq, MJ, L. NaN: nobody publishes the factor.

    NaN goes through the same arithmetic as any factor, on columns too, and reads as None at last.
    """

    gwp: float
    adpe: float
    pe: float
    wue: float
    pe_nonrenewable: float = math.nan
    """MJ, part of ``pe``."""


class Situation(NamedTuple):
    """All that calls to one model at one place have in common, as far as equations need it."""

    params: Params
    site: Site
    mix: Mix
    kind: str = "chat"
    """The kind of call."""
