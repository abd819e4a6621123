"""The token counts of one request, in inclusive buckets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from impactree.values.impact import draft

__all__ = ["MAX_TOKENS", "Tokens", "is_count", "tokens_of"]

MAX_TOKENS: Final = 2**53
"""The largest token count: past it a float no longer tells one token from the next."""


def is_count(value: Any) -> TypeGuard[int]:
    """Whether a value is a whole number from 0 to ``MAX_TOKENS``."""
    return type(value) is int and 0 <= value <= MAX_TOKENS


_set: Final = object.__setattr__


@dataclass(frozen=True, slots=True, kw_only=True, init=False)
class Tokens:
    """What a model read and wrote for one request, in tokens.

    Buckets are inclusive: cached and cache-write tokens are part of the input, reasoning tokens
    part of the output. A count that nobody knows is None, never 0.

    Raises:
        TypeError: a count is no number.
        ValueError: a count is no whole number from 0 to 2**53.
    """

    input: int | None = None
    """Everything that was read, from a cache or not."""
    cached_input: int | None = None
    """Of the input: read from the provider's prompt cache."""
    cache_write: int | None = None
    """Of the input: written to the provider's prompt cache."""
    output: int | None = None
    """Everything that was generated, shown or not."""
    reasoning: int | None = None
    """Of the output: thought before the answer."""

    def __init__(  # every model call passes here: dataclass's own takes twice as long
        self,
        *,
        input: int | None = None,
        cached_input: int | None = None,
        cache_write: int | None = None,
        output: int | None = None,
        reasoning: int | None = None,
    ) -> None:
        _set(self, "input", input)
        _set(self, "cached_input", cached_input)
        _set(self, "cache_write", cache_write)
        _set(self, "output", output)
        _set(self, "reasoning", reasoning)
        if not (
            (input is None or (type(input) is int and 0 <= input <= MAX_TOKENS))
            and (output is None or (type(output) is int and 0 <= output <= MAX_TOKENS))
            and (cached_input is None or is_count(cached_input))
            and (cache_write is None or is_count(cache_write))
            and (reasoning is None or is_count(reasoning))
        ):
            raise self._wrong()

    def _wrong(self) -> Exception:
        buckets = ((name, getattr(self, name)) for name in Tokens.__slots__)
        name, value = next((n, v) for n, v in buckets if v is not None and not is_count(v))
        if type(value) is int and value > 0:
            return ValueError(f"{name}_tokens must be at most 2**53, and is larger")
        kind = ValueError if isinstance(value, int | float) else TypeError
        return kind(f"{name}_tokens must be a whole number >= 0 or None, not {value!r}")


def tokens_of(read: int, wrote: int) -> Tokens:
    """Tokens of counts that were checked, of which no more is known: as of most calls."""
    made = _Draft()
    made.input = read
    made.output = wrote
    made.cached_input = made.cache_write = made.reasoning = None
    made.__class__ = Tokens
    return made  # type: ignore[no-any-return]  # it is one now


_Draft: Final = draft(Tokens)
