"""Helicone: the table of requests and responses. Latency is in ms; failures have no tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.scrubbing import text
from impactree.calls.usage import read_usage
from impactree.tables.readers._rows import call_row, count_of, number, read_with, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("request_id", "request_created_at", "model", "prompt_tokens", "completion_tokens")


def recognises(record: Mapping[str, Any]) -> bool:
    """Requests with their responses."""
    return "response_id" in record and "request_created_at" in record


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """A request."""
    latency = number(record.get("latency"))
    counts = {f"{n}_tokens": count_of(record.get(f"{n}_tokens")) for n in ("prompt", "completion")}
    yield call_row(
        read_with(read_usage, counts),
        id=text(record["request_id"]),
        started_at=time_of(record["request_created_at"]),
        latency_s=None if latency is None else latency / 1000,
        provider=text(record.get("provider")),
        model=text(record["model"]),
        user=text(record.get("user_id")),
        others=record,
    )
