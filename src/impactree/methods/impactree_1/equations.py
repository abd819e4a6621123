"""What a replica of accelerators does for one request, in seconds and joules.

A replica of G accelerators serves B requests at once. It alternates between decode steps, which
give each request one token, and passes over the prompts of new requests (prefill). Every step is a
sum of times: gaps between kernels, reading weights and caches, computing. Power differs by what
the accelerators do, so the same times, each weighed by its share of the rated power, give energy.

Everything here is plain arithmetic on floats or on numpy arrays: ``research/`` fits the constants
with these functions, and the method makes its plans with them. SI units: s, J, W, bytes, FLOP.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from impactree.methods.impactree_1.constants import Constants

__all__ = [
    "Accelerator",
    "Architecture",
    "Coefficients",
    "Loads",
    "Served",
    "Tokens",
    "joules",
    "loads",
    "prompts_wait",
    "seconds",
    "tokens",
    "total",
    "touched",
]

Number = Any
"""A float, an array of numpy, or a column of a table: whatever has the four operations."""


class Architecture(NamedTuple):
    """A transformer as the equations see it. Parameters are numbers, not 10^9."""

    layers: Number
    """L: blocks of a mixer (attention or state space) and a feed-forward network."""
    moe_layers: Number
    """L_moe: blocks whose feed-forward network is a mixture of experts."""
    experts: Number
    """E: routed experts of a layer; 1 for a dense model."""
    active_experts: Number
    """k: routed experts that one token visits."""
    dense_params: Number
    """W_dense: what every step reads: all but routed experts and the table of input embeddings."""
    expert_params: Number
    """W_exp: all routed experts together."""
    active_params: Number
    """P_a: what one token is multiplied with."""
    kv_bytes: Number
    """Cache of the full attention layers, bytes per token of context (2-byte values)."""
    window_bytes: Number
    """Cache of the sliding layers, bytes per token within their window."""
    window: Number
    """w: tokens that a sliding layer sees; 1 where there is none."""
    state_bytes: Number
    """State of recurrent layers read and written in each step, bytes per request."""
    attention_flop: Number
    """FLOP of the full attention layers per token and per token of context before it."""
    window_flop: Number
    """The same of the sliding layers, within their window."""


class Accelerator(NamedTuple):
    """A data sheet."""

    power: Number
    """TDP, W."""
    bandwidth: Number
    """BW, bytes/s."""
    flops: Number
    """F16: dense 16-bit peak, FLOP/s."""


class Served(NamedTuple):
    """How a model is served: the replica and the precision of its weights."""

    count: Number
    """G: accelerators of the replica."""
    batch: Number
    """B: requests that share a step; a mean, so it need not be whole."""
    dense_bytes: Number
    """Bytes per parameter outside the experts."""
    expert_bytes: Number
    """Bytes per parameter of the experts."""
    slow_experts: Number
    """1 where the experts are multiplied in 8 bits, else 0."""
    expert_parallel: Number
    """1 where the experts of a layer are spread over the accelerators, else 0."""
    data_parallel: Number
    """Groups that hold the attention weights once each; 1 as a rule."""
    prefill_waits: Number
    """Times that a prompt's compute holds up the replica: above 1 only with data parallelism."""


class Loads(NamedTuple):
    """Seconds of the whole replica, by what causes them."""

    gap: Number
    """t_host of a step: launches and synchronisation, layer by layer."""
    request: Number
    """t_host of one request in a step: scheduler, sampler."""
    weights: Number
    """t_mem of a step: dense weights, the experts that the batch visits, slow kernels."""
    unread: Number
    """Experts that the batch leaves alone and a prompt's pass has to read, s per pass."""
    state: Number
    """t_mem of one request in a step, whatever its context."""
    context: Number
    """t_mem of one request in a step per token of its context."""
    window: Number
    """The same of the sliding layers, per token within the window."""
    compute: Number
    """t_cmp of one token in a decode step."""
    prefill: Number
    """t_cmp of one token of a prompt."""
    attention: Number
    """t_cmp of one token of a prompt per token before it."""
    window_attention: Number
    """The same of the sliding layers."""


class Coefficients(NamedTuple):
    """One request's cost as a sum of products with :class:`Tokens`; s of the replica, or J."""

    passes: Number
    input: Number
    attention: Number
    window_attention: Number
    output: Number
    context: Number
    window: Number


class Tokens(NamedTuple):
    """What of a call the equations multiply with; the fields stand as in :class:`Coefficients`."""

    passes: Number
    """Passes over the prompt: near 1, 0 where nothing is computed."""
    input: Number
    """u: tokens of input that no cache held."""
    attention: Number
    """Pairs of a computed token and one before it."""
    window_attention: Number
    output: Number
    """N: tokens of output, reasoning included."""
    context: Number
    """Sum over the output tokens of the tokens before each."""
    window: Number
    cached: Number = 0
    """c: tokens of input from a cache; they cost as context only."""


def touched(architecture: Architecture, batch: Number) -> Number:
    """Share of the experts that a batch visits, if each token chose at random."""
    a = architecture
    return 1 - (1 - a.active_experts / a.experts) ** batch


def loads(c: Constants, a: Architecture, h: Accelerator, s: Served) -> Loads:
    """The times of a replica's work."""
    bandwidth, flops = s.count * h.bandwidth, s.count * h.flops
    spread = 1 + (c.ep - 1) * s.expert_parallel
    experts = c.ix * spread * a.expert_params * s.expert_bytes / bandwidth
    read = touched(a, s.batch)
    dense = c.iw * a.dense_params * s.dense_bytes * s.data_parallel / bandwidth
    compute = c.ic / flops
    return Loads(
        gap=(c.tau + c.tau_g * (s.count - 1)) * a.layers,
        request=c.sigma / s.data_parallel,
        weights=dense + experts * read + c.tau_q * s.slow_experts * a.moe_layers,
        unread=experts * (1 - read),
        state=c.ik * a.state_bytes / bandwidth,
        context=c.ik * a.kv_bytes / bandwidth,
        window=c.ik * a.window_bytes / bandwidth,
        compute=compute * 2 * a.active_params,
        prefill=compute * 2 * a.active_params * s.prefill_waits,
        attention=compute * a.attention_flop * s.prefill_waits,
        window_attention=compute * a.window_flop * s.prefill_waits,
    )


def seconds(c: Constants, t: Loads, batch: Number, crowding: Number = 0) -> Coefficients:
    """Seconds of the replica that one of ``batch`` requests takes, by token class."""
    return _weighed(c, t, batch, crowding, 1, 1, 1)


def joules(c: Constants, t: Loads, s: Served, h: Accelerator, crowding: Number = 0) -> Coefficients:
    """Energy of the accelerators for one of a batch's requests, J by token class.

    ``crowding``: share of the memory left for caches that one token of context takes; 0 where the
    batch is known. Long contexts leave room for fewer requests, so 1 / B grows with the context.
    """
    waiting, computing = c.ph * h.power, c.pc * h.power
    reading = _smaller(waiting + c.em * h.bandwidth, computing)
    powers = s.count * waiting, s.count * reading, s.count * computing
    return _weighed(c, t, s.batch, crowding, *powers)


def _smaller(a: Number, b: Number) -> Number:
    """The smaller of two positive numbers, rounded off where they meet so that fits converge."""
    return (a**-8 + b**-8) ** (-1 / 8)


def _weighed(
    c: Constants,
    t: Loads,
    batch: Number,
    crowding: Number,
    host: Number,
    memory: Number,
    compute: Number,
) -> Coefficients:
    """A pass and a step cost their shared part by the share of the request, 1 / B."""
    step = host * t.gap + memory * t.weights
    shared = step / batch
    one_pass = shared + memory * t.unread
    return Coefficients(
        passes=one_pass,
        input=compute * t.prefill + one_pass / c.chunk,
        attention=compute * t.attention,
        window_attention=compute * t.window_attention,
        output=shared + memory * t.state + compute * (t.request + t.compute),
        context=memory * t.context + step * crowding,
        window=memory * t.window,
    )


def tokens(input_: Number, cached: Number, output: Number, window: Number) -> Tokens:
    """The features of a call: products and quotients of its token counts, nothing else."""
    new, end, twice = input_ - cached, input_ + output, 2 * window
    # Pairs of a token and one before it in its window: a smooth stand-in for length^2 / 2 up to the
    # window and window length beyond it. It needs no comparison, and differences of it add up
    # however a text is cut. Written out: three calls take as long as the rest.
    before_cached = window * cached * cached / (twice + cached)
    before_input = window * input_ * input_ / (twice + input_)
    before_end = window * end * end / (twice + end)
    # fmt: off
    features = (
        new / (new + 1), new, new * (input_ + cached) / 2, before_input - before_cached,
        output, output * (input_ + end) / 2, before_end - before_input, cached,
    )
    # fmt: on
    return tuple.__new__(Tokens, features)  # its own __new__ takes twice as long


def total(coefficients: Coefficients, features: Tokens) -> Number:
    """The cost of a call."""
    return sum(map(_times, coefficients, features))  # the last feature is part of others


def _times(coefficient: Number, feature: Number) -> Number:
    return coefficient * feature


def prompts_wait(groups: int, prompts_per_step: float) -> float:
    """Times that a prompt's compute holds up a replica of several attention groups.

    The groups keep step, so all wait for the one with the most prompts: the expected largest of
    ``groups`` Poisson counts over their mean.
    """
    if groups <= 1:
        return 1.0
    largest, below, term, count = 0.0, 0.0, math.exp(-prompts_per_step), 0
    while below < 1 - 1e-9 and count < 10_000:
        below += term
        largest += 1 - min(below, 1.0) ** groups
        count += 1
        term *= prompts_per_step / count
    return largest / prompts_per_step
