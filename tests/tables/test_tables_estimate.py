"""Tables of calls: the same figures as the Python engine's, on columns."""

from __future__ import annotations

import datetime as dt

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from made_calls import arrow, by_python, made_rows, same_calls, same_sums

from impactree import ModelCall
from impactree.engine import Engine
from impactree.exceptions import ConfigurationError, TableError
from impactree.methods import METHODS
from impactree.tables import estimate
from impactree.values.columns import figure_columns
from impactree.values.grades import GRADES

ROWS = 20_000


@pytest.fixture(scope="module")
def rows():
    return list(made_rows(ROWS))


@pytest.fixture(scope="module", params=METHODS)
def both(request, rows):
    """The rows, estimated as a table and one by one."""
    method = request.param
    training = {"output_tokens": [1e9, 1e12]} if method == "impactree-1" else {"requests": 1e11}
    settings = {"method": method, "include_training": training}
    engine = Engine(**settings)
    expected = [by_python(row, engine) for row in rows]
    return arrow(rows), settings, expected


def test_calls_equal_the_python_engine(both):
    table, settings, expected = both
    found = estimate(table, **settings).to_pyarrow()
    same_calls(found, expected)
    assert found["rejected"].null_count < ROWS - 100


def test_the_rows_hold_every_grade_and_both_sorts_of_null(both):
    _, settings, expected = both
    known = [one for one in expected if one is not None]
    assert {one.grade for one in known} >= {*GRADES, None} - {"unknown"}
    assert any(one.estimated and one.adpe is None for one in known) == (
        settings["method"] == "impactree-1"
    )


def test_sums_equal_sums_of_the_python_engine(both, rows):
    table, settings, expected = both
    same_sums(estimate(table, by=["team", "day"], **settings).to_pyarrow(), rows, expected)


def test_a_sum_of_nothing_known_is_null_and_of_cached_calls_zero():
    table = pa.table(
        {
            "model": ["gpt-4o", "gpt-4o", "gpt-4o", "gpt-4o"],
            "output_tokens": [None, 5, -5, 7],
            "cached": [False, True, False, False],
            "case": ["unknown", "cached", "rejected", "fine"],
        }
    )
    found = estimate(table, by="case").to_pyarrow().to_pylist()
    means = {group["case"]: group["gwp_kgco2eq_mean"] for group in found}
    assert means.pop("fine") > 0
    assert means == {"unknown": None, "cached": 0.0, "rejected": None}
    whole = estimate(table, by=[]).to_pyarrow().to_pylist()
    assert [(g["calls"], g["estimated_calls"], g["rejected_calls"]) for g in whole] == [(3, 1, 1)]


def test_a_name_that_moved_is_read_as_on_the_day_of_the_call():
    days = [dt.date(2024, 3, 1), None]
    table = pa.table({"model": ["mistral-small-latest"] * 2, "output_tokens": [9, 9], "day": days})

    def energy(**asked):
        found = estimate(table, **asked).order_by("day").to_pyarrow()
        return found["energy_kwh_mean"].to_pylist()

    then, now = energy()
    assert then != now
    assert energy(at="today") == [now, now]


def test_days_are_utc_whatever_the_zone_of_the_session():
    moment = dt.datetime(2026, 1, 1, 0, 30, tzinfo=dt.UTC)
    table = pa.table(
        {
            "model": ["gpt-4o"],
            "output_tokens": [1],
            "started_at": pa.array([moment], pa.timestamp("us", "UTC")),
        }
    )
    database = ibis.duckdb.connect()
    database.raw_sql("SET TimeZone = 'America/New_York'")
    held = database.create_table("calls", table)
    assert estimate(held).to_pyarrow()["day"].to_pylist() == [dt.date(2026, 1, 1)]


@pytest.mark.parametrize("asked", [{}, {"by": ["model"]}], ids=["calls", "sums"])
@pytest.mark.parametrize("column", [{"input_tokens": [None, None, 9]}, {}])
def test_an_unknown_input_is_at_least_what_came_from_the_cache(asked, column):
    data = {"model": ["a", "b", "gpt-4o"], "cached_input_tokens": [1, 700, 3], **column}
    data |= {"output_tokens": [3, 4, 5], "provider": ["openai"] * 3}
    texts = ("model", "provider")
    types = [(name, pa.string() if name in texts else pa.int64()) for name in data]
    told = pa.table(data, pa.schema(types))
    found = estimate(told, method="impactree-1", **asked).order_by("model").to_pyarrow()
    engine = Engine(method="impactree-1")
    rows = [dict(zip(data, values, strict=True)) for values in zip(*data.values(), strict=True)]
    expected = [engine.estimate(ModelCall(**row)).energy.value.mean for row in rows]
    assert found["energy_kwh_mean"].to_pylist() == pytest.approx(expected, rel=1e-12)


NAMES_ON_THE_WAY = (
    *("market", "pixels", "variant", "rank", "wrong", "missing", "rejected_no", "unreadable"),
    *("name_no", "plan_no", "key_model", "plan_errors", "judged_errors", "noted", "counted"),
    *("valid_from", "undated", "first", "shared_over", "worst", "rows_", "sum_output_tokens"),
    *("feature_0", "estimated_feature_0", "shared_calls", "their_team"),
)


@pytest.mark.parametrize("method", METHODS)
def test_columns_may_be_called_as_what_stands_beside_them_on_the_way(method):
    plain = {"model": ["gpt-4o", "gpt-4o-mini"], "input_tokens": [10, 20], "output_tokens": [3, 4]}
    plain |= {"day": [dt.date(2026, 11, 3)] * 2}
    theirs = {name: ["a", "b"] for name in NAMES_ON_THE_WAY}
    expected = estimate(pa.table(plain), method=method).order_by("model").to_pyarrow()
    found = estimate(pa.table(plain | theirs), method=method).order_by("model").to_pyarrow()
    assert found.select(expected.column_names).equals(expected)
    assert all(found[name].to_pylist() == theirs[name] for name in theirs)
    keys = ["day", *theirs]
    sums = estimate(pa.table(plain | theirs), by=keys, method=method).order_by("market")
    groups = sums.to_pyarrow()
    assert groups.column_names[: len(keys)] == keys
    assert groups["worst"].to_pylist() == ["a", "b"]
    name = "gwp_kgco2eq_mean"
    assert groups[name].to_pylist() == pytest.approx(expected[name].to_pylist(), rel=1e-12)


@pytest.mark.parametrize("name", ["calls", "energy_kwh_mean", "source"])
def test_a_column_to_group_by_that_is_called_as_a_sum_is_refused(name):
    table = pa.table({"model": ["gpt-4o"], "output_tokens": [3], name: ["mine"]})
    with pytest.raises(TableError, match=f"by: '{name}' is the name of a sum"):
        estimate(table, by=["model", name])


def test_tables_of_pandas_polars_and_duckdb_give_the_same():
    import polars as pl

    data = {"model": ["gpt-4o", "gpt-4o-mini"], "input_tokens": [10, None], "output_tokens": [3, 4]}
    tables = [pa.table(data), pd.DataFrame(data), pl.DataFrame(data)]
    tables.append(ibis.duckdb.connect().create_table("calls", pa.table(data)))
    found = [estimate(t).order_by("model").to_pyarrow() for t in tables]
    for other in found[1:]:
        assert other["gwp_kgco2eq_mean"].equals(found[0]["gwp_kgco2eq_mean"])
        assert other["warnings"].equals(found[0]["warnings"])


@pytest.mark.parametrize(
    ("table", "asked", "text"),
    [
        ({"modle": ["x"], "output_tokens": [1]}, {}, "'model' is missing; nearest.*: modle"),
        ({"model": ["x"], "outputtokens": [1]}, {}, "nearest of the table's: outputtokens"),
        (
            {"model": ["x"], "output_tokens": ["1"]},
            {},
            "'output_tokens' is of type string; expected numbers",
        ),
        ({"model": [1], "output_tokens": [1]}, {}, "'model' is of type int64; expected text"),
        (
            {"model": ["x"], "output_tokens": [1], "day": ["2026-11-03"]},
            {},
            "'day' is of type string; expected a date",
        ),
        (
            {"model": ["x"], "output_tokens": [1]},
            {"by": "modl"},
            "no column 'modl'.*nearest: model",
        ),
        ({"model": ["x"], "output_tokens": [1]}, {"at": "noon"}, "'call' or 'today', not 'noon'"),
        (["x"], {}, "expected a table of Ibis, pandas, polars or pyarrow, not list"),
    ],
)
def test_a_table_of_something_else_gives_one_error_that_names_the_column(table, asked, text):
    made = pa.table(table) if isinstance(table, dict) else table
    with pytest.raises(TableError, match=text):
        estimate(made, **asked)


def test_without_training_its_columns_are_there_and_empty():
    table = pa.table({"model": ["gpt-4o"], "output_tokens": [1]})
    found = estimate(table).to_pyarrow()
    for name, column in figure_columns(
        [Engine().estimate(ModelCall(model="gpt-4o", output_tokens=1))]
    ).items():
        assert (found[name].to_pylist() == [None]) == (column == [None]), name


def test_a_wrong_setting_is_an_error():
    table = pa.table({"model": ["x"], "output_tokens": [1]})
    with pytest.raises(ConfigurationError, match="unknown method 'eco'"):
        estimate(table, method="eco")
