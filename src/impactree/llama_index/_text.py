"""The text of LlamaIndex's messages: what of them is counted where no usage was reported."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["answer_text", "beside_text", "held", "media_of", "prompt_texts"]

_NOTHING: Final[dict[str, Any]] = {}
_MEDIA: Final = frozenset({"image", "audio", "video", "document"})
_BESIDE: Final = ("reasoning_content", "refusal")


def held(response: Any) -> dict[str, Any]:
    """What a response holds: asking a completion for its message raises within pydantic."""
    return getattr(response, "__dict__", _NOTHING)


def _message(response: Any) -> Any:
    """The message of a chat's response; else what was given."""
    return held(response).get("message", response)


def prompt_texts(prompt: Any) -> list[str]:
    """The text of each message, of a prompt, or of nothing."""
    if isinstance(prompt, str):
        return [prompt]
    return [answer_text(message) for message in prompt or ()]


def answer_text(response: Any) -> str:
    """All that a model reads or writes: text, reasoning, tool calls, of a response or message."""
    if isinstance(response, str):
        return response
    message = _message(response)
    blocks = held(message).get("blocks")
    if blocks is None:
        return str(getattr(message, "text", None) or getattr(message, "content", None) or "")
    parts = []
    for block in blocks:
        # TextBlock, ThinkingBlock, ToolCallBlock; pictures and sound carry no text.
        parts.append(str(getattr(block, "text", None) or getattr(block, "content", None) or ""))
        if hasattr(block, "tool_name"):
            parts.append(f"{block.tool_name}{block.tool_kwargs}")
    if not any(hasattr(block, "tool_name") for block in blocks):
        calls = (getattr(message, "additional_kwargs", None) or {}).get("tool_calls") or ()
        parts.extend(_tool_call_text(call) for call in calls)
    return "".join(parts)


def media_of(response: Any) -> list[str]:
    """The kinds of what is no text in an answer, pictures and sound: its tokens are in none."""
    blocks = held(_message(response)).get("blocks") or ()
    kinds = [getattr(block, "block_type", None) for block in blocks]
    return [kind for kind in kinds if kind in _MEDIA]


def _tool_call_text(call: Any) -> str:
    if isinstance(call, dict):
        function = call.get("function", call)
        return f"{function.get('name', '')}{function.get('arguments', '')}"
    function = getattr(call, "function", call)
    return f"{getattr(function, 'name', '')}{getattr(function, 'arguments', '')}"


def beside_text(response: Any) -> str:
    """What some clients keep beside an answer's blocks: reasoning that is in none, a refusal."""
    fields = held(_message(response))
    beside = fields.get("additional_kwargs")
    if not isinstance(beside, dict):
        return ""
    told = any(getattr(b, "block_type", None) == "thinking" for b in fields.get("blocks") or ())
    keys = ("refusal",) if told else _BESIDE
    return "".join(text for key in keys if isinstance(text := beside.get(key), str))
