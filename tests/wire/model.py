"""Plain values shared by the server and the formats."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True, slots=True)
class Usage:
    """True token counts; cached and cache-write are part of input, reasoning of output."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    model: str = ""

    def visible(self, classes: Iterable[str], model: str) -> Usage:
        """Return what a format that only reports `classes` states for `model`."""
        kept = set(classes)
        return replace(
            self,
            cached_input=self.cached_input if "cached_input" in kept else 0,
            cache_write=self.cache_write if "cache_write" in kept else 0,
            reasoning=self.reasoning if "reasoning" in kept else 0,
            model=model,
        )


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call in an answer."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the server replies to one request; unset parts come from the payload files."""

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    thinking: str | None = None
    usage: Usage | None = None
    model: str | None = None
    finish: str = "stop"
    cache_ttl: str = "5m"
    delay: float = 0.0
    chunk_delay: float = 0.0
    status: int = 200
    error: str = "scripted error"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    no_usage: bool = False
    pictures: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """One recorded request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    number: int

    @property
    def json(self) -> dict[str, Any]:
        """Return the body as an object, empty when it is none."""
        return self.body if isinstance(self.body, dict) else {}


@dataclass(slots=True)
class Reply:
    """A rendered reply: one body, or chunks when `stream` is true."""

    status: int
    content_type: str
    chunks: list[bytes]
    stream: bool = False
    usage: Usage | None = None
