"""Scores on architectures and accelerators that the constants never saw."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from impactree.methods.impactree_1.constants import Constants
from impactree_fit import interval
from impactree_fit.fitting import fit, predict
from impactree_fit.interval import Spread, Z
from impactree_fit.rows import Rows, from_sizes

Sizes = dict[str, tuple[float, float]]


@dataclass
class Scores:
    """Held-out results, row by row. Residuals are ln(predicted / measured)."""

    rows: Rows
    energy: np.ndarray
    time: np.ndarray
    energy_by_size: np.ndarray
    energy_by_hardware: np.ndarray
    bounds: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    folds: dict[str, tuple[Constants, Spread]] = field(default_factory=dict)


def residuals(c: Constants, rows: Rows, sizes: Sizes) -> dict[str, np.ndarray]:
    """Of everything that the interval's log-sds are made from."""
    energy, time = predict(c, rows)
    by_size = from_sizes(rows, sizes)
    anywhere = interval.central(c, rows, rows.served.batch)
    output = rows.tokens.output
    return {
        "energy": np.log(energy / rows.joules),
        "time": np.log(time / rows.seconds),
        "size": np.log(predict(c, by_size)[0] / rows.joules),
        "hardware": np.log(interval.total(anywhere, rows.tokens) / output / rows.joules),
    }


def leave_one_out(rows: Rows, sizes: Sizes) -> dict[str, np.ndarray]:
    """Residuals of each architecture under constants fitted on the others."""
    made: dict[str, np.ndarray] = {}
    for name in np.unique(rows.family):
        out = rows.family == name
        for key, value in residuals(fit(rows.take(~out)), rows.take(out), sizes).items():
            made.setdefault(key, np.zeros(len(rows)))[out] = value
    return made


def spread(rows: Rows, held_out: dict[str, np.ndarray], sizes: Sizes, c: Constants) -> Spread:
    """The interval's constants from held-out residuals.

    A log-sd is the 90 % point of the residuals over 1.645; what a further unknown adds is the
    difference of squares; the factor makes the interval of an unknown batch hold 90 % of the rows.
    """
    tensor = rows.served.data_parallel == 1

    def sd(key: str) -> float:
        return float(np.quantile(np.abs(held_out[key][tensor]), 0.9)) / Z

    model = sd("energy")
    hardware = max(sd("hardware") ** 2 - model**2, 0.0) ** 0.5
    size = max(sd("size") ** 2 - model**2, 0.0) ** 0.5
    usual = interval.usual(rows) & tensor
    subset = rows.take(usual)
    shift = held_out["energy"][usual] - residuals(c, subset, sizes)["energy"]
    factor = _factor(c, subset, shift, (model**2 + hardware**2) ** 0.5)
    return Spread(model, hardware, size, factor)


def _factor(c: Constants, rows: Rows, shift: np.ndarray, sd: float) -> float:
    """Factor under which nine in ten rows fall inside, their held-out shift added."""
    for factor in np.arange(0.6, 1.6, 0.02):
        low, high = interval.unknown_batch(c, rows, sd, factor)
        moved = rows.joules / np.exp(shift)
        if np.mean((low <= moved) & (moved <= high)) >= 0.9:
            return float(factor)
    return 1.6


def validate(rows: Rows, sizes: Sizes) -> Scores:
    """Leave one architecture out, the constants of equations and interval refitted without it."""
    n = len(rows)
    made = Scores(rows, *(np.zeros(n) for _ in range(4)))
    bounds = {key: (np.zeros(n), np.zeros(n)) for key in ("architecture", "size", "deployment")}
    for name in np.unique(rows.family):
        out = rows.family == name
        training, test = rows.take(~out), rows.take(out)
        c = fit(training)
        s = spread(training, leave_one_out(training, sizes), sizes, c)
        made.folds[name] = (c, s)
        found = residuals(c, test, sizes)
        made.energy[out], made.time[out] = found["energy"], found["time"]
        made.energy_by_size[out], made.energy_by_hardware[out] = found["size"], found["hardware"]
        for key, pair in fold_bounds(c, s, test, sizes).items():
            bounds[key][0][out], bounds[key][1][out] = pair
    made.bounds = bounds
    return made


def fold_bounds(
    c: Constants, s: Spread, rows: Rows, sizes: Sizes
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The three intervals: the architecture known, the parameters only, the deployment too."""
    wide = (s.model**2 + s.hardware**2) ** 0.5
    wider = (wide**2 + s.size**2) ** 0.5
    return {
        "architecture": interval.unknown_batch(c, rows, wide, s.factor),
        "size": interval.unknown_batch(c, from_sizes(rows, sizes), wider, s.factor),
        "deployment": interval.known(predict(c, rows)[0], s.model),
    }


def across_hardware(rows: Rows, train: str, test: str) -> np.ndarray:
    """Residuals of one accelerator's rows under constants fitted on another's."""
    tensor = rows.take(rows.served.data_parallel == 1)
    c = fit(tensor.take(tensor.gpu == train))
    held = tensor.take(tensor.gpu == test)
    return np.log(predict(c, held)[0] / held.joules)


def geometric(residual: np.ndarray) -> float:
    """Geometric mean factor of error."""
    return float(np.exp(np.mean(np.abs(residual))))


def within_two(residual: np.ndarray) -> float:
    """Share of rows within a factor of 2."""
    return float(np.mean(np.abs(residual) < np.log(2)))


def coverage(bounds: tuple[np.ndarray, np.ndarray], rows: Rows, mask: np.ndarray) -> tuple:
    """Share of rows inside, and the median of high over low."""
    low, high = bounds[0][mask], bounds[1][mask]
    measured = rows.joules[mask]
    return float(np.mean((low <= measured) & (measured <= high))), float(np.median(high / low))
