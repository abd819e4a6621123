"""Where an answer holds its usage, and by which names its counts go there.

An answer may be a dict or an SDK object, whole or the chunk of a stream; its usage may lie a few
levels down.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.calls.names import field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["MAX_DEPTH", "Found", "find", "first", "is_number"]

MAX_DEPTH: Final = 3
"""How many levels below the answer its usage may lie."""

# Where usage lies in an answer, and what it may be wrapped in.
_HOLDERS: Final = (
    *("usage", "usage_metadata", "usageMetadata", "token_usage", "tokenUsage", "token_count"),
    *("x_groq", "stats", "details", "amazon-bedrock-invocationMetrics", "timings"),
    "metrics",
)
_WRAPPERS: Final = (
    *("response", "data", "metadata", "message", "meta", "body", "results", "result", "delta"),
    "interaction",
)
_UNITS: Final = ("tokens", "billed_units")  # Cohere nests its counts once more
_CHOICES: Final = "choices"  # Moonshot's streams have it in the last choice

_INPUT: Final = (
    *("prompt_tokens", "input_tokens", "prompt_token_count", "promptTokenCount", "inputTokens"),
    *("promptTokens", "prompt_eval_count", "tokens_evaluated", "input_token_count"),
    *("inputTokenCount", "inputTextTokenCount", "total_input_tokens", "native_tokens_prompt"),
    "prompt_n",
)
_OUTPUT: Final = (
    *("completion_tokens", "output_tokens", "candidates_token_count", "candidatesTokenCount"),
    *("outputTokens", "completionTokens", "eval_count", "tokens_predicted", "total_output_tokens"),
    *("generated_token_count", "generated_tokens", "generation_token_count", "outputTokenCount"),
    *("response_token_count", "responseTokenCount", "totalOutputTextTokenCount"),
    *("output_token_count", "native_tokens_completion", "predicted_n"),
)
_COUNTS: Final = frozenset((*_INPUT, *_OUTPUT))
_AROUND: Final = (*_HOLDERS, *_WRAPPERS)
_RANK: Final = {key: rank for rank, key in enumerate(_AROUND)}
_NESTS: Final = frozenset((*_UNITS, _CHOICES))
_PLAIN: Final = (str, int, float, list, tuple)  # a union would be built for every chunk


class Found(NamedTuple):
    """The object with the counts, the names of its input and output count, and its holder."""

    usage: Any
    read: str | None
    wrote: str | None
    around: Any


def find(place: Any, depth: int = MAX_DEPTH) -> Found | None:
    """The usage in a place; None if it holds none.

    Args:
        place: An answer, a chunk, or the usage itself.
        depth: How many levels below it the usage may lie.
    """
    if isinstance(place, list) and place and isinstance(place[0], dict):
        place = place[0]  # Watsonx and Bedrock's Titan have a list of results
    if place is None or isinstance(place, _PLAIN):
        return None
    # Most chunks of a stream hold nothing of all this: their own names tell at once.
    names = _own_names(place)
    if names is None:
        may_count, keys, nests = _ANY
    else:
        own = names is not place and names is place.__dict__
        may_count, keys, nests = (own and _of_fields(type(place))) or _of_names(names)  # type: ignore[arg-type]
    if may_count:
        read, wrote = _named(place, _INPUT), _named(place, _OUTPUT)
        if read or wrote:
            return Found(place, read, wrote, place)
    if depth == 0:
        return None
    for key in keys:
        inner = field(place, key) if names is None else names.get(key)
        if inner is not None and not callable(inner):
            found = find(inner, depth - 1)
            if found is not None:
                return found
    return _nested(place, names) if nests else None


class _Telling(NamedTuple):
    """Which of its names may tell of usage."""

    may_count: bool = True
    keys: Sequence[str] = _AROUND
    """Those under which it may lie, the likeliest first."""
    nests: bool = True
    """Whether it may lie under others."""


_ANY: Final = _Telling()


def _own_names(place: Any) -> dict[str, Any] | None:
    """All that a dict or a pydantic model holds; None of what may hold more than it shows."""
    if isinstance(place, dict):
        return place
    if _of_fields(type(place)) is None:  # type: ignore[arg-type]  # every class is hashable
        return None
    extra = getattr(place, "__pydantic_extra__", None)
    return {**place.__dict__, **extra} if extra else place.__dict__


@lru_cache(maxsize=512)
def _of_fields(cls: type) -> _Telling | None:
    """Of a pydantic class; None: it is none. Each chunk of a stream asks."""
    fields = getattr(cls, "__pydantic_fields__", None)
    return None if fields is None else _of_names(fields)


def _of_names(names: Mapping[str, Any]) -> _Telling:
    return _Telling(
        not _COUNTS.isdisjoint(names),
        sorted(names.keys() & _RANK.keys(), key=_RANK.__getitem__),
        not _NESTS.isdisjoint(names),
    )


def _nested(place: Any, names: dict[str, Any] | None) -> Found | None:
    """Cohere's counts are two floors down, but for the cached tokens; Moonshot's in a choice."""
    for key in _UNITS:
        usage = field(place, key) if names is None else names.get(key)
        if usage is None:
            continue
        read, wrote = _named(usage, _INPUT), _named(usage, _OUTPUT)
        if read or wrote:
            return Found(usage, read, wrote, place)
    choices = field(place, _CHOICES) if names is None else names.get(_CHOICES)
    if not isinstance(choices, list) or not choices:
        return None
    told = _own_names(choices[0])  # asking pydantic for what is not there is slow
    usage = field(choices[0], "usage") if told is None else told.get("usage")
    return None if usage is None else find(usage, 0)


def _named(place: Any, keys: tuple[str, ...]) -> str | None:
    """The name of a count; of a text where there is no number, which is none, and is told so."""
    text = None
    for key in keys:
        value = field(place, key)
        if is_number(value):
            return key
        if text is None and isinstance(value, str):
            text = key
    return text


def is_number(value: Any) -> bool:
    """Whether it is one, be it no count."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def first(place: Any, keys: tuple[str, ...]) -> Any:
    """What a place holds under the first of these names that it has."""
    return next((value for key in keys if (value := field(place, key)) is not None), None)
