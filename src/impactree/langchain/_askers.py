"""Who asked for an embedding or a ranking that runs outside its asker's own context.

LangChain tells nobody of either, and the context of the code that runs one may be another's: a
LangGraph store embeds for all its users in one background task, made by the first of them, and a
model that is called directly opens no context for what its cache embeds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextvars import Context
    from types import FrameType

__all__ = ["Share", "batch_shares", "model_asking"]

_BATCHING: Final = ("langgraph.store.base.batch", "_run")
_MODELS: Final = frozenset(
    {
        "langchain_core.language_models.chat_models",
        "langchain_core.language_models.llms",
        "langchain_core.caches",
    }
)


class Share(NamedTuple):
    """What one asker wants of a request."""

    contexts: list[Context]
    """The asker's own; several, or none: whose the texts are cannot be told."""
    texts: list[str]


def batch_shares(texts: Sequence[str]) -> list[Share] | None:
    """The askers of a batched store's request; None where this code runs in no such batch."""
    frame = next((f for f in _frames() if _is(f, *_BATCHING)), None)
    items = None if frame is None else frame.f_locals.get("items")
    if not isinstance(items, list):
        return None
    shares: dict[tuple[int, ...], Share] = {}
    for text in texts:
        asking = [future for future, op in items if text in _texts(op)] or [
            future for future, op in items if any(_overlap(text, own) for own in _texts(op))
        ]
        contexts = {id(c): c for c in map(_waiting, asking) if c is not None}
        share = shares.setdefault(tuple(contexts), Share(list(contexts.values()), []))
        share.texts.append(text)
    return list(shares.values())


def model_asking() -> Any:
    """The run manager of the model call whose cache is being looked at; None outside any."""
    for frame in _frames():
        if frame.f_globals.get("__name__") in _MODELS:
            manager = frame.f_locals.get("run_manager")
            if getattr(manager, "run_id", None) is not None:
                return manager
    return None


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is(frame: FrameType, module: str, function: str) -> bool:
    return frame.f_code.co_name == function and frame.f_globals.get("__name__") == module


def _texts(op: Any) -> Iterator[str]:
    """The texts of a store's operation: what to find, or what to keep, whole and in parts."""
    query, value = getattr(op, "query", None), getattr(op, "value", None)
    if isinstance(query, str):
        yield query
    if isinstance(value, dict):
        yield json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            left += part.values()
        elif isinstance(part, list | tuple):
            left += part


def _overlap(text: str, own: str) -> bool:
    return bool(own) and (own in text or text in own)


def _waiting(future: Any) -> Context | None:
    """The context of the task that waits for a future."""
    if not isinstance(future, asyncio.Future):
        return None
    waiting = getattr(future, "_callbacks", None) or ()
    return next((context for _, context in waiting if context is not None), None)
