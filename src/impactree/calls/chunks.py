"""Usage that comes with the chunks of a stream: parts that add up, or each the whole so far."""

from __future__ import annotations

from typing import Any, Final

from impactree.calls.tokens import is_count

__all__ = ["ChunkUsage", "are_parts"]

_TOO_LITTLE: Final = 3
"""So many times what is said to be written was: no text has so few tokens."""


def are_parts(last: int, added: int, text: float) -> bool:
    """Whether the output counts of chunks add up, though they could be the whole so far.

    Args:
        last: The last one, tokens.
        added: All of them together, tokens.
        text: What the text of the stream comes to by its length, tokens.
    """
    return _TOO_LITTLE * last < min(added, text)


class ChunkUsage:
    """LangChain's usage, chunk by chunk: parts that add up, or each the whole so far.

    The framework sums. A server that repeats its usage in every chunk (vLLM and SGLang with
    ``continuous_usage_stats``, Gemini's OpenAI-compatible endpoint) shows in the input: no
    request reads its prompt twice, so an input that comes again is the same one.
    """

    __slots__ = ("_added", "_inputs", "_last", "_repeated", "_rising")

    def __init__(self) -> None:
        self._inputs = self._added = 0
        self._last: dict[str, Any] | None = None
        self._rising = self._repeated = True

    def add(self, usage: Any) -> None:
        """The usage of one chunk."""
        if not isinstance(usage, dict):
            return
        read, wrote = usage.get("input_tokens"), usage.get("output_tokens")
        if not is_count(read) or not is_count(wrote) or not (read or wrote):
            return
        last = self._last
        if last is not None:
            if not wrote and read == last["input_tokens"]:
                return  # it says nothing new
            self._rising &= read >= last["input_tokens"] and wrote >= last["output_tokens"]
            self._repeated &= read == last["input_tokens"]
        self._inputs += read > 0
        self._added += wrote
        self._last = usage

    def whole(self, text: float) -> tuple[dict[str, Any], str] | None:
        """The usage of the whole stream and a note on it, where the framework's sum is not it.

        Args:
            text: What the text of the stream comes to by its length, tokens.
        """
        last = self._last
        if last is None or self._inputs < 2:
            return None
        if self._rising and not are_parts(last["output_tokens"], self._added, text):
            return last, "cumulative-chunks"
        if not self._repeated:
            return None
        read, wrote = last["input_tokens"], self._added
        parts = {"output_tokens": wrote, "total_tokens": read + wrote, "output_token_details": {}}
        return {**last, **parts}, "input-repeated"
