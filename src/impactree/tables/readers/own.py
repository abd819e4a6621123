"""impactree's own: the lines of ``JSONLExporter``, and rows of its tables (SQL, Parquet, CSV)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from impactree.calls.quantities import MEDIA_FIELDS
from impactree.runs import LABELS
from impactree.tables.readers._rows import COUNTS, count_of, known_only, number, time_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from impactree.tables.readers._rows import Row

__all__ = ["NEEDS", "read", "read_row", "recognises", "recognises_row"]

NEEDS: Final = ("id", "revision", "runs")
_TEXTS: Final = ("provider", "model", "requested", "base_url", "region", "zone", "tokens_source")


def recognises(record: Mapping[str, Any]) -> bool:
    """A root with its runs."""
    return "runs" in record and "revision" in record and "method" in record


def read(record: Mapping[str, Any]) -> Iterator[Row]:
    """Every run of a root: a call, or what calls stand under."""
    for run in record["runs"]:
        call = run.get("call")
        tree = {"trace_id": f"{record['id']} {record.get('start')}", "others": run.get("metadata")}
        row: dict[str, Any] = {
            **_common(run, run.get("start")),
            **tree,
            "parent_id": run.get("parent_id"),
            "revision": record["revision"],
            "is_call": call is not None,
        }
        if call is not None:
            row |= {**_of_call(call), "kind": call.get("kind"), "cached": bool(run.get("cached"))}
        yield row  # type: ignore[misc]


def recognises_row(record: Mapping[str, Any]) -> bool:
    """A row of calls: with their figures, under the names that they have in every table."""
    return "energy_kwh_min" in record and "tokens_source" in record


def read_row(record: Mapping[str, Any]) -> Iterator[Row]:
    """A row of a table of calls; figures that stand there are worked out anew."""
    known = known_only(record)
    start = known.get("started_at", known.get("start"))
    root = known.get("run_id", known.get("root_id"))
    if "call_kind" in known:  # a report's rows have the latency of the run around the request
        known.pop("latency_s", None)
    row: dict[str, Any] = {
        **_common(known, start),
        **_of_call(known),
        "is_call": True,
        "trace_id": f"{root} {known.get('run_started_at', '')}",
        "kind": known.get("call_kind", known.get("kind", "chat")),
        "cached": str(known.get("cached")).lower() == "true",
        "revision": count_of(known.get("revision")),
        "others": known,
    }
    yield row  # type: ignore[misc]


def _common(run: Mapping[str, Any], start: Any) -> dict[str, Any]:
    labels = {label: run.get(label) for label in LABELS}
    return {"id": run.get("id"), "name": run.get("name"), "started_at": time_of(start), **labels}


def _of_call(call: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {name: call.get(name) for name in _TEXTS}
    row["latency_s"] = number(call.get("latency_s"))
    row["energy_kwh"] = _energy_of(call)
    row |= {f"{name}_tokens": count_of(call.get(f"{name}_tokens")) for name in COUNTS}
    row |= {name: call[name] for name in MEDIA_FIELDS if call.get(name) is not None}
    return row


def _energy_of(call: Mapping[str, Any]) -> Any:
    """The server's energy, kWh, where somebody measured or reported it; else it is estimated."""
    energy = call.get("energy_kwh")
    if call.get("energy_boundary") == "facility":  # PUE would come on top again
        return None
    if not isinstance(energy, dict):
        return number(energy)
    known = energy and energy.keys() <= {"measured", "reported"}
    return math.fsum(energy.values()) if known else None
