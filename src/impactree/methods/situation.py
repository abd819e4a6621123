"""What a method plans with: a model as the equations see it, and the place where it runs."""

# No annotations from __future__: a NamedTuple compiles each that is a string when it is imported.
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

__all__ = ["Deployment", "FactorChoice", "Hardware", "Mix", "Params", "Shape", "Site", "Situation"]

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

    @property
    def pue(self) -> tuple[float, float, float]:
        """Low, expected and high."""
        return self.pue_min, (self.pue_min + self.pue_max) / 2, self.pue_max

    @property
    def wue(self) -> tuple[float, float, float]:
        """Low, expected and high, L/kWh."""
        return self.wue_min, (self.wue_min + self.wue_max) / 2, self.wue_max


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


class Hardware(NamedTuple):
    """An accelerator's data sheet, low and high where sources differ; None: nobody says."""

    id: str
    power: tuple[float, float] | None
    """Rated power, W."""
    memory: float
    """GB"""
    bandwidth: tuple[float, float] | None
    """TB/s"""
    bf16: tuple[float, float] | None
    """16-bit peak without sparsity, TFLOP/s."""
    gwp: tuple[float, float] | None
    """Embodied kgCO2eq."""
    adpe: tuple[float, float] | None
    """Embodied kgSbeq."""
    pe: tuple[float, float] | None
    """Embodied MJ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What is known of how a model is served; None: not known."""

    accelerator: Hardware | None = None
    count: int | None = None
    """Accelerators of one replica."""
    batch_size: float | None = None
    """Mean number of requests that share a step."""
    precision: str | None = None
    """Of the weights: bf16, fp16, fp8, int8, mxfp4, int4."""
    expert_parallel: bool | None = None
    """Whether experts are spread over the accelerators."""
    data_parallel: int = 1
    """Groups that hold the attention weights once each."""


class Shape(NamedTuple):
    """Figures of an architecture that go before what is published or typical; None: not entered."""

    layers: float | None = None
    experts: float | None = None
    """Routed experts of a layer; together with ``active_experts``."""
    active_experts: float | None = None
    """Of them those that one token visits."""
    kv_bytes: float | None = None
    """Cache of the full attention layers, bytes per token of context."""


class Situation(NamedTuple):
    """All that calls to one model at one place have in common, as far as equations need it."""

    params: Params
    site: Site
    mix: Mix
    kind: str = "chat"
    """The kind of call."""
    architecture: Mapping[str, Any] | None = None
    """As in ``data/architectures.toml``; None: only the parameters are known."""
    deployment: Deployment = Deployment()
    generic: Hardware | None = None
    """What stands in for embodied figures that nobody publishes."""
    stand_ins: tuple[Hardware, ...] = ()
    """What an unknown accelerator may be."""
    video: Mapping[str, Any] | None = None
    """As in ``data/video.toml``; None: the model makes no films, or nobody knows."""
    shape: Shape = Shape()
    """What of the architecture somebody entered."""
