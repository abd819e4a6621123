"""``impactree table --out duckdb:///FILE#TABLE``: impacts as a table."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from impactree import ModelCall, estimate
from impactree.cli import cli
from impactree.delivery.locks import locked_file
from impactree.exceptions import TableError


def table(*arguments):
    done = CliRunner().invoke(cli, ["table", *map(str, arguments)], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


def calls(path, days=("2026-11-01", "2026-11-02")):
    made = {"model": ["gpt-4o", "gpt-4o-mini"] * len(days), "output_tokens": [7, 9] * len(days)}
    made["day"] = pa.array([day for day in days for _ in range(2)]).cast(pa.date32())
    pq.write_table(pa.table(made), path)
    return path


@pytest.fixture
def source(tmp_path):
    return calls(tmp_path / "calls.parquet")


@pytest.fixture
def out(tmp_path):
    return f"duckdb:///{tmp_path}/some impacts.db#by model"


def rows(tmp_path, query):
    with duckdb.connect(tmp_path / "some impacts.db", read_only=True) as database:
        return database.execute(query).fetchall()


def test_a_table_holds_what_the_folder_would(tmp_path, source, out):
    table(source, "--out", out)
    found = rows(
        tmp_path, 'SELECT day::VARCHAR, model, calls, gwp_kgco2eq_mean FROM "by model" ORDER BY ALL'
    )
    expected = {
        model: estimate(ModelCall(model=model, output_tokens=tokens), at="2026-11-01")
        for model, tokens in (("gpt-4o", 7), ("gpt-4o-mini", 9))
    }
    assert [row[:3] for row in found] == [
        (f"2026-11-0{day}", model, 1) for day in (1, 2) for model in expected
    ]
    assert [row[3] for row in found[:2]] == pytest.approx(
        [one.gwp.value.mean for one in expected.values()], rel=1e-12
    )
    types = "SELECT DISTINCT typeof(COLUMNS('_(kwh|kgco2eq|min|mean|max)$')) FROM \"by model\""
    assert {*rows(tmp_path, types)[0]} == {"DOUBLE"}
    ((days, told),) = rows(tmp_path, 'SELECT count(*), min(length(credits)) FROM "by model_stamps"')
    assert days == 2
    assert told > 0
    assert rows(tmp_path, 'SELECT count(*) FROM "by model_plans"') == [(2,)]
    assert {p.name for p in tmp_path.iterdir()} == {
        *("calls.parquet", "some impacts.db", ".some impacts.db.lock")
    }


def test_a_second_run_replaces_only_days_that_are_new_or_stamped_otherwise(tmp_path, source, out):
    table(source, "--out", out)
    assert "2 days were there already" in table(source, "--out", out)
    calls(source, ("2026-11-01", "2026-11-02", "2026-11-03"))
    assert "2 days were there already" in table(source, "--out", out)
    count = 'SELECT count(*), count(DISTINCT day) FROM "by model"'
    assert rows(tmp_path, count) == [(6, 3)]
    text = table(source, "--out", out, "--method", "impactree-1", "--restate")
    assert "already" not in text
    assert "restated: gpt-4o: " in text
    assert rows(tmp_path, count) == [(6, 3)]


def test_other_columns_are_refused_while_days_stay_that_have_them_not(tmp_path, source, out):
    table(source, "--out", out)
    before = rows(tmp_path, 'FROM "by model" ORDER BY ALL')
    with pytest.raises(TableError, match=r"holds other days with other columns .*model"):
        table(source, "--out", out, "--by", "day", "--since", "2026-11-02")
    assert rows(tmp_path, 'FROM "by model" ORDER BY ALL') == before
    table(source, "--out", out, "--by", "day")
    assert rows(tmp_path, 'SELECT calls FROM "by model"') == [(2,), (2,)]


def test_what_is_no_place_for_impacts_is_named(tmp_path, source, out):
    for wrong in ("duckdb:///impacts.db", "postgresql://host/db#impacts", "duckdb:///#impacts"):
        with pytest.raises(TableError, match=r"expected a folder, or duckdb:///FILE#TABLE"):
            table(source, "--out", wrong)
    with pytest.raises(TableError, match="a file; expected a folder"):
        table(source, "--out", source)
    with pytest.raises(TableError, match=r"calls\.parquet: expected a DuckDB file"):
        table(source, "--out", f"duckdb:///{source}#impacts")
    with duckdb.connect(tmp_path / "some impacts.db") as database:
        database.execute('CREATE TABLE "by model" (day DATE)')
    with pytest.raises(TableError, match="is there and holds no impacts"):
        table(source, "--out", out)
    refused = pytest.raises(TableError, match="another run writes there")
    with locked_file(tmp_path / ".some impacts.db.lock"), refused:
        table(source, "--out", out)
