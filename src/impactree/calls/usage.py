"""Token usage as providers' own answers state it, in inclusive buckets.

An answer may be a dict or an SDK object, whole or the chunk of a stream; its usage may lie a few
levels down. Checked against ``genai-prices``' extractors in the tests.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from impactree.calls.names import field
from impactree.calls.tokens import MAX_TOKENS, Tokens, is_count

__all__ = ["MalformedUsageError", "count", "read_usage", "updated"]


class MalformedUsageError(Exception):
    """Usage was there but not of any documented shape."""


def updated(earlier: Tokens | None, later: Tokens) -> Tokens:
    """What a stream has reported after one more chunk: counts are cumulative."""
    if earlier is None:
        return later
    return Tokens(
        input=_later(earlier.input, later.input),
        cached_input=_later(earlier.cached_input, later.cached_input),
        cache_write=_later(earlier.cache_write, later.cache_write),
        output=_later(earlier.output, later.output),
        reasoning=_later(earlier.reasoning, later.reasoning),
    )


def _later(earlier: int | None, later: int | None) -> int | None:
    return earlier if later is None else later


# Where usage lies in an answer, and what it may be wrapped in.
_HOLDERS: Final = (
    "usage",
    "usage_metadata",
    "usageMetadata",
    "token_usage",
    "tokenUsage",
    "token_count",
)
_WRAPPERS: Final = ("response", "data", "metadata", "message", "meta", "body")
_UNITS: Final = ("tokens", "billed_units")  # Cohere nests its counts once more
_MAX_DEPTH: Final = 3

_INPUT: Final = (
    "prompt_tokens",
    "input_tokens",
    "prompt_token_count",
    "promptTokenCount",
    "inputTokens",
    "prompt_eval_count",
)
_OUTPUT: Final = (
    "completion_tokens",
    "output_tokens",
    "candidates_token_count",
    "candidatesTokenCount",
    "outputTokens",
    "eval_count",
)
# Anthropic and Bedrock count these apart from the input, everybody else within it.
_APART: Final = frozenset({"input_tokens", "inputTokens"})
_READ_APART: Final = ("cache_read_input_tokens", "cacheReadInputTokens")
_WRITTEN_APART: Final = ("cache_creation_input_tokens", "cacheWriteInputTokens")
_CACHED: Final = (
    "cached_content_token_count",
    "cachedContentTokenCount",
    "prompt_cache_hit_tokens",
    "cached_tokens",
)
_THOUGHTS: Final = ("thoughts_token_count", "thoughtsTokenCount")  # apart from Gemini's output
_TOOL_PROMPT: Final = ("tool_use_prompt_token_count", "toolUsePromptTokenCount")
_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details")
_WRITTEN: Final = ("cache_write_tokens", "cache_creation_tokens")
_REASONING: Final = ("reasoning_tokens", "thinking_tokens")


def read_usage(answer: Any) -> Tokens | None:
    """The usage in a provider's answer; None when it reports none.

    Args:
        answer: A dict or an SDK object: the whole answer, a chunk, or the usage itself.

    Raises:
        MalformedUsageError: usage is there, but its counts are no whole numbers >= 0.
    """
    found = _find(answer, _MAX_DEPTH)
    return None if found is None else _normalised(found)


class _Found(NamedTuple):
    """The object with the counts, the names of its input and output count, and its holder."""

    usage: Any
    read: str | None
    wrote: str | None
    around: Any


def _find(place: Any, depth: int) -> _Found | None:
    if place is None or isinstance(place, str | int | float | list | tuple):
        return None
    read, wrote = _named(place, _INPUT), _named(place, _OUTPUT)
    if read or wrote:
        return _Found(place, read, wrote, place)
    if depth == 0:
        return None
    for key in (*_HOLDERS, *_WRAPPERS):
        inner = field(place, key)
        if inner is not None and not callable(inner):
            found = _find(inner, depth - 1)
            if found is not None:
                return found
    return _find_nested(place)


def _find_nested(place: Any) -> _Found | None:
    """Cohere's counts are two floors down, but for the cached tokens."""
    for key in _UNITS:
        usage = field(place, key)
        read, wrote = _named(usage, _INPUT), _named(usage, _OUTPUT)
        if read or wrote:
            return _Found(usage, read, wrote, place)
    return None


def _normalised(found: _Found) -> Tokens | None:
    usage, read, wrote, around = found
    tokens_in = None if read is None else count(field(usage, read))
    tokens_out = None if wrote is None else count(field(usage, wrote))
    if not tokens_in and not tokens_out:
        return None  # some clients say 0 and 0 where the answer reported nothing
    details = _first(usage, _INPUT_DETAILS)
    cached, written = _number(usage, _READ_APART), _number(usage, _WRITTEN_APART)
    if read in _APART and tokens_in is not None:
        tokens_in += (cached or 0) + (written or 0)
    if cached is None:
        cached = _number(around, _CACHED)
    if cached is None:
        cached = _number(details, _CACHED)
    if written is None:
        written = _number(details, _WRITTEN)
    reasoning = _number(_first(usage, _OUTPUT_DETAILS), _REASONING)
    thoughts = _number(usage, _THOUGHTS)
    if thoughts is not None:
        reasoning, tokens_out = thoughts, (tokens_out or 0) + thoughts
    if tokens_in is not None:
        tokens_in += _number(usage, _TOOL_PROMPT) or 0
    return Tokens(
        input=tokens_in,
        cached_input=cached,
        cache_write=written,
        output=tokens_out,
        reasoning=reasoning,
    )


def _named(place: Any, keys: tuple[str, ...]) -> str | None:
    return next((key for key in keys if _is_number(field(place, key))), None)


def _first(place: Any, keys: tuple[str, ...]) -> Any:
    return next((value for key in keys if (value := field(place, key)) is not None), None)


def _number(place: Any, keys: tuple[str, ...]) -> int | None:
    value = None if place is None else _first(place, keys)
    return None if value is None else count(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def count(value: Any) -> int:
    """A token count, checked.

    Raises:
        MalformedUsageError: it is no whole number from 0 to ``MAX_TOKENS``.
    """
    if is_count(value):
        return value
    if type(value) is float and 0 <= value <= MAX_TOKENS and value.is_integer():
        return int(value)  # Cohere sends 12.0
    if type(value) is int and value > 0:
        raise MalformedUsageError("a token count is absurdly large")
    raise MalformedUsageError(f"a token count is {value!r:.60}, not a whole number >= 0")
