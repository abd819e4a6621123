"""The method of EcoLogits 0.11: impacts of text generation from output tokens.

Rincé and Banse, "EcoLogits: Evaluating the Environmental Impacts of Generative AI", Journal of
Open Source Software 10(111) 7471, 2025, https://doi.org/10.21105/joss.07471; equations and
assumptions at https://ecologits.ai/latest/methodology/llm_inference/. Symbols follow the paper:
N output tokens, P_a and P_t active and total parameters in 10^9, L request latency in s.

Input tokens, training, networks and end-user devices are outside the method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from impactree.methods.protocol import Constant, Mix, Params, Serving, Site, Step
from impactree.values.impacts import Figures

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    kinds: frozenset[str] = field(default=frozenset({"chat", "completion"}))
    checked: str = "2026-11-24"
    """The day on which the constants were checked against EcoLogits 0.11.3."""

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

    _per_gpu: tuple[float, ...] = field(init=False, repr=False, compare=False)
    """What no call changes: server energy, kWh/s of a request; lifetime, s of all requests;
    embodied gwp, adpe, pe. Per GPU, with its share of the server."""

    def __post_init__(self) -> None:
        shared_by = self.server_gpus
        constants = (
            self.server_power_kw / 3600 / self.batch_size / shared_by,
            self.lifetime_s * self.batch_size,
            self.server_gwp / shared_by + self.gpu_gwp,
            self.server_adpe / shared_by + self.gpu_adpe,
            self.server_pe / shared_by + self.gpu_pe,
        )
        object.__setattr__(self, "_per_gpu", constants)

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
        return [Constant(*row) for row in rows]

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

    def serve(self, params: Params) -> Serving:
        """Everything that depends on the model alone."""
        p = params
        return Serving(
            self.gpus(p.total_min),
            self.gpus(p.total_max),
            self.kwh_per_token(p.active_min),
            self.kwh_per_token(p.active_max),
            self.s_per_token(p.active_min, p.tps),
            self.s_per_token(p.active_max, p.tps),
            p.ttft or 0.0,
        )

    def impacts(
        self, serving: Serving, site: Site, mix: Mix, output_tokens: int, latency_s: float | None
    ) -> Figures:
        """The figures of one call: usage and embodied, low and high.

        One flat pass, since this is the hot path; :meth:`steps` spells out the same equations.
        """
        g_lo, g_hi, e_lo, e_hi, t_lo, t_hi, ttft = serving
        pue_lo, pue_hi, wue_lo, wue_hi = site
        gwp, adpe, pe, wue = mix
        n = output_tokens
        s_lo = n * t_lo + ttft
        s_hi = n * t_hi + ttft
        if latency_s is not None:
            s_lo = latency_s if latency_s < s_lo else s_lo
            s_hi = latency_s if latency_s < s_hi else s_hi

        server_kwh_per_s, slots, made_gwp, made_adpe, made_pe = self._per_gpu
        it_lo = g_lo * (s_lo * server_kwh_per_s + n * e_lo)
        it_hi = g_hi * (s_hi * server_kwh_per_s + n * e_hi)
        energy_lo = pue_lo * it_lo
        energy_hi = pue_hi * it_hi

        worn_lo = g_lo * s_lo / slots
        worn_hi = g_hi * s_hi / slots
        # Straight to the tuple: a NamedTuple's own __new__ takes twice as long.
        figures = (
            energy_lo,
            energy_hi,
            energy_lo * gwp,
            energy_hi * gwp,
            energy_lo * adpe,
            energy_hi * adpe,
            energy_lo * pe,
            energy_hi * pe,
            it_lo * (wue_lo + pue_lo * wue),
            it_hi * (wue_hi + pue_hi * wue),
            worn_lo * made_gwp,
            worn_hi * made_gwp,
            worn_lo * made_adpe,
            worn_hi * made_adpe,
            worn_lo * made_pe,
            worn_hi * made_pe,
        )
        return tuple.__new__(Figures, figures)

    def steps(
        self, params: Params, site: Site, mix: Mix, output_tokens: int, latency_s: float | None
    ) -> list[Step]:
        """Every intermediate of :meth:`impacts`, in the order of the published equations."""
        serving = self.serve(params)
        n, limit = output_tokens, math.inf if latency_s is None else latency_s
        figures = self.impacts(serving, site, mix, n, latency_s)
        times = [
            min(n * t + serving.ttft, limit)
            for t in (serving.s_per_token_min, serving.s_per_token_max)
        ]
        gpus = [serving.gpus_min, serving.gpus_max]
        per_gpu = [n * serving.kwh_per_token_min, n * serving.kwh_per_token_max]
        server = [
            t / 3600 * self.server_power_kw * (g / self.server_gpus) / self.batch_size
            for t, g in zip(times, gpus, strict=True)
        ]
        it = [s + g * e for s, g, e in zip(server, gpus, per_gpu, strict=True)]
        per_token = "1/tps" if params.tps else "a_l P_a + b_l B + c_l"
        memory = [self.memory_gb(params.total_min), self.memory_gb(params.total_max)]
        rows: list[tuple[str, str, Sequence[float], str, str]] = [
            ("e", "GPU energy, one GPU", per_gpu, "kWh", "N (a exp(b B) P_a + c) / 1000"),
            ("t", "time per token", list(serving[4:6]), "s", per_token),
            ("T", "generation latency", times, "s", "min(N t + ttft, L)"),
            ("M", "memory", memory, "GB", "o P_t Q / 8"),
            ("G", "GPUs", gpus, "", "2^ceil(log2(ceil(M / V)))"),
            ("s", "server energy", server, "kWh", "(T / 3600) W (G / n) / B"),
            ("E_it", "IT energy", it, "kWh", "s + G e"),
            ("E", "energy", list(figures[0:2]), "kWh", "PUE E_it"),
            ("gwp_u", "usage GWP", list(figures[2:4]), "kgCO2eq", "E F_gwp"),
            ("adpe_u", "usage ADPe", list(figures[4:6]), "kgSbeq", "E F_adpe"),
            ("pe_u", "usage PE", list(figures[6:8]), "MJ", "E F_pe"),
            ("wcf", "water", list(figures[8:10]), "L", "E_it (WUE_dc + PUE WUE_grid)"),
            ("gwp_e", "embodied GWP", list(figures[10:12]), "kgCO2eq", _worn("gwp")),
            ("adpe_e", "embodied ADPe", list(figures[12:14]), "kgSbeq", _worn("adpe")),
            ("pe_e", "embodied PE", list(figures[14:16]), "MJ", _worn("pe")),
        ]
        return [Step(s, name, v[0], v[1], unit, eq) for s, name, v, unit, eq in rows]


_DOCS: Final = "https://ecologits.ai/latest/methodology/llm_inference/"
_FIT: Final = "https://arxiv.org/abs/2505.06371"
_ADEME: Final = (
    "https://librairie.ademe.fr/economie-circulaire-et-dechets/"
    "9103-analyse-de-cycle-de-vie-de-gpu-cartes-graphiques-pour-l-intelligence-artificielle.html"
)
_BOAVIZTA: Final = "https://github.com/Boavizta/boaviztapi"


def _worn(criterion: str) -> str:
    return f"T ((G/n) S_{criterion} + G U_{criterion}) / (lifetime B)"


ECOLOGITS_0_11: Final = EcoLogits011()
