"""How the rule for trainings follows from what is published, line by line.

    python research/training_rule.py            # print every constant and what it rests on
    python research/training_rule.py --check    # the shipped constants follow from data/training.toml

Constants: ``[training_rule]`` in ``data/training.toml``; the equations: ``docs/training.md``. What
rests on a judgement alone says so: no line of a file can check it.
"""

from __future__ import annotations

import math
import statistics
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "src")]

from impactree.catalog import load_catalog

Triple = tuple[float, float, float]
SINCE = 2023
"""Accelerators and software of before are not those of today's models."""
Z_90 = 1.645
"""Standard deviations from the middle of a normal distribution to the ends of its 90 %."""
AWS_HOST = 1.21
"""Server over accelerators, AWS p5.48xlarge."""
OLMO_3_HOST = 1.74
"""The same, as Olmo 3 measured it (arXiv 2605.01158)."""
WORLD = ("FRA", "WOR", "IND")
YEAR_OF_GWP = 2024


class Published(NamedTuple):
    """One training that gives an efficiency."""

    name: str
    params: float
    """Active, 10^9."""
    tokens: float
    """10^12."""
    joules: float
    """Of the accelerators: as measured, else rated power x hours."""

    @property
    def flop_per_joule(self) -> float:
        """6 x parameters x tokens over the energy."""
        return 6e21 * self.params * self.tokens / self.joules


class Fitted(NamedTuple):
    """What the efficiencies come to."""

    models: int
    centre: float
    """Geometric mean, FLOP/J."""
    log_sd: float
    triple: Triple
    """5 %, the efficiency of the mean energy, 95 %; log-normal."""


def trainings() -> dict[str, dict[str, Any]]:
    """The entries of ``data/training.toml`` by their names."""
    data = tomllib.loads((ROOT / "data" / "training.toml").read_text("utf-8"))
    return {entry["name"]: entry for entry in data["trainings"]}


def published() -> list[Published]:
    """Every final run since 2023 with tokens, energy and a size, there or in the catalog."""
    sizes: dict[str, list[float]] = {}
    for record in load_catalog().records():
        if record.training and record.active:
            sizes.setdefault(record.training["name"], []).append(record.active.mean)
    entries = trainings()
    sizes |= {name: [entry["active"]] for name, entry in entries.items() if "active" in entry}
    return [
        Published(name, statistics.mean(sizes[name]), entry["tokens"], joules)
        for name, entry in entries.items()
        if entry["scope"] == "final" and entry["year"] >= SINCE and "conflict" not in entry
        if name in sizes and "tokens" in entry and (joules := _joules(entry))
    ]


def _joules(entry: dict[str, Any]) -> float | None:
    if entry.get("counts") == "accelerators":
        return float(entry["energy_mwh"]) * 3.6e9
    hours, watts = entry.get("hours"), entry.get("power_w")
    return float(hours) * float(watts) * 3600 if hours and watts else None


def fitted(found: list[Published]) -> Fitted:
    """The log-normal distribution of the efficiencies.

    What is expected of 1 / efficiency is exp(-mu + s^2 / 2): the middle of the triple gives the
    energy's mean, and is below the geometric mean.
    """
    logs = [math.log(one.flop_per_joule) for one in found]
    mu, s = statistics.mean(logs), statistics.stdev(logs)
    low, mean, high = (math.exp(mu + by) for by in (-Z_90 * s, -s * s / 2, Z_90 * s))
    return Fitted(len(logs), math.exp(mu), s, (low, mean, high))


def measured_load() -> float:
    """Olmo 3: accelerators' measured energy over their rated power and hours."""
    entry = trainings()["Olmo 3 (7B+32B, all final variants)"]
    accelerators = entry["energy_mwh"] / entry["pue"] / OLMO_3_HOST
    return float(accelerators / (entry["hours"] * entry["power_w"] / 1e6))


def developments() -> Triple:
    """All of a project over its final runs: OLMo, BLOOM, Olmo 3."""
    mwh = {name: entry.get("energy_mwh", math.nan) for name, entry in trainings().items()}
    final = mwh["OLMo series: final runs (total)"]
    olmo = (final + mwh["OLMo series: development (total)"]) / final
    project = mwh["BLOOM project (all BigScience models and experiments)"]
    whole, runs = mwh["Olmo 3 (whole project)"], mwh["Olmo 3 (7B+32B, all final variants)"]
    return olmo, project / mwh["BLOOM 176B"], whole / runs


def tokens() -> Triple:
    """Of Llama 2, 3 and 4 Scout, 10^12."""
    names = ("Llama 2 70B", "Llama 3 70B", "Llama 4 Scout")
    low, mean, high = (float(trainings()[name]["tokens"]) for name in names)
    return low, mean, high


def pues() -> tuple[float, float]:
    """The least and the most that a published training names."""
    found = [entry["pue"] for entry in trainings().values() if "pue" in entry]
    return min(found), max(found)


def electricity() -> Triple:
    """kgCO2eq/kWh of France, the world and India in 2024, as impactree-1 has them."""
    import datetime as dt

    catalog, day = load_catalog(), dt.date(YEAR_OF_GWP, 7, 1)
    zones = [catalog.zone(code) for code in WORLD]
    low, mean, high = (catalog.electricity(zone, "yearly", day).mix.gwp for zone in zones if zone)
    return low, mean, high


def derived() -> dict[str, Triple]:
    """Every constant that follows from published figures."""
    least, most = pues()
    return {
        "flop_per_joule": fitted(published()).triple,
        "tokens": tokens(),
        "host": (AWS_HOST, math.sqrt(AWS_HOST * OLMO_3_HOST), OLMO_3_HOST),
        "pue": (least, (least + most) / 2, most),
        "gwp": electricity(),
        "development": developments(),
    }


JUDGED = {
    "load": "0.6 to 1, in the middle 0.8: a judgement around Olmo 3's measured {load:.2f}",
    "requests": "an assumption: nobody publishes any (docs/training.md)",
}
REL = 5e-3
"""The file rounds to three digits."""


def main(arguments: list[str]) -> int:
    """Print or check. Returns the exit status."""
    rule = load_catalog().rules.training
    found = published()
    fit = fitted(found)
    wrong = 0
    for one in sorted(found, key=lambda one: one.flop_per_joule):
        size = f"{one.params:8.2f} x 10^9, {one.tokens:6.3f} x 10^12 tokens"
        print(f"{one.name:36}{size}{one.joules / 3.6e9:12,.1f} MWh {one.flop_per_joule:.2e} FLOP/J")
    print(f"{fit.models} models, geometric mean {fit.centre:.3g} FLOP/J, log-sd {fit.log_sd:.2f}")
    print()
    for key, triple in derived().items():
        same = all(math.isclose(a, b, rel_tol=REL) for a, b in zip(rule[key], triple, strict=True))
        wrong += not same
        shown = ", ".join(f"{value:.4g}" for value in triple)
        print(f"{key:16}{shown:32}{'as shipped' if same else f'shipped: {rule[key]}'}")
    for key, why in JUDGED.items():
        print(f"{key:16}{rule[key]!s:32}{why.format(load=measured_load())}")
    return 1 if wrong and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
