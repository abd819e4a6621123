"""Token usage of a LangChain result, wherever the client left it.

Read in this order: the message's ``usage_metadata``, its ``response_metadata``, the generation's
``generation_info``, the result's ``llm_output``. The first one that has counts is taken, once:
with ``n > 1`` every generation repeats the usage of the whole response.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from impactree.calls import Tokens
from impactree.calls.usage import MalformedUsageError, count, read_usage

__all__ = ["usage_of"]


def usage_of(message: Any, generation_info: Any, llm_output: Any) -> Tokens | None:
    """The usage of one run's result; None when none was reported.

    Args:
        message: The first generation's message, or None for a completion.
        generation_info: That generation's own.
        llm_output: ``LLMResult.llm_output``.

    Raises:
        MalformedUsageError: usage is there, but its counts are no whole numbers >= 0.
    """
    metadata = getattr(message, "usage_metadata", None)
    response = getattr(message, "response_metadata", None)
    if metadata is None:
        places = (response, generation_info, llm_output)
        return next(filter(None, map(read_usage, filter(None, places))), None)
    usage = _standard(metadata)
    if usage.cached_input is None and response and "token_usage" in response:
        # Mistral's client leaves them where the provider put them.
        raw = read_usage(response)
        return usage if raw is None else replace(usage, cached_input=raw.cached_input)
    return usage


def _standard(metadata: Any) -> Tokens:
    """LangChain's ``UsageMetadata``: inclusive already."""
    if not isinstance(metadata, dict):
        raise MalformedUsageError(f"usage_metadata is a {type(metadata).__name__}")
    cached = written = reasoning = None
    inputs = metadata.get("input_token_details")
    if inputs:
        # Service tiers prefix the keys: flex_cache_read, priority_reasoning.
        cached = _ending(inputs, "cache_read")
        # Anthropic's caches by time to live (ephemeral_5m_input_tokens) come on top of it.
        written = _ending(inputs, ("cache_creation", "5m_input_tokens", "1h_input_tokens"))
    outputs = metadata.get("output_token_details")
    if outputs:
        reasoning = _ending(outputs, "reasoning")
    taken, given = count(metadata.get("input_tokens", 0)), count(metadata.get("output_tokens", 0))
    if reasoning and metadata.get("total_tokens") == taken + given + reasoning:
        given += reasoning  # xAI counts it apart; its own class adds it, ``ChatOpenAI`` does not
    return Tokens(
        input=taken,
        cached_input=cached,
        cache_write=written,
        output=given,
        reasoning=reasoning,
    )


def _ending(details: Any, ending: str | tuple[str, ...]) -> int | None:
    if not isinstance(details, dict):
        raise MalformedUsageError(f"token details are a {type(details).__name__}")
    counts = [count(v) for k, v in details.items() if k.endswith(ending) and v is not None]
    return sum(counts) if counts else None
