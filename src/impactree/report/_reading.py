"""A report back from its JSON: format 1, without means, and format 2."""

from __future__ import annotations

import json
import math
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from impactree.calls import ENERGY_FIELDS, MEDIA_FIELDS, ModelCall
from impactree.exceptions import ReportFormatError
from impactree.report._grounds import Grounds
from impactree.report.renderers.data import FORMAT
from impactree.runs import LABELS, RUN_KINDS, Labels, Run, RunStatus
from impactree.values.criteria import CRITERIA, GWP_MARKET
from impactree.values.figures import PARTS, Figures
from impactree.values.impacts import GRADES, Impacts
from impactree.values.messages import Message
from impactree.values.sources import SOURCES, as_by_source
from impactree.values.training import TrainingPhase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree.values.sources import BySource

__all__ = ["read_report"]

_STATUSES: Final = frozenset(get_args(RunStatus))
_CALL_FIELDS: Final = (
    *("model", "provider", "kind", "input_tokens", "output_tokens", "cached_input_tokens"),
    *("cache_write_tokens", "reasoning_tokens", "latency_s", "zone", "tokens_source"),
    *("requested", "base_url", "region", "usage_notes", "repeated", *MEDIA_FIELDS),
    *ENERGY_FIELDS[:-1],
)
_MAY_BE_NONE: Final = ("adpe", "pe")
_UNKNOWN: Final = (math.nan,) * 3
_REST: Final = re.compile(r"[-\w.+\\]{0,9}\s*")
"""What may stand after the place where reading stopped, when a text was cut off there."""
_NEEDED: Final = ("method", "runs", "total", "coverage")


def read_report(source: Any) -> tuple[list[Run], dict[str, Any]]:
    """The root runs of a report's JSON, and the other arguments of a Report.

    Raises:
        ReportFormatError: names what is wrong, and where.
    """
    data = _parsed(source)
    _check_kind(data)
    with _at("runs"):
        runs = _runs(data["runs"])
    problems = data.get("problems") or {}
    with _at("problems"):
        _expect(isinstance(problems, dict), "an object of names and numbers", problems)
    with _at("total_ever"):
        total_ever = _impacts(data.get("total_ever"))
    with _at("unattributed"):
        unattributed = _impacts(data.get("unattributed"))
    known = {
        **_about(data),
        "problems": problems,
        "total_ever": total_ever,
        "unattributed": unattributed,
        "grounds": Grounds(
            credits=_entries(data, "credits", str),
            disclosures=_entries(data, "disclosures", str),
            factors=_entries(data, "factors", dict),
        ),
    }
    return runs, known


def _about(data: Any) -> dict[str, Any]:
    names = ("method", "zone", "catalog_version", "what_if", "finished_runs", "metering")
    found = {name: data.get(name) for name in names}
    for name, value in found.items():
        with _at(name):
            if name == "finished_runs":
                _expect(value is None or type(value) is int, "a whole number or null", value)
            else:
                _expect(value is None or isinstance(value, str), "text or null", value)
    return found


def _entries(data: Any, name: str, kind: type) -> tuple[Any, ...]:
    """A list of entries of one kind; earlier versions wrote none."""
    entries = data.get(name) or []
    with _at(name):
        _expect(isinstance(entries, list), "a list", entries)
        for entry in entries:
            _expect(isinstance(entry, kind), "text" if kind is str else "an object", entry)
    return tuple(entries)


def _text(source: Any) -> str:
    if hasattr(source, "read"):
        source = source.read()
    elif isinstance(source, Path):
        source = source.read_bytes()
    if isinstance(source, bytes | bytearray):
        try:
            return bytes(source).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ReportFormatError(
                f"no report: byte {error.start:,} is not UTF-8 text; a report is JSON, as "
                "to_json() writes it"
            ) from error
    if isinstance(source, str):
        return source.removeprefix("\ufeff")
    raise TypeError(f"from_json takes text, bytes, a Path or an open file, not {source!r:.80}")


def _parsed(source: Any) -> Any:
    if isinstance(source, dict):
        return source
    text = _text(source)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        begun = text.lstrip()[:1] == "{"
        if begun and _is_cut_off(text, error):
            raise ReportFormatError(
                f"the report is cut off: it ends at {where} in the middle; write it again with "
                "to_json()"
            ) from error
        hint = "; for a file give Path(...), not its name"
        if begun or not isinstance(source, str):
            hint = ""
        if not text.strip():
            hint = "; it is empty"
        raise ReportFormatError(f"no report: not JSON at {where} ({error.msg}){hint}") from error
    except RecursionError as error:
        raise ReportFormatError("no report: it nests too deeply") from error
    except ValueError as error:  # a whole number of more digits than Python reads
        raise ReportFormatError(f"no report: {error}") from error


def _is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    """Whether the text ends where, or in the word, number or escape in which, reading stopped."""
    if error.msg.startswith("Unterminated string"):
        return True
    return not error.msg.startswith("Extra data") and bool(_REST.fullmatch(text, error.pos))


def _check_kind(data: Any) -> None:
    """Refuse JSON that is something else, or of a later version."""
    if not isinstance(data, dict):
        raise ReportFormatError(f"no report: an object was expected, not {_shown(data)}")
    version = data.get("format", 1)
    if type(version) is not int or version < 1:
        raise ReportFormatError(f"no report: format {_shown(version)} is no version of one")
    lacking = [name for name in _NEEDED if name not in data]
    if version > FORMAT and "runs" in data:
        raise ReportFormatError(
            f"the report has format {version}, which is newer than this version reads ({FORMAT}): "
            "update impactree"
        )
    if lacking:
        keys = ", ".join(sorted(map(str, data))[:5]) or "nothing"
        raise ReportFormatError(
            f"no report of impactree: it lacks {', '.join(lacking)}; it has {keys:.200}"
        )


def _runs(entries: Any) -> list[Run]:
    _expect(isinstance(entries, list), "a list", entries)
    known: dict[str, Run] = {}
    roots: list[Run] = []
    for place, entry in enumerate(entries):
        with _at(f"[{place}]"):
            run = _run(entry, known)
            if run.id in known:
                raise ValueError(f"the id {run.id!r:.80} stands there twice")
            known[run.id] = run
            if run.parent is None:
                roots.append(run)
            else:
                run.parent.adopt(run)
    return roots


def _run(entry: Any, known: dict[str, Run]) -> Run:
    _expect(isinstance(entry, dict), "an object", entry)
    kind, status = entry["kind"], entry["status"]
    _expect(kind in RUN_KINDS, f"kind to be one of {', '.join(sorted(RUN_KINDS))}", kind)
    _expect(status in _STATUSES, f"status to be one of {', '.join(sorted(_STATUSES))}", status)
    for name in ("id", "name"):
        _expect(isinstance(entry[name], str), f"{name} to be text", entry[name])
    for name in ("start", "end"):
        _expect(_is_time(entry[name]), f"{name} to be a time in s", entry[name])
    parent = known.get(entry["parent_id"]) if entry["parent_id"] else None
    labels = {label: entry[label] for label in LABELS if isinstance(entry.get(label), str)}
    run = Run(
        entry["id"],
        entry["name"],
        kind,
        parent,
        entry["parent_id"],
        entry["start"],
        tuple(map(str, entry.get("tags") or ())),
        dict(entry.get("metadata") or {}) or None,
        Labels(**labels),  # type: ignore[typeddict-item]
    )
    run.end, run.status = entry["end"], status
    run.revision, run.cached = int(entry.get("revision") or 0), bool(entry.get("cached"))
    if entry["call"] is not None:
        with _at(".call"):
            run.call = ModelCall(
                **{n: entry["call"][n] for n in _CALL_FIELDS if n in entry["call"]}
            )
    with _at(".own"):
        run.own = _impacts(entry["own"])
    with _at(".avoided"):
        run.avoided = _impacts(entry.get("avoided"))
    return run


def _impacts(data: Any) -> Impacts | None:
    if data is None:
        return None
    _expect(isinstance(data, dict), "an object or null", data)
    usage, embodied, figures = data["usage"], data["embodied"], None
    if usage is not None:
        values = [_value_or_none(usage, c.key) for c in CRITERIA]
        values += [_value(embodied, c.key) for c in CRITERIA if c.embodied]
        parts = data.get("energy_parts")
        ends = [end for value in values for end in value]
        figures = Figures(*ends, *(parts[p] if parts else math.nan for p in PARTS))
    market = None if data.get(GWP_MARKET.key) is None else _value(data, GWP_MARKET.key)
    training = _training(data.get("training"))
    grade = data.get("grade")
    _expect(grade is None or grade in GRADES, f"grade to be one of {', '.join(GRADES)}", grade)
    return Impacts(
        figures,
        market=market,
        training=training,
        by_source=_by_source(data.get("energy_by_source")),
        method=data.get("method") or None,
        warnings=_messages(data.get("warnings")),
        errors=_messages(data.get("errors")),
        grade=grade,
        estimated_calls=data["estimated_calls"],
        unestimated_calls=data["unestimated_calls"],
    )


def _by_source(data: Any) -> BySource | None:
    if data is None:
        return None
    with _at(".energy_by_source"):
        _expect(isinstance(data, dict), "an object or null", data)
        for source, energy in data.items():
            _expect(source in SOURCES, f"sources among {', '.join(SOURCES)}", source)
            _expect(_is_number(energy), "a number of kWh", energy)
    return None if data.keys() <= {"estimated"} else as_by_source(data)


def _training(data: Any) -> TrainingPhase | None:
    if data is None:
        return None
    with _at(".training"):
        _expect(isinstance(data, dict), "an object or null", data)
        values = (None if data[c.key] is None else _value(data, c.key) for c in CRITERIA)
        return TrainingPhase(
            tuple(values), int(data["calls"]), tuple(map(str, data["shared_over"]))
        )


def _value_or_none(phase: Any, key: str) -> tuple[float, float, float]:
    """What is null is a criterion of which nobody publishes the factor."""
    return _UNKNOWN if key in _MAY_BE_NONE and phase[key] is None else _value(phase, key)


def _value(phase: Any, key: str) -> tuple[float, float, float]:
    with _at(f".{key}"):
        value = phase[key]["value"]
        low, high = value["min"], value["max"]
        mean = value.get("mean")
        for number in (low, high):
            _expect(_is_number(number), "a number", number)
        return low, (low + high) / 2 if mean is None else mean, high


def _messages(entries: Any) -> tuple[Message, ...]:
    return tuple(Message(str(e["code"]), str(e["message"])) for e in entries or ())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and not math.isnan(value)


def _is_time(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value))


def _expect(holds: bool, what: str, value: Any) -> None:
    if not holds:
        raise ValueError(f"expected {what}, not {_shown(value)}")


def _shown(value: Any) -> str:
    return f"{value!r:.60}"


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Say where an error stands."""
    try:
        yield
    except ReportFormatError as error:
        raise _LocatedError(place, error) from error
    except KeyError as error:
        raise _LocatedError(place, ReportFormatError(f"it lacks {error}")) from error
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise _LocatedError(place, ReportFormatError(str(error))) from error


class _LocatedError(ReportFormatError):
    """An error with its place in the file, outermost first."""

    def __init__(self, place: str, error: ReportFormatError) -> None:
        self.place = place + getattr(error, "place", "")
        self.what = getattr(error, "what", str(error))
        super().__init__(f"broken report at {self.place}: {self.what}")
