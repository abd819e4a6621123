"""Token usage of a LangChain result, wherever the client left it.

Read in this order: the message's ``usage_metadata``, its ``response_metadata``, the generation's
``generation_info``, the result's ``llm_output``. The first one that has counts is taken, once:
with ``n > 1`` every generation repeats the usage of the whole response. Where the provider's own
usage stands beside LangChain's, it fills in what the client left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.usage import noted, read_langchain_usage, read_usage, with_details

if TYPE_CHECKING:
    from impactree.calls.reconciling import Reading

__all__ = ["usage_of"]

_OWN_USAGE: Final = frozenset({"compaction", "advisor_tool_result"})
"""Blocks of Anthropic's whose tokens stand in the usage of iterations alone."""
_SEEN: Final = frozenset({"iterations-summed", "other-models-apart"})


def usage_of(message: Any, generation_info: Any, llm_output: Any) -> Reading | None:
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
        if isinstance(generation_info, dict) and _is_langchain(generation_info):
            return read_langchain_usage(generation_info["usage_metadata"])
        places = (response, generation_info, llm_output)
        return next(filter(None, map(read_usage, filter(None, places))), None)
    usage = read_langchain_usage(metadata)
    if isinstance(response, dict) and ("token_usage" in response or "usage" in response):
        raw = read_usage(response)
        if raw is not None:
            usage = with_details(usage, raw)
    content = getattr(message, "content", None)
    if isinstance(content, list) and any(map(_is_apart, content)) and not _SEEN & {*usage.notes}:
        return noted(usage, "iterations-not-shown")
    return usage


def _is_langchain(info: dict[str, Any]) -> bool:
    """Whether a completion's own has usage in LangChain's shape, not in the provider's."""
    usage = info.get("usage_metadata")
    return isinstance(usage, dict) and "input_tokens" in usage


def _is_apart(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in _OWN_USAGE
