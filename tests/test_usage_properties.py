"""Usage objects made from true counts by each provider's documented rules give them back.

A reading may leave a count unknown; it may not be another number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from impactree.calls.usage import read_langchain_usage, read_usage, updated
from usage_rules import RULES, True_, anthropic, gemini, openai

if TYPE_CHECKING:
    from collections.abc import Callable


counts = st.integers(0, 200_000)
trues = st.builds(True_, st.integers(1, 200_000), counts, counts, counts, st.integers(1, 10**5))


@settings(max_examples=400)
@given(st.sampled_from(RULES), trues)
def test_true_counts_come_back(rule: Callable[[True_], Any], true: True_) -> None:
    reading = read_usage(rule(true))
    assert reading is not None
    assert reading.tokens.input in (true.input, None)
    assert reading.tokens.output in (true.output, None)
    if None in (reading.tokens.input, reading.tokens.output):
        assert reading.notes == ("two-readings",)
    assert reading.tokens.cached_input in (true.cached, None)
    assert (reading.tokens.cached_input or 0) <= true.input


@given(st.sampled_from([openai, anthropic, gemini]), st.lists(trues, min_size=1, max_size=5))
def test_the_whole_so_far_in_every_chunk(rule: Callable[[True_], Any], pieces: list[True_]) -> None:
    """The prompt is read once; the answer grows from chunk to chunk."""
    first = pieces[0]
    so_far = None
    thought = answered = 0
    for piece in pieces:
        thought, answered = thought + piece.thought, answered + piece.answered
        chunk = True_(first.fresh, first.cached, first.written, thought, answered)
        reading = read_usage(rule(chunk))
        assert reading is not None
        so_far = updated(so_far, reading)
    assert so_far is not None
    assert (so_far.tokens.input, so_far.tokens.output) == (first.input, thought + answered)


@given(trues, st.booleans())
def test_langchain_s_own_shape(true: True_, beside: bool) -> None:
    """A client either includes reasoning in the output, or hands on what stands beside it."""
    usage = {
        "input_tokens": true.input,
        "output_tokens": true.answered if beside else true.output,
        "total_tokens": true.input + true.output,
        "input_token_details": {"cache_read": true.cached, "cache_creation": true.written},
        "output_token_details": {"reasoning": true.thought},
    }
    tokens = read_langchain_usage(usage).tokens
    assert (tokens.input, tokens.output) == (true.input, true.output)
    assert (tokens.cached_input, tokens.reasoning) == (true.cached, true.thought)
