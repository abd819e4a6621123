"""What every method takes and returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from impactree.values.impacts import Figures


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


class Serving(NamedTuple):
    """What follows from the model's parameters alone, low and high: computed once per model."""

    gpus_min: int
    gpus_max: int
    kwh_per_token_min: float
    """One GPU's energy for one output token, kWh."""
    kwh_per_token_max: float
    s_per_token_min: float
    s_per_token_max: float
    ttft: float


class Step(NamedTuple):
    """One intermediate of the equations, for people who want to check them."""

    symbol: str
    name: str
    low: float
    high: float
    unit: str
    equation: str


class Constant(NamedTuple):
    """One figure of the equations that holds for every model and place."""

    symbol: str
    name: str
    value: float
    unit: str
    note: str
    source: str


class Method(Protocol):
    """A named, versioned set of equations and constants."""

    @property
    def name(self) -> str:
        """Name and version, e.g. ``ecologits-0.11``."""
        ...

    @property
    def citation(self) -> str:
        """The publication the equations come from."""
        ...

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of call that the equations cover."""
        ...

    @property
    def checked(self) -> str:
        """The day on which the constants were checked against the publication."""
        ...

    def constants(self) -> list[Constant]:
        """Every constant of the equations, with its source."""
        ...

    def serve(self, params: Params) -> Serving:
        """Everything that depends on the model alone."""
        ...

    def impacts(
        self, serving: Serving, site: Site, mix: Mix, output_tokens: int, latency_s: float | None
    ) -> Figures:
        """The figures of one call."""
        ...

    def steps(
        self, params: Params, site: Site, mix: Mix, output_tokens: int, latency_s: float | None
    ) -> list[Step]:
        """Every intermediate of :meth:`impacts`, in order."""
        ...
