"""The report as flat columns: dataframes, CSV and Parquet, a row per call or per run."""

from __future__ import annotations

import csv
import io
import json
import sys
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, Literal

from impactree.calls import MEDIA_FIELDS
from impactree.exceptions import MissingExtraError
from impactree.report._keys import plain_label
from impactree.runs import LABELS
from impactree.values.columns import figure_columns
from impactree.values.criteria import FLAT_COLUMNS
from impactree.values.formatting import clean
from impactree.values.training import TRAINING_FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from impactree.report._groups import Grouped
    from impactree.report._view import View
    from impactree.runs import Run
    from impactree.values.messages import Message

    Columns = dict[str, list[Any]]

__all__ = [
    "Per",
    "group_columns",
    "report_columns",
    "to_csv",
    "to_frame",
    "to_parquet",
]

Per = Literal["call", "run", "root"]
_Type = Literal["String", "Int64", "Float64", "Boolean"]
_BACKENDS: Final = ("pandas", "polars", "pyarrow")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_WIDE_FORMULA: Final = ("\uff1d", "\uff0b", "\uff0d", "\uff20")
"""= + - @ as East Asian keyboards write them: some spreadsheets read them alike."""
_TOKENS: Final = (
    *("input_tokens", "cached_input_tokens", "cache_write_tokens"),
    *("output_tokens", "reasoning_tokens"),
)
_TOKEN_FIELDS: Final = ("input", "cached_input", "cache_write", "output", "reasoning")


def report_columns(report: View, per: Per = "call") -> Columns:
    """One flat row per model call, per run, or per root run.

    Raises:
        ValueError: ``per`` is something else.
    """
    if per not in ("call", "run", "root"):
        raise ValueError(f"per must be 'call', 'run' or 'root', not {per!r:.80}")
    if per == "root":
        runs = list(report.runs)
    else:
        runs = [run for root in report.runs for run in root.walk()]
        if per == "call":
            runs = [run for run in runs if run.call is not None]
    columns = _run_columns(runs)
    if per == "call":
        columns |= _call_columns(report, runs)
        impacts = [run.own for run in runs]
    else:
        columns |= _sum_columns(report, runs)
        impacts = [run.total for run in runs]
    columns["grade"] = [None if one is None else one.grade for one in impacts]
    columns["method"] = [None if one is None else one.method for one in impacts]
    columns["warnings"] = _codes([() if one is None else one.warnings for one in impacts])
    columns["errors"] = _codes([() if one is None else one.errors for one in impacts])
    return columns | figure_columns(impacts)


def _codes(several: Sequence[tuple[Message, ...]]) -> list[str]:
    """The codes of each one's messages; one tuple serves all calls alike."""
    known = {id(messages): messages for messages in several}
    texts = {key: " ".join(m.code for m in messages) for key, messages in known.items()}
    return [texts[id(messages)] for messages in several]


def _run_columns(runs: Sequence[Run]) -> Columns:
    parents = [run.parent for run in runs]
    labels = [run.labels for run in runs]
    text_of = cache(str)  # the ids of roots and parents come again and again
    return {
        "id": [str(run.id) for run in runs],
        "root_id": [text_of(run.root.id) for run in runs],
        "parent_id": [
            _id(run.parent_id) if parent is None else text_of(parent.id)
            for run, parent in zip(runs, parents, strict=True)
        ],
        "name": [run.name for run in runs],
        "kind": [run.kind for run in runs],
        "status": [run.status for run in runs],
        "start": [run.start for run in runs],
        "end": [run.end for run in runs],
        "latency_s": [run.latency_s for run in runs],
        **{label: [one.get(label) for one in labels] for label in LABELS},
        "tags": [" ".join(run.tags) for run in runs],
    }


def _call_columns(report: View, runs: Sequence[Run]) -> Columns:
    calls = [run.call for run in runs if run.call is not None]
    columns: Columns = {
        "provider": [call.provider for call in calls],
        "model": [call.model for call in calls],
        "requested": [call.requested for call in calls],
        "call_kind": [call.kind for call in calls],
        "cached": [run.cached for run in runs],
        "tokens_source": [call.tokens_source for call in calls],
    }
    tokens = [call.tokens for call in calls]
    for name, field in zip(_TOKENS, _TOKEN_FIELDS, strict=True):
        columns[name] = [getattr(one, field) for one in tokens]
    media = [call.media for call in calls]
    for name in MEDIA_FIELDS:
        columns[name] = [one and getattr(one, name) for one in media]
    return columns


def _sum_columns(report: View, runs: Sequence[Run]) -> Columns:
    from impactree.report._fold import Scan

    tallies = Scan(report.runs).tallies
    of_runs = [tallies[run] for run in runs]
    return {
        "calls": [tally.calls for tally in of_runs],
        "cached_calls": [tally.cached for tally in of_runs],
        "input_tokens": [tally.input_tokens for tally in of_runs],
        "cached_input_tokens": [tally.cached_inputs for tally in of_runs],
        "cache_write_tokens": [tally.cache_writes for tally in of_runs],
        "output_tokens": [tally.output_tokens for tally in of_runs],
        "reasoning_tokens": [tally.reasoning for tally in of_runs],
    }


def group_columns(groups: Grouped) -> Columns:
    """One flat row per group."""
    labels = [groups.labels(label) for label in groups]
    columns: Columns = {
        name: [plain_label(row[i]) for row in labels] for i, name in enumerate(groups.by)
    }
    found = list(groups.values())
    columns["calls"] = [group.calls for group in found]
    columns["cached_calls"] = [group.cached for group in found]
    for name in (*_TOKENS, "latency_s", "share"):
        columns[name] = [getattr(group, name) for group in found]
    return columns | figure_columns([group.total for group in found])


# Where columns go


def to_frame(columns: Columns, backend: str | None) -> Any:
    """A dataframe of the user's library.

    Args:
        columns: By name.
        backend: ``pandas``, ``polars`` or ``pyarrow``; None: the one that is imported already,
            else the first that is installed.

    Raises:
        MissingExtraError: narwhals is not installed, or none of the three.
        ValueError: another backend.
    """
    if backend is not None and backend not in _BACKENDS:
        raise ValueError(f"backend must be one of {', '.join(_BACKENDS)}, not {backend!r:.80}")
    try:
        import narwhals as nw
    except ImportError as error:
        raise MissingExtraError("dataframe", "narwhals") from error
    chosen = backend or _installed()
    types = {name: _type_of(name, column) for name, column in columns.items()}
    columns = {
        name: _encodable(column) if types[name] == "String" else column
        for name, column in columns.items()
    }
    if chosen == "pandas":
        _as_pandas_has_it(columns, types)
    schema = {name: getattr(nw, kind) for name, kind in types.items()}
    try:
        frame = nw.from_dict(columns, schema, backend=chosen)  # type: ignore[arg-type]
    except ImportError as error:
        raise MissingExtraError("dataframe", chosen) from error
    return frame.to_native()


def _as_pandas_has_it(columns: Columns, types: dict[str, _Type]) -> None:
    """Its plain columns know no None: numbers and truth values become floats, None not a number."""
    import numpy as np

    for name, kind in types.items():
        if kind != "String" and (kind == "Float64" or None in columns[name]):
            columns[name] = np.array(columns[name], float)  # type: ignore[assignment]
            types[name] = "Float64"


def _installed() -> str:
    imported = [name for name in _BACKENDS if sys.modules.get(name) is not None]
    found = imported or [name for name in _BACKENDS if _is_there(name)]
    if not found:
        raise MissingExtraError("dataframe", "one of pandas, polars and pyarrow")
    return found[0]


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # blocked
        return False


def _type_of(name: str, column: Sequence[Any]) -> _Type:
    """One type per column whatever its rows hold, so that tables of two reports stack."""
    if name.endswith(("_tokens", "calls")) or name in _WHOLE:
        return "Int64"
    if name.startswith(_FIGURES) or name in _REALS or name in TRAINING_FIGURES:
        return "Float64"
    if name in ("cached", "sound"):
        return "Boolean"
    known = {type(value) for value in column if value is not None}
    by_type: dict[type, _Type] = {bool: "Boolean", int: "Int64", float: "Float64"}
    return by_type.get(known.pop(), "String") if len(known) == 1 else "String"


_REALS: Final = frozenset({"start", "end", "latency_s", "share", "seconds"})
_WHOLE: Final = frozenset({"frames", "count", "steps", "characters"})
_FIGURES: Final = ("energy_", *(f"{name.rpartition('_')[0]}_" for name in FLAT_COLUMNS))


def to_csv(columns: Columns, path: str | Path | None, credits: Sequence[str] = ()) -> str | None:
    """CSV by RFC 4180. Text that a spreadsheet would take for a formula gets an apostrophe.

    Args:
        columns: By name.
        path: A file to write, whole or not at all; None: return the text.
        credits: Written one a line to a file beside it, with ``.credits.txt`` after the name.
    """
    if path is None:
        out = io.StringIO(newline="")
        _write_csv(columns, out)
        return out.getvalue()
    from impactree.report._files import replacing, write_credits

    with replacing(path) as file:
        _write_csv(columns, file)
    write_credits(path, credits)
    return None


def _write_csv(columns: Columns, file: Any) -> None:
    writer = csv.writer(file)
    writer.writerow(map(_cell, columns))
    safe = [_safe(column) for column in columns.values()]
    writer.writerows(zip(*safe, strict=True))


def _safe(column: Sequence[Any]) -> Iterable[Any]:
    if not any(isinstance(value, str) for value in column):
        return column
    known: dict[Any, Any] = {}
    for value in column:
        if value not in known:
            known[value] = _cell(value) if isinstance(value, str) else value
    return map(known.__getitem__, column)


def _cell(text: str) -> str:
    """Text of one line that is no formula."""
    shown = clean(text).encode("utf-8", "replace").decode()
    return f"'{shown}" if text.lstrip(" ").startswith(_FORMULA + _WIDE_FORMULA) else shown


def to_parquet(
    columns: Columns,
    path: str | Path,
    credits: Sequence[str] = (),
    factors: Sequence[Mapping[str, Any]] = (),
) -> None:
    """A Parquet file, whole or not at all; credits and factors stand in its metadata.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("parquet", "pyarrow") from error
    from impactree.report._files import replacing

    types = {
        "String": pa.string(),
        "Int64": pa.int64(),
        "Float64": pa.float64(),
        "Boolean": pa.bool_(),
    }
    table = pa.table(
        {
            name: pa.array(_encodable(column), types[_type_of(name, column)])
            for name, column in columns.items()
        }
    )
    about = {"impactree.credits": "\n".join(credits), "impactree.factors": json.dumps([*factors])}
    table = table.replace_schema_metadata(about)
    with replacing(path, binary=True) as file:
        pq.write_table(table, file)


def _encodable(column: Sequence[Any]) -> list[Any]:
    """Lone surrogates are no UTF-8."""
    try:
        "".join(filter(None, set(column))).encode()  # most columns say few things
    except (TypeError, UnicodeEncodeError):
        return [v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in column]
    return list(column)


def _id(value: object) -> str | None:
    return None if value is None else str(value)
