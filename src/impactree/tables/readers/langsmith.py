"""LangSmith: runs as the bulk export (Parquet) and ``list_runs`` (JSON Lines) give them.

Traps: parents carry their children's totals, so only runs of models count; usage stands in the
message, else in columns that say 0 where nobody counted; ``total_cost`` 0 is a response cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.names import MODEL_KEYS, answered_model, first_address, first_text
from impactree.calls.scrubbing import text
from impactree.calls.usage import read_langchain_usage
from impactree.runs.labels import labels_of
from impactree.tables.readers._rows import call_row, parsed, read_with, seconds_between, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "recognises"]

NEEDS: Final = ("id", "trace_id", "run_type", "start_time", "extra")
_ID: Final = 36
"""Characters of a run's id: at the end of each part of a dotted order, after its time."""
_KINDS: Final = {"llm": "chat", "embedding": "embedding"}


def recognises(record: Mapping[str, Any]) -> bool:
    """Runs have a type and a dotted order."""
    return "run_type" in record and ("dotted_order" in record or "trace_id" in record)


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """A run: a call, or what calls stand under."""
    extra = parsed(record.get("extra")) or {}
    metadata = extra.get("metadata") or {}
    name, kind = text(record.get("name")) or "", record.get("run_type")
    common: dict[str, Any] = {
        "id": str(record["id"]),
        "trace_id": str(record["trace_id"]),
        "parent_id": text(record.get("parent_run_id")),
        "ancestors": _ancestors(text(record.get("dotted_order"))),
        "name": name,
        "started_at": time_of(record.get("start_time")),
        **labels_of(name, str(kind), metadata, None),
        "others": metadata,
    }
    if kind not in _KINDS:
        yield {"is_call": False, **common}  # type: ignore[typeddict-item]
        return
    messages = list(_messages(parsed(record.get("outputs"))))
    usage = _usage(record, metadata, messages)
    params = extra.get("invocation_params") or {}
    asked = text(metadata.get("ls_model_name")) or first_text(MODEL_KEYS, params)
    answered = (answered_model(message.get("response_metadata")) for message in messages)
    yield call_row(
        read_with(_reading, usage),
        **common,
        model=next(filter(None, answered), None) or asked or name,
        requested=asked,
        provider=text(metadata.get("ls_provider")),
        base_url=first_address(params),
        kind=_KINDS[str(kind)],
        latency_s=seconds_between(record.get("start_time"), record.get("end_time")),
        cached=usage.get("total_cost") == 0,
    )


def _ancestors(dotted: str | None) -> str | None:
    """The ids in a dotted order but the last, which is the run's own: ``TIMEid.TIMEid``."""
    *above, own = (part[-_ID:] for part in (dotted or "").split("."))
    return " ".join(above) if len(own) == _ID else None


def _reading(usage: Any) -> Any:
    return read_langchain_usage(usage) if usage else None


def _messages(outputs: Any) -> Iterator[dict[str, Any]]:
    """The messages of an answer; every generation repeats the usage of all."""
    generations = outputs.get("generations") if isinstance(outputs, dict) else None
    for several in generations or ():
        for one in several if isinstance(several, list) else [several]:
            message = one.get("message") if isinstance(one, dict) else None
            fields = message.get("kwargs", message) if isinstance(message, dict) else None
            if isinstance(fields, dict):
                yield fields


def _usage(
    record: Mapping[str, Any], metadata: Mapping[str, Any], messages: list[dict[str, Any]]
) -> dict[str, Any]:
    """The usage in the message, in the metadata, or in the run's own columns."""
    for found in (*(m.get("usage_metadata") for m in messages[:1]), metadata.get("usage_metadata")):
        if isinstance(found, dict) and found:
            return found
    read, wrote = record.get("prompt_tokens"), record.get("completion_tokens")
    if not read and not wrote:  # 0: nobody counted
        return {}
    return {"input_tokens": read or 0, "output_tokens": wrote or 0}
