"""LlamaIndex's current run, that of a stream being read included.

Much runs only when a stream is read, long after the span that returned it has exited: a query
engine's synthesis, ``CustomLLM.astream_chat`` calling ``stream_chat``, the LangChain wrapper
calling LangChain. A generator knows whether its code is running now, which tells what runs inside.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from functools import lru_cache
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.delivery.forks import free_in_child

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable
    from types import FrameType

    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = [
    "asked",
    "current_run_id",
    "embedding_entered",
    "is_left",
    "is_step",
    "opened",
    "read_now",
    "same",
    "shown",
    "streams_of",
]

_GENERATORS: Final = (GeneratorType, AsyncGeneratorType)
_ITERATORS: Final = (Iterator, AsyncIterator)
_MAX_WRAPPERS: Final = 4
_PLAIN: Final = frozenset({str, int, float, bool, list, dict, type(None)})


class _Opened(NamedTuple):
    """A stream that a run has returned, and that its reader has not dropped."""

    stream: weakref.ref[Any]  # weak: dropped, it is closed at once, as without tracking
    tracker: ImpactTracker
    run: Run


# By the identity of the stream's frame, which is on the stack of whoever reads it, in any task,
# thread and context.
_opened: Final[dict[int, tuple[_Opened, ...]]] = {}
_lock: Final = free_in_child(threading.RLock())  # the collector may drop a stream in here
# Those that were returned in this context: a task that a stream starts has a stack of its own.
_returned: Final[ContextVar[tuple[_Opened, ...]]] = ContextVar(
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
    run = _embedding.get()
    if run is None or run.end is not None or span_id is None or not is_step(span_id):
        return span_id
    return run.id


def streams_of(result: Any) -> list[Any]:
    """The generators that a result is or holds, those in another library's wrapper included."""
    # Of the object itself: on some there are properties that make one, or raise.
    if type(result) in _PLAIN:
        return []
    held = getattr(result, "__dict__", None)
    values = (result, *held.values()) if held else (result,)
    found = [_unwrapped(value) for value in values if type(value) not in _PLAIN]
    return [stream for stream in found if stream is not None]


def _unwrapped(value: Any) -> Any:
    for _ in range(_MAX_WRAPPERS):
        if type(value) in _GENERATORS or not _is_iterator(type(value)):  # type: ignore[arg-type]  # hashable
            break
        value = getattr(value, "__wrapped__", None)
    return value if type(value) in _GENERATORS else None


@lru_cache(maxsize=512)
def _is_iterator(cls: type) -> bool:
    return issubclass(cls, _ITERATORS) or hasattr(cls, "__wrapped__")


def opened(stream: Any, tracker: ImpactTracker, run: Run, dropped: Callable[[], None]) -> None:
    """A run has returned a stream.

    Args:
        stream: What it returned.
        tracker: The run's.
        run: It.
        dropped: Called when nobody can read the stream any more, wherever that is noticed.
    """
    frame_id = id(_frame(stream))

    def drop(_: Any) -> None:
        with _lock:
            left = tuple(entry for entry in _opened.get(frame_id, ()) if entry.stream is not me)
            if left:
                _opened[frame_id] = left
            else:
                _opened.pop(frame_id, None)
        dropped()

    me = weakref.ref(stream, drop)
    entry = _Opened(me, tracker, run)
    with _lock:
        _opened[frame_id] = (*_opened.get(frame_id, ()), entry)
    _returned.set((*(e for e in _returned.get() if is_left(e.stream())), entry))


def read_now(tracker: ImpactTracker | None = None) -> Run | None:
    """The innermost run whose stream the current code is part of, of one tracker or of any."""
    if not _opened:
        return None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        entries = _opened.get(id(frame), ())
        found = [e.run for e in entries if _is_of(e, tracker) and _frame(e.stream()) is frame]
        if found:
            return _deepest(found)
        frame = frame.f_back
    running = (e for e in _returned.get() if _is_running(e.stream()))
    return _deepest([e.run for e in running if _is_of(e, tracker)])


def _is_of(entry: _Opened, tracker: ImpactTracker | None) -> bool:
    return tracker is None or entry.tracker is tracker


def _deepest(runs: list[Run]) -> Run | None:
    return max(runs, key=lambda run: sum(1 for _ in run.ancestors()), default=None)


def current_run_id(tracker: ImpactTracker | None = None) -> Any:
    """The id of the LlamaIndex span that the current code is part of, hidden spans included.

    A stream that several trackers follow is a run of each; None: of any.
    """
    module = sys.modules.get("llama_index_instrumentation.span")
    active = shown(module.active_span_id.get()) if module else None
    run = read_now(tracker)
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


def _frame(stream: Any) -> Any:
    return getattr(stream, "gi_frame", None) or getattr(stream, "ag_frame", None)


def is_left(stream: Any) -> bool:
    """Whether a stream is not read to its end."""
    return _frame(stream) is not None
