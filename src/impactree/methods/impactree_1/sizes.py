"""An architecture from its parameters alone, for models whose makers publish no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactree.methods.impactree_1.equations import Architecture

if TYPE_CHECKING:
    from impactree.methods.situation import Shape

__all__ = ["from_figures", "from_params", "shaped"]


def from_params(active: float, total: float) -> Architecture:
    """A typical transformer of that many active and total parameters, in 10^9.

    Regressions over the 239 distinct decoders of the architecture table (2026): layers
    24 P_a^0.25 (log-sd 0.24), cache 54 kB P_a^0.40 per token (log-sd 0.9, the spread of grouped and
    latent attention), attention width. A model with more than 1.2 P_a parameters is taken for a
    mixture of experts whose experts hold 55 % of what a token visits (interquartile 44 to 63 %).
    """
    layers = 24 * active**0.25
    cache, attention = 54e3 * active**0.40, 157e3 * active**0.64
    if total <= 1.2 * active:
        dense, routed, share = total, 0.0, 1.0
    else:
        dense = 0.45 * active
        routed = total - dense
        share = (active - dense) / routed
    return Architecture(
        layers=layers,
        moe_layers=layers if routed else 0.0,
        experts=1.0,
        active_experts=share,
        dense_params=dense * 1e9,
        expert_params=routed * 1e9,
        active_params=active * 1e9,
        kv_bytes=cache,
        window_bytes=0.0,
        window=1.0,
        state_bytes=0.0,
        attention_flop=attention,
        window_flop=0.0,
    )


def from_figures(
    *,
    layers: float,
    moe_layers: float = 0,
    experts: float = 1,
    active_experts: float = 1,
    expert_params: float = 0,
    total_params: float,
    active_params: float,
    input_embedding: float = 0,
    kv_bytes: float,
    window_bytes: float = 0,
    window: float = 1,
    state_bytes: float = 0,
    attention_width: float,
    attention_layers: float,
    window_layers: float = 0,
) -> Architecture:
    """An architecture from a maker's own figures; see :class:`Architecture` for the fields.

    Args are in the units of model cards: ``total_params``, ``active_params``, ``expert_params`` and
    ``input_embedding`` (a table that only gives rows; 0 where the output shares it) in 10^9,
    caches in bytes per token, ``attention_width`` as heads times head size.
    """
    return Architecture(
        layers=layers,
        moe_layers=moe_layers,
        experts=experts,
        active_experts=active_experts,
        dense_params=(total_params - expert_params - input_embedding) * 1e9,
        expert_params=expert_params * 1e9,
        active_params=(active_params - input_embedding) * 1e9,
        kv_bytes=kv_bytes,
        window_bytes=window_bytes,
        window=window,
        state_bytes=state_bytes,
        attention_flop=4 * attention_width * attention_layers,
        window_flop=4 * attention_width * window_layers,
    )


def shaped(a: Architecture, shape: Shape) -> Architecture:
    """An architecture with figures that somebody entered; what is not entered stays as it is.

    All parameters are W_dense + W_exp, the active ones W_dense + W_exp k/E; so the routed experts
    have W_exp = (P_t - P_a) / (1 - k/E).
    """
    if shape.layers is not None:
        a = a._replace(layers=shape.layers, moe_layers=a.moe_layers * shape.layers / a.layers)
    if shape.kv_bytes is not None:
        a = a._replace(kv_bytes=shape.kv_bytes)
    if shape.experts is None or shape.active_experts is None:
        return a
    total = a.dense_params + a.expert_params
    routed = (total - a.active_params) / (1 - shape.active_experts / shape.experts)
    return a._replace(
        moe_layers=a.moe_layers or a.layers,
        experts=shape.experts,
        active_experts=shape.active_experts,
        dense_params=total - routed,
        expert_params=routed,
    )
