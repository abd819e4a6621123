"""Usage of providers' answers, in inclusive buckets; ``genai-prices`` reads them the same way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from impactree import Tokens
from impactree.calls.reconciling import Reading
from impactree.calls.usage import MalformedUsageError, count, read_usage, updated
from usage_objects import t


def usage(*counts: int | None) -> Tokens:
    return Tokens(**t(*counts)._asdict())


OPENAI = {
    "model": "gpt-4o",
    "usage": {
        "prompt_tokens": 1100,
        "completion_tokens": 250,
        "total_tokens": 1350,
        "prompt_tokens_details": {"cached_tokens": 300},
        "completion_tokens_details": {"reasoning_tokens": 90},
    },
}
RESPONSES = {
    "model": "gpt-4o",
    "usage": {
        "input_tokens": 1100,
        "output_tokens": 250,
        "input_tokens_details": {"cached_tokens": 300},
        "output_tokens_details": {"reasoning_tokens": 90},
    },
}
# 600 fresh + 300 read from the cache + 200 written to it = 1100.
ANTHROPIC = {
    "model": "claude-haiku-4-5",
    "usage": {
        "input_tokens": 600,
        "cache_read_input_tokens": 300,
        "cache_creation_input_tokens": 200,
        "output_tokens": 250,
    },
}
BEDROCK = {
    "usage": {
        "inputTokens": 600,
        "outputTokens": 250,
        "totalTokens": 1350,
        "cacheReadInputTokens": 300,
        "cacheWriteInputTokens": 200,
    }
}
# 160 in the answer + 90 of thought = 250.
GEMINI = {
    "modelVersion": "gemini-2.5-flash",
    "usageMetadata": {
        "promptTokenCount": 1100,
        "candidatesTokenCount": 160,
        "thoughtsTokenCount": 90,
        "cachedContentTokenCount": 300,
    },
}
GEMINI_SNAKE = {
    "usage_metadata": {
        "prompt_token_count": 1000,
        "tool_use_prompt_token_count": 100,
        "candidates_token_count": 160,
        "thoughts_token_count": 90,
        "cached_content_token_count": 300,
    }
}
COHERE = {
    "usage": {
        "billed_units": {"input_tokens": 5.0, "output_tokens": 14.0},
        "tokens": {"input_tokens": 71.0, "output_tokens": 14.0},
        "cached_tokens": 12.0,
    }
}
MISTRAL = {
    "model": "mistral-small-latest",
    "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
}
OLLAMA = {"model": "llama3.2", "prompt_eval_count": 26, "eval_count": 298}
DEEPSEEK = {"usage": {"prompt_tokens": 50, "completion_tokens": 7, "prompt_cache_hit_tokens": 30}}

CASES = {
    "openai": (OPENAI, usage(1100, 250, 300, None, 90)),
    "openai-responses": (RESPONSES, usage(1100, 250, 300, None, 90)),
    "anthropic": (ANTHROPIC, usage(1100, 250, 300, 200, None)),
    "bedrock": (BEDROCK, usage(1100, 250, 300, 200, None)),
    "gemini": (GEMINI, usage(1100, 250, 300, None, 90)),
    "gemini-python": (GEMINI_SNAKE, usage(1100, 250, 300, None, 90)),
    "cohere": (COHERE, usage(71, 14, 12, None, None)),
    "mistral": (MISTRAL, usage(19, 10)),
    "ollama": (OLLAMA, usage(26, 298)),
    "deepseek": (DEEPSEEK, usage(50, 7, 30)),
    "ollama-cached-prompt": ({"eval_count": 298}, usage(None, 298)),
    "usage-itself": (OPENAI["usage"], usage(1100, 250, 300, None, 90)),
    "stream-event": ({"response": RESPONSES}, usage(1100, 250, 300, None, 90)),
    "bedrock-stream": ({"metadata": BEDROCK}, usage(1100, 250, 300, 200, None)),
}
each_case = pytest.mark.parametrize(("answer", "expected"), CASES.values(), ids=CASES)


def objects(value: Any) -> Any:
    """The same as an SDK gives it: attributes instead of keys."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: objects(inner) for key, inner in value.items()})
    return value


@each_case
def test_dicts(answer: Any, expected: Tokens) -> None:
    assert read_usage(answer) == (expected, ())


@each_case
def test_objects(answer: Any, expected: Tokens) -> None:
    assert read_usage(objects(answer)) == (expected, ())


@each_case
def test_mixed(answer: Any, expected: Tokens) -> None:
    """Several clients hand on a dict of objects."""
    assert read_usage({key: objects(value) for key, value in answer.items()}) == (
        expected,
        (),
    )


@pytest.mark.parametrize(
    ("name", "provider", "flavor"),
    [
        ("openai", "openai", "chat"),
        ("openai-responses", "openai", "responses"),
        ("anthropic", "anthropic", "default"),
        ("gemini", "google", "default"),
        ("mistral", "mistral", "default"),
    ],
)
def test_like_genai_prices(name: str, provider: str, flavor: str) -> None:
    prices = pytest.importorskip("genai_prices")
    answer = {"model": "gpt-4o", **CASES[name][0]}
    theirs = prices.extract_usage(answer, provider_id=provider, api_flavor=flavor).usage
    reading = read_usage(answer)
    assert reading is not None
    ours = reading.tokens
    assert (ours.input, ours.output) == (theirs.input_tokens, theirs.output_tokens)
    assert (ours.cached_input or 0) == (theirs.cache_read_tokens or 0)
    assert (ours.cache_write or 0) == (theirs.cache_write_tokens or 0)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        [],
        {},
        {"usage": None},
        {"usage": {}},
        {"usage": {"prompt_tokens": None, "completion_tokens": None}},
        {"usage": {"prompt_tokens": 0, "completion_tokens": 0}},
        {"usage": {"prompt_tokens": True}},
        SimpleNamespace(usage=None),
    ],
)
def test_nothing_reported(answer: Any) -> None:
    assert read_usage(answer) is None


@pytest.mark.parametrize("count", [-1, 1.5, float("inf")])
def test_malformed(count: Any) -> None:
    with pytest.raises(MalformedUsageError, match="whole number"):
        read_usage({"usage": {"prompt_tokens": count, "completion_tokens": 1}})


def test_a_cycle_ends() -> None:
    answer: dict[str, Any] = {}
    answer["response"] = answer
    assert read_usage(answer) is None


counts = st.one_of(st.none(), st.integers(0, 10**9))
usages = st.builds(usage, counts, counts, counts, counts, counts)


@given(usages, usages)
def test_the_counts_of_a_stream_are_cumulative_and_never_fall(
    earlier: Tokens, later: Tokens
) -> None:
    """Some send zeros in a chunk that has nothing to say of a count."""
    merged = updated(Reading(earlier), Reading(later)).tokens
    for name in Tokens.__slots__:
        known = [n for n in (getattr(earlier, name), getattr(later, name)) if n is not None]
        assert getattr(merged, name) == max(known, default=None)


@pytest.mark.parametrize("value", [10**400, 1e300, -1, float("nan"), "12", 1.5, True])
def test_what_is_no_token_count_is_refused(value):
    with pytest.raises(MalformedUsageError, match="token count"):
        count(value)


def test_a_model_made_past_its_constructor_is_read_as_well():
    class Answer(BaseModel):
        usage: dict[str, int]

    made = Answer.__new__(Answer)  # as copying and caches do: it has no extra values, not even none
    object.__setattr__(made, "__dict__", {"usage": {"prompt_tokens": 7, "completion_tokens": 2}})
    assert read_usage(made) == Reading(Tokens(input=7, output=2))
