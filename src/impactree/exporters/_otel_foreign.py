"""Spans that other instrumentations make for model calls: found, so that they are not doubled.

Traceloop's handler ends a call's span in its own callback, which under ``track_impacts()`` comes
before ours: there the end waits for our callback, which is the next one, and keeps its time.
"""

from __future__ import annotations

import functools
import sys
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from impactree.exceptions import MissingExtraError
from impactree.runs.current import active_trackers

try:
    from opentelemetry import trace
except ImportError as error:
    raise MissingExtraError("otel", "opentelemetry-sdk") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.trace import Span

    from impactree.runs import Run

__all__ = ["annotate", "end_waiting", "watch_traceloop"]

_MAX_WAITING: Final = 1000
_OPENINFERENCE: Final = "openinference.instrumentation.langchain"
_TRACELOOP: Final = "opentelemetry.instrumentation.langchain.callback_handler"
_CALL_SPANS: Final = {
    "gen_ai.operation.name": {"chat", "text_completion", "generate_content", "embeddings"},
    "openinference.span.kind": {"LLM", "EMBEDDING", "RERANKER"},
    "llm.request.type": {"chat", "completion", "embedding", "rerank"},
}
_waiting: Final[OrderedDict[Any, tuple[Span, int]]] = OrderedDict()


def annotate(run: Run, attributes: Callable[[], Mapping[str, Any]]) -> bool:
    """Put attributes on the span that another instrumentation has for a call. False: none has."""
    held = _waiting.pop(run.id, None)
    if held is not None:
        span, end = held
        span.set_attributes(attributes())
        span.end(end)
        return True
    found = _current() or _openinferences(run) or _traceloops(run)
    if found is None:
        return False
    found.set_attributes(attributes())
    return True


def end_waiting() -> None:
    """End the spans that wait for a callback of ours that did not come."""
    while _waiting:
        _, (span, end) = _waiting.popitem(last=False)
        span.end(end)


def watch_traceloop() -> None:
    """Have Traceloop's spans wait for our callback, where its instrumentation is in use."""
    handler = getattr(sys.modules.get(_TRACELOOP), "TraceloopCallbackHandler", None)
    end = getattr(handler, "_end_span", None)
    if handler is not None and end is not None and not hasattr(end, "_impactree"):
        handler._end_span = _waiting_end(end)


def _waiting_end(end: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(end)
    def end_span(handler: Any, span: Any, run_id: Any) -> Any:
        if active_trackers.get() and _is_calls(span) and span.is_recording():
            span.end = lambda end_time=None: None  # what else ending means for it goes on
            try:
                return end(handler, span, run_id)
            finally:
                del span.end
                _waiting[run_id] = span, time.time_ns()
                if len(_waiting) > _MAX_WAITING:
                    _, (oldest, ended) = _waiting.popitem(last=False)
                    oldest.end(ended)
        return end(handler, span, run_id)

    end_span._impactree = True  # type: ignore[attr-defined]
    return end_span


def _is_calls(span: Any) -> bool:
    attributes = getattr(span, "attributes", None) or {}
    return any(attributes.get(key) in kinds for key, kinds in _CALL_SPANS.items())


def _current() -> Span | None:
    span = trace.get_current_span()
    # An agent's span may be the current one: a call's impacts would overwrite another's there.
    return span if span.is_recording() and _is_calls(span) else None


def _openinferences(run: Run) -> Span | None:
    module = sys.modules.get(_OPENINFERENCE)  # its spans are not the context's current ones
    if module is None:
        return None
    found: Span | None = module.LangChainInstrumentor().get_span(run.id)
    return found if found is not None and found.is_recording() else None


def _traceloops(run: Run) -> Span | None:
    manager = getattr(sys.modules.get("langchain_core.callbacks"), "BaseCallbackManager", None)
    wrapper = getattr(getattr(manager, "__init__", None), "_self_wrapper", None)
    spans = getattr(getattr(wrapper, "_callback_handler", None), "spans", None)
    span = getattr(spans.get(run.id), "span", None) if isinstance(spans, dict) else None
    return span if span is not None and span.is_recording() and _is_calls(span) else None
