"""Plots of residuals; no measured row can be read from them."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("svg")
import matplotlib.pyplot as plt

from impactree_fit.validation import Scores

mpl.rcParams["svg.hashsalt"] = "impactree-1"


def write(s: Scores, folder: Path) -> list[Path]:
    """Held-out residuals by architecture and by batch."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_by_architecture(s, folder), _by_batch(s, folder)]


def _by_architecture(s: Scores, folder: Path) -> Path:
    names = np.unique(s.rows.family)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), sharey=True, layout="constrained")
    for axis, values, title in zip(
        axes, (s.energy, s.time), ("energy per output token", "time between tokens"), strict=True
    ):
        parts = [np.exp(values[s.rows.family == name]) for name in names]
        axis.boxplot(parts, orientation="horizontal", whis=(5, 95), showfliers=False)
        axis.set(xscale="log", title=f"{title}, held out", xlabel="predicted / measured")
        axis.set_yticks(range(1, len(names) + 1), [n.partition("/")[2] for n in names])
        _factors(axis.axvline)
        _ticks(axis, "x")
    return _save(figure, folder / "impactree-1-residuals.svg")


def _by_batch(s: Scores, folder: Path) -> Path:
    figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
    edges = 2.0 ** np.arange(2.5, 13)
    for gpu in np.unique(s.rows.gpu):
        mask = s.rows.gpu == gpu
        which = np.digitize(s.rows.served.batch[mask], edges)
        steps = np.unique(which)
        centre = [edges[i - 1] * 2**0.5 for i in steps]
        spread = [np.exp(np.quantile(s.energy[mask][which == i], [0.1, 0.5, 0.9])) for i in steps]
        low, middle, high = np.transpose(spread)
        axis.plot(centre, middle, marker="o", label=gpu)
        axis.fill_between(centre, low, high, alpha=0.2)
    axis.set(xscale="log", yscale="log", xlabel="batch", ylabel="predicted / measured")
    _factors(axis.axhline)
    _ticks(axis, "y")
    axis.legend(title="median, 10 to 90 %")
    return _save(figure, folder / "impactree-1-batch.svg")


def _factors(line: object) -> None:
    for factor, style in ((0.5, ":"), (1.0, "-"), (2.0, ":")):
        line(factor, color="grey", linestyle=style, linewidth=0.8)  # type: ignore[operator]


def _ticks(axis: plt.Axes, which: str) -> None:
    ticks = [0.25, 0.5, 1, 2, 4]
    getattr(axis, f"set_{which}ticks")(ticks, [f"{t:g}" for t in ticks])


def _save(figure: plt.Figure, path: Path) -> Path:
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path
