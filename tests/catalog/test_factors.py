"""Electricity factors: their year, source and licence, and which one a call is estimated with."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
import json
import math
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactree import Impacts, ImpactTracker, ModelCall, Report, estimate, explain
from impactree.catalog import load_catalog
from impactree.catalog._schema import check
from impactree.engine import Engine
from impactree.exceptions import CatalogError
from impactree.methods import METHODS
from impactree.methods.ecologits_0_11 import ECOLOGITS_0_11

DATA = Path(__file__).parents[2] / "data"
YEARLY = dataclasses.replace(ECOLOGITS_0_11, name="yearly-factors", factors="yearly")
"""The published equations with the other factors: what a second method changes here."""

TWH_2025 = {  # Our World in Data, owid-energy-data.csv, World, 2025, TWh
    "coal": 10471.53,
    "oil": 841.62,
    "gas": 6921.14,
    "nuclear": 2811.57,
    "hydro": 4434.97,
    "solar": 2778.64,
    "wind": 2713.14,
    "biomass": 710.41,
    "geothermal": 89.33,  # "other renewables without biofuel"
}
BTU_MJ = 1055.05585262 / 1e6
MJ_PER_KWH = {  # heat rates of US plants in 2022, EIA, Btu per kWh
    "coal": 10689 * BTU_MJ,
    "oil": 11166 * BTU_MJ,
    "gas": 7740 * BTU_MJ,
    "nuclear": 3.6 / 0.33,
    "hydro": 3.6,
    "solar": 3.6,
    "wind": 3.6,
    "biomass": 3.6 / 0.30,
    "geothermal": 3.6 / 0.10,
}


@pytest.fixture
def catalog():
    return load_catalog()


@pytest.fixture
def yearly(monkeypatch):
    monkeypatch.setitem(METHODS, YEARLY.name, YEARLY)
    return Engine(method=YEARLY.name)


def call(**more):
    return ModelCall(**{"model": "gpt-4o", "provider": "openai", "output_tokens": 100, **more})


def codes(impacts):
    return {m.code for m in impacts.warnings}


def factor(electricity, metric):
    return next(f for f in electricity.factors if f.metric == metric)


@pytest.mark.parametrize(
    "file",
    [*DATA.glob("factors/gwp_*.toml"), *DATA.glob("factors/primary*.toml"), DATA / "zones.toml"],
)
def test_every_set_states_kind_licence_and_source(file):
    sets = tomllib.loads(file.read_text())["factor_sets"]
    assert sets
    for entry in sets:
        assert entry["licence"]
        assert "NC" not in entry["licence"]
        assert "ODbL" not in entry["licence"]
        assert "AGPL" not in entry["licence"]
        assert entry["sources"]
        assert entry["kind"] in ("life-cycle", "direct") or entry["metric"] != "gwp"
        if "CC BY" in entry["licence"] or "Open Government" in entry["licence"]:
            assert entry["credit"]


@pytest.mark.parametrize("name", ["ecologits-0.11.3", "yearly"])
def test_every_factor_of_every_zone_has_year_source_and_licence(catalog, name):
    for code in catalog.zone_codes:
        for found in catalog.electricity(catalog.zone(code), name).factors:
            assert found.year is None or 2009 <= found.year <= 2026, (code, found)
            if found.value is not None:
                assert found.source.licence not in ("", "not stated"), (code, found)
                assert found.source.sources, (code, found)
                assert found.value >= 0


def test_every_data_centre_states_years_or_that_nobody_does():
    for name, key in (("hosts.toml", "hosts"), ("regions.toml", "regions")):
        raw = tomllib.loads((DATA / name).read_text())
        assert raw["licence"]
        for place in raw[key]:
            for figure in ("pue_year", "wue_year"):
                assert place[figure] == "not stated" or 2020 <= place[figure] <= 2026, place["id"]


def test_every_hypothesis_that_is_a_factor_shows_year_and_licence(yearly):
    for method in ("ecologits-0.11", YEARLY.name):
        found = explain("gpt-4o", "azure", region="eastus", method=method)
        shown = [h for h in found.hypotheses if h.name.startswith(("PUE", "WUE", "F_", "U_", "S_"))]
        assert len(shown) >= 12
        for h in shown:
            assert h.year == "not stated" or h.year.isdigit(), h
            assert h.licence, h
            assert h.licence in str(found)


def test_the_worlds_primary_energy_by_hand(catalog):
    generated = sum(TWH_2025.values())
    assert generated == pytest.approx(31772.35)
    heat = sum(TWH_2025[source] * MJ_PER_KWH[source] for source in TWH_2025)
    lost = sum(
        TWH_2025[source] * MJ_PER_KWH[source] for source in ("coal", "oil", "gas", "nuclear")
    )
    world = catalog.electricity(catalog.zone("WOR"), "yearly")
    assert world.mix.pe == pytest.approx(heat / generated, abs=5e-4)
    assert world.mix.pe_nonrenewable == pytest.approx(lost / generated, abs=5e-4)
    assert factor(world, "pe").year == 2025


def test_primary_energy_is_at_least_the_electricity(catalog):
    """EcoLogits gives Norway 0.14 MJ per kWh, of which the electricity itself is 3.6."""
    assert catalog.zone("NOR").mix.pe < 3.6
    for code in catalog.zone_codes:
        mix = catalog.electricity(catalog.zone(code), "yearly").mix
        if code != "EEE":
            assert mix.pe >= 3.6 - 1e-9, code
            assert mix.pe_nonrenewable <= mix.pe, code


def test_what_is_disputed_is_what_the_arithmetic_says(catalog):
    """The world's factors are France's divided by 3.6, and 77 zones and every gateway have them."""
    france, world = catalog.zone("FRA").mix, catalog.zone("WOR").mix
    assert world.pe == pytest.approx(france.pe / 3.6, rel=1e-4)
    assert world.adpe == pytest.approx(france.adpe / 3.6, rel=1e-3)
    slips = [z for z in map(catalog.zone, catalog.zone_codes) if z.mix.adpe == world.adpe]
    assert len([z for z in slips if z.parent is None]) == 78
    for zone in slips:
        assert "electricity-mix-adpe-disputed" in zone.warnings
        assert math.isnan(catalog.electricity(zone, "yearly").mix.adpe)
    assert "electricity-mix-adpe-disputed" not in catalog.zone("FRA").warnings


def test_an_estimate_that_uses_a_disputed_figure_says_so():
    of = {zone: codes(estimate(call(zone=zone))) for zone in ("FRA", "WOR", "CAF")}
    pe, adpe, gwp = (f"electricity-mix-{m}-disputed" for m in ("pe", "adpe", "gwp"))
    assert {pe, adpe, gwp} & of["FRA"] == {pe}
    assert {pe, adpe, gwp} & of["WOR"] == {pe, adpe}
    assert {pe, adpe, gwp} <= of["CAF"]
    assert estimate(call(zone="CAF")).usage.gwp.value.max == 0


def test_the_other_factors_carry_no_disputed_figure(yearly):
    impacts = yearly.estimate(call(zone="CAF"))
    assert not [code for code in codes(impacts) if code.endswith("-disputed")]
    assert impacts.usage.gwp.value.mean == pytest.approx(
        impacts.energy.value.mean * 0.11111, rel=1e-12
    )


@pytest.mark.parametrize(
    ("zone", "kg", "kind", "year"),
    [
        ("US-VA", 539.599 * 0.45359237 / 1000, "direct", 2023),  # eGRID2023: lb/MWh
        ("US-CA", 394.769 * 0.45359237 / 1000, "direct", 2023),
        ("US-AZ", 689.104 * 0.45359237 / 1000, "direct", 2023),
        ("CA-QC", 0.0019, "direct", 2020),
        ("CA-AB", 0.64, "direct", 2020),
        ("USA-SRVC", 596.326 * 0.45359237 / 1000, "direct", 2023),
        ("SE-SE3", 0.027, "life-cycle", 2025),
    ],
)
def test_parts_of_countries(yearly, zone, kg, kind, year):
    found = yearly.read(call(zone=zone))
    assert found.zone.id == zone
    gwp = factor(found.electricity, "gwp")
    assert gwp.value == pytest.approx(kg, rel=2e-5)
    assert (gwp.source.kind, gwp.year, gwp.zone) == (kind, year, zone)
    impacts = yearly.estimate(call(zone=zone))
    assert ("electricity-mix-gwp-direct" in codes(impacts)) == (kind == "direct")
    assert "electricity-mix-country" in codes(impacts)  # its primary energy is the country's


def test_a_cloud_region_leads_to_its_state(yearly):
    """eastus lies in Virginia; the published method keeps the country."""
    there = call(provider="azure", region="eastus")
    assert yearly.read(there).zone.id == yearly.zone_of(there) == "US-VA"
    assert yearly.read(there).zone_origin == "the region eastus"
    assert Engine().zone_of(there) == "USA"
    impacts = yearly.estimate(there)
    assert impacts.usage.gwp.value.mean == pytest.approx(
        impacts.energy.value.mean * 0.244758, rel=1e-12
    )


def test_the_published_method_takes_the_country_and_says_so():
    part, whole = estimate(call(zone="US-VA")), estimate(call(zone="USA"))
    assert part.figures == whole.figures
    assert codes(part) - codes(whole) == {"electricity-mix-country"}


@pytest.mark.parametrize(
    ("day", "year", "kg"),
    [
        (None, 2025, 0.3844),
        (dt.date(2026, 3, 1), 2025, 0.3844),
        (dt.date(2024, 3, 1), 2024, 0.3838),
        (dt.date(2023, 12, 31), 2023, 0.3929),
        (dt.date(2019, 1, 1), 2023, 0.3929),  # nothing older: the oldest
    ],
)
def test_a_call_takes_the_factor_of_its_own_year(yearly, day, year, kg):
    gwp = factor(yearly.read(call(zone="USA"), day).electricity, "gwp")
    assert (gwp.year, gwp.value) == (year, kg)
    impacts = yearly.estimate(call(zone="USA"), at=day)
    assert impacts.usage.gwp.value.mean == pytest.approx(impacts.energy.value.mean * kg, rel=1e-12)


@given(
    code=st.sampled_from(load_catalog().zone_codes),
    day=st.dates(dt.date(2005, 1, 1), dt.date(2030, 12, 31)),
)
def test_no_call_takes_a_younger_factor_than_it_has_to(code, day):
    catalog = load_catalog()
    found = factor(catalog.electricity(catalog.zone(code), "yearly", day), "gwp")
    rows = catalog._data["factors"].get(f"gwp/{found.zone}", [])
    years = [row[0] for row in rows]
    older = [year for year in years if year <= day.year]
    assert found.year == (max(older) if older else min(years, default=None))


def test_an_unknown_factor_is_none_and_spoils_the_sum(yearly):
    world, usa = yearly.estimate(call(zone="WOR")), yearly.estimate(call(zone="USA"))
    assert world.adpe is None
    assert world.usage.adpe is None
    assert world.embodied.adpe.value.mean > 0
    assert "electricity-mix-adpe-none" in codes(world)
    assert usa.adpe is not None
    assert (world + usa).adpe is None
    assert (world + usa).pe.value.mean == pytest.approx(world.pe.value.mean + usa.pe.value.mean)
    assert world.to_dict()["adpe"] is None
    assert world.to_dict()["usage"]["adpe"] is None
    again = yearly.estimate(call(zone="WOR"))
    assert again == world
    assert hash(again) == hash(world)
    assert "ADPe unknown" in str(world)


def test_market_based_stands_beside_location_based():
    """AWS says of us-east-1 that all its electricity of 2024 was matched: 0 kgCO2eq/kWh."""
    at = {"model": "amazon.nova-lite-v1:0", "provider": "bedrock", "output_tokens": 100}
    claimed = estimate(ModelCall(**at, region="us-east-1"))
    assert claimed.gwp_market_based.value == claimed.embodied.gwp.value
    assert claimed.gwp.value.mean > claimed.gwp_market_based.value.mean
    assert claimed.to_dict()["gwp_market_based"]["type"] == "GWP-market-based"
    unclaimed = estimate(ModelCall(**at, region="af-south-1"))
    assert unclaimed.gwp_market_based is None
    assert unclaimed.to_dict()["gwp_market_based"] is None
    twice = claimed + claimed
    assert twice.gwp_market_based.value.mean == pytest.approx(
        2 * claimed.gwp_market_based.value.mean
    )
    assert (claimed + unclaimed).gwp_market_based is None
    assert (claimed + Impacts.zero()).gwp_market_based == claimed.gwp_market_based
    with pytest.raises(ValueError, match="cannot add GWP-market-based"):
        claimed.gwp + claimed.gwp_market_based


def test_a_users_own_mix_goes_before_every_factor(monkeypatch):
    monkeypatch.setitem(METHODS, YEARLY.name, YEARLY)
    mine = {"id": "FRA", "name": "Our contract", "gwp": 0.5, "adpe": 1e-8, "pe": 4.0, "wue": 1.0}
    files = [{"zones": [{**mine, "checked": dt.date(2026, 1, 1)}]}]
    for method in ("ecologits-0.11", YEARLY.name):
        impacts = estimate(call(zone="FRA"), models=files, method=method)
        assert impacts.usage.gwp.value.mean == pytest.approx(impacts.energy.value.mean * 0.5)
        assert not [code for code in codes(impacts) if code.startswith("electricity-mix")]


def test_credits_are_those_of_the_factors_used(yearly):
    quebec, usa = yearly.read(call(zone="CA-QC")), yearly.read(call(zone="USA"))
    assert any("Open Government Licence - Canada" in credit for credit in quebec.credits)
    assert any("Ember" in credit for credit in usa.credits)
    assert not any("Canada" in credit for credit in usa.credits)
    both = yearly.credits_for([call(zone="CA-QC"), call(zone="USA")])
    assert set(both) == {*quebec.credits, *usa.credits}
    assert yearly.credits_for([]) == ()
    found = explain("gpt-4o", zone="CA-QC", method=YEARLY.name)
    assert found.credits == quebec.credits
    assert all(credit in str(found) for credit in found.credits)


def test_what_operators_claim_is_shown_with_its_year():
    """us-central1, 2025: 88 % (region-carbon-info); us-east-1, 2024: 0 kgCO2eq/kWh."""
    shown = {
        h.name: h for h in explain("gemini-2.5-flash", "vertex", region="us-central1").hypotheses
    }
    share = shown["CFE, carbon-free energy"]
    assert (share.value, share.year, share.licence) == ("0.88", "2025", "Apache-2.0")
    at = {"provider": "bedrock", "region": "us-east-1"}
    shown = {h.name: h for h in explain("amazon.nova-lite-v1:0", **at).hypotheses}
    claim = shown["F_gwp, market-based"]
    assert (claim.value, claim.year) == ("0", "2024")
    assert "claim" in claim.kind


def test_a_makers_own_figures_stand_beside_ours():
    found = explain("mistralai/Mistral-Large-Instruct-2407")
    assert {(d.figure, d.unit) for d in found.disclosures} == {
        (1.14, "gCO2eq"),
        (45, "mL"),
        (0.16, "mgSbeq"),
    }
    assert "1.14 gCO2eq" in str(found)
    assert found.to_dict()["disclosures"][0]["sources"]
    assert explain("claude-sonnet-4-5").disclosures == ()


FACTOR_SET = {
    "metric": "gwp",
    "kind": "direct",
    "title": "t",
    "boundary": "b",
    "licence": "l",
    "sources": ["https://x.y"],
    "checked": dt.date(2026, 1, 1),
    "values": {"FRA": {"2025": 0.1}},
}


def test_two_figures_of_one_zone_and_year_are_refused(catalog):
    files = [("a.toml", {"factor_sets": [{**FACTOR_SET, "id": "a"}, {**FACTOR_SET, "id": "b"}]})]
    with pytest.raises(CatalogError, match=r"gwp/FRA of 2025 stands in 'a' and in 'b'"):
        catalog.extended(files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": None}, "licence"),
        ({"sources": []}, "sources"),
        ({"values": {"FRA": {"25": 0.1}}}, "values"),
        ({"values": {"fra": {"2025": 0.1}}}, "values"),
        ({"values": {"FRA": {"2025": -1}}}, "values"),
    ],
)
def test_a_set_that_does_not_say_enough_is_refused(change, message):
    entry = {**FACTOR_SET, "id": "a"}
    check({"factor_sets": [entry]}, "mine.toml")
    with pytest.raises(CatalogError, match=message):
        check({"factor_sets": [{**entry, **change}]}, "mine.toml")


def test_every_zone_that_a_factor_is_of_is_a_zone(catalog):
    for part in catalog.zone_codes:
        zone = catalog.zone(part)
        assert zone.parent is None or catalog.zone(zone.parent).parent is None
    for place in (*catalog.hosts.values(), *catalog.regions.values()):
        if place.subzone:
            assert catalog.zone(place.subzone).parent == place.zone, place.id


def _row(text, name):
    cells = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [int(cell) for cell in cells.split("|")[1:-1] if cell.strip().isdigit()]


def test_the_docs_count_what_nobody_states_the_year_of(catalog):
    text = (DATA.parent / "docs" / "methodology" / "electricity.md").read_text()
    zones = [catalog.zone(code) for code in catalog.zone_codes]
    sets = [
        [catalog.electricity(z, "ecologits-0.11.3") for z in zones if z.parent is None],
        [catalog.electricity(z, "yearly") for z in zones],
    ]
    for metric in ("gwp", "adpe", "pe", "wue"):
        counts = []
        for of in sets:
            known = [f for f in (factor(e, metric) for e in of) if f.value is not None]
            counts += [len(known), sum(f.year is None for f in known)]
        assert _row(text, metric) == [*counts, len(zones) - counts[2]], metric
    for name, places in (("hosts", catalog.hosts), ("cloud regions", catalog.regions)):
        for figure, key in (("PUE", "pue_year"), ("WUE", "wue_year")):
            unstated = sum(getattr(p, key) is None for p in places.values())
            assert _row(text, f"{figure} | {name}") == [len(places), unstated], (name, figure)


def test_the_docs_work_the_worlds_primary_energy_out():
    text = (DATA.parent / "docs" / "methodology" / "electricity.md").read_text()
    heat = sum(TWH_2025[source] * MJ_PER_KWH[source] for source in TWH_2025)
    assert f"{heat:,.0f} PJ / 31,772.35 TWh = 8.267 MJ/kWh" in text


def test_the_command_lists_parts_of_countries(capsys):
    from impactree.cli import main

    with pytest.raises(SystemExit, match="0"):
        main(["zones", "virginia"])
    shown = capsys.readouterr().out
    assert "US-VA" in shown
    assert "0.244758" in shown


def test_the_report_shows_credits_and_makers_figures_and_the_market():
    tracker = ImpactTracker()
    at = {"model": "amazon.nova-lite-v1:0", "provider": "bedrock", "region": "us-east-1"}
    tracker.record(ModelCall(**at, output_tokens=100))
    text = " ".join(str(tracker.report()).split())
    assert all(credit in text for credit in tracker.report().credits)
    assert "(market-based)" in text
    assert "market-based figures: 1 of 1 estimated call" in text
    tracker.record(call())
    text = " ".join(str(tracker.report()).split())
    assert "0.34 Wh, energy per query" in text
    assert "(market-based)" not in text
    assert "market-based figures: 1 of 2 estimated calls, so they have no sum" in text
    assert tracker.report().coverage.market_based == 1
    assert tracker.report().to_dict()["coverage"]["market_based"] == 1


def _credited_report():
    tracker = ImpactTracker(method="impactree-1")
    for zone in ("CA-QC", "USA"):
        tracker.record(call(zone=zone))
    return tracker.report()


def _unbroken(text):
    """Without the line breaks, escapes and padding of a page."""
    return " ".join(html.unescape(text).replace("\\", "").split())


@pytest.mark.parametrize("asked", [lambda r: r, lambda r: r.by("zone"), lambda r: r.diff(r)])
@pytest.mark.parametrize("form", [str, lambda x: x.to_markdown(), lambda x: x._repr_html_()])
def test_credits_stand_on_every_page(asked, form):
    report = _credited_report()
    assert any("Open Government Licence - Canada" in credit for credit in report.credits)
    page = _unbroken(form(asked(report)))
    assert all(credit in page for credit in report.credits)


def test_credits_go_with_the_data(tmp_path):
    """A table keeps its shape: they are in a file beside it, and in Parquet's metadata."""
    pq = pytest.importorskip("pyarrow.parquet")
    report = _credited_report()
    report.to_csv(tmp_path / "calls.csv")
    report.by("zone").to_csv(tmp_path / "zones.csv")
    report.to_parquet(tmp_path / "calls.parquet")
    for name in ("calls.csv", "zones.csv"):
        beside = (tmp_path / f"{name}.credits.txt").read_text()
        assert beside.splitlines() == list(report.credits)
        assert "Canada" not in (tmp_path / name).read_text()
    metadata = pq.read_schema(tmp_path / "calls.parquet").metadata
    assert metadata[b"impactree.credits"].decode().splitlines() == list(report.credits)
    assert json.loads(metadata[b"impactree.factors"]) == list(report.factors)
    for data in (report.to_dict(), report.by("zone").to_dict(), report.diff(report).to_dict()):
        assert data["credits"] == list(report.credits)


def test_exports_say_year_and_licence_of_each_factor():
    """Quebec's factor of 2020, under the Open Government Licence; the PUE of OpenAI's host."""
    factors = _credited_report().to_dict()["factors"]
    (quebec,) = (f for f in factors if f["name"].startswith("F_gwp") and "CA-QC" in f["basis"])
    assert (quebec["value"], quebec["year"]) == ("0.0019", "2020")
    assert "Open Government Licence" in quebec["licence"]
    assert quebec["sources"]
    (pue,) = (f for f in factors if f["name"] == "PUE")
    assert (pue["value"], pue["basis"]) == ("1.2", "host openai")
    for factor in factors:
        assert factor["year"] == "not stated" or factor["year"].isdigit()
        assert factor["licence"]


def test_a_report_read_back_shows_the_same(tmp_path):
    """Credits and makers' figures come from the file; the other method is asked anew."""
    tracker = ImpactTracker()
    tracker.record(call(input_tokens=900))
    report = tracker.report()
    again = Report.from_json(report.to_json())
    assert again.credits == report.credits != ()
    assert again.disclosures == report.disclosures != ()
    assert again.to_dict() == report.to_dict()
    assert str(again) == str(report)
    twice = _credited_report()
    both = twice.merge(Report.from_json(_credited_report().to_json()))
    assert (both.credits, both.factors) == (twice.credits, twice.factors)
    (alone,) = Report(twice.runs[:1]).runs
    assert any("Canada" in credit for credit in alone.report().credits)


def test_each_run_says_where_its_energy_goes():
    """One line per run where runs differ: long prompts are input, long answers output."""
    tracker = ImpactTracker(method="impactree-1")
    for name, read, written in (("reader", 50_000, 10), ("writer", 10, 5_000)):
        tracker.start(name, name=name)
        tracker.record(call(input_tokens=read, output_tokens=written), name)
        tracker.end(name)
    report = tracker.report()
    lines = str(report).splitlines()
    told = {
        name: lines[next(i for i, line in enumerate(lines) if line.startswith(name)) + 1]
        for name in ("reader", "writer")
    }
    for root in report.runs:
        parts = root.total.energy_parts
        shares = ", ".join(
            f"{name} {part / sum(parts.values()):.0%}" for name, part in parts.items() if part
        )
        shares = shares.replace(" 0%", " <1%")  # a little is not nothing
        assert told[root.name].endswith(f"energy: {shares}")
        assert f"energy {shares}" in " ".join(str(root.report()).split())
        assert f"energy: {html.escape(shares)}" in report._repr_html_()
        assert f"energy: {html.escape(shares)}" in report.to_markdown()


def test_explain_says_where_the_energy_goes():
    found = explain("gpt-4o", "openai", input_tokens=900, output_tokens=100, method="impactree-1")
    parts = found.impacts.energy_parts
    whole = sum(parts.values())
    assert whole == pytest.approx(found.impacts.energy.value.mean, rel=1e-12)
    line = next(line for line in str(found).splitlines() if "Where the energy goes" in line)
    for name, part in parts.items():
        assert (f"{name} {part / whole:.0%}" in line) == (part > 0)
