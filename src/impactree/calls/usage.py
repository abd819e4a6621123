"""Token usage as providers' own answers state it, in inclusive buckets.

Where an answer holds it is for :mod:`impactree.calls.finding`; counts that contradict one another
are read by :mod:`impactree.calls.reconciling`. Checked against ``genai-prices``' extractors in the
tests.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from impactree.calls.finding import Found, find, first, is_number
from impactree.calls.names import field
from impactree.calls.reconciling import Reading, Stated, reconciled
from impactree.calls.tokens import MAX_TOKENS, Tokens, is_count, tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MalformedUsageError",
    "count",
    "noted",
    "others_of",
    "read_input",
    "read_langchain_usage",
    "read_usage",
    "updated",
    "with_details",
]


class MalformedUsageError(Exception):
    """Usage was there but not of any documented shape."""


_TOTAL: Final = ("total_tokens", "totalTokens", "total_token_count", "totalTokenCount")
# Anthropic, Bedrock and llama.cpp's timings count these apart from the input, all others within it.
_APART: Final = frozenset({"input_tokens", "inputTokens", "inputTokenCount", "prompt_n"})
_READ_APART: Final = (
    *("cache_read_input_tokens", "cacheReadInputTokens", "cacheReadInputTokenCount", "cache_n"),
)
_WRITTEN_APART: Final = (
    *("cache_creation_input_tokens", "cacheWriteInputTokens", "cacheWriteInputTokenCount"),
)
_CACHED: Final = (
    *("cached_content_token_count", "cachedContentTokenCount", "prompt_cache_hit_tokens"),
    *("cached_tokens", "num_cached_tokens", "total_cached_tokens", "native_tokens_cached"),
    *("cached_prompt_text_tokens", "prompt_eval_cached_count"),
)
# Apart from the output and the input of Gemini, and from the input of Mistral's conversations.
_THOUGHTS: Final = ("thoughts_token_count", "thoughtsTokenCount", "total_thought_tokens")
_TOOL_PROMPT: Final = (
    *("tool_use_prompt_token_count", "toolUsePromptTokenCount", "total_tool_use_tokens"),
    "connector_tokens",
)
_INPUT_DETAILS: Final = (
    *("prompt_tokens_details", "input_tokens_details", "input_token_details"),
    *("promptTokensDetails", "prompt_token_details"),
)
_OUTPUT_DETAILS: Final = (
    *("completion_tokens_details", "output_tokens_details", "output_token_details"),
    "completionTokensDetails",
)
_CACHED_DETAIL: Final = (
    *(*_CACHED, "cache_read_tokens", "cachedTokens", "cache_read_input_tokens"),
)
_WRITTEN: Final = (
    *("cache_write_tokens", "cache_creation_tokens", "cacheWriteTokens"),
    *("cache_creation_input_tokens", "native_tokens_cache_creation"),
)
_REASONING: Final = (
    *("reasoning_tokens", "thinking_tokens", "reasoningTokens", "reasoning_output_tokens"),
    "native_tokens_reasoning",
)
_ANSWERS: Final = frozenset({"message", "fallback_message"})
"""The iterations whose counts Anthropic's top level sums."""
# Perplexity's own: it documents reasoning beside the completion.
_PERPLEXITY: Final = ("citation_tokens", "num_search_queries")


def read_usage(answer: Any) -> Reading | None:
    """The usage in a provider's answer; None when it reports none.

    Args:
        answer: A dict or an SDK object: the whole answer, a chunk, or the usage itself.

    Raises:
        MalformedUsageError: usage is there, but its counts are no whole numbers >= 0.
    """
    found = find(answer)
    try:
        return None if found is None else _read(found)
    except ValueError as error:  # a sum of counts that each are none too large
        raise MalformedUsageError(str(error)) from error


def read_input(answer: Any) -> int | None:
    """The input tokens of an answer that generates nothing: embeddings, a ranking.

    Some (Voyage, Jina) report a total alone.

    Raises:
        MalformedUsageError: usage is there, but its counts are no whole numbers >= 0.
    """
    reading = read_usage(answer)
    if reading is not None:
        return reading.tokens.input
    holders = (field(answer, key) for key in ("usage", "meta"))
    found = (_number(holder, _TOTAL) for holder in (answer, *holders))
    return next(filter(None, found), None)


def _read(found: Found) -> Reading | None:
    said = _stated(found)
    if not said.input and not said.output and not said.reasoning:
        return None  # some clients say 0 and 0 where the answer reported nothing
    reading = _decided(said)
    iterations = field(found.usage, "iterations")
    if isinstance(iterations, list | tuple) and iterations:
        return _iterated(reading, iterations)
    return reading


def _decided(said: Stated) -> Reading:
    if said.input == 0 and said.output:
        said.input = None  # nobody answers without reading: the prompt was cached, not counted
    return reconciled(said)


def _stated(found: Found) -> Stated:
    usage, read, wrote, around = found
    said = Stated(
        input=None if read is None else count(field(usage, read)),
        output=None if wrote is None else count(field(usage, wrote)),
        total=total if is_count(total := first(usage, _TOTAL)) else None,
    )
    if read is None and wrote == "generated_tokens":
        said.input = _number(usage, ("input_length",))  # of TGI's streams
    results = field(usage, "results")
    if wrote is None and isinstance(results, list) and results:
        said.output = _number(results[0], ("tokenCount",))  # Bedrock's Titan
    details = first(usage, _INPUT_DETAILS)
    said.cached = _number(usage, _READ_APART)
    said.written = _number(usage, _WRITTEN_APART)
    if said.written is None:
        said.written = _by_time_to_live(usage)
    if read in _APART and said.input is not None:
        said.input += (said.cached or 0) + (said.written or 0)
    if said.cached is None:
        said.cached = _largest(_number(around, _CACHED), _number(details, _CACHED_DETAIL))
    if said.written is None:
        said.written = _largest(_number(details, _WRITTEN), _number(usage, _WRITTEN))
    said.reasoning = _largest(
        _number(first(usage, _OUTPUT_DETAILS), _REASONING), _number(usage, _REASONING)
    )
    said.reasoning_is_beside = any(is_number(field(usage, key)) for key in _PERPLEXITY)
    thoughts = _number(usage, _THOUGHTS)
    if thoughts is not None:
        said.reasoning, said.output = thoughts, (said.output or 0) + thoughts
    if said.input is not None:
        said.input += _number(usage, _TOOL_PROMPT) or 0
    return said


def _by_time_to_live(usage: Any) -> int | None:
    """What Anthropic wrote to its caches, where only the parts are given."""
    parts = field(usage, "cache_creation")
    keys = ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    counts = [n for key in keys if (n := _number(parts, (key,))) is not None]
    return sum(counts) if counts else None


def _iterated(top: Reading, iterations: Any) -> Reading:
    """Anthropic's top level leaves out what a compaction read and wrote; the iterations do not."""
    parts = _parts(iterations)
    own = _own_model(parts)
    summed = _summed(tokens for _, model, tokens in parts if model in (None, own))
    if summed is None:
        return top
    apart = any(model not in (None, own) for _, model, _ in parts)
    notes = (*top.notes, "other-models-apart") if apart else top.notes
    answers = _summed(tokens for kind, _, tokens in parts if kind in _ANSWERS)
    if apart and answers is not None and _counts(top.tokens) == _counts(answers):
        return Reading(summed, notes)  # an attempt of another model is among the top level's
    tokens = _combined(top.tokens, summed, max)
    same = _counts(tokens) == _counts(top.tokens)
    return Reading(tokens, notes if same else (*notes, "iterations-summed"))


def _counts(tokens: Tokens) -> tuple[int, ...]:
    """To compare by: one place tells of no cache what another tells as 0."""
    parts = (tokens.input, tokens.output, tokens.cached_input, tokens.cache_write, tokens.reasoning)
    return tuple(part or 0 for part in parts)


def others_of(answer: Any) -> dict[str, Tokens]:
    """What other models read and wrote for an answer, by their names.

    Anthropic's advisors, and attempts that were declined before a fallback answered.

    Raises:
        MalformedUsageError: usage is there, but its counts are no whole numbers >= 0.
    """
    found = find(answer)
    iterations = None if found is None else field(found.usage, "iterations")
    if not isinstance(iterations, list | tuple):
        return {}
    parts = _parts(iterations)
    own, others = _own_model(parts), dict[str, Tokens]()
    for _, model, tokens in parts:
        if model not in (None, own):
            before = others.get(model)
            others[model] = tokens if before is None else _combined(before, tokens, int.__add__)
    return others


def _parts(iterations: Any) -> list[tuple[str, Any, Tokens]]:
    """Kind, model if it is told, and tokens of each iteration."""
    parts = []
    for each in iterations:
        found = find(each, 0)
        reading = None if found is None else _read(found)
        if reading is not None:
            model = field(each, "model")
            name = model if isinstance(model, str) and model else None
            parts.append((str(field(each, "type")), name, reading.tokens))
    return parts


def _own_model(parts: list[tuple[str, Any, Tokens]]) -> str | None:
    """The model whose answer was returned, where it is told."""
    return next((model for kind, model, _ in reversed(parts) if kind in _ANSWERS), None)


def _summed(each: Iterable[Tokens]) -> Tokens | None:
    summed: Tokens | None = None
    for tokens in each:
        summed = tokens if summed is None else _combined(summed, tokens, int.__add__)
    return summed


def updated(earlier: Reading | None, later: Reading) -> Reading:
    """What a stream has reported after one more chunk: counts are cumulative, and never fall."""
    if earlier is None:
        return later
    notes = tuple(dict.fromkeys((*earlier.notes, *later.notes)))
    return Reading(_combined(earlier.tokens, later.tokens, max), notes)


def _combined(one: Tokens, other: Tokens, how: Any) -> Tokens:
    """Bucket by bucket; what only one of them says stands."""

    def bucket(mine: int | None, theirs: int | None) -> int | None:
        if mine is None or theirs is None:
            return theirs if mine is None else mine
        return int(how(mine, theirs))

    return Tokens(
        input=bucket(one.input, other.input),
        cached_input=bucket(one.cached_input, other.cached_input),
        cache_write=bucket(one.cache_write, other.cache_write),
        output=bucket(one.output, other.output),
        reasoning=bucket(one.reasoning, other.reasoning),
    )


def read_langchain_usage(metadata: Any) -> Reading:
    """LangChain's own ``UsageMetadata``: inclusive, unless a client handed on what is not.

    Args:
        metadata: Of a message, a chunk, or a run that LangSmith has stored.

    Raises:
        MalformedUsageError: it is no such thing, or a count is no whole number >= 0.
    """
    if not isinstance(metadata, dict):
        raise MalformedUsageError(f"usage_metadata is a {type(metadata).__name__}")
    get = metadata.get
    read, wrote, total = get("input_tokens", 0), get("output_tokens", 0), get("total_tokens")
    inputs, outputs = get("input_token_details"), get("output_token_details")
    try:
        plain = type(read) is type(wrote) is int and not (inputs or outputs)
        if plain and total == read + wrote <= MAX_TOKENS and read > 0 and wrote >= 0:
            return Reading(tokens_of(read, wrote))  # as most say: nothing to decide
        said = Stated(count(read), output=count(wrote), total=total if is_count(total) else None)
        return _decided(_detailed(said, inputs, outputs))
    except ValueError as error:
        raise MalformedUsageError(str(error)) from error


def _detailed(said: Stated, inputs: Any, outputs: Any) -> Stated:
    if inputs:
        # Service tiers prefix the keys: flex_cache_read, priority_reasoning.
        said.cached = _ending(inputs, "cache_read")
        # Anthropic's caches by time to live (ephemeral_5m_input_tokens) come on top of it.
        said.written = _ending(inputs, ("cache_creation", "5m_input_tokens", "1h_input_tokens"))
    if outputs:
        said.reasoning = _ending(outputs, "reasoning")
        said.reasoning_is_beside = "citation_tokens" in outputs  # Perplexity's
    return said


def _ending(details: Any, ending: str | tuple[str, ...]) -> int | None:
    if not isinstance(details, dict):
        raise MalformedUsageError(f"token details are a {type(details).__name__}")
    counts = [count(v) for k, v in details.items() if k.endswith(ending) and v is not None]
    return sum(counts) if counts else None


def noted(reading: Reading, note: str) -> Reading:
    """The reading with one more note."""
    return reading._replace(notes=(*reading.notes, note))


def with_details(reading: Reading, raw: Reading) -> Reading:
    """A client's reading of usage with what the provider's own says beyond it."""
    tokens, whole = reading.tokens, raw.tokens
    larger = (whole.input or 0) + (whole.output or 0) > (tokens.input or 0) + (tokens.output or 0)
    if raw.notes and (larger or "other-models-apart" in raw.notes):
        return Reading(_combined(whole, tokens, lambda theirs, ours: theirs), raw.notes)
    return reading._replace(
        tokens=replace(
            tokens,
            cached_input=_or(tokens.cached_input, whole.cached_input, tokens.input),
            cache_write=_or(tokens.cache_write, whole.cache_write, tokens.input),
            reasoning=_or(tokens.reasoning, whole.reasoning, tokens.output),
        )
    )


def _or(mine: int | None, theirs: int | None, whole: int | None) -> int | None:
    """A part that only the other reading has, if it fits the whole."""
    return theirs if mine is None and theirs is not None and theirs <= (whole or 0) else mine


def _largest(*counts: int | None) -> int | None:
    """Of what the same thing is said to be: zeros stand where nobody filled them in."""
    return max((n for n in counts if n is not None), default=None)


def _number(place: Any, keys: tuple[str, ...]) -> int | None:
    value = None if place is None else first(place, keys)
    return None if value is None else count(value)


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
