"""A model call from what was asked and what was answered: the same for every framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from impactree.calls.model_call import CallDraft, ModelCall

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
    # All of it was read and cut by ``calls.names`` and ``calls.usage``: nothing to check again.
    made = CallDraft()
    made.provider, requested, made.base_url, made.region, class_name = asked
    made.requested = requested
    made.model = answered or requested or class_name
    made.kind = kind
    made.tokens = tokens
    made.latency_s = latency_s
    made.tokens_source = source
    made.usage_notes = notes
    made.zone = made.energy = None
    made.repeated = 0
    made.__class__ = ModelCall
    return made  # type: ignore[no-any-return]  # it is one now
