"""Prompts measured by others: derived figures, cited; nothing here is fitted to."""

from __future__ import annotations

import math
from typing import NamedTuple

from impactree.methods.impactree_1.constants import Constants
from impactree.methods.impactree_1.equations import (
    Accelerator,
    Architecture,
    Served,
    joules,
    loads,
    seconds,
    tokens,
    total,
)
from impactree_fit.interval import Z
from impactree_fit.rows import ACCELERATORS


class Case(NamedTuple):
    """One measurement of a prompt's cost."""

    name: str
    model: str
    gpu: str
    count: int
    batch: float
    prompt: float
    """Tokens of the prompt or chunk."""
    part: str
    """``all``: every term; ``linear``: what grows with the prompt; ``time``: share of the peak."""
    low: float
    high: float
    dense: bool
    source: str
    older: bool = False
    """Software without fused kernels, whose host time is its own."""


POWERTRACE = "powertrace-sim, arXiv 2603.18383"
INFERENCE = "energy-inference, arXiv 2407.04014"
CASES = (
    Case(
        "Qwen3-8B, vLLM, batch 7",
        "Qwen/Qwen3-8B",
        "H100",
        1,
        7,
        2000,
        "all",
        16.7,
        18.2,
        True,
        POWERTRACE,
    ),
    Case(
        "Qwen3-8B, lone prompts of 4,500",
        "Qwen/Qwen3-8B",
        "A100",
        1,
        1,
        4500,
        "all",
        31.9,
        31.9,
        True,
        POWERTRACE,
    ),
    Case(
        "7B, transformers, linear term",
        "meta-llama/Llama-2-7b-hf",
        "A100",
        1,
        1,
        1000,
        "linear",
        26,
        31,
        True,
        INFERENCE,
    ),
    Case(
        "13B, transformers, linear term",
        "meta-llama/Llama-2-13b-hf",
        "A100",
        1,
        1,
        1000,
        "linear",
        51,
        51,
        True,
        INFERENCE,
    ),
    Case(
        "7B, transformers, 1,000 tokens",
        "meta-llama/Llama-2-7b-hf",
        "A100",
        1,
        1,
        1000,
        "all",
        35,
        47,
        True,
        INFERENCE,
        older=True,
    ),
    Case(
        "13B, transformers, 1,000 tokens",
        "meta-llama/Llama-2-13b-hf",
        "A100",
        1,
        1,
        1000,
        "all",
        61,
        61,
        True,
        INFERENCE,
        older=True,
    ),
    Case(
        "Qwen3-30B-A3B, tensor parallel, chunks of 450",
        "Qwen/Qwen3-30B-A3B",
        "H100",
        2,
        7,
        450,
        "all",
        21,
        25,
        False,
        POWERTRACE,
    ),
    Case(
        "Qwen3-30B-A3B, chunks of 2,000",
        "Qwen/Qwen3-30B-A3B",
        "H100",
        2,
        7,
        2000,
        "all",
        11.5,
        14,
        False,
        POWERTRACE,
    ),
    Case(
        "70B, prefill time, % of the 16-bit peak",
        "meta-llama/Meta-Llama-3-70B",
        "H100",
        4,
        1,
        2000,
        "time",
        39,
        46,
        False,
        POWERTRACE,
    ),
)
"""J per 1,000 tokens of input, or % of the peak; the second 30B case is the low end for long ones."""


class Checked(NamedTuple):
    """A case beside the method's figure and interval."""

    case: Case
    low: float
    middle: float
    high: float

    @property
    def overlaps(self) -> bool:
        """Whether the measured range and the interval have a point in common."""
        return self.low <= self.case.high and self.case.low <= self.high

    @property
    def off(self) -> float:
        """Factor between the method's centre and the nearest measured figure."""
        nearest = min(max(self.middle, self.case.low), self.case.high)
        return max(self.middle / nearest, nearest / self.middle)


def check(
    c: Constants, sd_model: float, sd_prefill: float, table: dict[str, Architecture]
) -> list[Checked]:
    """Every case by the method."""
    made = []
    for case in CASES:
        sd = math.hypot(sd_model, sd_prefill) if case.count >= 4 else sd_model
        middle, width = _figure(c, case, table[case.model.lower()]), math.exp(Z * sd)
        made.append(Checked(case, middle / width, middle, middle * width))
    return made


def _figure(c: Constants, case: Case, a: Architecture) -> float:
    power, bandwidth, flops, _ = ACCELERATORS[case.gpu]
    h = Accelerator(power, bandwidth, flops)
    s = Served(case.count, case.batch, 2, 2, 0, 0, 1, 1)
    work = loads(c, a, h, s)
    prompt = tokens(case.prompt, 0, 0, a.window)
    if case.part == "time":
        spent = total(seconds(c, work, case.batch), prompt)
        return 100 * 2 * a.active_params * case.prompt / (spent * case.count * flops)
    cost = joules(c, work, s, h)
    if case.part == "linear":  # passes are the constant of their regressions
        cost = cost._replace(passes=0, input=c.pc * power * case.count * work.prefill)
    return 1000 * total(cost, prompt) / case.prompt
