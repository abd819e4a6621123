"""Counting tokens on this machine: its stated error, and that a broken vocabulary harms nothing."""

from __future__ import annotations

import asyncio.base_events
import inspect
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impactree.calls import counting
from impactree.calls.counting import count_by_length, count_tokens, set_vocabulary, tokens_by_length

ROOT = Path(__file__).parents[1]
PAYLOADS = sorted((ROOT / "tests/wire/payloads").rglob("*.json"))
# Texts at hand here, and the error that docs/tokens.md states for their kind.
TEXTS = {
    "English": ((ROOT / "cookbook/texts/walden.txt").read_text("utf-8"), 0.0, 0.15),
    "Python": (inspect.getsource(asyncio.base_events), 0.15, 0.45),
    "JSON": ("\n".join(path.read_text("utf-8") for path in PAYLOADS), -0.15, 0.0),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_the_stated_error_of_the_rule_of_length(kind):
    if counting._encoding() is None:
        pytest.skip("no vocabulary is on disk")
    text, low, high = TEXTS[kind]
    assert low <= count_by_length(text) / count_tokens(text) - 1 <= high


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("a" * 36, 10),  # 3.6 bytes a token
        ("a" * 37, 11),
        ("日本" * 3, 6),  # 18 bytes, 3.0 a token
        ("a" * 36 + "é" * 3, 12),  # 10 + 6 bytes / 3.0
        ("\ud800", 1),  # half a pair: one byte in its place
    ],
)
def test_the_rule_of_length(text, tokens):
    assert count_by_length(text) == tokens


@given(st.lists(st.text()))
def test_pieces_add_up_to_the_whole(pieces):
    whole = tokens_by_length("".join(pieces))
    assert sum(map(tokens_by_length, pieces)) == pytest.approx(whole)


@given(st.text())
def test_every_text_can_be_counted(text):
    assert (count_tokens(text) == 0) == (not text)
    assert count_by_length(text) >= 0


def test_the_vocabulary_is_tiktoken_s(monkeypatch):
    tiktoken = pytest.importorskip("tiktoken")
    vocabulary = counting._vocabulary()
    if vocabulary is None:
        pytest.skip("no vocabulary is on disk")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(vocabulary.parent))
    theirs = tiktoken.get_encoding("cl100k_base")
    for text, _, _ in TEXTS.values():
        assert count_tokens(text) == len(theirs.encode_ordinary(text))
    set_vocabulary(False)
    try:
        assert count_tokens("a" * 36) == 10
    finally:
        set_vocabulary(True)


@pytest.mark.parametrize("content", [b"", b"not a vocabulary", b"YQ== 0\n"])
def test_a_broken_vocabulary_gives_way_to_the_rule_of_length(content, tmp_path, monkeypatch):
    """tiktoken itself would download it again; here nothing is fetched, and nothing deleted."""
    broken = tmp_path / counting._CL100K
    broken.write_bytes(content)
    monkeypatch.setattr(counting, "_vocabulary", lambda: broken)
    counting._encoding.cache_clear()
    try:
        assert count_tokens("a" * 36) == 10
        assert broken.read_bytes() == content
    finally:
        monkeypatch.undo()
        counting._encoding.cache_clear()


def test_the_table_states_the_constants():
    page = (ROOT / "docs/tokens.md").read_text("utf-8")
    assert (
        f"3.6 bytes of ASCII plus\n   one per {json.dumps(counting._OTHER_BYTES_PER_TOKEN)}" in page
    )
    assert counting._ASCII_BYTES_PER_TOKEN == 3.6
