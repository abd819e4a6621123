"""OpenRouter: activity by day (sums of requests), and single generations.

Trap: ``tokens_*`` of a generation are counted by one tokenizer for all; ``native_tokens_*`` are
the provider's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.reconciling import Reading, Stated, reconciled
from impactree.calls.scrubbing import text
from impactree.calls.usage import count
from impactree.tables.readers._rows import call_row, count_of, number, read_with, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["ACTIVITY", "GENERATION", "activity", "generation", "is_activity", "is_generation"]

ACTIVITY: Final = ("data",)
GENERATION: Final = ("data",)


def is_activity(record: Mapping[str, Any]) -> bool:
    """Items with a day and a lasting name."""
    data = record.get("data")
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and "model_permaslug" in first


def activity(record: Mapping[str, Any]) -> Iterator[Row]:
    """A row per day, model and endpoint."""
    for item in record["data"]:
        yield call_row(
            read_with(_reading, [item.get(f"{name}_tokens") for name in _COUNTED]),
            started_at=time_of(item.get("date")),
            provider="openrouter",
            model=text(item.get("model_permaslug")),
            requested=text(item.get("model")),
            requests=count_of(item.get("requests")) or 0,
            others=item,
        )


def is_generation(record: Mapping[str, Any]) -> bool:
    """One generation."""
    data = record.get("data")
    return isinstance(data, dict) and "native_tokens_prompt" in data


def generation(record: Mapping[str, Any]) -> Iterator[Row]:
    """A request; times are in ms."""
    item = record["data"]
    latency = number(item.get("latency"))
    yield call_row(
        read_with(_reading, [item.get(f"native_tokens_{name}") for name in _NATIVE]),
        id=text(item.get("id")),
        started_at=time_of(item.get("created_at")),
        latency_s=None if latency is None else latency / 1000,
        provider="openrouter",
        model=text(item.get("model")),
        user=text(item.get("external_user")),
        others=item,
    )


_COUNTED: Final = ("prompt", "completion", "reasoning")
_NATIVE: Final = (*_COUNTED, "cached")


def _reading(counts: Any) -> Reading | None:
    read, wrote, thought, *cached = [None if n is None else count(count_of(n)) for n in counts]
    if read is None and wrote is None:
        return None
    hit = cached[0] if cached else None
    return reconciled(Stated(input=read, output=wrote, reasoning=thought, cached=hit))
