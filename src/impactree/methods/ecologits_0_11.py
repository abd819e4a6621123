"""The method of EcoLogits 0.11: impacts of text generation from output tokens.

Rincé and Banse, "EcoLogits: Evaluating the Environmental Impacts of Generative AI", Journal of
Open Source Software 10(111) 7471, 2025, https://doi.org/10.21105/joss.07471; equations and
assumptions at https://ecologits.ai/latest/methodology/llm_inference/. Symbols follow the paper:
N output tokens, P_a and P_t active and total parameters in 10^9, L request latency in s.

Input tokens, training, networks and end-user devices are outside the method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.methods.protocol import Constant, Judgement, Step, choose, result_steps
from impactree.values.figures import Figures
from impactree.values.messages import message

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.methods.situation import FactorChoice, Situation

__all__ = ["ECOLOGITS_0_11", "EcoLogits011"]


@dataclass(frozen=True, slots=True)
class EcoLogits011:
    """The constants of the method, each with its unit, and its equations.

    Coefficients: EcoLogits' regressions on the ML.ENERGY Leaderboard (vLLM on NVIDIA H100 80 GB,
    arXiv 2505.06371), as released in EcoLogits 0.11.3. Server: AWS p5.48xlarge, power and embodied
    figures from BoaviztAPI. GPU: embodied figures of an H100 from Lees-Perasso et al., ADEME, 2026.
    """

    name: str = "ecologits-0.11"
    citation: str = "Rincé and Banse, JOSS 10(111) 7471, 2025, doi:10.21105/joss.07471"
    interval: str = ""
    plans_hardware: bool = False
    linear: bool = True
    checked: str = "2026-11-24"
    """The day on which the constants were checked against EcoLogits 0.11.3."""

    factors: FactorChoice = "ecologits-0.11.3"

    batch_size: int = 64
    """B: concurrent requests that share the server."""
    weight_bits: int = 16
    """Q: bits per weight."""

    energy_alpha: float = 1.1665273170451914e-06
    """a: Wh per token per 10^9 active parameters at B = 0."""
    energy_beta: float = -0.011205921025579175
    """b: per concurrent request."""
    energy_gamma: float = 4.052928146734005e-05
    """c: Wh per token."""

    latency_alpha: float = 0.0006785088094353663
    """a_l: s per token per 10^9 active parameters."""
    latency_beta: float = 0.0003119310311688259
    """b_l: s per token per concurrent request."""
    latency_gamma: float = 0.019473717579473387
    """c_l: s per token."""

    memory_overhead: float = 1.2
    """o: memory in use per memory of the weights."""
    gpu_memory_gb: float = 80
    """V"""
    server_gpus: int = 8
    """n"""
    server_power_kw: float = 1.2
    """W: power of the server without its GPUs."""
    lifetime_s: float = 3 * 365 * 24 * 60 * 60

    server_gwp: float = 5700
    """Embodied kgCO2eq of a server without its GPUs."""
    server_adpe: float = 0.37
    """Embodied kgSbeq."""
    server_pe: float = 70000
    """Embodied MJ."""
    gpu_gwp: float = 273
    """Embodied kgCO2eq of one GPU."""
    gpu_adpe: float = 0.00895
    """Embodied kgSbeq."""
    gpu_pe: float = 3721
    """Embodied MJ."""

    def constants(self) -> list[Constant]:
        """Every constant of the equations, with its source."""
        fit, days = "regression on the ML.ENERGY Leaderboard, H100 80 GB", 24 * 60 * 60
        server, gpu = "AWS p5.48xlarge without its GPUs", "NVIDIA H100 80 GB"
        rows: list[tuple[str, str, float, str, str, str]] = [
            ("B", "concurrent requests", self.batch_size, "", "assumption", _DOCS),
            ("Q", "bits per weight", self.weight_bits, "", "assumption", _DOCS),
            ("a", "energy per active parameter", self.energy_alpha, "Wh/token/10^9", fit, _FIT),
            ("b", "energy, effect of B", self.energy_beta, "", fit, _FIT),
            ("c", "energy, constant", self.energy_gamma, "Wh/token", fit, _FIT),
            ("a_l", "time per active parameter", self.latency_alpha, "s/token/10^9", fit, _FIT),
            ("b_l", "time, effect of B", self.latency_beta, "s/token", fit, _FIT),
            ("c_l", "time, constant", self.latency_gamma, "s/token", fit, _FIT),
            ("o", "memory overhead", self.memory_overhead, "", "assumption", _DOCS),
            ("V", "memory of one GPU", self.gpu_memory_gb, "GB", gpu, _DOCS),
            ("n", "GPUs per server", self.server_gpus, "", "AWS p5.48xlarge", _DOCS),
            ("W", "server power", self.server_power_kw, "kW", server, _BOAVIZTA),
            ("lifetime", "server and GPUs", self.lifetime_s / days, "days", "assumption", _DOCS),
            ("S_gwp", "embodied, server", self.server_gwp, "kgCO2eq", server, _BOAVIZTA),
            ("S_adpe", "embodied, server", self.server_adpe, "kgSbeq", server, _BOAVIZTA),
            ("S_pe", "embodied, server", self.server_pe, "MJ", server, _BOAVIZTA),
            ("U_gwp", "embodied, GPU", self.gpu_gwp, "kgCO2eq", gpu, _ADEME),
            ("U_adpe", "embodied, GPU", self.gpu_adpe, "kgSbeq", gpu, _ADEME),
            ("U_pe", "embodied, GPU", self.gpu_pe, "MJ", gpu, _ADEME),
        ]
        year = {_ADEME: 2026, _FIT: 2025}
        licence = "MPL-2.0 (EcoLogits)"
        return [Constant(*row, year=year.get(row[-1]), licence=licence) for row in rows]

    def kwh_per_token(self, active: float) -> float:
        """Energy of one GPU for one output token, kWh; ``active``: P_a."""
        slope = self.energy_alpha * math.exp(self.energy_beta * self.batch_size)
        return (slope * active + self.energy_gamma) / 1000

    def s_per_token(self, active: float, tps: float | None) -> float:
        """Time of one output token, s: measured where the model's tps is known."""
        if tps is not None:
            return 1 / tps
        return (
            self.latency_alpha * active + self.latency_beta * self.batch_size + self.latency_gamma
        )

    def memory_gb(self, total: float) -> float:
        """Memory that the weights need, GB; ``total``: P_t."""
        return self.memory_overhead * total * self.weight_bits / 8

    def gpus(self, total: float) -> int:
        """GPUs that hold the weights, rounded up to a power of two."""
        needed = math.ceil(self.memory_gb(total) / self.gpu_memory_gb)
        return int(2 ** math.ceil(math.log2(needed)))

    def covers(self, kind: str, *, via: str | None = None) -> bool:
        """Text, and whatever else EcoLogits itself lists."""
        return kind in _KINDS or (via is not None and via.startswith("ecologits"))

    def judge(self, quantities: Any, kind: str = "chat", plan: Any = None) -> Judgement:
        """Only output tokens count."""
        wrote, thought = quantities.output, quantities.reasoning
        if wrote is None:
            return _NO_OUTPUT
        return _KNOWN if thought is None or thought <= wrote else _ABOVE

    def plan(self, situation: Situation) -> Plan:
        """Everything that depends on the model and the place alone."""
        params, site, mix = situation[:3]
        server = self.server_power_kw / 3600 / self.batch_size / self.server_gpus
        lasting = self.lifetime_s * self.batch_size
        made_gwp = (self.server_gwp / self.server_gpus + self.gpu_gwp) / lasting
        made_adpe = (self.server_adpe / self.server_gpus + self.gpu_adpe) / lasting
        made_pe = (self.server_pe / self.server_gpus + self.gpu_pe) / lasting
        gpus_min, gpus_max = self.gpus(params.total_min), self.gpus(params.total_max)
        return Plan(
            memory_gb_min=self.memory_gb(params.total_min),
            memory_gb_max=self.memory_gb(params.total_max),
            gpus_min=gpus_min,
            gpus_max=gpus_max,
            kwh_per_token_min=self.kwh_per_token(params.active_min),
            kwh_per_token_max=self.kwh_per_token(params.active_max),
            s_per_token_min=self.s_per_token(params.active_min, params.tps),
            s_per_token_max=self.s_per_token(params.active_max, params.tps),
            ttft_s=params.ttft or 0.0,
            server_kwh_per_s_min=gpus_min * server,
            server_kwh_per_s_max=gpus_max * server,
            pue_min=site.pue_min,
            pue_max=site.pue_max,
            water_l_per_kwh_min=site.wue_min + site.pue_min * mix.wue,
            water_l_per_kwh_max=site.wue_max + site.pue_max * mix.wue,
            gwp_per_kwh=mix.gwp,
            adpe_per_kwh=mix.adpe,
            pe_per_kwh=mix.pe,
            made_gwp_per_s_min=gpus_min * made_gwp,
            made_gwp_per_s_max=gpus_max * made_gwp,
            made_adpe_per_s_min=gpus_min * made_adpe,
            made_adpe_per_s_max=gpus_max * made_adpe,
            made_pe_per_s_min=gpus_min * made_pe,
            made_pe_per_s_max=gpus_max * made_pe,
            measured_speed=params.tps is not None,
        )

    def impacts(
        self,
        plan: Plan,
        quantities: Any,
        latency_s: Any = None,
        *,
        where: Callable[[Any, Any, Any], Any] = choose,
    ) -> Figures:
        """The figures of one call: usage and embodied; expected is the middle."""
        figures = _equations(plan, quantities.output, latency_s, where)[1]
        return tuple.__new__(Figures, figures)  # its own __new__ takes twice as long

    def steps(self, plan: Plan, quantities: Any, latency_s: float | None = None) -> list[Step]:
        """Every intermediate of :meth:`impacts`, in the order of the published equations."""
        row, figures = _equations(plan, quantities.output, latency_s, choose)
        per_gpu, times, server, it = zip(row[0::2], row[1::2], strict=True)
        per_token = "1/tps" if plan.measured_speed else "a_l P_a + b_l B + c_l"
        made = "T ((G/n) S_{0} + G U_{0}) / (lifetime B)"
        steps = [
            ("e", "GPU energy, one GPU", per_gpu, "kWh", "N (a exp(b B) P_a + c) / 1000"),
            ("t", "time per token", plan[6:8], "s", per_token),
            ("T", "generation latency", times, "s", "min(N t + ttft, L)"),
            ("M", "memory", plan[0:2], "GB", "o P_t Q / 8"),
            ("G", "GPUs", plan[2:4], "", "2^ceil(log2(ceil(M / V)))"),
            ("s", "server energy", server, "kWh", "(T / 3600) W (G / n) / B"),
            ("E_it", "IT energy", it, "kWh", "s + G e"),
        ]
        shown = [Step(s, name, v[0], (v[0] + v[1]) / 2, v[1], u, eq) for s, name, v, u, eq in steps]
        equations = [made.format(name) for name in ("gwp", "adpe", "pe")]
        water = "E_it (WUE_dc + PUE WUE_grid)"
        return shown + result_steps(figures, "PUE E_it", water, equations)


class Plan(NamedTuple):
    """What follows from the model and the place, low and high."""

    memory_gb_min: float
    memory_gb_max: float
    gpus_min: float
    gpus_max: float
    kwh_per_token_min: float
    """One GPU's energy for one output token, kWh."""
    kwh_per_token_max: float
    s_per_token_min: float
    s_per_token_max: float
    ttft_s: float
    server_kwh_per_s_min: float
    """The request's share of the server without its GPUs."""
    server_kwh_per_s_max: float
    pue_min: float
    pue_max: float
    water_l_per_kwh_min: float
    """Of IT energy: the data centre's and the grid's."""
    water_l_per_kwh_max: float
    gwp_per_kwh: float
    adpe_per_kwh: float
    pe_per_kwh: float
    made_gwp_per_s_min: float
    """Embodied, per second that the request holds its share of the hardware."""
    made_gwp_per_s_max: float
    made_adpe_per_s_min: float
    made_adpe_per_s_max: float
    made_pe_per_s_min: float
    made_pe_per_s_max: float
    measured_speed: bool


def _equations(
    plan: Plan, n: Any, latency_s: Any, where: Callable[[Any, Any, Any], Any]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The equations of one call: intermediates, and the fields of ``Figures``."""
    # fmt: off
    (
        _, _, g_lo, g_hi, e_lo, e_hi, t_lo, t_hi, ttft, w_lo, w_hi, pue_lo, pue_hi,
        wue_lo, wue_hi, gwp, adpe, pe, mg_lo, mg_hi, ma_lo, ma_hi, mp_lo, mp_hi, _,
    ) = plan
    # fmt: on
    gpu_lo, gpu_hi = n * e_lo, n * e_hi
    s_lo, s_hi = n * t_lo + ttft, n * t_hi + ttft
    if latency_s is not None:
        s_lo = where(latency_s < s_lo, latency_s, s_lo)
        s_hi = where(latency_s < s_hi, latency_s, s_hi)
    server_lo, server_hi = s_lo * w_lo, s_hi * w_hi
    gpus_lo, gpus_hi = g_lo * gpu_lo, g_hi * gpu_hi
    it_lo, it_hi = server_lo + gpus_lo, server_hi + gpus_hi
    shown = (gpu_lo, gpu_hi, s_lo, s_hi, server_lo, server_hi, it_lo, it_hi)
    e_lo, e_hi = pue_lo * it_lo, pue_hi * it_hi
    e = (e_lo + e_hi) / 2
    w_lo, w_hi = it_lo * wue_lo, it_hi * wue_hi
    mg_lo, mg_hi = s_lo * mg_lo, s_hi * mg_hi
    ma_lo, ma_hi = s_lo * ma_lo, s_hi * ma_hi
    mp_lo, mp_hi = s_lo * mp_lo, s_hi * mp_hi
    output, host, none = (gpus_lo + gpus_hi) / 2, (server_lo + server_hi) / 2, 0.0 * n
    overhead = ((pue_lo - 1) * it_lo + (pue_hi - 1) * it_hi) / 2
    # fmt: off
    return shown, (
        e_lo, e, e_hi, e_lo * gwp, e * gwp, e_hi * gwp,
        e_lo * adpe, e * adpe, e_hi * adpe, e_lo * pe, e * pe, e_hi * pe,
        w_lo, (w_lo + w_hi) / 2, w_hi, mg_lo, (mg_lo + mg_hi) / 2, mg_hi,
        ma_lo, (ma_lo + ma_hi) / 2, ma_hi, mp_lo, (mp_lo + mp_hi) / 2, mp_hi,
        none, none, output, host, overhead,
    )
    # fmt: on


_KINDS: Final = frozenset({"chat", "completion"})
_KNOWN: Final = Judgement()
_ABOVE: Final = Judgement(warnings=(message("part-above-whole"),))
_NO_OUTPUT: Final = Judgement(errors=(message("output-tokens-unknown"),))
_DOCS: Final = "https://ecologits.ai/latest/methodology/llm_inference/"
_FIT: Final = "https://arxiv.org/abs/2505.06371"
_ADEME: Final = (
    "https://librairie.ademe.fr/economie-circulaire-et-dechets/"
    "9103-analyse-de-cycle-de-vie-de-gpu-cartes-graphiques-pour-l-intelligence-artificielle.html"
)
_BOAVIZTA: Final = "https://github.com/Boavizta/boaviztapi"


ECOLOGITS_0_11: Final = EcoLogits011()
