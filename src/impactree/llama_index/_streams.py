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

from impactree.ambient import register_source

if TYPE_CHECKING:
    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = ["asked", "current_run_id", "opened", "read_now", "same", "stream_of"]

# Streams that were returned in this context and are not read to their end. Weak, so that a stream
# that its reader drops is closed at once, as without tracking.
_returned: Final[ContextVar[tuple[tuple[weakref.ref[Any], Run], ...]]] = ContextVar(
    "impactree_returned_streams", default=()
)


def stream_of(result: Any) -> Any:
    """The generator that a result is or holds; None without one."""
    for stream in (result, getattr(result, "response_gen", None)):
        if inspect.isgenerator(stream) or inspect.isasyncgen(stream):
            return stream
    return None


def opened(stream: Any, run: Run) -> None:
    """A run has returned a stream."""
    left = (entry for entry in _returned.get() if _is_left(entry[0]()))
    _returned.set((*left, (weakref.ref(stream), run)))


def read_now(tracker: ImpactTracker | None = None) -> Run | None:
    """The innermost run whose stream the current code is part of, of one tracker or of any."""
    running = [
        run
        for stream, run in _returned.get()
        if _is_running(stream()) and (tracker is None or tracker.find(run.id) is run)
    ]
    return max(running, key=lambda run: sum(1 for _ in run.ancestors()), default=None)


def current_run_id() -> Any:
    """The id of the LlamaIndex span that the current code is part of, hidden spans included."""
    module = sys.modules.get("llama_index_instrumentation.span")
    active = module.active_span_id.get() if module else None
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


register_source(current_run_id)
