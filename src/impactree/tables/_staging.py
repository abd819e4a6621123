"""From files to one table of calls: rows of readers go through Parquet files of our own."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from impactree.calls.quantities import MEDIA_FIELDS
from impactree.calls.tokens import MAX_TOKENS
from impactree.catalog import near_text
from impactree.exceptions import TableError
from impactree.tables._calls import COUNTS, MEDIA_COUNTS, UNREADABLE, checked_columns
from impactree.tables._files import records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import ibis.expr.types as ir

    from impactree.tables._files import Source

__all__ = ["calls_of", "stage"]

_BATCH: Final = 20_000
_TEXTS: Final = (
    *("id", "trace_id", "parent_id", "name", "provider", "model", "requested", "base_url"),
    *("region", "kind", "zone", "tokens_source", "usage_notes", "agent", "node", "step"),
    *("thread", "tool", "user", UNREADABLE, "resolution", "ancestors"),
)
_WHOLE: Final = (*COUNTS, *MEDIA_COUNTS, "requests", "revision")
SCHEMA: Final = {
    **dict.fromkeys(_TEXTS, pa.string()),
    **dict.fromkeys(_WHOLE, pa.int64()),
    **dict.fromkeys(("latency_s", "seconds", "energy_kwh"), pa.float64()),
    **dict.fromkeys(("is_call", "cached", "sound"), pa.bool_()),
    "started_at": pa.timestamp("us", "UTC"),
}
"""Columns of staged rows; columns to group by come on top, as text."""
_CHECKED: Final = (*_WHOLE, "latency_s", "seconds", "energy_kwh")


def stage(
    sources: Sequence[Source],
    folder: Path,
    others: Sequence[str],
    progress: Callable[[Source], None] = lambda source: None,
) -> None:
    """Write the rows of files that have a reader as Parquet, a file for each.

    Args:
        sources: Files with readers.
        folder: Where to write.
        others: Columns to group by that are none of ours: looked for in what else records say.
        progress: Told each file that is done.

    Raises:
        TableError: a record lacks what its format always has; names file, record and column.
    """
    schema = pa.schema([*SCHEMA.items(), *((name, pa.string()) for name in others)])
    for number, source in enumerate(sources):
        rows = _rows(source, others)
        with pq.ParquetWriter(folder / f"{number:06}.parquet", schema) as writer:
            while batch := list(islice(rows, _BATCH)):
                writer.write_table(pa.Table.from_pylist(batch, schema))
        progress(source)


def _rows(source: Source, others: Sequence[str]) -> Iterator[dict[str, Any]]:
    reader = source.reader
    assert reader is not None  # noqa: S101
    for number, record in enumerate(records(source.path, source.form), 1):
        for name in reader.needs:
            if name not in record:
                near = near_text(name, map(str, record))
                raise TableError(
                    f"{source.path}: record {number}: column {name!r} is missing, expected in "
                    f"{reader.name}; nearest: {near}"
                )
        try:
            rows = list(reader.read(record))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TableError(
                f"{source.path}: record {number}: expected {reader.name}: "
                f"{type(error).__name__}: {error}"[:300]
            ) from error
        for row in rows:
            yield _flat(dict(row), others)


def _flat(row: dict[str, Any], others: Sequence[str]) -> dict[str, Any]:
    """One staged row: what no column can hold is said in ``unreadable``."""
    said = row.pop("others", None) or {}
    row[UNREADABLE] = row.pop("unreadable", None)
    for name in _CHECKED:
        value = row.get(name)
        if value is None:
            continue
        whole = name in _WHOLE
        right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not right or (whole and abs(value) > MAX_TOKENS + 1):
            row[UNREADABLE], row[name] = name, None
    for name in others:
        value = said.get(name)
        row[name] = None if value is None or isinstance(value, dict | list) else str(value)
    for name in _TEXTS:
        value = row.get(name)
        if isinstance(value, str):
            row[name] = value.encode("utf-8", "replace").decode()
        elif value is not None:
            row[name] = str(value)
    return row


def calls_of(
    database: Any, sources: Sequence[Source], staged: Path, mapping: dict[str, str], by: list[str]
) -> ir.Table:
    """All rows, of readers and of plain tables, as one table of DuckDB's."""
    tables = []
    if any(source.reader for source in sources):
        table = database.read_parquet(str(staged / "*.parquet"))
        known = table.energy_kwh.notnull().any().to_pyarrow().as_py()
        tables.append(table if known else table.drop("energy_kwh"))  # looking for it takes time
    tables += [_plain(database, s, mapping, by) for s in sources if s.reader is None]
    names = dict.fromkeys(name for table in tables for name in table.columns)
    return ibis.union(*(_with_all(table, names, tables) for table in tables))


def _with_all(table: ir.Table, names: Any, tables: list[ir.Table]) -> ir.Table:
    """The table with the columns that only others have, as nulls."""
    types = {n: next(t[n].type() for t in tables if n in t.columns) for n in names}
    return table.select(
        **{
            name: table[name].cast(kind) if name in table.columns else ibis.null(kind)
            for name, kind in types.items()
        }
    )


def _plain(database: Any, source: Source, mapping: dict[str, str], by: list[str]) -> ir.Table:
    """A plain table's columns of ours, and those to group by."""
    read = database.read_parquet if source.form == "parquet" else database.read_csv
    table = read(str(source.path))
    for ours, theirs in mapping.items():
        if theirs not in table.columns:
            near = near_text(theirs, table.columns)
            raise TableError(
                f"{source.path}: column {theirs!r} is missing, expected as {ours!r}; nearest: "
                f"{near}"
            )
    table = table.mutate(**{ours: table[theirs] for ours, theirs in mapping.items()})
    try:
        checked = checked_columns(table)
    except TableError as error:
        raise TableError(f"{source.path}: {error}") from error
    wanted = dict.fromkeys((*SCHEMA, *MEDIA_FIELDS, *by))
    kept = {n: table[n] for n in wanted if n in table.columns and n not in checked}
    times = {n: v for n, v in checked.items() if n != "day" or "started_at" not in checked}
    return table.select(**kept, **times)
