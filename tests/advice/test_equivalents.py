"""What a figure means in daily life: every factor with source and year, every number by hand."""

from __future__ import annotations

import datetime as dt
import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from impactree import Impacts, ImpactTracker, ModelCall, Range, Report
from impactree.advice import Equivalents, scaled
from impactree.catalog import load_catalog
from impactree.catalog._compile import compile_files
from impactree.catalog._schema import check
from impactree.engine import Engine
from impactree.exceptions import CatalogError
from impactree.report import schema
from impactree.values.figures import Figures
from impactree.values.training import TrainingPhase

DATA = Path(__file__).parents[2] / "data" / "equivalents.toml"
ENTRIES = tomllib.loads(DATA.read_text("utf-8"))["equivalents"]


def impacts(energy=0.0, gwp=0.0, water=0.0):
    """Points: energy in kWh, gwp in kgCO2eq (a quarter of it embodied), water in L."""
    usage, made = 0.75 * gwp, 0.25 * gwp
    figures = (energy,) * 3 + (usage,) * 3 + (0.0,) * 6 + (water,) * 3 + (made,) * 3 + (0.0,) * 6
    return Impacts(Figures(*figures, 0, 0, energy, 0, 0), method="m")


# What 1 kWh, 1 kgCO2eq and 1 L are, by the sources' own figures.
BY_HAND = {
    "car-france": 1 / (0.1106 + 0.0317),
    "video-streaming": 1 / 0.064,
    "smartphone-charge": 1 / (1.24e-5 * 1000),  # t to kg
    "train-tgv": 1 / (0.00063 + 0.0023),
    "train-ter": 1 / (0.00479 + 0.0229),
    "car-electric-france": 1 / (0.0121 + 0.0553),
    "car-usa": 10_917 * 1.609344 / 4290,  # 4.29 t a year for 10,917 miles
    "car-europe": 1 / 0.175,
    "flight-short": 1 / (0.000372 + 0.1232 + 0.101),
    "flight-long": 1 / (0.000294 + 0.0976 + 0.08),
    "web-search": 1 / 0.00123,
    "video-call": 1 / 0.0571,
    "coffee": 1 / 0.635,
    "tap-water": 1 / 0.000132,
    "washing-machine-year": 1 / 18.08,
    "smartphone-made": 1 / (77 + 2.27),
    "laptop-made": 1 / (170 + 12.3),
    "washing-machine-made": 1 / (191 + 12.2 + 47.6 + 90.3),
    "led": 1000 / 10,  # h of 10 W
    "kettle": 3600 / (1.5 * 4.184 * 80),  # kJ per kWh; kg, kJ/(kg K), K
    "glass-of-water": 4,
    "drop-of-water": 20_000,
    "shower": 1 / 72,
}


def test_each_factor_by_hand():
    found = Equivalents(impacts(1, 1, 1), load_catalog().equivalents)
    counts = {e.thing.id: e.count.mean for e in found.every}
    assert counts == {name: pytest.approx(n, rel=2e-3) for name, n in BY_HAND.items()}


def test_every_entry_has_source_year_and_licence():
    assert len(ENTRIES) == len(BY_HAND)
    for entry in ENTRIES:
        assert entry["year"] <= 2026
        assert "NC" not in entry["licence"]
        assert entry["checked"] <= dt.date(2026, 11, 29)
        conventions = entry.get("basis") == "definition"
        assert conventions == (not entry.get("sources")), entry["id"]
        assert not conventions or "our convention" in entry["note"]
        assert ("CC BY" in entry["licence"]) == ("credit" in entry)


@pytest.mark.parametrize(
    ("total", "texts"),
    [
        # 1.423 mg is 1 cm of 142.3 g/km; 5 Wh half an hour of 10 W; 1 mL 20 drops
        (impacts(0.005, 1.423e-6, 1e-3), ["1 cm by car", "30 minutes of a", "20 drops"]),
        (impacts(1, 0.1423, 1), ["1 km by car", "4.2 days of a", "4 glasses"]),
        (impacts(0, 142.3, 72), ["1,000 km by car", "288 glasses"]),
        (impacts(0, 1.32e-12, 0), ["0.01 µL of tap water"]),
        # 79 t: 560,000 km read worse
        (impacts(0, 79_270, 0), ["141 years of video streaming"]),
        (impacts(), []),
    ],
)
def test_numbers_read_well(total, texts):
    found = [e.short for e in Equivalents(total, load_catalog().equivalents)]
    assert len(found) == len(texts)
    for text, start in zip(found, texts, strict=True):
        assert text.startswith(start)


@given(st.floats(1e-12, 1e9), st.floats(1e-12, 1e9), st.floats(1e-12, 1e9))
def test_something_always_fits_and_the_numbers_grow_with_the_figure(energy, gwp, water):
    things = load_catalog().equivalents
    one, two = (Equivalents(impacts(energy * n, gwp * n, water * n), things) for n in (1, 2))
    assert len(one) == 3
    for first, then in zip(one.every, two.every, strict=True):
        assert then.count.mean == pytest.approx(2 * first.count.mean)
    assert [r.gwp_kgco2eq for r in one.ladder] == sorted(r.gwp_kgco2eq for r in one.ladder)
    for rung in one.ladder:
        assert rung.reports * gwp == pytest.approx(rung.gwp_kgco2eq)


@pytest.fixture
def tracker():
    made = ImpactTracker()
    for tokens in (100, 300):
        made.record(
            ModelCall(provider="openai", model="gpt-4o", input_tokens=500, output_tokens=tokens)
        )
    return made


def test_a_reader_finds_the_report_on_the_ladder(tracker):
    report = tracker.report()
    lines = str(report.equivalents).splitlines()
    place = next(i for i, line in enumerate(lines) if "<- here" in line)
    gwp = report.total.gwp.value.mean
    above = sum(1 for rung in report.equivalents.ladder if rung.gwp_kgco2eq > gwp)
    assert place == above > 0
    assert "Green Algorithms" in lines[-1]  # CC BY asks for it
    assert all(len(line) < 100 for line in lines)


def test_it_stands_in_text_markdown_html_and_json(tracker):
    report = tracker.report()
    first, *_ = report.equivalents
    for text in (str(report), report.to_markdown(), report._repr_html_()):
        assert "everyday" in text
        assert first.short in " ".join(text.split())
    data = json.loads(report.to_json())
    Draft202012Validator(schema("report")).validate(data)
    assert data["equivalents"] == report.equivalents.to_dict()
    car = data["equivalents"]["readable"][0]
    assert (car["id"], car["year"], car["value"]) == ("car-france", 2025, 0.1423)
    assert car["sources"][0].startswith("https://github.com/incubateur-ademe/")
    assert Report.from_json(report.to_json()).equivalents.to_dict() == data["equivalents"]


def test_nothing_estimated_means_nothing(tracker):
    empty = ImpactTracker()
    empty.record(ModelCall(provider="openai", model="gpt-4o"))  # nobody knows its tokens
    report = empty.report()
    assert len(report.equivalents) == 0
    assert "everyday" not in str(report)
    assert report.to_dict()["equivalents"]["ladder"] == []
    assert "nothing was estimated" in str(report.equivalents)
    assert tracker.report().filter(model="gpt-4o").equivalents.line.startswith("GHG as ")


def test_a_lower_bound_says_so(tracker):
    tracker.record(ModelCall(provider="openai", model="gpt-4o"))
    report = tracker.report()
    assert report.equivalents.line.startswith("at least GHG as ")
    assert "<- here: at least " in str(report.equivalents)


def test_runs_repeated(tracker):
    report = tracker.report()
    year = report.at(runs_per_day=1000)
    # two runs: a mean run 365,000 times
    assert year.runs == 365_000
    for criterion in ("energy", "gwp", "adpe", "pe", "wcf"):
        one, many = (getattr(x.total, criterion).value for x in (report, year))
        for end in ("min", "mean", "max"):
            assert getattr(many, end) == pytest.approx(getattr(one, end) / 2 * 365_000)
    assert report.at(runs_per_day=2, days=1).total == report.total
    assert year.equivalents.total == year.total
    assert str(year).startswith("365,000 runs, 1,000 a day for 365 days, as these runs on average:")
    assert json.loads(json.dumps(year.to_dict()))["runs"] == 365_000


def test_market_based_figures_are_repeated_too():
    one = Impacts(impacts(1, 1, 1).figures, market=(1.0, 2.0, 3.0), method="m")
    assert scaled(one, 3).market == (3.0, 6.0, 9.0)
    assert scaled(Impacts.not_estimated(), 3).figures is None


def test_the_share_of_training_is_repeated_too():
    phase = TrainingPhase(((1.0, 2.0, 3.0), None, None, None, None), 2, ("requests",))
    one = Impacts(impacts(1, 1, 1).figures, training=phase, method="m")
    repeated = scaled(one, 3).training
    assert repeated.energy.value == Range(3, 9, 6)
    assert (repeated.gwp, repeated.calls, repeated.shared_over) == (None, 2, ("requests",))


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), "10", None, True])
def test_bad_numbers_are_named(tracker, bad):
    with pytest.raises(ValueError, match="runs_per_day must be a number above 0, not"):
        tracker.report().at(runs_per_day=bad)
    with pytest.raises(ValueError, match="days must be a number above 0, not"):
        tracker.report().at(runs_per_day=1, days=bad)


def test_without_runs_there_is_nothing_to_repeat():
    with pytest.raises(ValueError, match="at least one run"):
        Report([]).at(runs_per_day=1)


THING = {
    "id": "tea",
    "name": "cups of tea",
    "single": "cup of tea",
    "metric": "gwp",
    "value": 0.02,
    "unit": "one",
    "year": 2026,
    "licence": "CC0",
    "sources": ["https://tea.example"],
    "checked": dt.date(2026, 11, 29),
}


def test_a_users_own_thing_comes_first():
    engine = Engine(models=[{"equivalents": [THING]}])
    tracker = ImpactTracker(engine=engine)
    tracker.record(ModelCall(provider="openai", model="gpt-4o", output_tokens=10_000))
    # 0.3 kg: 15 cups
    assert "cups of tea" in tracker.report().at(runs_per_day=40, days=1).equivalents.line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": []}, "basis 'published' needs sources"),
        ({"single": None}, "single and unit = 'one' go together"),
        ({"value": 0}, "value"),
        ({"metric": "cost"}, "metric"),
        ({"year": 1066}, "year"),
    ],
)
def test_a_wrong_entry_is_named(change, message):
    with pytest.raises(CatalogError, match=message):
        check({"equivalents": [{**THING, **change}]}, "mine.toml")


def test_one_id_stands_once():
    one = check({"equivalents": [THING]}, "mine.toml")
    with pytest.raises(CatalogError, match="the equivalent 'tea' is listed twice"):
        compile_files([("mine.toml", one), ("mine.toml", one)])
