"""Plans: all that no single call changes, as three polynomials in token counts per figure."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from impactree.methods.impactree_1.constants import FITTED, SPREAD
from impactree.methods.impactree_1.equations import Coefficients
from impactree.methods.impactree_1.serving import (
    BATCHES,
    architectures,
    costs,
    scenarios,
    sd_of_situation,
    slower,
)
from impactree.methods.situation import Mix, Site

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.methods.situation import Hardware, Situation

__all__ = ["Plan", "make_plan"]

Z: Final = 1.645
"""Standard deviations from the median to the 5 and 95 % points."""
J_PER_KWH: Final = 3.6e6
HOST: Final = (0.21, 0.30)
"""Power of the server around an accelerator, by its rated power: low, a server without
accelerators of 1.2 kW for eight of 700 W (BoaviztAPI, AWS p5.48xlarge); high, Google's split of a
median prompt (2025): host 25 % to 58 % of accelerators, which draw about 0.7 of their rating."""
IDLE: Final = 0.10 / 0.58
"""Capacity that stands ready, by the accelerators' energy: Google's split, 10 % to 58 % (2025)."""
LIFETIME_S: Final = (5 * 365 * 86400.0, 3 * 365 * 86400.0)
"""Of servers, longest first: depreciation over 5 years, and EcoLogits' 3 years."""
SERVER: Final = (5700 / 8, 0.37 / 8, 70000 / 8)
"""Embodied kgCO2eq, kgSbeq and MJ of an eighth of a server without accelerators (BoaviztAPI)."""

_PROMPT_ONLY: Final = frozenset({"embedding", "rerank"})
_UNWRITTEN: Final = {"output": 0.0, "context": 0.0, "window": 0.0}
_NO_SITE: Final = Site(1, 1, 0, 0)
_NO_MIX: Final = Mix(0, 0, 0, 0)

Three = tuple[float, float, float]
"""Low end, expected value and high end."""
_Known: TypeAlias = "tuple[tuple[str, Any], ...] | None"
"""A published architecture, by its names."""


class Plan(NamedTuple):
    """What follows from the model and the place: flat, so that it can be the columns of a table.

    ``energy_*``: kWh, ``time_*``: s of one accelerator, each per :class:`equations.Tokens` field.
    ``step_*``: a decode step, s: whatever the context, per token of it, per token in the window.
    """

    window: float
    """Tokens that a sliding layer sees."""
    energy_passes_min: float
    energy_input_min: float
    energy_attention_min: float
    energy_window_attention_min: float
    energy_output_min: float
    energy_context_min: float
    energy_window_min: float
    energy_passes_mean: float
    energy_input_mean: float
    energy_attention_mean: float
    energy_window_attention_mean: float
    energy_output_mean: float
    energy_context_mean: float
    energy_window_mean: float
    energy_passes_max: float
    energy_input_max: float
    energy_attention_max: float
    energy_window_attention_max: float
    energy_output_max: float
    energy_context_max: float
    energy_window_max: float
    time_passes_min: float
    time_input_min: float
    time_attention_min: float
    time_window_attention_min: float
    time_output_min: float
    time_context_min: float
    time_window_min: float
    time_passes_mean: float
    time_input_mean: float
    time_attention_mean: float
    time_window_attention_mean: float
    time_output_mean: float
    time_context_mean: float
    time_window_mean: float
    time_passes_max: float
    time_input_max: float
    time_attention_max: float
    time_window_attention_max: float
    time_output_max: float
    time_context_max: float
    time_window_max: float
    held_min: float
    """Accelerators per request: a measured latency times it limits the time held."""
    held_mean: float
    held_max: float
    step_output_min: float
    step_context_min: float
    step_window_min: float
    step_output_mean: float
    step_context_mean: float
    step_window_mean: float
    step_output_max: float
    step_context_max: float
    step_window_max: float
    ready: float
    """IT energy by the accelerators' energy: idle capacity included."""
    host_min: float
    """kWh of the server per s of an accelerator."""
    host_mean: float
    host_max: float
    pue_min: float
    pue_mean: float
    pue_max: float
    water_min: float
    """L per kWh of IT energy: the data centre's and the grid's."""
    water_mean: float
    water_max: float
    gwp_per_kwh: float
    adpe_per_kwh: float
    pe_per_kwh: float
    made_gwp_min: float
    """Embodied, per s of one accelerator with its share of the server."""
    made_gwp_mean: float
    made_gwp_max: float
    made_adpe_min: float
    made_adpe_mean: float
    made_adpe_max: float
    made_pe_min: float
    made_pe_mean: float
    made_pe_max: float


def make_plan(situation: Situation) -> Plan:
    """Propagate what is unknown: batch, hardware, precision, software, size, the equations."""
    published = situation.architecture
    known = None if published is None else tuple(published.items())  # a mapping has no hash
    return _plan(situation._replace(architecture=None, video=None), known)


@lru_cache(maxsize=4096)
def _plan(bare: Situation, known: _Known) -> Plan:
    """The plan of a situation without its architecture, and that."""
    situation = _with(bare, known)
    site, mix = situation.site, situation.mix
    middle = architectures(situation)[1]
    energy, time, held, step = _ends(bare._replace(site=_NO_SITE, mix=_NO_MIX), known)
    if situation.kind in _PROMPT_ONLY:
        energy, time = ([c._replace(**_UNWRITTEN) for c in ends] for ends in (energy, time))
    in_kwh = [Coefficients(*(x / J_PER_KWH for x in c)) for c in energy]
    hardware = [s.hardware for s in scenarios(situation, middle, 1)]
    watts = [math.sqrt(h.power[0] * h.power[1]) for h in hardware if h.power]
    power = sum(watts) / len(watts) / 1000 / 3600
    figures: tuple[float, ...] = (
        middle.window,
        *(x for end in in_kwh for x in end),
        *(x for end in time for x in end),
        *held,
        *(x for end in step for x in end),
        1 + IDLE,
        *(power * share for share in (HOST[0], sum(HOST) / 2, HOST[1])),
        *site.pue,
        *(w + p * mix.wue for w, p in zip(site.wue, site.pue, strict=True)),
        mix.gwp,
        mix.adpe,
        mix.pe,
        *_made(situation, hardware),
    )
    return Plan._make(figures)


def _with(bare: Situation, known: _Known) -> Situation:
    return bare if known is None else bare._replace(architecture=dict(known))


@lru_cache(maxsize=4096)
def _ends(
    bare: Situation, known: _Known
) -> tuple[list[Coefficients], list[Coefficients], Three, list[Three]]:
    """Low, expected and high: coefficients of energy and time, accelerators per request, steps.

    The same at every place: they are kept for many of them.
    """
    situation = _with(bare, known)
    low, middle, high = architectures(situation)
    batch = situation.deployment.batch_size
    few, usual, many = (batch, batch, batch) if batch else BATCHES
    factor = 1.0 if batch else SPREAD.factor
    at = {
        "middle": costs(FITTED, situation, middle, usual),
        "few": costs(FITTED, situation, middle, few),
        "many": costs(FITTED, situation, middle, many),
        "low": costs(FITTED, situation, low, usual),
        "high": costs(FITTED, situation, high, usual),
        "older": costs(slower(FITTED), situation, middle, usual),
    }
    count = at["middle"].accelerators
    sd = sd_of_situation(situation)
    ends = [
        [
            _spread({n: getattr(v, what)[i] for n, v in at.items()}, _sd(sd, name, count), factor)
            for i, name in enumerate(Coefficients._fields)
        ]
        for what in ("energy", "time")
    ]
    energy, time = ([Coefficients(*x) for x in zip(*columns, strict=True)] for columns in ends)
    batches = {"few": few, "many": many}
    times = {n: (v.time, batches.get(n, usual) / v.accelerators) for n, v in at.items()}
    steps = [
        _spread({n: getattr(time, f) * share for n, (time, share) in times.items()}, sd, factor)
        for f in ("output", "context", "window")
    ]
    step = [(x[0], x[1], x[2]) for x in zip(*steps, strict=True)]
    return energy, time, (count / many, count / usual, count / few), step


def _sd(sd: float, field: str, count: float) -> float:
    """Prompts on four and more accelerators are less certain."""
    prompt = field in ("input", "attention", "window_attention") and count >= 4
    return math.hypot(sd, SPREAD.prefill) if prompt else sd


def _spread(at: dict[str, float], sd: float, factor: float) -> Three:
    """One coefficient's 5 %, expected value and 95 %: logs, independent, in squares.

    ``few`` and ``many`` requests in a batch, ``low`` and ``high`` parameters and ``older`` software
    are where the coefficient is at these ends; ``sd`` is the log-sd of the rest.
    """
    middle = at["middle"]
    if middle <= 0:
        return 0.0, 0.0, 0.0
    software = math.log(at["older"] / middle)
    rest = Z * math.hypot(sd, software)
    costly, cheap = sorted((at["few"], at["many"]), reverse=True)  # a step is longer with many
    up = math.hypot(_step(costly, middle), _step(at["high"], middle), rest)
    down = math.hypot(_step(middle, cheap), _step(middle, at["low"]), rest)
    most, least = middle * math.exp(factor * up), middle * math.exp(-factor * down)
    # The batch is uniform in its log between its ends: Simpson's rule; the rest is log-normal.
    by_batch = (at["few"] + 4 * middle + at["many"]) / 6
    size = (math.log(at["high"] / at["low"]) / 2 / Z) if at["low"] > 0 else 0.0
    expected = by_batch * math.exp((sd**2 + software**2 + size**2) / 2)
    return least, min(expected, most), most


def _step(above: float, below: float) -> float:
    return math.log(above / below) if above > 0 and below > 0 else 0.0


def _made(situation: Situation, hardware: Iterable[Hardware]) -> Iterable[float]:
    """Embodied gwp, adpe and pe per s of an accelerator: low, middle, high."""
    sheets = list(hardware)
    for name, server in zip(("gwp", "adpe", "pe"), SERVER, strict=True):
        figures = [getattr(h, name) or getattr(situation.generic, name) for h in sheets]
        least = (min(low for low, _ in figures) + server) / LIFETIME_S[0]
        most = (max(high for _, high in figures) + server) / LIFETIME_S[1]
        yield from (least, (least + most) / 2, most)
