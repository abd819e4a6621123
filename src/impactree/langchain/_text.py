"""The text of LangChain's messages: what of them is counted where no usage was reported."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["content_text", "is_hidden", "message_text", "thoughts"]

_TEXTS: Final = ("text", "reasoning", "thinking", "summary", "reasoning_content", "refusal")
_BESIDE: Final = ("reasoning_content", "refusal")
# Answers that are no text, or not only: their tokens cannot be counted from it.
_MEDIA: Final = frozenset({"image", "image_url", "audio", "video", "file"})
# Tool calls among the content, that the message mostly has a second time.
_CALLS: Final = frozenset({"tool_use", "tool_call", "function_call"})
_READ: Final = frozenset({*_TEXTS, "output_text", *_CALLS})
# What a model writes to have a tool run on the provider's side.
_WRITTEN: Final = ("name", "input", "args", "arguments", "executable_code")
_BY_PROVIDER: Final = frozenset({"server_tool_use", "server_tool_call", "executable_code"})


def message_text(message: Any) -> str:
    """All that a model reads or writes of a message: text blocks, reasoning, tool calls."""
    parts = [content_text(getattr(message, "content", message))]
    for kind in ("tool_calls", "invalid_tool_calls"):
        calls = getattr(message, kind, None) or ()
        parts += [f"{c.get('name', '')}{c.get('args', '')}" for c in calls if isinstance(c, dict)]
    content = getattr(message, "content", None)
    if len(parts) == 1 and isinstance(content, list):  # a client that leaves them in the content
        parts += [_written(b) for b in content if isinstance(b, dict) and b.get("type") in _CALLS]
    return "".join(parts)


def _written(block: dict[str, Any]) -> str:
    return "".join(str(block[key]) for key in _WRITTEN if block.get(key))


def content_text(content: Any) -> str:
    """The text of a message's content: a string or a list of blocks."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = []
    for block in content:
        if isinstance(block, str):
            parts.append(block)
        elif isinstance(block, dict):
            for key in _TEXTS:
                value = block.get(key)
                if value:  # Bedrock and OpenAI nest them once more
                    parts.append(content_text([value] if isinstance(value, dict) else value))
            if block.get("type") in _BY_PROVIDER:
                parts.append(_written(block))
    return "".join(parts)


def thoughts(message: Any) -> str:
    """Reasoning or a refusal beside the content. In a prompt, no client sends it again."""
    beside = getattr(message, "additional_kwargs", None)
    if not beside or isinstance(message.content, list):
        return ""  # with ``output_version="v1"`` it is among the content's blocks, too
    return "".join(found for key in _BESIDE if isinstance(found := beside.get(key), str))


def is_hidden(generation: Any) -> bool:
    """Whether something was generated whose tokens are in no text."""
    message = getattr(generation, "message", None)
    content = getattr(message, "content", None)
    if isinstance(content, list):
        return any(isinstance(b, dict) and _is_unread(b) for b in content)
    beside = getattr(message, "additional_kwargs", None) or {}
    return bool(beside.get("audio") or beside.get("images"))


def _is_unread(block: dict[str, Any]) -> bool:
    """Whether a block was generated and holds nothing to count: an empty text holds nothing."""
    kind = block.get("type")
    if kind in _MEDIA:
        return True
    return not (kind in _READ or str(kind).endswith("result") or content_text([block]))
