"""The page's expert mode in Chromium: figures of one's own in place of the catalog's."""

from __future__ import annotations

import pytest
from site_helpers import ASKED, CALL, assert_shows, expect

from browsing import NARROW, WIDE, violations
from impactree import ModelCall
from impactree.engine import Engine
from impactree.engine.own import Own, OwnEngine
from impactree.values.range import Range


@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_an_expert_s_figures_stand_in_place_of_the_catalog_s(visit, method):
    page = visit("expert", **ASKED, method=method)
    expect(page.get_by_label("of these active")).to_be_visible()
    typed = {"total": "100 to 120", "active": "20", "pue": "1.1 - 1.3", "wue_dc": "0.5"}
    typed |= {"gwp": "0.05", "wue": "2", "pe": "9", "adpe": "1e-7"}
    for name, value in typed.items():
        page.locator(f"[name={name}]").fill(value)
    own = Own(
        total=Range(100, 120),
        active=Range(20, 20),
        pue=Range(1.1, 1.3),
        wue_dc=Range(0.5, 0.5),
        gwp=0.05,
        wue=2.0,
        pe=9.0,
        adpe=1e-7,
    )
    known = {}
    if method == "impactree-1":
        page.locator("[name=accelerator]").select_option("H100")
        page.locator("[name=batch]").fill("32")
        known = {"deployment": {"accelerator": "H100", "batch_size": 32}}
    expected = OwnEngine(Engine(method=method, **known), own).estimate(ModelCall(**CALL))
    assert_shows(page, expected)
    assert page.get_by_text("catalog: 440").count() == 1  # which stands beside what is entered
    page.get_by_text("How was this computed?").click()
    rows = page.get_by_role("region", name="Hypotheses").locator("tbody tr")
    expect(rows.filter(has_text="entered")).to_have_count(8)
    page.reload()  # a link reopens it
    assert_shows(page, expected)


def test_an_expert_s_mistake_is_named(visit):
    page = visit("expert", **ASKED, pue="many")
    expect(page.get_by_text("Write a number, or two")).to_be_visible()
    expect(page.get_by_text("own.pue: Input should be a valid list")).to_be_visible()
    page.locator("[name=pue]").fill("0.5")
    expect(page.get_by_text("own.pue.0: Input should be greater than")).to_be_visible()


def test_an_architecture_is_entered_where_the_method_plans_with_one(visit):
    page = visit("expert", **ASKED)
    layers = page.get_by_label("Layers")
    expect(page.get_by_label("of these active")).to_be_visible()
    expect(layers).to_have_count(0)
    page.locator("[name=method]").select_option("impactree-1")
    typed = {"total": "671", "active": "37", "layers": "61", "kv_bytes": "70272"}
    typed |= {"experts": "256", "active_experts": "8", "precision": "fp8", "count": "16"}
    for name, value in typed.items():
        field = page.locator(f"[name={name}]")
        field.select_option(value) if name == "precision" else field.fill(value)
    shape = {"layers": 61.0, "experts": 256.0, "active_experts": 8.0, "kv_bytes": 70272.0}
    own = Own(total=Range(671, 671), active=Range(37, 37), **shape)
    served = {"precision": "fp8", "count": 16}
    expected = OwnEngine(Engine(method="impactree-1", deployment=served), own)
    expected = expected.estimate(ModelCall(**CALL))
    assert_shows(page, expected)
    page.get_by_text("How was this computed?").click()
    rows = page.get_by_role("region", name="Hypotheses").locator("tbody tr")
    expect(rows.filter(has_text="entered by whoever asked")).to_have_count(6)
    for size in (NARROW, WIDE):
        page.set_viewport_size(size)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    page.reload()  # a link reopens it
    assert_shows(page, expected)
    page.locator("[name=active_experts]").fill("")
    expect(
        page.get_by_text("own.experts: it goes together with own.active_experts")
    ).to_be_visible()
    page.locator("[name=method]").select_option("ecologits-0.11")
    expect(layers).to_have_count(0)
    own = Own(total=Range(671, 671), active=Range(37, 37))
    assert_shows(page, OwnEngine(Engine(), own).estimate(ModelCall(**CALL)))
