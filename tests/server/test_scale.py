"""What asks for very much is answered in time: names that nobody knows, many models compared."""

from __future__ import annotations

import time

import pytest

from impactree import ModelCall, estimate
from impactree.catalog import load_catalog


@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_many_names_that_nobody_knows(ask, method):
    """2,000 of them took 30 s of an idle processor when each was compared with every known one."""
    calls = [
        {"model": f"acme/Zephyrine-instruct-{n * 7919 % 9973:x}", "output_tokens": 9}
        for n in range(2000)
    ]
    begun = time.process_time()
    found = ask.post("/v1/estimate", json={"calls": calls, "method": method})
    assert time.process_time() - begun < 15
    results = found.json()["results"]
    assert len(results) == 2000
    for place in (0, 1999):
        ours = estimate(ModelCall(**calls[place]), method=method).to_dict()
        assert results[place]["impacts"]["gwp"] == ours["gwp"]
        assert results[place]["impacts"]["warnings"] == ours["warnings"]
        assert "Nearest known names" in str(ours["warnings"])


def test_many_models_beside_alternatives(ask):
    """Plans are kept however often the pairs of rows ask for them."""
    chat = [one for one in load_catalog().records() if one.kind == "chat" and one.architecture]
    names = sorted({one.id for one in chat})[:60]
    calls = [{"model": names[n % 60], "output_tokens": n} for n in range(1, 301)]
    zones = ("SWE", "FRA", "DEU", "POL", "USA")
    alternatives = [{"model": "gpt-4o"}, *({"zone": zone} for zone in zones)]
    body = {"calls": calls, "alternatives": alternatives, "method": "impactree-1"}
    begun = time.process_time()
    found = ask.post("/v1/compare", json=body)
    assert time.process_time() - begun < 12
    rows = {row["name"]: row for row in found.json()["rows"]}
    assert len(rows) == 7
    france = [estimate(ModelCall(**one, zone="FRA"), method="impactree-1") for one in calls]
    total = rows["zone FRA"]["total"]["gwp"]["value"]["mean"]
    assert total == pytest.approx(sum(one.gwp.value.mean for one in france), rel=1e-12)
