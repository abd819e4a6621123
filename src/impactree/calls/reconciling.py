"""Counts that contradict one another, read by their numbers.

Cached tokens are part of the input and reasoning tokens part of the output, or they stand beside
them: providers differ. A part larger than its whole, or a total that only one reading explains,
tells which. What had to be decided is noted; where two readings fit, the count is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from impactree.calls.tokens import Tokens

__all__ = ["READINGS", "UNCLEAR", "Reading", "Stated", "reconciled"]

READINGS: Final = {
    "cache-beside-input": "Cached tokens were larger than the input and were added to it.",
    "reasoning-beside-output": "Reasoning tokens stood beside the output and were added to it.",
    "thoughts-missing": "The total was larger than input and output: the rest was taken as output.",
    "input-from-total": "The input is the total less the output.",
    "iterations-summed": "The counts are those of all iterations, of which the answer's own top "
    "level leaves some out.",
    "other-models-apart": "Another model worked for the answer, an advisor or an attempt that was "
    "declined; its tokens count apart.",
    "cumulative-chunks": "Every chunk of the stream repeated the usage so far; the last counts.",
    "input-repeated": "Every chunk of the stream repeated the input, which counts once; the "
    "outputs were parts, by the length of the text, and add up.",
    "two-readings": "Two readings fit the total, so neither is taken.",
    "total-too-small": "The total is smaller than input and output.",
    "sum-of-chunks": "Only the framework's sum over the chunks of the stream was seen; where a "
    "server repeats its usage in every chunk, that is too much.",
    "counted-by-client": "LiteLLM counts a stream's tokens itself where the server reports none, "
    "and does not say so. Cure: ask with invoke, or turn the server's usage on.",
    "billed-tokens": "ChatCohere hands on a stream's billed tokens, which leave out special tokens "
    "that were read. Cure: ask with invoke.",
    "perhaps-cached": "The answer has no metadata, as one that another program has put into "
    "LangChain's cache as a bare text has none: it may have been no call. Cure: fill the cache by "
    "calls of LangChain's chat models.",
    "media-not-counted": "Nothing was reported, and a part of the answer (a picture, a sound, a "
    "thought that is not shown) has tokens that its text does not hold.",
    "iterations-not-shown": "The client dropped the usage of single iterations; the tokens of a "
    "compaction or an advisor are missing. Cure: ask with invoke, which keeps it.",
}
"""Sentences of the notes on a reading, by code."""
UNCLEAR: Final = frozenset(
    {
        *("two-readings", "total-too-small", "sum-of-chunks", "iterations-not-shown"),
        *("counted-by-client", "media-not-counted", "billed-tokens", "perhaps-cached"),
    }
)
"""The notes that say that nothing fits, or that not all was seen."""


class Reading(NamedTuple):
    """The usage of one request, and what had to be decided to read it."""

    tokens: Tokens
    notes: tuple[str, ...] = ()
    """Codes of :data:`READINGS`; empty where usage was taken as it stood."""


@dataclass(slots=True, eq=False, repr=False)
class Stated:
    """Counts as a provider's names and documentation state them. None: it did not say."""

    input: int | None = None
    cached: int | None = None
    written: int | None = None
    output: int | None = None
    reasoning: int | None = None
    total: int | None = None
    reasoning_is_beside: bool = False
    """Whether the provider documents reasoning as no part of the output."""


def reconciled(said: Stated) -> Reading:
    """The counts in inclusive buckets, with a note on each thing that the numbers decided."""
    notes: list[str] = []
    total = said.total or None  # some clients say 0 for no total
    if total is not None:
        _fill(said, total, notes)
    _cache(said, total, notes)
    added = _reasoning(said, total, notes)
    if total is not None and said.input is not None and said.output is not None:
        excess = total - said.input - said.output
        if excess > 0:
            _excess(said, excess, notes)
        elif excess < 0 and -excess not in _explained(said, added):
            notes.append("total-too-small")
    tokens = Tokens(
        input=said.input,
        cached_input=said.cached,
        cache_write=said.written,
        output=said.output,
        reasoning=said.reasoning,
    )
    return Reading(tokens, tuple(notes))


def _fill(said: Stated, total: int, notes: list[str]) -> None:
    """A missing side, where the total leaves something for it."""
    if said.output is None and said.input is not None and total >= said.input:
        said.output = total - said.input
        if said.output:
            notes.append("thoughts-missing")
    elif said.input is None and said.output is not None and total > said.output:
        said.input = total - said.output
        notes.append("input-from-total")


def _cache(said: Stated, total: int | None, notes: list[str]) -> None:
    parts = (said.cached or 0) + (said.written or 0)
    if said.input is not None and parts > said.input:
        said.input += parts
        notes.append("cache-beside-input")


def _reasoning(said: Stated, total: int | None, notes: list[str]) -> int:
    """How much reasoning was added to the output."""
    reasoning, output = said.reasoning, said.output
    if not reasoning or output is None:
        return 0
    whole = (said.input or 0) + output + reasoning
    if reasoning > output or said.reasoning_is_beside or total == whole:
        said.output = output + reasoning
        notes.append("reasoning-beside-output")
        return reasoning
    return 0


def _excess(said: Stated, excess: int, notes: list[str]) -> None:
    """A total larger than input and output: something was left out of one of them."""
    if said.output is None or said.input is None:
        return
    parts = {said.cached, (said.cached or 0) + (said.written or 0)}
    if excess in parts:  # the cache beside the input, or as many thoughts
        said.input = said.output = None
        notes.append("two-readings")
        return
    said.output += excess
    if said.reasoning is None:
        said.reasoning = excess
    notes.append("thoughts-missing")


def _explained(said: Stated, added: int) -> set[int]:
    """By how much a total may be too small: parts that its maker does not count."""
    cached, written = said.cached or 0, said.written or 0
    parts = {cached, written, cached + written}
    return parts | {part + added for part in parts}
