"""The estimate as SQL of other engines: parsed, brought back to DuckDB, and run where one is."""

from __future__ import annotations

import os

import click
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlglot
from click.testing import CliRunner
from made_calls import FIELDS, arrow, by_python, made_rows, same_calls, same_sums
from tests.exporters import postgres

from impactree.cli import cli
from impactree.engine import Engine
from impactree.exceptions import TableError
from impactree.tables._sql import DIALECTS, sql

METHOD = {"method": "impactree-1", "include_training": {"requests": 1e11}}
ROWS = 25


@pytest.fixture(scope="module")
def engine():
    return Engine(**METHOD)


@pytest.fixture(scope="module")
def rows():
    return list(made_rows(ROWS))


@pytest.fixture(scope="module")
def expected(rows, engine):
    return [by_python(row, engine) for row in rows]


@pytest.fixture(scope="module")
def database(rows):
    connected = ibis.duckdb.connect()
    connected.create_table("calls", arrow(rows))
    connected.raw_sql("CREATE MACRO ieee_divide(a, b) AS a / b")  # BigQuery's, which has no error
    clickhouse = {"todate": "x::DATE", "isnull": "x IS NULL", "isnotnull": "x IS NOT NULL"}
    for name, body in clickhouse.items():
        connected.raw_sql(f'CREATE MACRO "{name}"(x) AS ({body})')
    return connected


def written(database, engine, dialect, **asked):
    asked = {"name": "calls", "by": None, **asked}
    return sql(database.table("calls"), engine, dialect=dialect, **asked)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_brought_back_to_duckdb_it_gives_the_same(database, engine, rows, expected, dialect):
    text = written(database, engine, dialect, by=["team", "day"])
    (tree,) = sqlglot.parse(text, dialect=dialect)
    back = tree.sql("duckdb").replace(">= inf)", ">= 'inf'::DOUBLE)")  # a name in ClickHouse
    found = database.con.execute(back).fetch_arrow_table()
    same_sums(found, rows, expected)
    assert text.startswith("-- impactree ")
    assert DIALECTS[dialect] in text


@pytest.fixture(scope="module")
def cursor(rows):
    if postgres.programs() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed: CI does not go without it")
        pytest.skip("PostgreSQL is not installed")
    psycopg = pytest.importorskip("psycopg")
    kinds = {pa.string(): "text", pa.bool_(): "boolean", pa.date32(): "date"}
    kinds |= {pa.int64(): "bigint", pa.float64(): "double precision"}
    columns = ", ".join(f'"{name}" {kinds[kind]}' for name, kind in FIELDS.items())
    marks = ", ".join("%s" for _ in FIELDS)
    with postgres.server() as url, psycopg.connect(url) as connection:
        connection.execute("set time zone 'UTC'")
        connection.execute("set jit = off")  # compiles minutes for rows of a moment
        connection.execute(f"create table calls ({columns})")
        values = [[row.get(name) for name in FIELDS] for row in rows]
        connection.cursor().executemany(f"insert into calls values ({marks})", values)
        yield connection.cursor()


def test_it_runs_on_postgresql_to_the_same(cursor, database, engine, rows, expected):
    def answered(**asked):
        cursor.execute(written(database, engine, "postgres", **asked))
        names = [column.name for column in cursor.description]
        return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in cursor])

    same_calls(answered(), expected)
    same_sums(answered(by=["team", "day"]), rows, expected)


def table(*arguments):
    done = CliRunner().invoke(cli, ["table", *map(str, arguments)], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


def test_the_command_prints_sql_that_says_what_it_was_run_on(tmp_path):
    pq.write_table(pa.table({"model": ["gpt-4o"], "output_tokens": [7]}), tmp_path / "rows.parquet")
    text = table(tmp_path / "rows.parquet", "--print-sql", "bigquery", "--table", "a.b.calls")
    assert "never run on BigQuery" in text
    assert "`a`.`b`.`calls`" in text
    for dialect in DIALECTS:
        assert table(tmp_path / "rows.parquet", "--print-sql", dialect)
    with pytest.raises(click.UsageError, match="--map is not for SQL"):
        table(tmp_path / "rows.parquet", "--print-sql", "duckdb", "--map", "model=llm")
    with pytest.raises(click.UsageError, match="--out names the folder"):
        table(tmp_path / "rows.parquet")
    (tmp_path / "log.jsonl").write_text('{"run_id": 1}\n')
    with pytest.raises(TableError, match=r"log\.jsonl"):
        table(tmp_path / "log.jsonl", "--print-sql", "duckdb")


def test_calls_of_other_situations_count_as_not_estimated(engine):
    database = ibis.duckdb.connect()
    made = pa.table(
        {
            "model": ["gpt-4o", "gpt-4o-mini"],
            "input_tokens": [5, 5],
            "output_tokens": [7, 7],
        }
    )
    database.create_table("calls", made)
    seen = ibis.memtable(made.slice(0, 1))
    text = sql(seen, engine, dialect="duckdb", name="main.calls", by=["model"])
    groups = database.con.execute(text).fetch_arrow_table().to_pylist()
    counts = {row["model"]: (row["estimated_calls"], row["unestimated_calls"]) for row in groups}
    assert counts == {"gpt-4o": (1, 0), None: (0, 1)}  # nobody looked its model up
    assert [g["gwp_kgco2eq_mean"] for g in groups if g["model"] is None] == [None]


@pytest.mark.parametrize("name", ["", "a..b", "a.b.c.d"])
def test_a_table_s_name_has_three_parts_at_most(database, engine, name):
    with pytest.raises(TableError, match="table name"):
        written(database, engine, "duckdb", name=name)
