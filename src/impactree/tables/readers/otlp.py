"""OpenTelemetry: OTLP as JSON lines, as the collector's file exporter writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.scrubbing import text
from impactree.tables.readers._rows import number, seconds_between, time_of
from impactree.tables.readers.spans import span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("resourceSpans",)


def recognises(record: Mapping[str, Any]) -> bool:
    """A batch of spans."""
    return "resourceSpans" in record


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """Every span of a batch; metrics and logs in the same file are not there."""
    for resource in record["resourceSpans"] or ():
        around = _attributes((resource.get("resource") or {}).get("attributes"))
        for scope in resource.get("scopeSpans") or ():
            for one in scope.get("spans") or ():
                yield _span(one, around)


def _span(one: Mapping[str, Any], around: dict[str, Any]) -> Row:
    start, end = _s(one.get("startTimeUnixNano")), _s(one.get("endTimeUnixNano"))
    return span(
        around | _attributes(one.get("attributes")),
        id=text(one.get("spanId")),
        trace_id=text(one.get("traceId")),
        parent_id=text(one.get("parentSpanId")),
        name=text(one.get("name")),
        started_at=time_of(start),
        latency_s=seconds_between(start, end),
    )


def _s(nanoseconds: Any) -> float | None:
    found = number(nanoseconds)
    return None if found is None else found / 1e9


def _attributes(pairs: Any) -> dict[str, Any]:
    """Plain values; whole numbers come as text."""
    found = {}
    for pair in pairs or ():
        for kind, value in (pair.get("value") or {}).items():
            if kind in ("stringValue", "intValue", "doubleValue", "boolValue"):
                found[pair["key"]] = value
    return found
