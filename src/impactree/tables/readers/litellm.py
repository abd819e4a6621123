"""LiteLLM: the proxy's spend logs.

Traps: 0 is a column's default, so 0 and 0 is an unknown; what its cache answered cost nothing;
calls that failed stand there too; the group that was asked for is no model's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.scrubbing import text
from impactree.calls.usage import read_usage
from impactree.tables.readers._rows import (
    call_row,
    count_of,
    parsed,
    read_with,
    seconds_between,
    time_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("request_id", "call_type", "startTime", "model", "prompt_tokens")
_KINDS: Final = {
    "completion": "chat",
    "responses": "chat",
    "anthropic_messages": "chat",
    "text_completion": "completion",
    "embedding": "embedding",
    "rerank": "rerank",
    "image_generation": "image",
    "speech": "speech",
    "transcription": "transcription",
}


def recognises(record: Mapping[str, Any]) -> bool:
    """Spend logs have a call type and a cost."""
    return "call_type" in record and "spend" in record


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """A request."""
    metadata = parsed(record.get("metadata")) or {}
    start, end = record.get("startTime"), record.get("endTime")
    asynchronous = str(record["call_type"])
    kind = _KINDS.get(asynchronous) or _KINDS.get(asynchronous.removeprefix("a"), "chat")
    yield call_row(
        read_with(read_usage, _usage(record, metadata)),
        id=text(record["request_id"]),
        trace_id=None,
        started_at=time_of(start),
        latency_s=seconds_between(start, end),
        provider=text(record.get("custom_llm_provider")),
        model=text(record.get("model")),
        base_url=text(record.get("api_base")),
        kind=kind,
        cached=str(record.get("cache_hit")).lower() == "true",
        user=text(record.get("end_user")) or text(record.get("user")),
        thread=text(record.get("session_id")),
        agent=text(record.get("agent_id")),
        others={**metadata, **record},
    )


def _usage(record: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The columns, with the details that only the metadata have."""
    details = metadata.get("usage_object")
    usage = {name: count_of(record.get(f"{name}_tokens")) for name in ("prompt", "completion")}
    if not any(usage.values()):
        return {}
    counts = {f"{name}_tokens": value for name, value in usage.items()}
    return {**(details if isinstance(details, dict) else {}), **counts}
