"""What was asked of which model: the engine's only input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

__all__ = ["MAX_TOKENS", "Kind", "ModelCall", "TokensSource"]

Kind = Literal["chat", "completion", "embedding", "rerank"]
TokensSource = Literal["reported", "counted", "unknown"]

MAX_TOKENS: Final = 2**53
"""The largest token count: past it a float no longer tells one token from the next."""

_KINDS: Final = frozenset(get_args(Kind))
_SOURCES: Final = frozenset(get_args(TokensSource))
_TOKENS: Final = (
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)
_TEXTS: Final = ("provider", "zone", "requested", "base_url", "region")


class _Tokens(NamedTuple):
    input: int | None
    cached_input: int | None
    cache_write: int | None
    output: int | None
    reasoning: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One request to one model.

    Token buckets are inclusive: cached and cache-write tokens are part of ``input_tokens``,
    reasoning tokens part of ``output_tokens``. A count that nobody knows is None, never 0.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: a negative, non-finite or absurdly large count or latency, or an unknown kind.
    """

    model: str
    """The model's name as the answer gave it (else as it was requested)."""
    provider: str | None = None
    """Who was asked, as the framework or the user names them."""
    kind: Kind = "chat"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    latency_s: float | None = None
    """Measured duration of this request alone, s; None when it was not measured."""
    zone: str | None = None
    """Electricity mix zone, ISO 3166-1 alpha-3 (``WOR``: the world); None: the host's."""
    tokens_source: TokensSource = "reported"
    requested: str | None = None
    """The model's name as it was requested, where it differs from the answered one."""
    base_url: str | None = None
    """Where the request went, if known: tells a local or compatible server from the maker's."""
    region: str | None = None
    """Cloud region, e.g. ``eu-west-3``."""

    def __post_init__(self) -> None:
        if type(self.model) is not str:
            if not isinstance(self.model, str):
                raise TypeError(f"model must be a string, not {self.model!r}")
            object.__setattr__(self, "model", str.__str__(self.model))  # of an enumeration
        for text in (self.provider, self.zone, self.requested, self.base_url, self.region):
            if text is not None and not isinstance(text, str):
                raise self._bad_text()
        try:
            known = self.kind in _KINDS and self.tokens_source in _SOURCES
        except TypeError:  # not even hashable
            known = False
        if not known:
            raise self._bad_choice()
        for count in (
            self.input_tokens,
            self.output_tokens,
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.reasoning_tokens,
        ):
            if count is not None and (type(count) is not int or not 0 <= count <= MAX_TOKENS):
                raise self._bad_count()
        latency = self.latency_s
        if latency is not None and not (
            isinstance(latency, int | float) and 0 <= latency < math.inf
        ):
            raise ValueError(
                f"latency_s must be a finite number of seconds >= 0 or None, not {latency!r}"
            )

    @property
    def tokens(self) -> _Tokens:
        """The counts by class."""
        return _Tokens(
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.output_tokens,
            self.reasoning_tokens,
        )

    def _bad_text(self) -> Exception:
        name = next(n for n in _TEXTS if not isinstance(getattr(self, n), str | None))
        return TypeError(f"{name} must be a string or None, not {getattr(self, name)!r}")

    def _bad_choice(self) -> Exception:
        name = "tokens_source" if self.kind in (*_KINDS,) else "kind"
        known, value = sorted(_SOURCES if name == "tokens_source" else _KINDS), getattr(self, name)
        return ValueError(f"{name} must be one of {known}, not {value!r}")

    def _bad_count(self) -> Exception:
        counts = ((name, getattr(self, name)) for name in _TOKENS)
        name, value = next(
            (name, value)
            for name, value in counts
            if value is not None and (type(value) is not int or not 0 <= value <= MAX_TOKENS)
        )
        if type(value) is int and value > 0:
            return ValueError(f"{name} must be at most 2**53, and is larger")
        kind = ValueError if isinstance(value, int | float) else TypeError
        return kind(f"{name} must be a whole number >= 0 or None, not {value!r}")
