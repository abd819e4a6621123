"""LlamaIndex's current run, that of a stream being read included.

Much runs only when a stream is read, long after the span that returned it has exited: a query
engine's synthesis, ``CustomLLM.astream_chat`` calling ``stream_chat``, the LangChain wrapper
calling LangChain. A generator knows whether its code is running now, which tells what runs inside.
"""

from __future__ import annotations

import inspect
import sys
import weakref
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = [
    "asked",
    "current_run_id",
    "embedding_entered",
    "is_step",
    "opened",
    "read_now",
    "same",
    "shown",
    "stream_of",
]

# Streams that were returned in this context and are not read to their end. Weak, so that a stream
# that its reader drops is closed at once, as without tracking.
_returned: Final[ContextVar[tuple[tuple[weakref.ref[Any], Run], ...]]] = ContextVar(
    "impactree_returned_streams", default=()
)


# The embedding around the current code: its own steps, one for each text, are not followed.
_embedding: Final[ContextVar[Run | None]] = ContextVar("impactree_embedding", default=None)


def is_step(span_id: str) -> bool:
    """Whether a span is one of those for each text, in an embedding or a splitter.

    None of them shows, and following them would cost as much as all the rest.
    """
    return "._get_" in span_id or "._aget_" in span_id or ".split_text" in span_id


def embedding_entered(run: Run) -> None:
    """The code of this context is part of an embedding's run."""
    _embedding.set(run)


def shown(span_id: str | None) -> Any:
    """The id that a span is known by: of an embedding's step, its run's."""
    if span_id is None or not is_step(span_id):
        return span_id
    run = _embedding.get()
    return span_id if run is None or run.end is not None else run.id


def stream_of(result: Any) -> Any:
    """The generator that a result is or holds; None without one."""
    # Of the object itself: on some it is a property that makes one, or raises.
    held = getattr(result, "__dict__", {}).get("response_gen")
    for stream in (result, held):
        if inspect.isgenerator(stream) or inspect.isasyncgen(stream):
            return stream
    return None


def opened(stream: Any, run: Run) -> None:
    """A run has returned a stream."""
    left = (entry for entry in _returned.get() if _is_left(entry[0]()))
    _returned.set((*left, (weakref.ref(stream), run)))


def read_now(tracker: ImpactTracker | None = None) -> Run | None:
    """The innermost run whose stream the current code is part of, of one tracker or of any."""
    returned = _returned.get()
    if not returned:
        return None
    running = [
        run
        for stream, run in returned
        if _is_running(stream()) and (tracker is None or tracker.find(run.id) is run)
    ]
    return max(running, key=lambda run: sum(1 for _ in run.ancestors()), default=None)


def current_run_id() -> Any:
    """The id of the LlamaIndex span that the current code is part of, hidden spans included."""
    module = sys.modules.get("llama_index_instrumentation.span")
    active = shown(module.active_span_id.get()) if module else None
    run = read_now()
    if run is None or any(child.id == active for child in run.walk()):
        return active
    return run.id


def same(prompt: Any, other: Any) -> bool:
    """Whether two prompts are one: mostly they are even the same object."""
    return prompt is other or bool(prompt == other)


def asked(bound_args: inspect.BoundArguments) -> Any:
    """The messages or the prompt among a model method's arguments."""
    arguments = bound_args.arguments
    for place in (arguments, arguments.get("kwargs") or {}):
        for key in ("messages", "prompt"):
            if key in place:
                return place[key]
    return next(iter(arguments.get("args") or ()), None)


def _is_running(stream: Any) -> bool:
    return bool(getattr(stream, "gi_running", False) or getattr(stream, "ag_running", False))


def _is_left(stream: Any) -> bool:
    return getattr(stream, "gi_frame", None) is not None or (
        getattr(stream, "ag_frame", None) is not None
    )
