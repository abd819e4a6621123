"""All that a model was asked at once, to tell whether the very same was asked before."""

from __future__ import annotations

from typing import Any

from impactree.calls.repeats import asked_with

__all__ = ["asked_of"]


def asked_of(prompt: Any, params: dict[str, Any]) -> object:
    """A prompt or messages, with the request's parameters; without ids, which differ each time."""
    if isinstance(prompt, str):
        return asked_with(params, prompt)
    said: list[object] = []
    for message in prompt:
        held = getattr(message, "__dict__", None)  # asking pydantic for what is not there is slow
        if not held:
            said.append(message)
            continue
        said += (held.get("type"), held.get("content"))
        calls = held.get("tool_calls")
        if calls and isinstance(calls, list):
            for call in calls:
                if isinstance(call, dict):
                    said += (call.get("name"), str(call.get("args")))
    return asked_with(params, tuple(said))
