"""An architecture of one's own over HTTP: the engine's figures; errors that name the field."""

from __future__ import annotations

import json

import pytest

from impactree import ModelCall
from impactree.engine import Engine
from impactree.engine.own import Own, OwnEngine
from impactree.values.range import Range

CALL = {"model": "gpt-4o", "provider": "openai", "input_tokens": 1200, "output_tokens": 400}
SHAPE = {"layers": 61, "experts": 256, "active_experts": 8, "kv_bytes": 70272}
KNOWN = {"accelerator": "H100", "count": 16, "batch_size": 64.0, "precision": "fp8"}


def test_figures_are_the_engine_s(ask):
    body = {**CALL, "method": "impactree-1", "deployment": KNOWN}
    own = {**SHAPE, "total": [671, 671], "active": [37, 37], "pue": [1.1, 1.2]}
    found = ask.post("/v1/estimate", json={**body, "own": own}).json()
    ranges = {name: Range(*map(float, own[name])) for name in ("total", "active", "pue")}
    engine = OwnEngine(Engine(method="impactree-1", deployment=KNOWN), Own(**SHAPE, **ranges))
    ours = engine.estimate(ModelCall(**CALL))
    assert found["impacts"] == json.loads(json.dumps(ours.to_dict()))
    told = ask.post("/v1/explain", json={**body, "own": own}).json()
    assert told["impacts"] == found["impacts"]
    plain = ask.post("/v1/estimate", json=body).json()
    assert plain["impacts"]["energy"] != found["impacts"]["energy"]


@pytest.mark.parametrize(
    ("own", "status", "field"),
    [
        ({"layers": 0}, 422, "own.layers"),
        ({"layers": "60"}, 422, "own.layers"),
        ({"kv_bytes": -1}, 422, "own.kv_bytes"),
        ({"experts": 1, "active_experts": 1}, 422, "own.experts"),
        ({"experts": 8}, 409, "own.experts"),
        ({"experts": 8, "active_experts": 9}, 409, "own.active_experts"),
        ({"experts": 8, "active_experts": 7}, 409, "own.active_experts"),
    ],
)
@pytest.mark.parametrize("route", ["estimate", "explain"])
def test_what_cannot_be_is_named(ask, route, own, status, field):
    body = {"model": "gpt-4o", "method": "impactree-1", "own": own}
    found = ask.post(f"/v1/{route}", json=body)
    assert found.status_code == status
    assert found.json()["errors"][0]["field"] == field


def test_a_method_without_architectures_says_which_has(ask):
    found = ask.post("/v1/estimate", json={**CALL, "own": {"kv_bytes": 70272}})
    assert found.status_code == 409
    assert found.json()["errors"][0]["field"] == "own.kv_bytes"
    assert "methods that use it: impactree-1" in found.json()["detail"]
