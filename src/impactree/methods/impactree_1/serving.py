"""What may serve a model: every unknown of a situation, spelled out."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

from impactree.methods.impactree_1.constants import SPREAD, Constants
from impactree.methods.impactree_1.equations import (
    Accelerator,
    Architecture,
    Coefficients,
    Served,
    joules,
    loads,
    prompts_wait,
    seconds,
)
from impactree.methods.impactree_1.sizes import from_figures, from_params, shaped

if TYPE_CHECKING:
    from impactree.methods.situation import Hardware, Situation

__all__ = ["BATCHES", "Costs", "Scenario", "architectures", "costs", "scenarios", "sd_of_situation"]

BATCHES: Final = (8.0, 45.25, 256.0)
"""Ends and middle of a batch that is log-uniform from 8 to 256."""
BYTES: Final = {
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "mxfp4": 0.53125,
    "int4": 0.53125,
}
"""Bytes per parameter, the scales of 4-bit blocks included."""
SPARE: Final = 1.2
"""Memory of a replica over that of its weights, at least."""
USED: Final = 0.9
"""Share of the memory that a serving engine takes."""
PROMPTS_PER_TOKEN: Final = 1 / 500
"""New prompts per output token, where attention is data parallel: answers of 500 tokens."""
ENCODER_SD: Final = 0.35
"""Log-sd added for encoders, far below the fitted sizes; a judgement."""


class Scenario(NamedTuple):
    """One way of serving a model."""

    served: Served
    hardware: Hardware
    room: float
    """Bytes that the weights leave for caches."""


class Costs(NamedTuple):
    """What a request costs by token class."""

    energy: Coefficients
    """J"""
    time: Coefficients
    """s of one accelerator."""
    accelerators: float
    """Of the replica."""


def architectures(situation: Situation) -> tuple[Architecture, Architecture, Architecture]:
    """Of a situation: its low, middle and high end; three times the same where published."""
    if situation.architecture is not None:
        skipped = ("precision", "status", "source", "checked")
        figures = {k: v for k, v in situation.architecture.items() if k not in skipped}
        made = shaped(from_figures(**figures), situation.shape)
        return made, made, made
    p = situation.params
    middle = math.sqrt(p.active_min * p.active_max), math.sqrt(p.total_min * p.total_max)
    low, usual, high = (
        shaped(from_params(*size), situation.shape)
        for size in ((p.active_min, p.total_min), middle, (p.active_max, p.total_max))
    )
    return low, usual, high


def scenarios(situation: Situation, a: Architecture, batch: float) -> list[Scenario]:
    """Every accelerator, count and precision that the situation leaves open."""
    d = situation.deployment
    hardware = (d.accelerator,) if d.accelerator else situation.stand_ins
    known = d.precision or (situation.architecture or {}).get("precision")
    settled = d.precision or known in ("fp8", "int8", "mxfp4", "int4")
    precisions = (known,) if known and settled else ("bf16", "fp8")
    more = (1,) if d.count else (1, 2)
    return [
        _scenario(situation, a, h, p, m, batch) for h, p, m in product(hardware, precisions, more)
    ]


def _scenario(
    situation: Situation, a: Architecture, h: Hardware, precision: str, more: int, batch: float
) -> Scenario:
    d, width = situation.deployment, BYTES[precision]
    moe = a.expert_params > 0
    dense = 2.0 if moe and precision == "mxfp4" else width
    weights = a.dense_params * dense + a.expert_params * width
    memory = h.memory * 1e9
    fitting = 2 ** math.ceil(math.log2(max(SPARE * weights / memory, 1)))
    count = d.count or more * fitting
    spread = moe and count > 1 if d.expert_parallel is None else d.expert_parallel
    served = Served(
        count=count,
        batch=batch,
        dense_bytes=dense,
        expert_bytes=width,
        slow_experts=float(moe and width == 1),
        expert_parallel=float(spread),
        data_parallel=d.data_parallel,
        prefill_waits=prompts_wait(d.data_parallel, batch / d.data_parallel * PROMPTS_PER_TOKEN),
    )
    return Scenario(served, h, max(USED * count * memory - weights, 0.05 * count * memory))


def costs(c: Constants, situation: Situation, a: Architecture, batch: float) -> Costs:
    """Geometric means over the scenarios."""
    energy, time, count = [], [], []
    for s in scenarios(situation, a, batch):
        sheet = _sheet(s.hardware)
        work = loads(c, a, sheet, s.served)
        known = situation.deployment.batch_size is not None
        crowding = 0.0 if known else a.kv_bytes / s.room
        energy.append(joules(c, work, s.served, sheet, crowding))
        held = seconds(c, work, batch, crowding)
        time.append(Coefficients(*(s.served.count * x for x in held)))
        count.append(s.served.count)
    return Costs(_mean(energy), _mean(time), math.exp(math.fsum(map(math.log, count)) / len(count)))


def _sheet(h: Hardware) -> Accelerator:
    """The middle of a data sheet in SI units."""
    if h.power is None or h.bandwidth is None or h.bf16 is None:
        raise ValueError(f"accelerator {h.id} has no power, bandwidth or peak")
    middle = (math.sqrt(low * high) for low, high in (h.power, h.bandwidth, h.bf16))
    power, bandwidth, peak = middle
    return Accelerator(power, bandwidth * 1e12, peak * 1e12)


def _mean(values: list[Coefficients]) -> Coefficients:
    """Geometric mean, coefficient by coefficient; one that is zero anywhere is zero."""
    n = len(values)
    return Coefficients(
        *(
            math.exp(math.fsum(map(math.log, column)) / n) if min(column) > 0 else 0.0
            for column in zip(*values, strict=True)
        )
    )


def sd_of_situation(situation: Situation) -> float:
    """Log-sd of what the scenarios leave open, the batch and the parameters apart."""
    d, s = situation.deployment, SPREAD
    hardware = (
        0.5 * (d.accelerator is None) + 0.25 * (d.count is None) + 0.25 * (d.precision is None)
    )
    known = situation.architecture is not None or _is_entered(situation)
    size = 0.0 if known else s.size**2
    encoder = ENCODER_SD**2 if situation.kind in ("embedding", "rerank") else 0.0
    return math.sqrt(s.model**2 + hardware * s.hardware**2 + size + encoder)


def _is_entered(situation: Situation) -> bool:
    """Whether of an architecture all is entered that weighs: of a dense model no experts."""
    p, shape = situation.params, situation.shape
    routed = shape.experts is not None or p.total_max == p.active_max
    return routed and shape.layers is not None and shape.kv_bytes is not None


def slower(c: Constants) -> Constants:
    """The constants of software one log-sd older."""
    factor = math.exp(SPREAD.software)
    return c._replace(tau=c.tau * factor, tau_g=c.tau_g * factor, sigma=c.sigma * factor)
