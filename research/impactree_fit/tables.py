"""The tables of the method's page, as text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from impactree.methods import ecologits_0_11
from impactree.methods.impactree_1.constants import Constants
from impactree_fit import interval, prefill
from impactree_fit.fitting import FREE, predict
from impactree_fit.interval import Spread
from impactree_fit.rows import Rows
from impactree_fit.validation import Scores, coverage, geometric, within_two

UNITS = {"tau": "s", "tau_g": "s", "sigma": "s", "tau_q": "s", "em": "J/byte"}


def table(title: str, head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table under its title."""
    lines = [f"### {title}", "", _line(head), _line("---" for _ in head)]
    return "\n".join([*lines, *map(_line, rows), ""])


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def score(residual: np.ndarray) -> str:
    """Geometric mean factor of error, and the share of rows within a factor of 2."""
    if not len(residual):
        return "not measured"
    return f"{geometric(residual):.3f}, {100 * within_two(residual):.1f} %"


def constants(c: Constants, drawn: list[Constants]) -> str:
    """The fitted constants with their 5 to 95 % interval."""
    rows = []
    for name in FREE:
        low, high = np.quantile([getattr(d, name) for d in drawn], [0.05, 0.95])
        unit = UNITS.get(name, "")
        rows.append((name, f"{getattr(c, name):.3g}", f"{low:.3g} to {high:.3g}", unit))
    fixed = [(n, getattr(c, n), "not fitted", "") for n in Constants._fields if n not in FREE]
    return table("Constants", ("constant", "value", "5 to 95 %", "unit"), [*rows, *fixed])


def correlation(drawn: list[Constants]) -> str:
    """Correlations of the constants over the bootstrap, from their logs."""
    names = list(FREE)
    found = np.corrcoef(np.log([[getattr(d, n) for n in names] for d in drawn]).T)
    rows = [(n, *(f"{x:.2f}" for x in found[i])) for i, n in enumerate(names)]
    return table("Correlation of the constants", ("", *names), rows)


def peer(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of ecologits-0.11: energy of the GPUs per output token, time between tokens."""
    method = ecologits_0_11.ECOLOGITS_0_11
    a = rows.architecture
    active = a.active_params / 1e9
    gpus = np.array([method.gpus(x) for x in (a.dense_params + a.expert_params) / 1e9])
    energy = gpus * np.array([method.kwh_per_token(x) for x in active]) * 3.6e6
    time = np.array([method.s_per_token(x, None) for x in active])
    return np.log(energy / rows.joules), np.log(time / rows.seconds)


def accuracy(s: Scores, crossed: dict[str, np.ndarray]) -> str:
    """Held-out accuracy beside the targets."""
    tensor = s.rows.served.data_parallel == 1
    energy, time = peer(s.rows)
    rows = [
        (
            "architecture known, 328 rows",
            score(s.energy[tensor]),
            score(energy[tensor]),
            "<= 1.18, >= 98 %",
        ),
        (
            "with the attention-data-parallel rows, 344",
            score(s.energy),
            score(energy),
            "<= 1.22, >= 96 %",
        ),
        ("only P_a and P_t known", score(s.energy_by_size[tensor]), "", "<= 1.30, >= 95 %"),
        *((f"fitted on {name}", score(r), "", "<= 1.27, >= 95 %") for name, r in crossed.items()),
        ("time between tokens", score(s.time[tensor]), score(time[tensor]), "<= 1.22, >= 96 %"),
    ]
    head = ("held out", "impactree-1", "ecologits-0.11", "target")
    return table("Accuracy: geometric mean factor of error, share within a factor of 2", head, rows)


def intervals(s: Scores) -> str:
    """Held-out coverage beside the targets."""
    tensor = s.rows.served.data_parallel == 1
    usual = interval.usual(s.rows) & tensor
    cases = {
        "architecture": (
            "nothing known but the architecture, B 8 to 256",
            usual,
            "87 to 95 %, <= 9",
        ),
        "size": ("nothing known but P_a, P_t, B 8 to 256", usual, "87 to 96 %, <= 12.5"),
        "deployment": ("accelerator, count and batch known", tensor, "87 to 94 %, <= 2.1"),
    }
    rows = []
    for key, (name, mask, target) in cases.items():
        share, width = coverage(s.bounds[key], s.rows, mask)
        rows.append((name, f"{100 * share:.1f} %, {width:.2f}", target))
    title = "Interval: share of rows inside, median high / low"
    return table(title, ("held out", "impactree-1", "target"), rows)


def folds(s: Scores) -> str:
    """What each fold was scored with."""
    rows = [
        (
            name.partition("/")[2],
            *(f"{getattr(c, n):.3g}" for n in FREE),
            *(f"{x:.2f}" for x in spread),
        )
        for name, (c, spread) in s.folds.items()
    ]
    head = ("left out", *FREE, *(f"interval {n}" for n in Spread._fields))
    return table("Constants of each fold", head, rows)


def groups(s: Scores) -> str:
    """Bias and error of parts of the rows."""
    tensor, rows = s.rows.served.data_parallel == 1, []
    batch = np.where(s.rows.served.batch < 20, "below 20", "20 and more")
    for what, column in (
        ("architecture", s.rows.family),
        ("accelerator", s.rows.gpu),
        ("task", s.rows.task),
        ("precision", s.rows.precision),
        ("B", batch),
    ):
        for name in np.unique(column):
            mask = (column == name) & tensor
            if mask.any():
                e, t = s.energy[mask], s.time[mask]
                rows.append(
                    (
                        f"{what} {name}",
                        mask.sum(),
                        f"{np.exp(e.mean()):.2f}",
                        f"{geometric(e):.2f}",
                        f"{np.exp(t.mean()):.2f}",
                        f"{geometric(t):.2f}",
                    )
                )
    head = ("rows", "n", "energy: bias", "error", "time: bias", "error")
    return table("Where it errs (held out)", head, rows)


def prompts(checked: list[prefill.Checked]) -> str:
    """Prefill against measurements of others."""
    rows = [
        (
            f"{x.case.name}, {x.case.count} {x.case.gpu}",
            f"{x.case.low:g} to {x.case.high:g}",
            f"{x.middle:.1f} ({x.low:.1f} to {x.high:.1f})",
            "yes" if x.overlaps else "NO",
            f"{x.off:.2f}",
        )
        for x in checked
    ]
    head = ("case", "measured", "impactree-1", "overlap", "off by")
    return table("Prefill, J per 1,000 tokens of input, against others' measurements", head, rows)


def held_out(file: str, c: Constants, rows: Rows, wide: float) -> str:
    """Scores on a file that was never fitted."""
    energy, time = predict(c, rows)
    e, t = np.log(energy / rows.joules), np.log(time / rows.seconds)
    inside = coverage(interval.known(energy, wide), rows, np.ones(len(rows), bool))
    found = [("all", len(rows), score(e), f"{np.exp(e.mean()):.2f}", score(t[np.isfinite(t)]))]
    for name in np.unique(rows.model):
        m = rows.model == name
        how = "" if rows.known[m][0] else " (from its parameters)"
        found.append(
            (
                name + how,
                m.sum(),
                score(e[m]),
                f"{np.exp(e[m].mean()):.2f}",
                score(t[m][np.isfinite(t[m])]),
            )
        )
    title = f"Never fitted, {file}: {100 * inside[0]:.1f} % inside an interval of {inside[1]:.2f}"
    return table(title, ("model", "n", "energy", "bias", "time"), found)
