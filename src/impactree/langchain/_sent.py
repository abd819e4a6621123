"""All that a model was asked at once, to tell whether the very same was asked before."""

from __future__ import annotations

from typing import Any

from impactree.calls.repeats import asked_with

__all__ = ["asked_of"]


def asked_of(prompt: Any, params: dict[str, Any]) -> object:
    """A prompt or messages, with the request's parameters; without ids, which differ each time."""
    if isinstance(prompt, str):
        return asked_with(params, prompt)
    return asked_with(params, tuple(map(_message, prompt)))


def _message(message: Any) -> object:
    calls = getattr(message, "tool_calls", None) or ()
    called = tuple((call.get("name"), call.get("args")) for call in calls) if calls else ()
    return getattr(message, "type", None), getattr(message, "content", message), called
