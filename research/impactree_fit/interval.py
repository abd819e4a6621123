"""The interval: what is not known, and the log-sds that stand for it."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np

from impactree.methods.impactree_1.constants import Constants
from impactree.methods.impactree_1.equations import (
    Accelerator,
    Coefficients,
    Served,
    joules,
    loads,
    total,
)
from impactree_fit.rows import ACCELERATORS, Rows

Z = 1.645
"""Standard deviations from the median to the 5 and 95 % points of a normal."""
BATCHES = (9.5, 45.3, 215.0)
"""5, 50 and 95 % of a batch that is log-uniform from 8 to 256."""
STAND_INS = ("H100", "B200")
"""Accelerators that an unknown one is taken for."""
SPARE = 1.2
"""Memory of a replica over that of the weights, at least."""


class Spread(NamedTuple):
    """Log-sds of what the equations leave open, and the factor on the half width."""

    model: float
    """Of the equations, with architecture, accelerator, count, batch and precision known."""
    hardware: float
    """Added when accelerator, count and precision are not known."""
    size: float
    """Added when only the parameters of a model are known."""
    factor: float
    """On the half width where the batch is not known."""


def scenarios(rows: Rows) -> list[tuple[Served, Accelerator]]:
    """What might serve the rows' models: accelerators, counts and precisions, the batch apart."""
    a, found = rows.architecture, []
    four_bits = rows.precision == "mxfp4"  # published in 4 bits, and served so
    moe = a.expert_params > 0
    for name, width, more in product(STAND_INS, (2.0, 1.0), (1, 2)):
        power, bandwidth, flops, memory = ACCELERATORS[name]
        dense = np.where(four_bits & moe, 2.0, width)
        expert = np.where(four_bits, 0.53125, width)
        held = SPARE * (a.dense_params * dense + a.expert_params * expert)
        count = more * 2 ** np.ceil(np.log2(np.maximum(held / memory, 1)))
        one = np.ones(len(rows))
        served = Served(
            count=count,
            batch=one,
            dense_bytes=dense,
            expert_bytes=expert,
            slow_experts=1.0 * ((expert == 1) & (a.moe_layers > 0)),
            expert_parallel=1.0 * (moe & (count > 1)),
            data_parallel=one,
            prefill_waits=one,
        )
        found.append((served, Accelerator(power * one, bandwidth * one, flops * one)))
    return found


def central(c: Constants, rows: Rows, batch: np.ndarray | float) -> Coefficients:
    """Geometric mean over the scenarios, coefficient by coefficient; J per request."""
    logs = []
    with np.errstate(divide="ignore"):
        for served, accelerator in scenarios(rows):
            at = served._replace(batch=batch * np.ones(len(rows)))
            work = loads(c, rows.architecture, accelerator, at)
            made = joules(c, work, at, accelerator)
            logs.append([np.log(value * np.ones(len(rows))) for value in made])
    return Coefficients(*np.exp(np.mean(logs, axis=0)))


def unknown_batch(
    c: Constants, rows: Rows, sd: float, factor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds where nothing is known but the model: J per output token."""
    most, middle, least = (central(c, rows, batch) for batch in BATCHES)
    low, high = [], []
    for at_low, at_middle, at_high in zip(least, middle, most, strict=True):
        low.append(at_middle / _width(at_middle, at_low, sd, factor))
        high.append(at_middle * _width(at_high, at_middle, sd, factor))
    output = rows.tokens.output
    return (
        total(Coefficients(*low), rows.tokens) / output,
        total(Coefficients(*high), rows.tokens) / output,
    )


def _width(above: np.ndarray, below: np.ndarray, sd: float, factor: float) -> np.ndarray:
    """Factor between the middle and a bound of one coefficient."""
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.nan_to_num(np.log(above / below))
    return np.exp(factor * np.sqrt(step**2 + (Z * sd) ** 2))


def known(energy: np.ndarray, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Bounds where the deployment is known."""
    width = math.exp(Z * sd)
    return energy / width, energy * width


def usual(rows: Rows) -> np.ndarray:
    """Rows whose batch is one that the interval is made for."""
    return (rows.served.batch >= 8) & (rows.served.batch <= 256)
