"""A whole training of a language model: as published, else by a rule; low, expected and high.

Where a maker publishes less than energy and greenhouse gases, accelerator-hours give the energy
(hours x rated power x load x host x PUE), and where there are none, 6 P_a D floating-point
operations do (Kaplan et al., arXiv 2001.08361): P_a active parameters, D tokens. Ranges and their
sources: ``[training_rule]`` in ``data/training.toml``, ``docs/training.md``.

Manufacture of the hardware, networks and offices are left out, unless a published figure has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.methods.protocol import Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from impactree.methods.situation import Params

__all__ = ["Training", "times", "whole_training"]

Triple = tuple[float, float, float]
_SCOPES: Final = frozenset({"final", "stage"})
"""Of one model alone, without its use."""
_JOULES: Final = 3.6e6
_UNITS: Final = ("kWh", "kgCO2eq", "kgSbeq", "MJ", "L")
_TITLES: Final = ("E_train", "gwp_train", "adpe_train", "pe_train", "wcf_train")


class Training(NamedTuple):
    """What one model's training cost in all, its development included."""

    values: tuple[Triple | None, ...]
    """Energy kWh, gwp kgCO2eq, adpe kgSbeq, pe MJ, wcf L."""
    steps: tuple[Step, ...]


def whole_training(
    facts: Mapping[str, Any] | None,
    params: Params,
    rule: Mapping[str, Any],
    development: Triple,
) -> Training:
    """The training of one model.

    Args:
        facts: An entry of ``data/training.toml``; of one that contradicts itself, or counts more
            than one model's training, the tokens alone are taken. None: nothing is published.
        params: Of the model.
        rule: ``[training_rule]`` of the same file.
        development: Over the final run.
    """
    facts = facts or {}
    usable = facts if facts.get("scope") in _SCOPES and "conflict" not in facts else {}
    tokens = facts.get("tokens")
    final, how = _final(usable, params, tokens, rule)
    base = usable.get("base")
    if base is not None:
        below, _ = _final(base, params, base.get("tokens"), rule)
        final = tuple(map(_sum, final, below))
        how = ("stage + base",) * len(how)
    whole = tuple(None if one is None else times(one, development) for one in final)
    steps = [
        Step(symbol, "final run", *one, unit, equation)
        for symbol, one, unit, equation in zip(_TITLES, final, _UNITS, how, strict=True)
        if one is not None
    ]
    developed = "development over final run"
    return Training(whole, (*steps, Step("dev", developed, *development, "", "")))


def _final(
    facts: Mapping[str, Any], params: Params, tokens: float | None, rule: Mapping[str, Any]
) -> tuple[tuple[Triple | None, ...], tuple[str, ...]]:
    """The final run's figures, and how each was had."""
    energy, by = _energy(facts, params, tokens, rule)
    gwp = _point(facts, "gwp_t", 1e3)
    return (
        (
            energy,
            times(energy, rule["gwp"]) if gwp is None else gwp,
            _point(facts, "adpe_kgsbeq", 1.0),
            None,
            _point(facts, "water_m3", 1e3),
        ),
        (by, "E_train F_train" if gwp is None else "published", "published", "", "published"),
    )


def _energy(
    facts: Mapping[str, Any], params: Params, tokens: float | None, rule: Mapping[str, Any]
) -> tuple[Triple, str]:
    pue = rule["pue"] if "pue" not in facts else (facts["pue"],) * 3
    overhead = times(rule["host"], pue)
    published = _point(facts, "energy_mwh", 1e3)
    if published is not None:
        counts = facts["counts"]
        if counts == "data centre":
            return published, "published"
        if counts == "accelerators":
            return times(published, overhead), "published x host x PUE"
        return times(published, rule["host"]), "published x host"
    hours = _point(facts, "hours", 1e-3)
    if hours is not None and "power_w" in facts:
        rated = times(hours, (facts["power_w"],) * 3)
        return times(times(rated, rule["load"]), overhead), "hours W load host PUE"
    low, high = params.active_min, params.active_max
    active = low, (low + high) / 2, high
    read = rule["tokens"] if tokens is None else (tokens,) * 3
    worst, expected, best = rule["flop_per_joule"]
    efficiency = (1 / best, 1 / expected, 1 / worst)
    flop = times(times(active, read), (6e21 / _JOULES,) * 3)
    return times(times(flop, efficiency), overhead), "6 P_a D / eff host PUE"


def _point(facts: Mapping[str, Any], name: str, factor: float) -> Triple | None:
    value = facts.get(name)
    return None if value is None else (value * factor,) * 3


def times(a: Triple, b: Triple) -> Triple:
    """Low by low, expected by expected, high by high."""
    return a[0] * b[0], a[1] * b[1], a[2] * b[2]


def _sum(a: Triple | None, b: Triple | None) -> Triple | None:
    return None if a is None or b is None else (a[0] + b[0], a[1] + b[1], a[2] + b[2])
