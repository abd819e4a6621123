"""The estimate as SQL of other engines, for a table that stands there."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ibis
import ibis.expr.operations as ops
import sqlglot as sg
import sqlglot.expressions as sge

from impactree import __version__
from impactree.exceptions import TableError
from impactree.tables._beside import beside
from impactree.tables._each import per_call
from impactree.tables._files import found
from impactree.tables._groups import grouped
from impactree.tables._placing import fetched
from impactree.tables._small import KEY
from impactree.tables._sums import sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir
    import pyarrow as pa

    from impactree.engine import Engine
    from impactree.tables._beside import Beside
    from impactree.tables._estimate import At
    from impactree.tables._small import Small

__all__ = ["DIALECTS", "sql", "sql_of_files"]

DIALECTS: Final = {
    "bigquery": "only compiled and parsed: never run on BigQuery",
    "clickhouse": "only compiled and parsed: never run on ClickHouse",
    "databricks": "only compiled and parsed: never run on Databricks",
    "duckdb": "run on DuckDB in impactree's tests",
    "postgres": "run on PostgreSQL in impactree's tests, the session's time zone being UTC",
    "snowflake": "only compiled and parsed: never run on Snowflake",
}
"""What SQL can be written for, and whether it was run."""
_MOST: Final = 256
"""Rows of what can be missing of calls; of more, only those that were seen are written."""


def sql(
    seen: ir.Table,
    engine: Engine,
    *,
    dialect: str,
    name: str,
    by: Sequence[str] | None,
    at: At = "call",
) -> str:
    """One SELECT that estimates the calls of a table, its plans in front of it.

    Args:
        seen: Some of the table's rows, or others with its columns, on an engine that is here. Calls
            of a provider, model, place or kind that none of them has, or of days outside theirs,
            count as not estimated.
        engine: Estimates.
        dialect: One of ``DIALECTS``.
        name: The table, with dots between catalog, schema and name.
        by: Columns to group by; None: a row per call.
        at: As for :func:`impactree.tables.estimate`.

    Raises:
        TableError: a column is missing or of the wrong type, or the name is none.
    """
    there = _named(name, seen)
    known = _strict(beside(seen, engine, by_day=at == "call"), at == "call")
    rows = per_call(known, engine) if by is None else sums(grouped(known, engine, by), by)
    operation = rows.op()
    instead = {seen.op(): there.op()}
    small: dict[str, pa.Table] = {}
    for number, held in enumerate(operation.find(ops.InMemoryTable), 1):
        if held not in instead:
            called = f"impactree_{number}"
            small[called] = held.data.to_pyarrow(held.schema)
            instead[held] = ibis.table(held.schema, name=called).op()
    text = str(ibis.to_sql(operation.replace(instead).to_expr(), dialect=dialect))
    tables = [f"{name} AS (\n{_rows(table, dialect)}\n)" for name, table in small.items()]
    about = _about(engine, dialect, known.plans.names.table.num_rows)
    return f"{about}\n{_with(tables, text)}\n"


def _named(name: str, like: ir.Table) -> ir.Table:
    *places, last = parts = name.split(".")
    if not all(parts) or len(parts) > 3:
        expected = "NAME, SCHEMA.NAME or CATALOG.SCHEMA.NAME"
        raise TableError(f"table name {name!r:.80}: expected {expected}")
    catalog, schema = (None, None, *places)[-2:]
    return ibis.table(like.schema(), name=last, catalog=catalog, database=schema)


def sql_of_files(paths: Sequence[str], engine: Engine, **asked: Any) -> str:
    """The same, the calls that are seen being in Parquet or CSV files with the table's columns.

    Raises:
        TableError: a file is no such table.
    """
    sources = found([Path(path) for path in paths], {})
    for source in sources:
        if source.reader is not None or source.form != sources[0].form:
            other = source.reader.name if source.reader else source.form
            raise TableError(
                f"{source.path}: found {other}; expected rows of the table that the SQL is for, "
                "all as Parquet or all as CSV"
            )
    database = ibis.duckdb.connect()
    read = database.read_parquet if sources[0].form == "parquet" else database.read_csv
    try:
        return sql(read([str(source.path) for source in sources]), engine, **asked)
    finally:
        database.disconnect()


def _strict(known: Beside, dated: bool) -> Beside:
    """Joined by all that is known: what never varies among some calls may among others."""
    judged = known.judged.table
    if judged.num_rows > _MOST:
        calls = known.calls
        seen = fetched(calls.select(key_kind=calls.kind, key_missing=calls.missing).distinct())
        judged = judged.join(seen, seen.column_names, join_type="inner")
    plans = known.plans._replace(names=_by_all(known.plans.names)._replace(dated=dated))
    noted = None if known.noted is None else _by_all(known.noted)
    return known._replace(
        plans=plans, judged=_by_all(known.judged._replace(table=judged)), noted=noted
    )


def _by_all(small: Small) -> Small:
    keys = (n.removeprefix(KEY) for n in small.table.column_names if n.startswith(KEY))
    return small._replace(keys=tuple(keys))


def _about(engine: Engine, dialect: str, plans: int) -> str:
    return "\n".join(
        f"-- {line}"
        for line in (
            f"impactree {__version__}, {engine.method.name}, catalog {engine.catalog.version}, "
            f"{plans} names",
            DIALECTS[dialect],
            "calls of other models, places and days than these count as not estimated",
        )
    )


def _with(parts: list[str], text: str) -> str:
    """A query with tables in front of it, and of those that it brings."""
    rest = text.removeprefix("WITH ")
    return f"WITH {', '.join(parts)}" + (f", {rest}" if rest != text else f"\n{text}")


def _rows(table: pa.Table, dialect: str) -> str:
    """A small table as a query of constants; what is the same in all rows stands there once."""
    types = {field.name: _TYPES[str(field.type)] for field in table.schema}
    held = {name: table[name].to_pylist() for name in types}
    varying = [name for name, cells in held.items() if len({*cells}) > 1] or [*types][:1]
    cells = [
        sge.Tuple(
            expressions=[
                _constant(value, types[name], not number)
                for name, value in zip(varying, row, strict=True)
            ]
        )
        for number, row in enumerate(zip(*(held[name] for name in varying), strict=True))
    ]
    columns = [sge.to_identifier(name, quoted=True) for name in varying]
    values = sge.Values(
        expressions=cells, alias=sge.TableAlias(this=sge.to_identifier("v"), columns=columns)
    )
    chosen = {
        name: sge.column(name, table="v", quoted=True)
        if name in varying
        else _constant(held[name][0], types[name])
        for name in types
    }
    named = [
        sge.alias_(sge.cast(cell, types[name]), name, quoted=True) for name, cell in chosen.items()
    ]
    return str(sg.select(*named).from_(values).sql(dialect))


_TYPES: Final = {
    "string": "VARCHAR",
    "double": "DOUBLE",
    "date32[day]": "DATE",
    "bool": "BOOLEAN",
    "int8": "SMALLINT",
    "int16": "SMALLINT",
    "int32": "INT",
    "int64": "BIGINT",
}


def _constant(value: Any, kind: str, first: bool = False) -> sge.Expression:
    """A cell: a null of the first row says of what type; dates are text until they are cast."""
    if value is None:
        held = "VARCHAR" if kind == "DATE" else kind
        return sge.cast(sge.null(), held) if first else sge.null()
    if isinstance(value, bool):
        return sge.Boolean(this=value)
    if isinstance(value, float) and not math.isfinite(value):
        raise TableError(f"a plan holds {value}, which not every engine can write")
    if isinstance(value, str | dt.date):
        return sge.Literal.string(str(value))
    return sge.Literal.number(repr(value))
