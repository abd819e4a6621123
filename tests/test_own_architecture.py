"""An architecture that is entered: as a published one of the same figures; what is refused."""

from __future__ import annotations

import pytest

from impactree import ModelCall, estimate
from impactree.engine import Engine
from impactree.engine.own import Own, OwnEngine
from impactree.exceptions import ConfigurationError
from impactree.methods import METHODS, Mix, Params, Shape, Site, Situation
from impactree.service.estimating import explanation, one_estimate
from impactree.values.range import Range

BY = {"method": "impactree-1"}
CALL = ModelCall(model="gpt-4o", provider="openai", input_tokens=1200, output_tokens=400)
SIZE = {"total": Range(100, 100), "active": Range(20, 20)}
SHAPE = {"layers": 60.0, "experts": 64.0, "active_experts": 4.0, "kv_bytes": 70_000.0}


def test_an_entered_architecture_counts_as_a_published_one_of_these_figures():
    """100 = dense + routed and 20 = dense + routed x 4/64: routed 85.33 (10^9), dense 14.67.

    What is not entered, the work of attention, is typical: 157e3 x 20^0.64 FLOP per token.
    """
    catalog = Engine(**BY).catalog
    read = Engine(**BY).read(CALL)
    published = {
        "layers": 60,
        "moe_layers": 60,
        "experts": 64,
        "active_experts": 4,
        "expert_params": 80 / (1 - 4 / 64),
        "total_params": 100,
        "active_params": 20,
        "kv_bytes": 70_000,
        "attention_width": 157e3 * 20**0.64 / 4 / 60,
        "attention_layers": 60,
    }
    assert 100 - published["expert_params"] == pytest.approx(14.67, abs=0.01)
    place = Params(20, 20, 100, 100), Site(1.1, 1.2, 0.1, 0.5), Mix(0.4, 1e-7, 9.0, 3.0)
    known = {"generic": read.generic, "stand_ins": read.stand_ins}
    method = METHODS["impactree-1"]
    by_parts = method.plan(Situation(*place, shape=Shape(**SHAPE), **known))
    whole = method.plan(Situation(*place, architecture=published, **known))
    assert by_parts == pytest.approx(whole, rel=1e-12)
    assert catalog.version


def test_what_is_entered_narrows_the_range():
    def width(own):
        value = OwnEngine(Engine(**BY), own).estimate(CALL).energy.value
        return value.max / value.min

    plain, layers = width(Own(**SIZE)), width(Own(**SIZE, layers=60))
    assert width(Own(**SIZE, **SHAPE)) < layers
    assert layers == pytest.approx(plain, rel=0.05)  # the rest is as unknown as before


def test_more_layers_and_a_larger_cache_take_more():
    energies = [
        OwnEngine(Engine(**BY), Own(**SIZE, layers=layers, kv_bytes=cache)).estimate(CALL).energy
        for layers, cache in ((40, 1e4), (80, 1e4), (80, 1e6))
    ]
    means = [energy.value.mean for energy in energies]
    assert means == sorted(means)
    assert means[0] < means[1] < means[2]


def test_the_published_figures_entered_again_change_almost_nothing():
    """61 layers of which 58 have experts: the three others are the difference."""
    name = "deepseek-ai/DeepSeek-V3"
    shape = {"layers": 61.0, "experts": 256.0, "active_experts": 8.0, "kv_bytes": 70_272.0}
    call = ModelCall(model=name, input_tokens=1200, output_tokens=400)
    plain = estimate(call, **BY)
    own = OwnEngine(Engine(**BY), Own(**shape)).estimate(call)
    for end in ("min", "mean", "max"):
        ours, theirs = (getattr(one.energy.value, end) for one in (own, plain))
        assert ours == pytest.approx(theirs, rel=0.03)


def test_every_figure_of_an_architecture_is_shown_with_who_says_it():
    def rows(**own):
        found = explanation("gpt-4o", Own(**own), provider="openai", output_tokens=4, **BY)
        names = ("L, layers", "E, experts of a layer", "k, active experts")
        told = {row.name: (row.value, row.basis) for row in found.hypotheses}
        return [told[name] for name in (*names, "cache of full attention")]

    entered = "entered by whoever asked"
    assert rows(layers=60) == [("60", entered), *[("from P_a", "regression")] * 3]
    assert rows(**SHAPE) == [(value, entered) for value in ("60", "64", "4", "70000")]


def test_a_typical_architecture_is_no_longer_said():
    codes = [
        {one["code"] for one in one_estimate(CALL, None, BY, own)["impacts"]["warnings"]}
        for own in (Own(layers=60), Own(layers=60, kv_bytes=70_000))
    ]
    assert "architecture-from-size" in codes[0]
    assert "architecture-from-size" not in codes[1]
    assert all("figures-entered" in one for one in codes)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"experts": 8}, r"own\.experts: it goes together with own\.active_experts"),
        ({"active_experts": 8}, r"own\.active_experts: it goes together with own\.experts"),
        ({"experts": 8, "active_experts": 8}, r"own\.active_experts: 8 of 8"),
        (
            {"experts": 8, "active_experts": 2, "total": Range(9, 9), "active": Range(9, 9)},
            r"own\.experts: all of 9 x 10\^9 parameters are active",
        ),
        (
            {"experts": 8, "active_experts": 4, "total": Range(100, 100), "active": Range(20, 20)},
            r"own\.active_experts: 4 of 8 experts would be more than 20 of 100",
        ),
    ],
)
def test_experts_that_cannot_be_are_refused(own, said):
    with pytest.raises(ConfigurationError, match=said):
        one_estimate(CALL, None, BY, Own(**own))


def test_a_method_without_architectures_refuses_one():
    with pytest.raises(ConfigurationError, match=r"own\.layers has no effect by ecologits-0\.11"):
        one_estimate(CALL, None, None, Own(layers=60))
