"""Every hand-checked name of ``tests/data/names.toml`` gets the answer that a person expects."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path

import pytest

from impactree import resolve
from impactree.catalog import load_catalog

NAMES = tomllib.loads(
    (Path(__file__).parents[1] / "data" / "names.toml").read_text(encoding="utf-8")
)["names"]
ASKED = ("provider", "requested", "base_url", "at")
TOLERANCE = 0.10


def wrong(case: dict) -> list[str]:
    """What the resolver says otherwise than the file."""
    asked = {k: case[k] for k in ASKED if k in case}
    found = resolve(case["name"], **asked)
    problems = [
        f"{field} {getattr(found, field)!r}, not {case[field]!r}"
        for field in ("maker", "host", "kind", "grade", "model")
        if field in case and getattr(found, field) != case[field]
    ]
    if "grade_in" in case and found.grade not in case["grade_in"]:
        problems.append(f"grade {found.grade!r}, not one of {case['grade_in']}")
    if found.maker in case.get("not_maker", ()):
        problems.append(f"maker {found.maker!r}, another one's model")
    for field in ("total", "active"):
        if field in case:
            value = getattr(found, f"{field}_params")
            if value is None or abs(value.mean - case[field]) > TOLERANCE * case[field]:
                problems.append(f"{field} {value}, not {case[field]}")
    return [f"{p} ({found.model}; {found.how})" for p in problems]


def test_the_file_is_large_enough_to_mean_something():
    assert len(NAMES) >= 330


@pytest.mark.parametrize("case", NAMES, ids=lambda c: f"{c.get('provider', '')}:{c['name'][:60]}")
def test_a_hand_checked_name(case):
    assert wrong(case) == []


def test_makers_and_hosts_are_slugs_of_the_data():
    catalog = load_catalog()
    for case in NAMES:
        found = resolve(case["name"], **{k: case[k] for k in ASKED if k in case})
        known = found.maker in catalog.makers
        assert found.maker is None or known or found.maker in case["name"].lower()
        assert found.host in catalog.hosts


def test_a_date_may_be_a_date_or_a_string():
    assert resolve("deepseek-chat", at="2025-02-01") == resolve(
        "deepseek-chat", at=dt.date(2025, 2, 1)
    )
