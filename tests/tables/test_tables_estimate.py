"""Tables of calls: the same figures as the Python engine's, on columns."""

from __future__ import annotations

import datetime as dt
import math
import random

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from impactree import Impacts, ModelCall
from impactree.catalog import load_catalog
from impactree.engine import Engine
from impactree.exceptions import ConfigurationError, TableError
from impactree.methods import METHODS
from impactree.tables import estimate
from impactree.values.columns import figure_columns
from impactree.values.grades import GRADES

ROWS = 20_000
FIELDS = {
    "model": pa.string(),
    "provider": pa.string(),
    "requested": pa.string(),
    "base_url": pa.string(),
    "kind": pa.string(),
    "zone": pa.string(),
    "region": pa.string(),
    "input_tokens": pa.float64(),
    "cached_input_tokens": pa.int64(),
    "cache_write_tokens": pa.int64(),
    "output_tokens": pa.int64(),
    "reasoning_tokens": pa.int64(),
    "latency_s": pa.float64(),
    "tokens_source": pa.string(),
    "usage_notes": pa.string(),
    "resolution": pa.string(),
    "seconds": pa.float64(),
    "frames": pa.int64(),
    "sound": pa.bool_(),
    "count": pa.int64(),
    "id": pa.int64(),
    "day": pa.date32(),
    "cached": pa.bool_(),
    "team": pa.string(),
}
CALL_FIELDS = [name for name in FIELDS if name not in ("id", "day", "cached", "team")]
PROVIDERS = (None, "openai", "azure", "bedrock", "ollama", "", "mistralai")
DAYS = [
    *(dt.date(2023, 6, 1), dt.date(2024, 2, 29), dt.date(2024, 12, 31), dt.date(2025, 1, 1)),
    *(dt.date(2025, 6, 20), dt.date(2026, 3, 16), dt.date(2026, 11, 3)),
    None,
]


def names(rng):
    known = sorted(load_catalog().model_names())
    junk = [
        "",
        " ",
        "néant-☃",
        "my-own-7b",
        "acme/llama-70b-chat",
        "x" * 300,
        "'; DROP TABLE calls",
    ]
    moving = ["mistral-small-latest", "mistral-large-latest", "codestral-latest", "gpt-4o-latest"]
    tuned = [f"ft:gpt-4o-mini-2024-07-18:acme::{n:x}" for n in range(10)]
    films = ["sora-2", "veo-3.0-generate-001", "gpt-image-1", "dall-e-3", "tts-1", "whisper-1"]
    return [*rng.sample(known, 60), *junk, *moving, *tuned, *films, "claude-opus-9"]


def made_rows(count, seed=21):
    """Calls of every sort, and rows of which no call can be made."""
    rng = random.Random(seed)
    models = names(rng)

    def maybe(value, share=0.1):
        return None if rng.random() < share else value

    for number in range(count):
        kind = rng.choices(
            ["chat", None, "completion", "embedding", "rerank", "image", "video", "speech"],
            [60, 20, 5, 5, 2, 4, 4, 1],
        )[0]
        read = rng.choice([0, 1, 7, 1200, 90_000, 2**53])
        model = rng.choice(models)
        row = {
            "model": model,
            "provider": PROVIDERS[len(model) % len(PROVIDERS)],
            "requested": maybe(rng.choice(models[:3]), 0.97),
            "base_url": maybe("http://localhost:11434/v1", 0.98),
            "kind": kind,
            "zone": maybe(rng.choice(["FRA", "WOR", "US-VA", "nowhere"]), 0.95),
            "region": maybe(rng.choice(["eu-west-3", "mars"]), 0.95),
            "input_tokens": maybe(read),
            "cached_input_tokens": maybe(rng.choice([0, read // 2, read + 5]), 0.7),
            "cache_write_tokens": maybe(3, 0.9),
            "output_tokens": maybe(rng.choice([0, 1, 50, 800, 100_000])),
            "reasoning_tokens": maybe(2, 0.8),
            "latency_s": maybe(rng.choice([0.0, 0.3, 4.5, 600.0]), 0.4),
            "tokens_source": rng.choices([None, "reported", "counted", "unknown"], [5, 5, 2, 1])[0],
            "usage_notes": maybe("input-from-total two-readings", 0.95),
            "id": number,
            "day": rng.choice(DAYS),
            "cached": rng.choices([None, False, True], [5, 4, 1])[0],
            "team": rng.choice(["a", "b", None]),
        }
        if kind in ("image", "video"):
            row["resolution"] = maybe(rng.choice(["720p", "1024x1024", "512 × 512", "huge"]), 0.2)
            row["seconds"] = maybe(rng.choice([4, 8.3]), 0.2) if kind == "video" else None
            row["frames"] = maybe(33, 0.9)
            row["sound"] = rng.choice([None, True, False])
            row["count"] = maybe(3)
        if rng.random() < 0.03:
            field, value = rng.choice(
                [
                    *(("model", None), ("kind", "poem"), ("tokens_source", "guessed")),
                    *(("input_tokens", -1.0), ("input_tokens", 1.5), ("input_tokens", math.nan)),
                    *(("output_tokens", -3), ("output_tokens", 2**53 + 1), ("count", 2)),
                    *(("latency_s", math.inf), ("latency_s", -0.1), ("latency_s", math.nan)),
                ]
            )
            row[field] = value
        yield row


def by_python(row, engine):
    """What the engine says of a row: Impacts, or None where no call can be made of it."""
    given = {name: row.get(name) for name in CALL_FIELDS if row.get(name) is not None}
    if "usage_notes" in given:
        given["usage_notes"] = given["usage_notes"].split()
    read = given.get("input_tokens")
    if isinstance(read, float) and read.is_integer():
        given["input_tokens"] = int(read)
    try:
        call = ModelCall(**given)
    except (TypeError, ValueError):
        return None
    return Impacts.zero() if row["cached"] else engine.estimate(call, at=row["day"])


def same(ours, theirs):
    """Null where null, else equal to a relative 1e-12."""
    ours = np.array([math.nan if v is None else v for v in ours], float)
    theirs = np.array([math.nan if v is None else v for v in theirs], float)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=0)


def arrow(rows):
    return pa.table({n: pa.array([r.get(n) for r in rows], kind) for n, kind in FIELDS.items()})


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
    found = estimate(table, **settings).order_by("id").to_pyarrow()
    assert found["id"].to_pylist() == list(range(ROWS))
    refused = [one is None for one in expected]
    assert [v is not None for v in found["rejected"].to_pylist()] == refused
    assert sum(refused) > 100
    for name, column in figure_columns(expected).items():
        ours = found[name].to_pylist()
        if name in ("training_shared_over", "source"):
            assert ours == column
        else:
            same(ours, column)
    for name in ("grade", "method"):
        theirs = [None if one is None else getattr(one, name) for one in expected]
        assert found[name].to_pylist() == theirs
    for name in ("warnings", "errors"):
        theirs = ["" if x is None else " ".join(m.code for m in getattr(x, name)) for x in expected]
        assert found[name].to_pylist() == theirs


def test_the_rows_hold_every_grade_and_both_sorts_of_null(both):
    _, settings, expected = both
    known = [one for one in expected if one is not None]
    assert {one.grade for one in known} >= {*GRADES, None} - {"unknown"}
    assert any(one.estimated and one.adpe is None for one in known) == (
        settings["method"] == "impactree-1"
    )


def test_sums_equal_sums_of_the_python_engine(both, rows):
    table, settings, expected = both
    groups = {}
    for row, one in zip(rows, expected, strict=True):
        groups.setdefault((row["team"], row["day"]), []).append((row, one))
    found = estimate(table, by=["team", "day"], **settings).to_pyarrow().to_pylist()
    assert len(found) == len(groups)
    for group in found:
        members = groups[group["team"], group["day"]]
        calls = [(row, one) for row, one in members if one is not None]
        total = Impacts.sum(one for _, one in calls)
        assert group["rejected_calls"] == len(members) - len(calls)
        assert group["calls"] == len(calls)
        assert group["estimated_calls"] == total.estimated_calls
        assert group["unestimated_calls"] == total.unestimated_calls
        cached = [bool(row["cached"]) for row, _ in calls]
        assert group["cached_calls"] == sum(cached)
        asked = [row for row, _ in calls if not row["cached"]]
        counted = [row for row in asked if row["tokens_source"] == "counted"]
        assert group["counted_calls"] == len(counted)
        assert group["output_tokens"] == sum(row["output_tokens"] or 0 for row in asked)
        assert group["grade"] == total.grade
        for name, (value,) in figure_columns([total]).items():
            if name in ("training_shared_over", "source"):
                assert group[name] == value
            else:
                same([group[name]], [value])


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
        (
            {"model": ["x"], "output_tokens": [1], "energy_kwh": [1.0]},
            {},
            "'energy_kwh': known energy",
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
