"""Spans of OpenTelemetry's GenAI conventions and of OpenInference, wherever they are kept.

Traps: agents' spans repeat what their calls used, so only operations of models count; older
spans say ``prompt_tokens`` and ``gen_ai.system``; columns of attributes hold numbers as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.reconciling import Reading, Stated, reconciled
from impactree.calls.scrubbing import text
from impactree.calls.usage import count
from impactree.tables.readers._rows import (
    call_row,
    count_of,
    known_only,
    number,
    parsed,
    read_with,
    seconds_between,
    time_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["CLICKHOUSE", "PHOENIX", "clickhouse", "is_clickhouse", "is_phoenix", "phoenix", "span"]

CLICKHOUSE: Final = ("TraceId", "SpanId", "SpanAttributes", "Timestamp", "Duration")
PHOENIX: Final = ("context.span_id", "context.trace_id", "start_time", "end_time")
_KINDS: Final = {
    "chat": "chat",
    "text_completion": "completion",
    "generate_content": "chat",
    "embeddings": "embedding",
    "LLM": "chat",
    "EMBEDDING": "embedding",
    "RERANKER": "rerank",
    "completion": "completion",
}
_OPERATION: Final = ("gen_ai.operation.name", "openinference.span.kind", "llm.request.type")
_PROVIDER: Final = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
_ANSWERED: Final = ("gen_ai.response.model", "llm.model_name", "embedding.model_name")
_ASKED: Final = ("gen_ai.request.model",)
_AGENT: Final = ("gen_ai.agent.name", "agent.name")
_THREAD: Final = ("gen_ai.conversation.id", "session.id")
_USER: Final = ("user.id", "enduser.id")
_STATED: Final = {
    "input": (
        *("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
    ),
    "output": (
        *("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        "llm.token_count.completion",
    ),
    "total": ("llm.token_count.total", "llm.usage.total_tokens"),
    "cached": (
        *("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens"),
        "llm.token_count.prompt_details.cache_read",
    ),
    "written": (
        *("gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_creation_input_tokens"),
        "llm.token_count.prompt_details.cache_write",
    ),
    "reasoning": (
        *("gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens"),
        "llm.token_count.completion_details.reasoning",
    ),
}


def span(attributes: Mapping[str, Any], **common: Any) -> Row:
    """The row of a span: a call, or what calls stand under.

    Args:
        attributes: By name.
        **common: ``id``, ``trace_id``, ``parent_id``, ``name``, ``started_at``, ``latency_s``.
    """
    operation = next((str(attributes[n]) for n in _OPERATION if attributes.get(n)), None)
    common |= {
        "agent": _first(attributes, _AGENT),
        "thread": _first(attributes, _THREAD),
        "user": _first(attributes, _USER),
        "tool": _first(attributes, ("gen_ai.tool.name", "tool.name")),
        "node": _first(attributes, ("graph.node.id", "langgraph.node")),
        "others": attributes,
    }
    if operation not in _KINDS:
        return {"is_call": False, **common}  # type: ignore[typeddict-item]
    asked = _first(attributes, _ASKED)
    return call_row(
        read_with(_reading, attributes),
        **common,
        kind=_KINDS[operation],
        provider=_first(attributes, _PROVIDER),
        model=_first(attributes, _ANSWERED) or asked,
        requested=asked,
        base_url=_address(attributes),
        region=_first(attributes, ("cloud.region", "aws.region")),
    )


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    return next((found for n in names if (found := text(attributes.get(n)))), None)


def _address(attributes: Mapping[str, Any]) -> str | None:
    server = _first(attributes, ("server.address",))
    port = count_of(attributes.get("server.port"))
    if server is None or "://" in server:
        return server
    return f"https://{server}" if port in (None, 443) else f"http://{server}:{port}"


def _reading(attributes: Any) -> Reading | None:
    said = Stated()
    for field, names in _STATED.items():
        values = (count_of(attributes.get(name)) for name in names)
        value = next((v for v in values if v is not None), None)
        setattr(said, field, None if value is None else count(value))
    nothing = said.input is None and said.output is None and said.total is None
    return None if nothing else reconciled(said)


def is_clickhouse(record: Mapping[str, Any]) -> bool:
    """The table of the collector's ClickHouse exporter."""
    return "SpanAttributes" in record and "TraceId" in record


def clickhouse(record: Mapping[str, Any]) -> Iterator[Row]:
    """A row of ``otel_traces``; its duration is in ns."""
    duration = number(record.get("Duration"))
    attributes = {
        **(parsed(record.get("ResourceAttributes")) or {}),
        **(parsed(record.get("SpanAttributes")) or {}),
    }
    yield span(
        attributes,
        id=text(record["SpanId"]),
        trace_id=text(record["TraceId"]),
        parent_id=text(record.get("ParentSpanId")),
        name=text(record.get("SpanName")),
        started_at=time_of(record.get("Timestamp")),
        latency_s=None if duration is None else duration / 1e9,
    )


def is_phoenix(record: Mapping[str, Any]) -> bool:
    """The dataframe of Phoenix's spans."""
    return "context.span_id" in record


def phoenix(record: Mapping[str, Any]) -> Iterator[Row]:
    """A row of ``get_spans_dataframe``, where a span lacks an attribute that others have."""
    attributes = {
        name.removeprefix("attributes."): value for name, value in known_only(record).items()
    }
    yield span(
        attributes,
        id=text(record["context.span_id"]),
        trace_id=text(record["context.trace_id"]),
        parent_id=text(record.get("parent_id")),
        name=text(record.get("name")),
        started_at=time_of(record.get("start_time")),
        latency_s=seconds_between(record.get("start_time"), record.get("end_time")),
    )
