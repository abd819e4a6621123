"""A finished run tree as one line of JSON, and back. Plain values only: no prompts, no keys."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json, to_json

from impactree.calls import ModelCall
from impactree.calls.scrubbing import plain_values
from impactree.delivery.turns import in_turns
from impactree.runs import Run
from impactree.values.figures import PARTS, Figures
from impactree.values.impacts import Impacts
from impactree.values.messages import Message
from impactree.values.times import resolved_at
from impactree.values.training import TrainingPhase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    ZoneOf = Callable[[ModelCall], str | None]
    TreeKey = tuple[str, float, int]

__all__ = [
    "FORMAT",
    "NewerFormatError",
    "Tree",
    "decode",
    "encode",
    "ended_at",
    "is_line",
    "json_bytes",
    "readdressed",
]

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
_PIECE: Final = 500  # runs
_RUNS: Final = '"runs":['
_LONG: Final = 2**20  # bytes
_scan: Final = json.JSONDecoder().raw_decode
_END: Final = re.compile(rb'"end":([0-9.eE+]{1,30})[,}]')
_END_WITHIN: Final = 8192
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
    def key(self) -> TreeKey:
        """Id and start of the root, and revision: what makes a delivery the same delivery."""
        return self.root.id, self.root.start, self.root.revision


class NewerFormatError(ValueError):
    """A line of a newer version, for that version to read."""

    def __init__(self, format: int) -> None:
        super().__init__(f"journal format {format}, this version reads up to {FORMAT}")
        self.format = format


def encode(
    root: Run,
    method: str,
    addresses: Iterable[str],
    notes: Mapping[str, Any],
    zone_of: ZoneOf = lambda call: call.zone,
) -> list[bytes]:
    """A finished tree as one line, in pieces where it is long, addressed to its destinations."""
    record = {
        "to": list(addresses),
        "id": str(root.id),
        "revision": root.revision,
        "format": FORMAT,
        "method": method,
        "parent_id": None if root.parent_id is None else str(root.parent_id),
        "runs": [],
    }
    messages: dict[Message, int] = {}
    places: dict[int, int] = {}
    pieces = [json_bytes(record)[: -len(b"]}")]]
    piece: list[dict[str, Any]] = []
    for run in root.walk():
        if len(piece) == _PIECE:  # a large tree is never a Python object of its own size
            pieces.append(json_bytes(piece)[1:-1] + b",")
            piece = []
        places[id(run)] = len(places)
        parent = None if run is root else places.get(id(run.parent))
        piece.append(_encode_run(run, parent, messages, zone_of))
    rest: dict[str, Any] = {"messages": [(m.code, m.message) for m in messages]}
    if notes:
        rest["notes"] = notes
    pieces += [json_bytes(piece)[1:-1], b"]," + json_bytes(rest)[1:] + b"\n"]
    return [b"".join(pieces)] if len(places) <= _PIECE else pieces


def json_bytes(value: Any) -> bytes:
    """Plain values as JSON in UTF-8; what is no character becomes a question mark."""
    try:
        return to_json(value)  # six times as fast as json
    except ValueError:  # lone surrogates
        return _slow_dumps(value).encode("utf-8", "replace")


def readdressed(line: bytes, new: str, old: str | None = None) -> bytes:
    """A line for one address, with what the exporter of the ``old`` one (None: its own) noted.

    Raises:
        ValueError: not a journal line.
    """
    record = _record(line)
    record["to"] = [new]
    notes = record.pop("notes", {}).get(old or new)
    if notes:
        record["notes"] = {new: notes}
    return _slow_dumps(record).encode("utf-8", "replace") + b"\n"


def is_line(line: bytes) -> bool:
    """Whether this is a line of a journal, whole."""
    try:
        return bool(_record(line))
    except ValueError:
        return False


def ended_at(line: bytes) -> float | None:
    """When the root of a line ended, Unix time in s, without reading the line."""
    found = _END.search(line, 0, _END_WITHIN)
    return float(found[1]) if found else None


def decode(line: bytes, address: str) -> Tree:
    """The tree of a line, with the notes for one address.

    Raises:
        NewerFormatError: a newer version wrote it.
        ValueError: the line is torn or not ours, or its times are none.
    """
    record = _record(line)
    if record["format"] > FORMAT:
        raise NewerFormatError(record["format"])
    try:
        messages = tuple(Message(code, text) for code, text in record["messages"])
        runs: list[Run] = []
        fields = record["runs"]
        for place, run in enumerate(in_turns(fields)):
            runs.append(_decode_run(run, runs, messages))
            fields[place] = None  # of a large tree, not both at a time
        root = runs[0]
        root.revision = record["revision"]
        root.parent_id = record["parent_id"]
        notes = record.get("notes", {}).get(address, {})
        return Tree(root=root, method=record["method"], notes=notes)
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError, OSError) as error:
        raise ValueError("not a journal line") from error


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = from_json(line) if len(line) < _LONG else _long_record(line.decode())
    except (RecursionError, IndexError):
        raise ValueError("not a journal line") from None
    if not isinstance(record, dict) or type(record.get("format")) is not int:
        raise ValueError("not a journal line")
    return record


def _long_record(text: str) -> dict[str, Any]:
    """A run at a time: one call for all would keep every other thread waiting until it is done."""
    head, begins, _ = text.partition(_RUNS)
    place = len(head) + len(begins)
    runs: list[Any] = []
    while begins and text[place] != "]":
        run, place = _scan(text, place)
        runs.append(run)
        place += text[place] == ","
    record = json.loads(f"{head}{begins}{text[place:]}")
    if runs:
        record["runs"] = runs
    return record  # type: ignore[no-any-return]


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
    if run.end is not None:
        run.end = max(run.start, run.end)  # a clock that was put back
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
    if call.media is not None:
        out |= call.media.known()
    if call.energy is not None:
        out |= call.energy.to_dict()
    if call.usage_notes:
        out["usage_notes"] = list(call.usage_notes)
    if call.repeated:
        out["repeated"] = call.repeated
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
        *_later(impacts),
    ]


def _later(impacts: Impacts) -> list[Any]:
    """What few impacts have, and earlier versions pass over."""
    phase, by_source = impacts.training, impacts.by_source
    training = None if phase is None else [phase.values, phase.calls, phase.shared_over]
    if by_source is not None:
        return [training, by_source]
    return [] if training is None else [training]


def _decode_impacts(fields: list[Any], messages: tuple[Message, ...]) -> Impacts:
    figures, warnings, errors, grade, estimated, unestimated, *later = fields
    method, market, training, by_source, *_ = (*later, None, None, None, None)
    if figures is not None and not later:
        figures = _with_means(figures)
    return Impacts(
        None if figures is None else Figures(*figures),
        method=method,
        market=None if market is None else tuple(market),
        training=None if training is None else _decode_training(*training),
        by_source=by_source and tuple((source, energy) for source, energy in by_source),
        warnings=tuple(messages[i] for i in warnings),
        errors=tuple(messages[i] for i in errors),
        grade=grade,
        estimated_calls=estimated,
        unestimated_calls=unestimated,
    )


def _decode_training(values: list[Any], calls: int, shared: list[str]) -> TrainingPhase:
    triples = tuple(None if triple is None else tuple(triple) for triple in values)
    return TrainingPhase(triples, calls, tuple(shared))


def _with_means(pairs: list[float]) -> list[float]:
    """The figures of format 1: low and high by turns, means in the middle, no parts."""
    ends = zip(pairs[::2], pairs[1::2], strict=True)
    triples = [end for low, high in ends for end in (low, (low + high) / 2, high)]
    return [*triples, *(math.nan for _ in PARTS)]


def _text(value: str) -> str:
    return value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT]
