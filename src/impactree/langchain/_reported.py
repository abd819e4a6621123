"""Tokens that a provider reports for embeddings, read where LangChain's class drops them.

The classes for OpenAI, Azure, Cohere and Ollama call their provider's client in a field of theirs.
A copy of the class gets a client that passes everything on, and looks at what comes back.
"""

from __future__ import annotations

import copy
import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from impactree.calls.usage import MalformedUsageError, read_input

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from langchain_core.embeddings import Embeddings

__all__ = ["Heard", "listening", "with_ears"]

_CLIENTS: Final = ("client", "async_client", "_client", "_async_client")
_REQUESTS: Final = frozenset({"create", "embed"})


class Heard:
    """What the requests of one call reported."""

    def __init__(self) -> None:
        self._counts: list[int | None] = []

    def add(self, response: Any) -> None:
        """Take the count of one more response."""
        try:
            self._counts.append(read_input(response) or None)
        except MalformedUsageError:
            self._counts.append(None)

    @property
    def tokens(self) -> int | None:
        """Input tokens; None unless every request reported them."""
        counts = [count for count in self._counts if count is not None]
        return sum(counts) if counts and len(counts) == len(self._counts) else None


_heard: Final[ContextVar[Heard | None]] = ContextVar("impactree_heard", default=None)


@contextmanager
def listening() -> Iterator[Heard]:
    """Gather what is reported in this context."""
    heard = Heard()
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def with_ears(embeddings: Embeddings) -> Embeddings:
    """A copy whose provider's client is listened to; itself where there is none to be found."""
    fields = [vars(embeddings), getattr(embeddings, "__pydantic_private__", None) or {}]
    if not any(_makes_requests(each.get(name)) for each in fields for name in _CLIENTS):
        return embeddings
    copied = copy.copy(embeddings)
    for values in (vars(copied), getattr(copied, "__pydantic_private__", None) or {}):
        for name in _CLIENTS:
            if _makes_requests(values.get(name)):
                values[name] = _Ear(values[name])
    return copied


def _makes_requests(client: Any) -> bool:
    return any(callable(getattr(client, name, None)) for name in _REQUESTS)


class _Ear:
    """A provider's client that is listened to."""

    def __init__(self, client: Any) -> None:
        self._listened_to = client

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_listened_to":
            raise AttributeError(name)  # copying asks before there is anything to delegate to
        value = getattr(self._listened_to, name)
        return _listened(value) if name in _REQUESTS else value


def _listened(request: Any) -> Any:
    def ask(*args: Any, **kwargs: Any) -> Any:
        response = request(*args, **kwargs)
        return _awaited(response) if inspect.isawaitable(response) else _noted(response)

    return ask


async def _awaited(response: Awaitable[Any]) -> Any:
    return _noted(await response)


def _noted(response: Any) -> Any:
    heard = _heard.get()
    if heard is not None:
        heard.add(response)
    return response
