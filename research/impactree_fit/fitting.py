"""The fit: log residuals of energy and of time, each architecture with the same weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from impactree.methods.impactree_1.constants import Constants
from impactree.methods.impactree_1.equations import joules, loads, seconds, total
from impactree_fit.rows import Rows


class Free(NamedTuple):
    """A fitted constant: where the search starts, and the bounds that physics sets."""

    start: float
    low: float
    high: float


FREE = {
    "tau": Free(8e-5, 1e-6, 1e-3),
    "tau_g": Free(3e-6, 1e-7, 1e-4),
    "sigma": Free(4e-5, 1e-7, 1e-3),
    "tau_q": Free(1e-4, 1e-7, 1e-3),
    "ix": Free(1.2, 1.05, 4.0),
    "ik": Free(1.5, 1.05, 4.0),
    "ep": Free(1.4, 1.0, 4.0),
    "ph": Free(0.4, 0.3, 1.0),  # an accelerator that waits draws at least 0.29 in the rows
    "em": Free(8e-11, 1e-12, 1e-9),
}
SCALE = 0.15
"""Log residual from which a row counts less than its square: rows of odd host speed do not rule."""
TIME_WEIGHT = 0.9
"""Weight of a row's time against its energy."""


def predict(c: Constants, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """J per output token and s between two tokens, row by row."""
    s, batch = rows.served, rows.served.batch
    work = loads(c, rows.architecture, rows.accelerator, s)
    energy = total(joules(c, work, s, rows.accelerator), rows.tokens)
    held, t = seconds(c, work, batch), rows.tokens
    step = batch * (held.output + (held.context * t.context + held.window * t.window) / t.output)
    return energy / t.output, step


def fit(rows: Rows) -> Constants:
    """The constants that fit the rows best."""
    names = list(FREE)
    low = np.log([FREE[n].low for n in names])
    high = np.log([FREE[n].high for n in names])
    first = np.log([FREE[n].start for n in names])
    weight = balance(rows)

    def residuals(x: np.ndarray) -> np.ndarray:
        energy, time = predict(_constants(names, x), rows)
        of_energy = np.log(energy / rows.joules)
        of_time = np.log(time / rows.seconds)
        return np.concatenate([weight * of_energy, TIME_WEIGHT * weight * of_time])

    found = least_squares(
        residuals,
        np.clip(first, low + 1e-6, high - 1e-6),
        bounds=(low, high),
        loss="soft_l1",
        f_scale=SCALE,
    )
    return _constants(names, found.x)


def _constants(names: list[str], x: np.ndarray) -> Constants:
    return Constants(**dict(zip(names, map(float, np.exp(x)), strict=True)))


def balance(rows: Rows) -> np.ndarray:
    """Weights under which every architecture counts the same, mean 1."""
    _, which, count = np.unique(rows.family, return_inverse=True, return_counts=True)
    weight = 1 / np.sqrt(count[which])
    return weight / weight.mean()


def bootstrap(rows: Rows, draws: int, seed: int) -> list[Constants]:
    """Fits on architectures drawn with replacement."""
    rng = np.random.default_rng(seed)
    families = np.unique(rows.family)
    fits = []
    for _ in range(draws):
        drawn = rng.choice(families, len(families))
        picked = np.concatenate([np.flatnonzero(rows.family == name) for name in drawn])
        copies = np.concatenate(
            [[f"{name} {i}"] * int(np.sum(rows.family == name)) for i, name in enumerate(drawn)]
        )
        fits.append(fit(rows.take(picked).replace(family=copies)))
    return fits
