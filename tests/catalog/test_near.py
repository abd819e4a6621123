"""Names to suggest: as the definition, written out here, has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactree.catalog import load_catalog
from impactree.catalog._near import Names, nearest

KNOWN = ("gpt-4o", "gpt-4o-mini", "claude-haiku-4-5", "o3", "aaaa", "GPT-4", "x", "")


def by_definition(name, known, count=3):
    """Pairs shared, by the mean number of pairs; a name that stands inside goes before."""
    text = name[:100].lower()
    wanted = {text[i : i + 2] for i in range(len(text) - 1)}
    scored = []
    for one in known:
        shared = sum(pair in one.lower() for pair in wanted)
        score = 2 * shared / (len(wanted) + len(one) - 1 or 1)
        score += len(one) >= 4 and one.lower() in text
        scored += [(-score, one)] if score >= 0.3 else []
    return [one for _, one in sorted(scored)[:count]]


@given(st.text("agpt-4o5x", max_size=14), st.lists(st.text("agpt-4o5x", max_size=9), unique=True))
def test_the_nearest_are_those_of_the_definition(name, known):
    assert nearest(name, known) == by_definition(name, known)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gpt-4o-minni", ["gpt-4o", "GPT-4", "gpt-4o-mini"]),
        ("my-aaaa", ["aaaa"]),
        ("", []),
        ("zzz", []),
    ],
)
def test_some_by_hand(name, found):
    assert nearest(name, KNOWN) == found


def test_the_catalog_s_are_found_as_defined():
    known = list(load_catalog().model_names())
    names = Names(known)
    for place in range(0, len(known), len(known) // 15):
        for name in (f"{known[place][:-2]}zz", f"my-{known[place]}-v2"):
            assert names.nearest(name) == by_definition(name, known) != []
