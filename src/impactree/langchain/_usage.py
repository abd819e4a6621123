"""Token usage of a LangChain result, in inclusive buckets, wherever the client left it.

Read in this order: the message's ``usage_metadata``, its ``response_metadata``, the generation's
``generation_info``, the result's ``llm_output``. The first one that has counts is taken, once:
with ``n > 1`` every generation repeats the usage of the whole response.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["MalformedUsageError", "Usage", "usage_of"]


class MalformedUsageError(Exception):
    """Usage was there but not of any documented shape."""


@dataclass(slots=True)
class Usage:
    """Tokens of one request. Cached and written are part of input, reasoning of output."""

    input: int | None
    output: int | None
    cached: int | None = None
    written: int | None = None
    reasoning: int | None = None


_RAW_KEYS: Final = ("token_usage", "usage", "tokenUsage", "token_count")
_INPUT: Final = (
    "input_tokens",
    "prompt_tokens",
    "prompt_token_count",
    "inputTokens",
    "prompt_eval_count",
)
_OUTPUT: Final = (
    "output_tokens",
    "completion_tokens",
    "candidates_token_count",
    "outputTokens",
    "eval_count",
)


def usage_of(message: Any, generation_info: Any, llm_output: Any) -> Usage | None:
    """The usage of one run's result; None when none was reported.

    Args:
        message: The first generation's message, or None for a completion.
        generation_info: That generation's own.
        llm_output: ``LLMResult.llm_output``.

    Raises:
        MalformedUsageError: usage is there, but its counts are no whole numbers >= 0.
    """
    metadata = getattr(message, "usage_metadata", None)
    if metadata is not None:
        usage = _standard(metadata)
        if usage.cached is None:  # Mistral's client leaves it where the provider put it
            raw = _raw(getattr(message, "response_metadata", None))
            usage.cached = _cached(raw) if raw else None
        return usage
    for place in (getattr(message, "response_metadata", None), generation_info, llm_output):
        raw = _raw(place)
        if raw:
            return _provider(raw)
    return None


def _raw(place: Any) -> dict[str, Any] | None:
    if not isinstance(place, dict):
        return None
    for holder in (place, place.get("body")):  # the body of an HTTP error
        if not isinstance(holder, dict):
            continue
        if holder.get("eval_count") is not None:  # Ollama puts its counts at the top
            return holder
        for key in _RAW_KEYS:
            value: Any = holder.get(key)
            if value is None:
                continue
            if not isinstance(value, dict) and hasattr(value, "model_dump"):
                value = value.model_dump()
            if isinstance(value, dict) and any(value.get(k) for k in (*_INPUT, *_OUTPUT)):
                return value
    return None


def _standard(metadata: Any) -> Usage:
    """LangChain's ``UsageMetadata``: inclusive already."""
    if not isinstance(metadata, dict):
        raise MalformedUsageError(f"usage_metadata is a {type(metadata).__name__}")
    usage = Usage(_count(metadata.get("input_tokens", 0)), _count(metadata.get("output_tokens", 0)))
    inputs = metadata.get("input_token_details")
    if inputs:
        # Service tiers prefix the keys: flex_cache_read, priority_reasoning.
        inputs = _details(inputs)
        usage.cached = _ending(inputs, "cache_read")
        # Anthropic's caches by time to live (ephemeral_5m_input_tokens) come on top of it.
        usage.written = _ending(inputs, ("cache_creation", "5m_input_tokens", "1h_input_tokens"))
    outputs = metadata.get("output_token_details")
    if outputs:
        usage.reasoning = _ending(_details(outputs), "reasoning")
    return usage


def _provider(raw: dict[str, Any]) -> Usage:
    """A provider's own usage: OpenAI-like, Anthropic-like or Bedrock-like."""
    inputs = _first(raw, _INPUT)
    cached = raw.get("cache_read_input_tokens")
    written = raw.get("cache_creation_input_tokens")
    if raw.get("input_tokens") is not None:  # Anthropic counts them apart from the input
        inputs += _count(cached or 0) + _count(written or 0)
    out = _details(raw.get("completion_tokens_details") or raw.get("output_tokens_details"))
    reasoning = out.get("reasoning_tokens")
    return Usage(
        input=inputs,
        output=_first(raw, _OUTPUT),
        cached=_cached(raw) if cached is None else _count(cached),
        written=None if written is None else _count(written),
        reasoning=None if reasoning is None else _count(reasoning),
    )


def _cached(raw: dict[str, Any]) -> int | None:
    details = _details(raw.get("prompt_tokens_details") or raw.get("input_tokens_details"))
    cached = details.get("cached_tokens", raw.get("prompt_cache_hit_tokens"))
    return None if cached is None else _count(cached)


def _first(raw: dict[str, Any], keys: Iterable[str]) -> int:
    return next((_count(raw[key]) for key in keys if raw.get(key) is not None), 0)


def _details(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) and hasattr(value, "model_dump"):
        value = value.model_dump()
    if not isinstance(value, dict):
        raise MalformedUsageError(f"token details are a {type(value).__name__}")
    return value


def _ending(details: dict[str, Any], ending: str | tuple[str, ...]) -> int | None:
    counts = [_count(v) for k, v in details.items() if k.endswith(ending) and v is not None]
    return sum(counts) if counts else None


def _count(value: Any) -> int:
    if type(value) is int and value >= 0:
        return value
    if type(value) is float and value >= 0 and value.is_integer():
        return int(value)
    raise MalformedUsageError(f"a token count is {value!r:.60}")
