"""The method ``impactree-1``: every token class counts, and every figure says how sure it is.

A roofline of serving with nine constants fitted on the ML.ENERGY Leaderboard v3. Equations,
sources, validation and limits: ``docs/methodology/impactree-1.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from impactree.methods.impactree_1 import plan as plans
from impactree.methods.impactree_1.constants import FITTED, SPREAD
from impactree.methods.impactree_1.equations import tokens
from impactree.methods.impactree_1.plan import Plan, make_plan
from impactree.methods.protocol import Constant, Judgement, Step, choose, result_steps
from impactree.values.figures import Figures
from impactree.values.messages import message

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.methods.impactree_1.equations import Tokens
    from impactree.methods.situation import FactorChoice, Situation

__all__ = ["IMPACTREE_1", "Impactree1"]

_TEXT: Final = frozenset({"chat", "completion"})
_KINDS: Final = _TEXT | {"embedding", "rerank"}


@dataclass(frozen=True, slots=True)
class Impactree1:
    """The method's face; its equations stand in ``equations``, its unknowns in ``plan``."""

    name: str = "impactree-1"
    citation: str = "The impactree authors, impactree-1, 2026, docs/methodology/impactree-1.md"
    interval: str = (
        "Ranges are 90 % intervals of what each call costs on the hardware that may have served it."
    )
    plans_hardware: bool = True
    linear: bool = False
    factors: FactorChoice = "yearly"
    checked: str = "2026-11-28"
    """The day on which the constants were fitted."""

    def covers(self, kind: str, *, via: str | None = None) -> bool:
        """Text, embeddings and rerankers."""
        return kind in _KINDS

    def constants(self) -> list[Constant]:
        """Every constant of the equations, with its source."""
        return [Constant(*row, year=_YEARS.get(row[-1])) for row in _constants()]

    def plan(self, situation: Situation) -> Plan:
        """Everything that depends on the model, the place and the hardware."""
        return make_plan(situation)

    def judge(self, quantities: Any, kind: str = "chat", plan: Any = None) -> Judgement:
        """Text needs its output, the rest its input; text's unknown input is left out, and said."""
        read, cached = quantities.input, quantities.cached_input
        if kind in _TEXT and quantities.output is None:
            return _NO_OUTPUT
        if read is None:
            return _NO_INPUT if kind in _TEXT else _NOTHING
        if cached is not None and cached > read:
            return _CONTRADICTION
        written, thought = quantities.cache_write, quantities.reasoning
        if written is not None and written + (cached or 0) > read:
            return _ABOVE
        return _KNOWN if thought is None or thought <= (quantities.output or 0) else _ABOVE

    def impacts(
        self,
        plan: Plan,
        quantities: Any,
        latency_s: Any = None,
        *,
        where: Callable[[Any, Any, Any], Any] = choose,
    ) -> Figures:
        """The figures of one call: usage and embodied; low, expected and high."""
        figures = _equations(plan, quantities, latency_s, where)[1]
        return tuple.__new__(Figures, figures)  # its own __new__ takes twice as long

    def steps(self, plan: Plan, quantities: Any, latency_s: float | None = None) -> list[Step]:
        """Every intermediate of :meth:`impacts`, in order."""
        shown, figures = _equations(plan, quantities, latency_s, choose)
        steps: list[tuple[str, str, Any, str, str]] = [
            ("t_token", "time between two tokens", _step(plan, shown[-1]), "s", _STEP),
            (
                "E_gpu",
                "accelerator energy",
                shown[0:3],
                "kWh",
                "G TDP (ph t_host + pm t_mem + ...)",
            ),
            ("T_acc", "accelerator time", shown[3:6], "s", "min(G T / B, L G / B)"),
            ("E_it", "IT energy", shown[6:9], "kWh", "(1 + idle) E_gpu + host T_acc"),
        ]
        steps = steps if quantities.output else steps[1:]
        made = "T_acc (U_{0} + S_{0} / 8) / lifetime"
        equations = [made.format(name) for name in ("gwp", "adpe", "pe")]
        water = "E_it (WUE_dc + PUE WUE_grid)"
        return [
            *(Step(s, name, v[0], v[1], v[2], unit, eq) for s, name, v, unit, eq in steps),
            *result_steps(figures, "PUE E_it", water, equations),
        ]


def _step(plan: Plan, n: Any) -> list[float]:
    """Time between two tokens, at the mean context of the answer: low, expected and high, s."""
    output = n.output or 1
    ends = zip(*(iter(plan[46:55]),) * 3, strict=True)
    return [fixed + (by_n * n.context + by_w * n.window) / output for fixed, by_n, by_w in ends]


def _equations(
    plan: Plan, quantities: Any, latency_s: Any, where: Callable[[Any, Any, Any], Any]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The equations of one call: intermediates, and the fields of ``Figures``."""
    read, written = quantities.input, quantities.output
    cached = 0 if quantities.cached_input is None else quantities.cached_input
    n_in = cached if read is None else read  # at least what came from the cache
    n = tokens(n_in, cached, 0 if written is None else written, plan[0])
    e_lo, e, e_hi, t_lo, t, t_hi = _costs(plan, n)
    if latency_s is not None:
        c_lo, c, c_hi = latency_s * plan[43], latency_s * plan[44], latency_s * plan[45]
        t_lo = where(c_lo < t_lo, c_lo, t_lo)
        t = where(c < t, c, t)
        t_hi = where(c_hi < t_hi, c_hi, t_hi)
    ready, h_lo, h, h_hi, pue_lo, pue, pue_hi, w_lo, w, w_hi, gwp, adpe, pe = plan[55:68]
    g_lo, g, g_hi, a_lo, a, a_hi, p_lo, p, p_hi = plan[68:]
    it_lo, it, it_hi = ready * e_lo + h_lo * t_lo, ready * e + h * t, ready * e_hi + h_hi * t_hi
    u_lo, u, u_hi = pue_lo * it_lo, pue * it, pue_hi * it_hi
    by_input, by_cached, by_output = _parts(plan, n)
    # fmt: off
    figures = (
        u_lo, u, u_hi, u_lo * gwp, u * gwp, u_hi * gwp, u_lo * adpe, u * adpe, u_hi * adpe,
        u_lo * pe, u * pe, u_hi * pe, it_lo * w_lo, it * w, it_hi * w_hi,
        t_lo * g_lo, t * g, t_hi * g_hi, t_lo * a_lo, t * a, t_hi * a_hi,
        t_lo * p_lo, t * p, t_hi * p_hi,
        by_input, by_cached, by_output, (ready - 1) * e + h * t, (pue - 1) * it,
    )
    # fmt: on
    return (e_lo, e, e_hi, t_lo, t, t_hi, it_lo, it, it_hi, n), figures


def _parts(plan: Plan, n: Any) -> tuple[Any, ...]:
    """What the accelerators' expected energy goes into: input, cached input, output; kWh."""
    passes, by_input, by_pair, by_window, by_output, by_context, by_end = plan[8:15]
    again = n.cached * n.output
    read = passes * n.passes + by_input * n.input + by_pair * n.attention
    read = read + by_window * n.window_attention
    written = by_output * n.output + by_context * (n.context - again) + by_end * n.window
    return read, by_context * again, written


def _costs(plan: Plan, features: Tokens) -> tuple[Any, ...]:
    """Energy, then time: low, expected and high. ``equations.total``, written out.

    Loops over the six take half as long again, and they are most of an estimate's time.
    """
    p, u, q, r, n, s, w, _ = features
    a, b, c, d, e, f, g, h, i, j, k, v, m, o = plan[1:15]
    e_lo = a * p + b * u + c * q + d * r + e * n + f * s + g * w
    e_mean = h * p + i * u + j * q + k * r + v * n + m * s + o * w
    a, b, c, d, e, f, g, h, i, j, k, v, m, o = plan[15:29]
    e_hi = a * p + b * u + c * q + d * r + e * n + f * s + g * w
    t_lo = h * p + i * u + j * q + k * r + v * n + m * s + o * w
    a, b, c, d, e, f, g, h, i, j, k, v, m, o = plan[29:43]
    t_mean = a * p + b * u + c * q + d * r + e * n + f * s + g * w
    t_hi = h * p + i * u + j * q + k * r + v * n + m * s + o * w
    return e_lo, e_mean, e_hi, t_lo, t_mean, t_hi


def _constants() -> list[tuple[str, str, float, str, str, str]]:
    fit = "fitted on the ML.ENERGY Leaderboard v3, H100 and B200"
    c, s, page = FITTED, SPREAD, "https://arxiv.org/abs/2505.06371"
    prompts, google = "https://arxiv.org/abs/2603.18383", "https://arxiv.org/abs/2508.15734"
    judged, boavizta = "a judgement", "https://github.com/Boavizta/boaviztapi"
    return [
        ("tau", "launch gap per layer", c.tau, "s", fit, page),
        ("tau_g", "synchronisation per layer and accelerator", c.tau_g, "s", fit, page),
        ("sigma", "scheduler and sampler per request", c.sigma, "s", fit, page),
        ("tau_q", "8-bit experts per layer", c.tau_q, "s", fit, page),
        ("ix", "1 / bandwidth efficiency, experts", c.ix, "", fit, page),
        ("ik", "1 / bandwidth efficiency, cache", c.ik, "", fit, page),
        ("ep", "imbalance of spread experts", c.ep, "", fit, page),
        ("ph", "power / TDP when waiting", c.ph, "", fit, page),
        ("em", "energy of a byte read", c.em, "J/byte", fit, page),
        ("iw", "1 / bandwidth efficiency, dense weights", c.iw, "", "assumption", page),
        ("ic", "1 / share of the 16-bit peak", c.ic, "", "prompts measured by others", prompts),
        ("pc", "power / TDP when computing", c.pc, "", "full replicas", page),
        ("chunk", "tokens of a prompt per pass", c.chunk, "", "a serving engine's default", page),
        ("s_model", "log-sd of the equations", s.model, "", "held-out residuals", page),
        ("s_hardware", "log-sd of hardware", s.hardware, "", "held-out residuals", page),
        ("s_size", "log-sd of an unknown architecture", s.size, "", "held-out residuals", page),
        ("s_software", "log-sd of t_host by software age", s.software, "", judged, page),
        ("host_min", "server power / TDP, low", plans.HOST[0], "", "AWS p5.48xlarge", boavizta),
        ("host_max", "server power / TDP, high", plans.HOST[1], "", "Google, 2025", google),
        ("idle", "idle capacity / accelerator energy", plans.IDLE, "", "Google, 2025", google),
    ]


_YEARS: Final = {
    "https://arxiv.org/abs/2505.06371": 2025,
    "https://arxiv.org/abs/2603.18383": 2026,
    "https://arxiv.org/abs/2508.15734": 2025,
}
_STEP: Final = "t_host + t_mem + t_cmp"
_KNOWN: Final = Judgement()
_NO_INPUT: Final = Judgement(warnings=(message("input-tokens-unknown"),))
_NO_OUTPUT: Final = Judgement(errors=(message("output-tokens-unknown"),))
_NOTHING: Final = Judgement(errors=(message("input-tokens-unknown"),))
_ABOVE: Final = Judgement(warnings=(message("part-above-whole"),))
_CONTRADICTION: Final = Judgement(errors=(message("cached-above-input"),))

IMPACTREE_1: Final = Impactree1()
