"""Tables of calls, the energy of some of which is known: figures of the Python engine's."""

from __future__ import annotations

import pyarrow as pa
import pytest
from made_calls import (
    ENERGY_FIELDS,
    arrow,
    by_python,
    made_rows,
    same_calls,
    same_sums,
    with_energy,
)

from impactree import ModelCall
from impactree.engine import Engine
from impactree.exceptions import TableError
from impactree.methods import METHODS
from impactree.tables import estimate

ROWS = 600


@pytest.mark.parametrize("method", METHODS)
def test_calls_and_sums_equal_the_python_engine(method):
    rows = with_energy(made_rows(ROWS))
    settings = {"method": method, "include_training": {"requests": 1e11}}
    engine = Engine(**settings)
    expected = [by_python(row, engine) for row in rows]
    assert {one.source for one in expected if one is not None} == {"estimated", "reported", None}
    table = arrow(rows, ENERGY_FIELDS)
    same_calls(estimate(table, **settings).to_pyarrow(), expected)
    same_sums(estimate(table, by=["team", "day"], **settings).to_pyarrow(), rows, expected)


def test_one_s_own_accelerator_is_counted_by_the_time_of_the_call():
    data = {"model": ["llama3.1:8b"] * 2, "provider": ["ollama"] * 2, "energy_kwh": [1e-4, 2e-4]}
    data |= {"latency_s": [30.0, None]}
    settings = {"deployment": {"local": {"accelerator": "RTX-4090"}}, "method": "impactree-1"}
    engine = Engine(**settings)
    calls = [
        ModelCall(**{n: v for n, v in zip(data, row, strict=True) if v is not None})
        for row in zip(*data.values(), strict=True)
    ]
    expected = [engine.estimate(call) for call in calls]
    assert "embodied-not-counted" not in [w.code for w in expected[0].warnings]
    found = estimate(pa.table(data), **settings).order_by("energy_kwh").to_pyarrow()
    for name in ("energy_kwh_mean", "gwp_kgco2eq_min", "gwp_kgco2eq_mean", "gwp_kgco2eq_max"):
        criterion, _, end = name.rpartition("_")
        values = [
            getattr((one.energy if criterion == "energy_kwh" else one.gwp).value, end)
            for one in expected
        ]
        assert found[name].to_pylist() == pytest.approx(values, rel=1e-12)
    assert found["warnings"].to_pylist() == [
        " ".join(w.code for w in one.warnings) for one in expected
    ]
    assert found["source"].to_pylist() == ["reported", "reported"]
    assert found["method"].to_pylist() == [None, None]


def test_a_sum_says_how_much_of_its_energy_is_reported():
    table = pa.table(
        {
            "model": ["gpt-4o", "gpt-4o", "gpt-4o"],
            "output_tokens": [100, 100, None],
            "energy_kwh": [None, 2e-3, -1.0],
        }
    )
    (found,) = estimate(table, by=["model"]).to_pyarrow().to_pylist()
    each = {row["source"]: row for row in estimate(table).to_pyarrow().to_pylist()}
    assert each[None]["rejected"] == "energy_kwh"
    assert (found["source"], found["calls"], found["rejected_calls"]) == ("mixed", 2, 1)
    reported = Engine().estimate(ModelCall(model="gpt-4o", output_tokens=100, energy_kwh=2e-3))
    assert found["energy_reported_kwh"] == pytest.approx(reported.energy.value.mean, rel=1e-12)
    estimated = each["estimated"]["energy_kwh_mean"]
    assert found["energy_estimated_kwh"] == pytest.approx(estimated, rel=1e-12)
    assert found["energy_output_kwh"] is None  # nobody says what the reported energy went into


def test_an_energy_that_is_no_number_is_one_error():
    table = pa.table({"model": ["gpt-4o"], "energy_kwh": ["much"]})
    with pytest.raises(TableError, match="'energy_kwh' is of type string; expected numbers"):
        estimate(table)
