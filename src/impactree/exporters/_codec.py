"""A finished run tree as one line of JSON, and back. Plain values only: no prompts, no keys."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from impactree.calls import ModelCall
from impactree.calls.scrubbing import plain_values
from impactree.exporters._time import resolved_at
from impactree.runs import Run
from impactree.values.figures import PARTS, Figures
from impactree.values.impacts import Impacts
from impactree.values.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    ZoneOf = Callable[[ModelCall], str | None]

__all__ = ["Tree", "decode", "encode"]

FORMAT: Final = 2
"""Of a line; 1 had no means and no method on impacts."""
_MAX_TEXT: Final = 500
# base_url stays out: it can carry credentials, and the estimate is made already.
_CALL_FIELDS: Final = (
    "provider",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "latency_s",
    "requested",
    "region",
)
_slow_dumps: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A finished run tree as exporters get it: a copy of the tracker's, ids as text."""

    root: Run
    method: str
    """Name of the method the impacts were estimated with."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the exporter itself noted when the root ended (``SpooledExporter.notes``)."""

    @property
    def key(self) -> tuple[str, int]:
        """Run id of the root, and revision: what makes a delivery the same delivery."""
        return self.root.id, self.root.revision


def encode(
    root: Run,
    method: str,
    destinations: Iterable[str],
    notes: Mapping[str, Any],
    zone_of: ZoneOf = lambda call: call.zone,
) -> bytes:
    """A finished tree as one line, addressed to its destinations."""
    messages: dict[Message, int] = {}
    places: dict[int, int] = {}
    runs: list[dict[str, Any]] = []
    for run in root.walk():
        places[id(run)] = len(runs)
        parent = None if run is root else places.get(id(run.parent))
        runs.append(_encode_run(run, parent, messages, zone_of))
    record = {
        "to": list(destinations),
        "id": str(root.id),
        "revision": root.revision,
        "format": FORMAT,
        "method": method,
        "parent_id": None if root.parent_id is None else str(root.parent_id),
        "runs": runs,
        "messages": [(m.code, m.message) for m in messages],
    }
    if notes:
        record["notes"] = notes
    try:
        return to_json(record) + b"\n"  # six times as fast as json
    except ValueError:  # lone surrogates
        return (_slow_dumps(record) + "\n").encode("utf-8", "replace")


def decode(line: bytes, destination: str) -> Tree:
    """The tree of a line, with the notes of one destination.

    Raises:
        ValueError: the line is torn or not ours, or its times are none.
    """
    record = json.loads(line)
    try:
        messages = tuple(Message(code, text) for code, text in record["messages"])
        runs: list[Run] = []
        for fields in record["runs"]:
            runs.append(_decode_run(fields, runs, messages))
        root = runs[0]
        root.revision = record["revision"]
        root.parent_id = record["parent_id"]
        notes = record.get("notes", {}).get(destination, {})
        return Tree(root=root, method=record["method"], notes=notes)
    except (KeyError, TypeError, IndexError, OverflowError, OSError) as error:
        raise ValueError("not a journal line") from error


def _encode_run(
    run: Run, parent: int | None, messages: dict[Message, int], zone_of: ZoneOf
) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": str(run.id),
        "parent": parent,
        "name": _text(run.name),
        "kind": run.kind,
        "start": run.start,
        "end": run.end,
        "status": run.status,
    }
    if run.tags:
        out["tags"] = [_text(tag) for tag in run.tags]
    if run.metadata:
        out["metadata"] = plain_values(run.metadata)
    if labels := run.own_labels:
        out["labels"] = {key: _text(str(value)) for key, value in labels.items()}
    if run.call is not None:
        out["call"] = _encode_call(run.call, zone_of(run.call))
        out["cached"] = run.cached
    if run.own is not None:
        out["own"] = _encode_impacts(run.own, messages)
    if run.avoided is not None:
        out["avoided"] = _encode_impacts(run.avoided, messages)
    return out


def _decode_run(fields: dict[str, Any], runs: list[Run], messages: tuple[Message, ...]) -> Run:
    parent = None if fields["parent"] is None else runs[fields["parent"]]
    run = Run(
        fields["id"],
        name=fields["name"],
        kind=fields["kind"],
        parent=parent,
        parent_id=None if parent is None else parent.id,
        start=fields["start"],
        tags=tuple(fields.get("tags", ())),
        metadata=fields.get("metadata"),
        labels=fields.get("labels"),
    )
    run.end, run.status = fields["end"], fields["status"]
    for time in (run.start, run.end):
        resolved_at(time)  # of no year that databases know: an exporter would fail again and again
    if "call" in fields:
        run.call, run.cached = ModelCall(**fields["call"]), fields["cached"]
    if "own" in fields:
        run.own = _decode_impacts(fields["own"], messages)
    if "avoided" in fields:
        run.avoided = _decode_impacts(fields["avoided"], messages)
    if parent is not None:
        parent.adopt(run)
    return run


def _encode_call(call: ModelCall, zone: str | None) -> dict[str, Any]:
    out: dict[str, Any] = {
        "model": _text(call.model),
        "kind": call.kind,
        "tokens_source": call.tokens_source,
    }
    for name in _CALL_FIELDS:
        value = getattr(call, name)
        if value is not None:
            out[name] = _text(value) if isinstance(value, str) else value
    if call.usage_notes:
        out["usage_notes"] = list(call.usage_notes)
    if zone is not None:
        out["zone"] = zone
    return out


def _encode_impacts(impacts: Impacts, messages: dict[Message, int]) -> list[Any]:
    return [
        impacts.figures and list(impacts.figures),
        [messages.setdefault(m, len(messages)) for m in impacts.warnings],
        [messages.setdefault(m, len(messages)) for m in impacts.errors],
        impacts.grade,
        impacts.estimated_calls,
        impacts.unestimated_calls,
        impacts.method,
        impacts.market,
    ]


def _decode_impacts(fields: list[Any], messages: tuple[Message, ...]) -> Impacts:
    figures, warnings, errors, grade, estimated, unestimated, *later = fields
    method, market, *_ = (*later, None, None)
    if figures is not None and not later:
        figures = _with_means(figures)
    return Impacts(
        None if figures is None else Figures(*figures),
        method=method,
        market=None if market is None else tuple(market),
        warnings=tuple(messages[i] for i in warnings),
        errors=tuple(messages[i] for i in errors),
        grade=grade,
        estimated_calls=estimated,
        unestimated_calls=unestimated,
    )


def _with_means(pairs: list[float]) -> list[float]:
    """The figures of format 1: low and high by turns, means in the middle, no parts."""
    ends = zip(pairs[::2], pairs[1::2], strict=True)
    triples = [end for low, high in ends for end in (low, (low + high) / 2, high)]
    return [*triples, *(math.nan for _ in PARTS)]


def _text(value: str) -> str:
    return value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT]
