"""What a method plans with: a model as the equations see it, and the place where it runs."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Mix", "Params", "Site", "Situation"]


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
    """An electricity mix, per kWh: kgCO2eq, kgSbeq, MJ, L."""

    gwp: float
    adpe: float
    pe: float
    wue: float


class Situation(NamedTuple):
    """All that calls to one model at one place have in common, as far as equations need it."""

    params: Params
    site: Site
    mix: Mix
    kind: str = "chat"
    """The kind of call."""
