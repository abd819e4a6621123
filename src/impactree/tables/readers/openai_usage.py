"""OpenAI: the organization's usage report. A row sums many requests, and says how many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.scrubbing import text
from impactree.calls.usage import read_usage
from impactree.tables.readers._rows import call_row, count_of, read_with, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("data",)
_KINDS: Final = {"completions": "chat", "embeddings": "embedding"}


def recognises(record: Mapping[str, Any]) -> bool:
    """A page of buckets."""
    data = record.get("data")
    if record.get("object") != "page" or not isinstance(data, list):
        return False
    return all(b.get("object") == "bucket" for b in data if isinstance(b, dict))


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """A row per result; of pictures, sound and searches none: they have no tokens."""
    for bucket in record["data"]:
        for result in bucket.get("results") or bucket.get("result") or ():
            what = str(result.get("object", "")).split(".")[-2:-1]
            kind = _KINDS.get(what[0] if what else "completions")
            if kind is None:
                continue
            yield call_row(
                read_with(read_usage, _usage(result)),
                started_at=time_of(bucket.get("start_time")),
                provider="openai",
                model=text(result.get("model")),
                kind=kind,
                requests=count_of(result.get("num_model_requests")) or 0,
                user=text(result.get("user_id")),
                others=result,
            )


def _usage(result: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "prompt_tokens": result.get("input_tokens"),
        "completion_tokens": result.get("output_tokens") or 0,
        "prompt_tokens_details": {"cached_tokens": result.get("input_cached_tokens")},
    }
