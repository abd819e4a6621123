"""Langfuse: observations of the blob storage export.

Trap: buckets of ``usage_details`` are exclusive (cached tokens are no part of ``input``), unless
the total says that somebody sent inclusive ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.reconciling import Reading, Stated, reconciled
from impactree.calls.scrubbing import text
from impactree.calls.usage import count
from impactree.tables.readers._rows import (
    call_row,
    count_of,
    number,
    parsed,
    read_with,
    seconds_between,
    time_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("id", "type", "start_time", "provided_model_name", "usage_details")
_KINDS: Final = {"GENERATION": "chat", "EMBEDDING": "embedding"}


def recognises(record: Mapping[str, Any]) -> bool:
    """Observations have details of usage."""
    return "usage_details" in record and "type" in record


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """An observation: a call, or what calls stand under."""
    name, kind = text(record.get("name")), record.get("type")
    common: dict[str, Any] = {
        "id": text(record["id"]),
        "trace_id": text(record.get("trace_id")),
        "parent_id": text(record.get("parent_observation_id")),
        "name": name,
        "started_at": time_of(record.get("start_time")),
        "thread": text(record.get("session_id")),
        "user": text(record.get("user_id")),
        "agent": name if kind == "AGENT" else None,
        "tool": name if kind == "TOOL" else None,
        "others": {**record, **(parsed(record.get("metadata")) or {})},
    }
    if kind not in _KINDS:
        yield {"is_call": False, **common}  # type: ignore[typeddict-item]
        return
    latency = number(record.get("latency"))
    if latency is None:
        latency = seconds_between(record.get("start_time"), record.get("end_time"))
    yield call_row(
        read_with(_reading, parsed(record.get("usage_details"))),
        **common,
        kind=_KINDS[str(kind)],
        model=text(record.get("provided_model_name")),
        latency_s=latency,
    )


def _reading(details: Any) -> Reading | None:
    if not details:
        return None
    counts = {key: count(value) for key, v in details.items() if (value := count_of(v)) is not None}
    if not any(counts.values()):
        return None
    total = counts.pop("total", None)
    read = {key: n for key, n in counts.items() if key.startswith(("input", "cache"))}
    wrote = {key: n for key, n in counts.items() if key.startswith("output")}
    inclusive = total is not None and total == counts.get("input", 0) + counts.get("output", 0)
    said = Stated(
        input=counts.get("input") if inclusive else sum(read.values()),
        output=counts.get("output") if inclusive else sum(wrote.values()),
        cached=_of(read, "cache", without="creation"),
        written=_of(read, "creation"),
        reasoning=_of(wrote, "reasoning"),
        total=total,
    )
    return reconciled(said)


def _of(counts: Mapping[str, int], word: str, without: str = "\n") -> int | None:
    found = [n for key, n in counts.items() if word in key and without not in key]
    return sum(found) if found else None
