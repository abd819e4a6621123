"""The method's door: plans, quantities and figures; the same lines on floats and on columns."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactree import ModelCall
from impactree.catalog import load_catalog
from impactree.methods import METHODS, Mix, Params, Site, Situation
from impactree.values.figures import Figures

METHOD = METHODS["ecologits-0.11"]
SITE, MIX = Site(1.09, 1.14, 0.13, 0.999), Mix(0.384, 9.86e-8, 9.97, 3.78)
SIZES = st.floats(min_value=0.1, max_value=2000)
TOKENS = st.integers(min_value=0, max_value=10**7)


def tokens(output, **more):
    return ModelCall(model="m", output_tokens=output, **more).tokens


class Columns:
    """Quantities of many calls: what a table hands over."""

    def __init__(self, **columns):
        self.__dict__.update(columns)


@given(
    st.lists(st.tuples(SIZES, SIZES, TOKENS, st.floats(0, 1e4)), min_size=1, max_size=30),
    st.booleans(),
)
def test_the_same_lines_run_on_arrays_with_the_same_bits(rows, measured):
    plans = [
        METHOD.plan(Situation(Params(min(a, b), min(a, b), a + b, a + b), SITE, MIX))
        for a, b, *_ in rows
    ]
    figures = METHOD.impacts(
        type(plans[0])(*map(np.array, zip(*plans, strict=True))),
        Columns(output=np.array([row[2] for row in rows], dtype=float)),
        np.array([row[3] for row in rows]) if measured else None,
        where=np.where,
    )
    for i, (plan, row) in enumerate(zip(plans, rows, strict=True)):
        one = METHOD.impacts(plan, tokens(row[2]), row[3] if measured else None)
        assert one == Figures(*(float(column[i]) for column in figures))


@given(SIZES, SIZES, TOKENS, st.none() | st.floats(0, 1e4))
def test_steps_end_in_the_figures_and_means_lie_between(a, b, output, latency):
    plan = METHOD.plan(Situation(Params(*sorted((a, b)), *sorted((a, b))), SITE, MIX))
    figures = METHOD.impacts(plan, tokens(output), latency)
    steps = METHOD.steps(plan, tokens(output), latency)
    assert [end for step in steps[-8:] for end in step[2:5]] == list(figures[:24])
    assert math.fsum(figures[24:]) == pytest.approx(figures.energy_mean, rel=1e-12, abs=0)
    assert all(step.min <= step.mean <= step.max for step in steps)


def test_steps_by_hand():
    """8 10^9 parameters, 100 tokens, no latency: t = 0.00067851 8 + 0.00031193 64 + 0.0194737."""
    plan = METHOD.plan(Situation(Params(8, 8, 8, 8), Site(1.2, 1.2, 0.5, 0.5), MIX))
    steps = {step.symbol: step for step in METHOD.steps(plan, tokens(100))}
    per_token = 0.0006785088094353663 * 8 + 0.0003119310311688259 * 64 + 0.019473717579473387
    assert steps["T"].mean == pytest.approx(100 * per_token)
    assert steps["s"].mean == pytest.approx(100 * per_token / 3600 * 1.2 / 8 / 64)
    assert steps["E"].mean == pytest.approx(1.2 * (steps["s"].mean + steps["e"].mean))
    clamped = {s.symbol: s for s in METHOD.steps(plan, tokens(100), 1.5)}
    assert clamped["T"].max == 1.5


def test_what_is_unknown_is_the_methods_business():
    assert METHOD.judge(tokens(0)) == ((), ())
    (error,) = METHOD.judge(tokens(None)).errors
    assert error.code == "output-tokens-unknown"


def test_what_it_covers():
    assert METHOD.covers("chat")
    assert METHOD.covers("completion")
    assert not METHOD.covers("embedding")
    assert not METHOD.covers("image")
    assert METHOD.covers("image", via="ecologits-0.11.3")
    listed = [r for r in load_catalog().records() if r.kind not in ("chat", "completion")]
    covered = {r.id for r in listed if METHOD.covers(r.kind, via=r.via)}
    assert len(covered) == 11  # and two that hear, but answer in text: Voxtral Small
    hearing = [load_catalog().record(f"voxtral-small-{name}") for name in ("2507", "latest")]
    assert [record.kind for record in hearing] == ["chat", "chat"]


def test_plans_are_flat_numbers():
    """So that they can be the columns of a table."""
    plan = METHOD.plan(Situation(Params(8, 8, 8, 8), SITE, MIX))
    assert all(isinstance(value, int | float) for value in plan)
