"""Vertex AI: the table of requests and responses. Thoughts stand beside the candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.scrubbing import text
from impactree.calls.usage import read_usage
from impactree.tables.readers._rows import call_row, parsed, read_with, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("logging_time", "model", "full_response")


def recognises(record: Mapping[str, Any]) -> bool:
    """The table has a whole response and the method of the API."""
    return "full_response" in record and "api_method" in record


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """A request."""
    answer = parsed(record["full_response"]) or {}
    if isinstance(answer, list):  # a stream: the last part has the usage of all
        answer = next((part for part in reversed(answer) if part.get("usageMetadata")), {})
    asked = text(record["model"])
    embeds = "embed" in str(record.get("api_method")).lower()
    request = record.get("request_id")
    yield call_row(
        read_with(read_usage, answer),
        id=None if request is None else str(request),
        started_at=time_of(record["logging_time"]),
        provider="vertex_ai",
        model=text(answer.get("modelVersion")) or asked,
        requested=asked,
        kind="embedding" if embeds else "chat",
        others={**record, **(parsed(record.get("metadata")) or {})},
    )
