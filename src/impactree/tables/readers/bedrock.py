"""Bedrock: model invocation logs. Tokens of caches stand beside the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.scrubbing import text
from impactree.calls.usage import read_usage
from impactree.tables.readers._rows import call_row, number, read_with, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("timestamp", "modelId", "input")


def recognises(record: Mapping[str, Any]) -> bool:
    """The schema says so."""
    return record.get("schemaType") == "ModelInvocationLog"


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """An invocation. The region is the one that answered, where a profile spreads the calls."""
    asked, answer = record.get("input") or {}, record.get("output") or {}
    counts = {k: v for part in (asked, answer) for k, v in part.items() if k.endswith("Count")}
    body = answer.get("outputBodyJson")
    metrics = body.get("metrics") if isinstance(body, dict) else None
    latency = number((metrics or {}).get("latencyMs"))
    wrote = answer.get("outputTokenCount")
    yield call_row(
        read_with(read_usage, counts),
        id=text(record.get("requestId")),
        started_at=time_of(record["timestamp"]),
        latency_s=None if latency is None else latency / 1000,
        provider="bedrock",
        model=text(record["modelId"]),
        region=text(record.get("inferenceRegion")) or text(record.get("region")),
        kind="embedding" if wrote is None and "embed" in str(record["modelId"]) else "chat",
        user=text((record.get("identity") or {}).get("arn")),
        others={**record, **(record.get("requestMetadata") or {})},
    )
