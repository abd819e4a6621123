"""Calls of other models that worked for one answer, from the provider's own usage of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impactree.calls.model_call import ModelCall
from impactree.calls.usage import MalformedUsageError, others_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["other_calls"]

_APART = "other-models-apart"


def other_calls(call: ModelCall, places: Iterable[Any]) -> list[ModelCall]:
    """One call per other model: Anthropic's advisors, attempts that a fallback followed.

    Args:
        call: The call whose answer it is; its ``usage_notes`` say whether there are any.
        places: Where the client keeps the answer's usage.
    """
    if _APART not in call.usage_notes:
        return []
    for place in places:
        try:
            others = others_of(place)
        except MalformedUsageError:  # told already, when the call's own usage was read
            continue
        if others:
            return [
                ModelCall(
                    provider=call.provider,
                    model=name,
                    tokens=tokens,
                    base_url=call.base_url,
                    region=call.region,
                    zone=call.zone,
                )
                for name, tokens in others.items()
            ]
    return []
