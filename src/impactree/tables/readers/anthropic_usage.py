"""Anthropic: the usage report of messages. Buckets are exclusive; nobody says how many requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.scrubbing import text
from impactree.calls.usage import read_usage
from impactree.tables.readers._rows import call_row, read_with, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("data",)


def recognises(record: Mapping[str, Any]) -> bool:
    """Buckets with their two ends, of results."""
    data = record.get("data")
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and "starting_at" in first and "results" in first


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """A row per result."""
    for bucket in record["data"]:
        for result in bucket.get("results") or ():
            usage = {**result, "input_tokens": result.get("uncached_input_tokens")}
            yield call_row(
                read_with(read_usage, usage),
                started_at=time_of(bucket.get("starting_at")),
                provider="anthropic",
                model=text(result.get("model")),
                requests=0,
                others=result,
            )
