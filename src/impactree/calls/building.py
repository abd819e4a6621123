"""A model call from what was asked and what was answered: the same for every framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from impactree.calls.model_call import ModelCall

if TYPE_CHECKING:
    from impactree.calls.model_call import Kind, TokensSource
    from impactree.calls.tokens import Tokens

__all__ = ["Asked", "build_call"]


class Asked(NamedTuple):
    """Who was asked, as a framework tells it."""

    provider: str | None
    requested: str | None
    """The model's name as it was asked for."""
    base_url: str | None
    """Without credentials (``calls.names.address``)."""
    region: str | None
    class_name: str
    """Of the client: stands for the model where nothing names one."""


def build_call(
    asked: Asked,
    kind: Kind,
    tokens: Tokens,
    source: TokensSource,
    *,
    answered: str | None = None,
    latency_s: float | None = None,
    notes: tuple[str, ...] = (),
) -> ModelCall:
    """The call that an adapter hangs on a run.

    Args:
        asked: Who was asked.
        kind: Of the call.
        tokens: What was read and written.
        source: Where the counts come from.
        answered: The model's name as the answer gave it.
        latency_s: Measured duration of this request alone, s.
        notes: What had to be decided to read the usage.
    """
    return ModelCall(
        provider=asked.provider,
        model=answered or asked.requested or asked.class_name,
        requested=asked.requested,
        base_url=asked.base_url,
        region=asked.region,
        kind=kind,
        tokens=tokens,
        latency_s=latency_s,
        tokens_source=source,
        usage_notes=notes,
    )
