"""The shipped data: every entry has a source and a date, every slug stands once."""

from __future__ import annotations

import datetime as dt
import re
import runpy
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from impactree.catalog import load_catalog
from impactree.catalog._compile import compile_files, compile_folder
from impactree.catalog._schema import check, read_file
from impactree.catalog._sources import data_files
from impactree.exceptions import CatalogError

DATA = Path(__file__).parents[2] / "data"
FILES = data_files(DATA)
RAW = {path: tomllib.loads(path.read_text(encoding="utf-8")) for path in FILES}
ENTRIES = [
    pytest.param(entry, inherited, id=f"{path.name}:{section}:{number}")
    for path, raw in RAW.items()
    for section, entries in raw.items()
    if section in ("models", "moving", "hosts", "regions", "zones", "wrappers", "kinds")
    for inherited in [raw.get("sources", {}) if section == "zones" else {}]
    for number, entry in enumerate(entries)
]
RULES = ("words", "mixture", "orgs", "lines", "local", "prior")


def test_every_entry_has_a_source_and_a_date():
    today = dt.datetime.now(tz=dt.UTC).date()
    assert len(ENTRIES) > 2500
    for case in ENTRIES:
        entry, inherited = case.values
        sources = entry.get("sources") or list(inherited.values())
        assert sources, case.id
        assert all(s.startswith("http") for s in sources), case.id
        assert isinstance(entry["checked"], dt.date), case.id
        assert entry["checked"] <= max(today, dt.date(2026, 11, 24)), case.id


@pytest.mark.parametrize("section", RULES)
def test_every_set_of_rules_has_a_source_and_a_date(section):
    rules = RAW[DATA / "names.toml"][section]
    assert rules["sources"]
    assert isinstance(rules["checked"], dt.date)


def test_what_is_loaded_has_its_sources_too():
    """EcoLogits drops all of its models' sources on loading."""
    catalog = load_catalog()
    for entry in (*catalog.records(), *catalog.hosts.values(), *catalog.regions.values()):
        assert entry.sources, entry.id
        assert entry.checked, entry.id


def test_makers_are_lowercase_slugs_each_with_one_name():
    names = {}
    for path, raw in RAW.items():
        maker = raw.get("maker")
        if maker is None:
            continue
        assert maker == maker.lower()
        assert path.stem == maker or path.stem.startswith(f"{maker}_"), path.name
        if "name" in raw:
            assert names.setdefault(maker, raw["name"]) == raw["name"], path.name
    repeated = [n for n, count in Counter(names.values()).items() if count > 1]
    assert repeated == []


def test_hosts_and_zones_are_listed_once():
    for path in FILES:
        for section in ("hosts", "zones", "regions"):
            ids = [entry["id"] for entry in RAW[path].get(section, ())]
            assert len(ids) == len(set(ids)), path.name
    names = Counter(
        n.lower() for h in RAW[DATA / "hosts.toml"]["hosts"] for n in {h["id"], *h.get("names", ())}
    )
    assert [n for n, count in names.items() if count > 1] == []


def test_every_zone_that_is_named_exists():
    catalog = load_catalog()
    for place in (*catalog.hosts.values(), *catalog.regions.values()):
        assert catalog.zone(place.zone) is not None, place.id


def test_one_name_cannot_be_two_models():
    model = {"id": "x-1", "sources": ["https://example.com"], "checked": dt.date(2026, 1, 1)}
    one = check({"maker": "a", "models": [model]}, "a.toml")
    two = check({"maker": "b", "models": [{**model, "id": "y", "aliases": ["X-1"]}]}, "b.toml")
    with pytest.raises(CatalogError, match=r"b\.toml: 'x-1' of 'y' is already a name of 'x-1'"):
        compile_files([("a.toml", one), ("b.toml", two)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("maker = 'a'\n[[models]]\nid = 'x'\nchecked = 2026-01-01\n", r"models\.0 \(x\)\.sources"),
        ("maker = 'a'\nmodle = 1\n", "modle"),
        ("zones = 3\n", "zones"),
        ("maker = ", "not valid TOML"),
        (
            "maker = 'a'\n[[models]]\nid = 'x'\ntotal = 5\nsources = ['https://x.y']\n"
            "checked = 2026-01-01\n",
            "total and basis go together",
        ),
        (
            "maker = 'a'\n[[models]]\nid = 'x'\nwarnings = ['nope']\n"
            "sources = ['https://x.y']\nchecked = 2026-01-01\n",
            "unknown warning 'nope'",
        ),
        (
            "[[wrappers]]\npattern = '('\nname = ''\nsources = ['https://x.y']\n"
            "checked = 2026-01-01\n",
            "not a regular expression",
        ),
    ],
)
def test_a_mistake_names_the_file_and_the_key(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(CatalogError, match=message) as caught:
        read_file(path)
    assert str(caught.value).startswith("mine.toml: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pue": [1.5, 1.1]}, r"pue: .*must not be above"),
        ({"pue": 0.5}, r"pue\.0: .*greater than or equal to 1"),
        ({"pue": 120}, r"pue\.0: must not be above 5; PUE is a ratio: write 1\.2 for 120 %"),
        ({"wue": [0.2, 0.1]}, r"wue: .*must not be above"),
        ({"wue": 1800}, r"wue\.0: must not be above 100; water is in litres per kWh"),
        ({"base_urls": ["https://llm.acme.example/v1"]}, r"base_urls\.0"),
    ],
)
def test_a_host_that_cannot_be_is_refused(change, message):
    """An error is said once, not once for each end of the range that a number stands for."""
    host = {"id": "h", "name": "H", "zone": "FRA", "pue": 1.2, "wue": 0.1}
    said = {"sources": ["https://x.y"], "checked": dt.date(2026, 1, 1)}
    check({"hosts": [{**host, **said}]}, "mine.toml")
    with pytest.raises(CatalogError, match=message) as caught:
        check({"hosts": [{**host, **said, **change}]}, "mine.toml")
    assert str(caught.value).count("(got ") == 1


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({"total": 70_000_000_000}, r"total\.0: must not be above 6000; parameters are in 10\^9"),
        ({"total": 7000}, r"total\.0: .*write 7 for 7 billion, not 7000"),
        ({"total": [7000, 8000]}, r"total\.0: .*write 7 for 7 billion, not 7000"),
        ({"total": 7, "active": 8}, "active .* must not be above total"),
    ],
)
def test_a_size_that_cannot_be_is_refused(size, message):
    model = {"id": "x", "basis": "published", "sources": ["https://x.y"]}
    model["checked"] = dt.date(2026, 1, 1)
    with pytest.raises(CatalogError, match=message):
        check({"maker": "a", "models": [{**model, **size}]}, "mine.toml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gwp": 56}, r"gwp: must not be above 3; .*kgCO2eq per kWh: write 0\.056 for 56 g"),
        ({"adpe": 0.07}, r"adpe: must not be above 0\.0001; adpe is in kgSbeq per kWh"),
        ({"pe": 9000}, r"pe: must not be above 100; pe is in MJ per kWh"),
        ({"wue": 3800}, r"wue: must not be above 100; water is in litres per kWh"),
    ],
)
def test_a_mix_in_another_unit_is_refused(change, message):
    zone = {"id": " ZZZ ", "name": "Z", "gwp": 0.056, "adpe": 7e-8, "pe": 9, "wue": 3.8}
    said = {"sources": ["https://x.y"], "checked": dt.date(2026, 1, 1)}
    assert check({"zones": [{**zone, **said}]}, "mine.toml").zones[0].id == "ZZZ"
    with pytest.raises(CatalogError, match=message):
        check({"zones": [{**zone, **said, **change}]}, "mine.toml")


def test_a_later_figure_is_a_dated_entry():
    """Old runs can be reproduced: the figure of the day counts."""
    base = {"id": "x-1", "basis": "published", "sources": ["https://example.com"]}
    old = {**base, "total": 7, "checked": dt.date(2025, 1, 1)}
    new = {**base, "total": 9, "checked": dt.date(2026, 1, 1), "from": dt.date(2026, 1, 1)}
    catalog = load_catalog().extended([("mine", {"maker": "a", "models": [old, new]})])
    assert catalog.record("X-1").total.mean == 9
    assert catalog.record("x-1", dt.date(2025, 12, 31)).total.mean == 7
    assert catalog.record("x-1", dt.date(2026, 1, 1)).total.mean == 9
    assert catalog.record("gpt-4o") is not None


def test_each_maker_has_one_file_named_after_it(tmp_path):
    (tmp_path / "models").mkdir()
    entry = (
        'maker = "acme"\n[[models]]\nid = "acme/bot"\n'
        'sources = ["https://acme.example"]\nchecked = 2026-11-24\n'
    )
    (tmp_path / "models" / "acme_more.toml").write_text(entry)
    with pytest.raises(CatalogError, match=r"acme_more\.toml: .* belong in acme\.toml"):
        compile_folder(tmp_path)


def test_sizes_from_a_price_follow_the_documented_rule():
    rule = runpy.run_path(str(DATA / "scripts" / "fit_price_basis.py"))
    text = (DATA.parent / "docs" / "methodology" / "price-basis.md").read_text(encoding="utf-8")
    inputs = re.findall(r"^\| (\S+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| (\d+) \|$", text, re.M)
    points = [rule["Point"](name, *map(float, row)) for name, *row in inputs]
    fits = {field: rule["fit"](points, field) for field in ("total", "active")}
    for name, f in fits.items():
        figures = f"{f.a:.3f} | {f.b:.3f} | {f.n} | {f.r2:.2f} | {f.s:.3f}"
        assert f"| {name} parameters | {figures} |" in text
    models = {m["id"]: m for raw in RAW.values() for m in raw.get("models", ())}
    priced = [m for m in models.values() if m.get("basis") == "price"]
    assert len(priced) > 50
    for m in priced:
        sizes = m["total"], m.get("active", m["total"])
        why = m["rationale"]
        if found := re.search(r"[Pp]rice rule .*?\$([\d.]+) per million", why):
            assert sizes == rule["ranges"](fits, float(found[1])), m["id"]
        elif found := re.search(r"the (\S+) figure .* at \$([\d.]+).* price of \$([\d.]+)", why):
            ratio, base = float(found[3]) / float(found[2]), models[found[1]]
            low, high = sorted((1.0, ratio))
            ends = [min(rule["LIMIT"], base["total"] * x) for x in (low, high)]
            assert sizes[0] == pytest.approx(ends, rel=0.01), m["id"]
            ends = [base["active"][0] * low, min(sizes[0][1], base["active"][1] * high)]
            assert sizes[1] == pytest.approx(ends, rel=0.02), m["id"]
        else:
            assert m["id"] == "claude-1.3" or re.search("figure of (that model|grok-4.5)", why)


def test_an_estimate_of_experts_is_not_called_published():
    """A maker that is silent has published nothing: gemini-2.0-flash, gpt-4o."""
    models = [m for raw in RAW.values() for m in raw.get("models", ())]
    told = {m["id"]: m["basis"] for m in models if "EcoLogits" in m.get("rationale", "")}
    assert "published" not in told.values()
    assert (told["gpt-4o"], told["gemini-2.0-flash"]) == ("estimate", "estimate")
