"""Figures that are entered in place of the catalog's: by hand, by parts, and what is refused."""

from __future__ import annotations

import math

import pytest

from impactree import ModelCall, estimate
from impactree.engine import Engine
from impactree.engine.own import Own, OwnEngine
from impactree.exceptions import ConfigurationError
from impactree.service.estimating import explanation, one_estimate
from impactree.values.range import Range

CALL = ModelCall(model="gpt-4o", provider="openai", input_tokens=1200, output_tokens=400)
ALL = Own(
    total=Range(70, 70),
    active=Range(70, 70),
    pue=Range(1.1, 1.3),
    wue_dc=Range(0.5, 0.5),
    gwp=0.05,
    adpe=1e-7,
    pe=9.0,
    wue=2.0,
)


def test_everything_entered_by_hand():
    """The equations of EcoLogits 0.11, its constants written out; 400 tokens, 70 billion, dense."""
    found = OwnEngine(Engine(), ALL).estimate(CALL)
    e = 400 * (1.1665273170451914e-06 * math.exp(-0.011205921025579175 * 64) * 70) / 1000
    e += 400 * 4.052928146734005e-05 / 1000
    token = 0.0006785088094353663 * 70 + 0.0003119310311688259 * 64 + 0.019473717579473387
    seconds = 400 * token
    gpus = 4  # 1.2 x 70 x 16 / 8 = 168 GB: 3 of 80 GB, and a power of two
    it = seconds / 3600 * 1.2 * (gpus / 8) / 64 + gpus * e
    share = seconds / (3 * 365 * 24 * 3600 * 64)
    embodied = {"gwp": (5700, 273), "adpe": (0.37, 0.00895), "pe": (70000, 3721)}
    for end, pue in (("min", 1.1), ("max", 1.3)):
        hand = {
            "energy": pue * it,
            "wcf": it * (0.5 + pue * 2.0),
            **{
                key: pue * it * factor + share * (gpus / 8 * server + gpus * gpu)
                for (key, (server, gpu)), factor in zip(
                    embodied.items(), (0.05, 1e-7, 9.0), strict=True
                )
            },
        }
        for key, value in hand.items():
            assert getattr(getattr(found, key).value, end) == pytest.approx(value, rel=1e-12), key


@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_what_is_not_entered_stays_the_catalog_s(method):
    as_it_is = estimate(CALL, method=method)
    own = Own(gwp=0.05)
    found = one_estimate(CALL, None, {"method": method}, own)["impacts"]
    assert found["energy"] == as_it_is.energy.to_dict()
    assert found["wcf"] == as_it_is.wcf.to_dict()
    usage = as_it_is.energy.value.mean * 0.05
    assert found["usage"]["gwp"]["value"]["mean"] == pytest.approx(usage, rel=1e-12)
    assert "figures-entered" in [one["code"] for one in found["warnings"]]
    again = one_estimate(CALL, None, {"method": method})["impacts"]  # nothing of it is kept
    assert again["gwp"] == as_it_is.gwp.to_dict()


def test_a_figure_that_is_entered_has_no_source_of_the_catalog_s():
    rows = {
        row.name: row
        for row in explanation(
            "gpt-4o", Own(pue=Range(1.5, 1.5), gwp=0.3), provider="openai"
        ).hypotheses
    }
    for name, value in (("PUE", "1.5"), ("F_gwp, electricity", "0.3")):
        assert rows[name].value == value
        assert rows[name].sources == ()
    assert rows["WUE_dc, data centre"].sources
    assert rows["P_t, total parameters"].basis == "estimate"


def test_a_smaller_model_has_no_more_active_parameters():
    """gpt-4o: 440, of which 44 to 132 are active."""
    found = explanation("gpt-4o", Own(total=Range(70, 70)), provider="openai")
    assert found.resolution.active_params == Range(44, 70)
    assert "model-arch-not-released" not in [w.code for w in found.impacts.warnings]
    with pytest.raises(ConfigurationError, match=r"own\.active: 80 to 80 of 70 to 70"):
        explanation("gpt-4o", Own(total=Range(70, 70), active=Range(80, 80)), provider="openai")


def test_all_that_is_published_of_a_model_no_longer_holds():
    """An architecture, a speed and a size by which the catalog knows another model."""
    name = "meta-llama/Llama-3.1-8B-Instruct"
    known = {"output_tokens": 400, "method": "impactree-1"}
    before, after = (explanation(name, own, **known) for own in (None, Own(total=Range(9, 9))))
    layers = [{h.name: h.value for h in found.hypotheses}["L, layers"] for found in (before, after)]
    assert layers == ["32", "from P_a"]
    assert after.resolution.active_params == Range(9, 9)


def test_a_call_that_cannot_be_estimated_stays_one():
    call = ModelCall(model="dall-e-3", provider="openai", output_tokens=3)
    assert not OwnEngine(Engine(), ALL).estimate(call).estimated
