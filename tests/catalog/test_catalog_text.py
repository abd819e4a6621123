"""Spellings and sizes, read from text alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactree import resolve
from impactree.catalog import load_catalog
from impactree.catalog._text import MAX_NAME, clean, key, read_size
from impactree.values.impacts import GRADES

MIXTURE = (0.8, 0.88)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("llama-v3p1-70b-instruct", "llama3-1-70binstruct"),
        ("llama-3.1-70b-instruct", "llama3-1-70binstruct"),
        ("llama3.1:70b-instruct", "llama3-1-70binstruct"),
        ("glm-4v-9b", "glm4v9b"),  # this v is no version
        ("qwen2.5-0.5b", "qwen2-5-0-5b"),
        ("", ""),
    ],
)
def test_the_key_of_a_name(text, expected):
    assert key(text) == expected


@pytest.mark.parametrize(
    ("text", "total", "active"),
    [
        ("x-70b", (70, 70), (70, 70)),
        ("x-270m", (0.27, 0.27), (0.27, 0.27)),
        ("x-1.2t-a40b", (1200, 1200), (40, 40)),
        ("x-1b-a400m", (1, 1), (0.4, 0.4)),
        ("x-e4b", (4, 4), (4, 4)),
        ("x-7b1", (7.1, 7.1), (7.1, 7.1)),
        ("x-2-1_6b", (1.6, 1.6), (1.6, 1.6)),
        # 8 x 7 = 56, of which 0.8 at least; 2 x 7 = 14 active, of which 0.88 at least
        ("x-8x7b", (44.8, 56), (12.32, 14)),
        ("x-8b-from-70b", (8, 70), (8, 70)),
    ],
)
def test_a_size_that_the_name_states(text, total, active):
    size = read_size(text, MIXTURE)
    assert size.total == pytest.approx(total)
    assert size.active == pytest.approx(active)


@pytest.mark.parametrize(
    "text",
    ["x-128k", "x-1m", "x-4bit", "x-q4_0", "x-17b-16e", "x-0b", "x-99999b", "x-v2", "x-a22b", "b"],
)
def test_what_is_no_size(text):
    assert read_size(text, MIXTURE) is None


@given(st.text())
def test_any_text_is_read_without_an_error(text):
    found = resolve(text)
    assert found.grade in GRADES[:-1]
    assert found.host in load_catalog().hosts


@given(st.text(), st.text(), st.text())
def test_nor_do_other_hints_raise(name, provider, base_url):
    assert resolve(name, provider, requested=name[::-1], base_url=base_url).grade in GRADES


@given(st.text())
def test_cleaning_is_bounded_and_idempotent(text):
    once = clean(text)
    assert len(once) <= MAX_NAME
    assert clean(once) == once


@given(st.floats(0.01, 9000).map(lambda x: round(x, 2)))
def test_a_stated_size_is_the_size_found(size):
    found = resolve(f"zzz-unheard-{size:g}b")
    assert found.grade == "size"
    assert found.total_params.min < size < found.total_params.max  # a range: makers round
