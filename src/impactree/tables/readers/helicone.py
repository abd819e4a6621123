"""Helicone: what its export tool and API give (CSV, JSON, JSON Lines), and its older table.

Latency is in ms. A response of its cache refers to the one that it repeats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.reconciling import Reading, Stated, reconciled
from impactree.calls.scrubbing import text
from impactree.calls.usage import count
from impactree.tables.readers._rows import call_row, count_of, number, parsed, read_with, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("response_id", "request_created_at", "prompt_tokens", "completion_tokens")
_COUNTS: Final = {
    "input": "prompt_tokens",
    "output": "completion_tokens",
    "total": "total_tokens",
    "cached": "prompt_cache_read_tokens",
    "written": "prompt_cache_write_tokens",
}
_NO_REFERENCE: Final = "00000000-0000-0000-0000-000000000000"


def recognises(record: Mapping[str, Any]) -> bool:
    """Requests with their responses."""
    return "response_id" in record and "request_created_at" in record


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """A request."""
    latency = number(record.get("delay_ms"))
    latency = number(record.get("latency")) if latency is None else latency
    asked = text(record.get("request_model"))
    repeated = text(record.get("cache_reference_id"))
    path = text(record.get("request_path")) or ""
    yield call_row(
        read_with(_reading, record),
        id=text(record.get("request_id")) or text(record["response_id"]),
        started_at=time_of(record["request_created_at"]),
        latency_s=None if latency is None else latency / 1000,
        provider=text(record.get("provider")),
        model=text(record.get("response_model")) or text(record.get("model")) or asked,
        requested=asked,
        kind="embedding" if "embedding" in path else "chat",
        cached=repeated not in (None, "", _NO_REFERENCE),
        user=text(record.get("request_user_id")) or text(record.get("user_id")),
        others={**record, **(parsed(record.get("request_properties")) or {})},
    )


def _reading(record: Any) -> Reading | None:
    said = Stated()
    for field, name in _COUNTS.items():
        value = count_of(record.get(name))
        setattr(said, field, None if value is None else count(value))
    return None if said.input is None and said.output is None else reconciled(said)
