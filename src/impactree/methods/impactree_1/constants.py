"""The constants of the method, each with unit, uncertainty, meaning and basis.

``research/fit_impactree_1.py`` fits them on 344 rows of the ML.ENERGY Leaderboard v3 (vLLM on
NVIDIA H100 and B200; Chung et al., arXiv 2505.06371 and 2601.22076; Apache-2.0) and with
``--check`` proves that they follow from them. Ranges in docstrings: 5 to 95 % of a bootstrap over
the 11 architectures.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["FITTED", "INPUT_SHA256", "SPREAD", "Constants", "Spread"]

INPUT_SHA256: Final = "d8acd129e02989d5f74d08a24f0993972821954743696309041380820d49bf2c"
"""Digest of the rows that the constants were fitted on."""


class Constants(NamedTuple):
    """What the equations multiply with: nine fitted on the rows, four from elsewhere."""

    tau: float
    """Launch gap, s per layer and step (79 to 116 µs): kernels wait for launch and each other."""
    tau_g: float
    """Synchronisation, s per layer, step and further accelerator of the replica (0.2 to 9 µs)."""
    sigma: float
    """Scheduler and sampler, s per request and step (25 to 41 µs)."""
    tau_q: float
    """Experts in 8 bits, s per MoE layer and step beyond what their bytes take (0 to 247 µs)."""
    ix: float
    """1 / share of the bandwidth with which the experts visited are read (1.10 to 1.30)."""
    ik: float
    """1 / share of the bandwidth with which caches and states are read (1.47 to 2.23)."""
    ep: float
    """Spread experts: work of the fullest accelerator over the mean (1.05 to 1.59)."""
    ph: float
    """Power / TDP of an accelerator that waits (0.30, its bound, to 0.45)."""
    em: float
    """Energy of a byte read, J on top of waiting: memory, wires, registers (67 to 103 pJ)."""
    iw: float = 1.05
    """1 / share of the bandwidth with which dense weights are read: a stream reaches 95 %."""
    ic: float = 1.56
    """1 / share of the 16-bit peak that matrix products reach. Measured on prompts by others (1.4
    to 1.75: arXiv 2603.18383, 2407.04014); 8-bit products are not taken for faster."""
    pc: float = 0.96
    """Power / TDP while computing: full replicas of the leaderboard draw 0.94 to 0.98."""
    chunk: float = 2048
    """Tokens of a prompt in one pass: the usual budget of a serving engine's step."""


class Spread(NamedTuple):
    """Log-sds of what is not known, and the factor on the half width of an unknown batch."""

    model: float
    """Of the equations where architecture, accelerator, count, batch and precision are known."""
    hardware: float
    """Added where accelerator, count and precision are unknown (each alone: a half of it)."""
    size: float
    """Added where only a model's parameters are known."""
    factor: float
    """On the half width where the batch is unknown, so that nine rows in ten fall inside."""
    prefill: float = 0.25
    """Added to prompts on four and more accelerators: others measured 2.2 to 2.5 for ``ic``."""
    software: float = 0.3
    """Of t_host, by the age of the serving software; a judgement: 2024's took 1.57 times as much
    energy, which a longer t_host explains."""


FITTED: Final = Constants(
    tau=9.328e-05,
    tau_g=3.380e-06,
    sigma=3.222e-05,
    tau_q=1.149e-04,
    ix=1.186,
    ik=1.703,
    ep=1.493,
    ph=0.3817,
    em=8.046e-11,
)
SPREAD: Final = Spread(model=0.1795, hardware=0.2204, size=0.2008, factor=0.92)
