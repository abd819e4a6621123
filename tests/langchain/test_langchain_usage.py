"""Usage of every shape, as plain values: inclusive buckets, once, or a counted problem."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from models import TEXT, Chat, by_length

from impactree import ImpactHandler
from impactree.calls import counting

NAN = float("nan")


@pytest.fixture(autouse=True)
def _by_length(monkeypatch):
    monkeypatch.setattr(counting, "_use_vocabulary", False)


def message(content: Any = TEXT, *, usage: Any = None, meta: Any = None, **more: Any) -> AIMessage:
    """A message whose usage no validation has seen, as a careless client makes it."""
    made = AIMessage(content, response_metadata=meta or {}, **more)
    made.__dict__["usage_metadata"] = usage
    return made


def end(response: Any, *, handler: ImpactHandler | None = None, **start: Any) -> Any:
    """The call that one start and one end make."""
    handler = handler or ImpactHandler()
    about = {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini"}
    handler.on_chat_model_start({}, [[AIMessage("Hi")]], run_id=1, metadata=about, **start)
    handler.on_llm_end(response, run_id=1)
    return handler.last_run.call


def chat(made: AIMessage, llm_output: Any = None) -> LLMResult:
    return LLMResult(generations=[[ChatGeneration(message=made)]], llm_output=llm_output)


def counts(call: Any) -> tuple[int | None, ...]:
    return (
        call.input_tokens,
        call.cached_input_tokens,
        call.cache_write_tokens,
        call.output_tokens,
        call.reasoning_tokens,
    )


STANDARD = {
    "plain": ({"input_tokens": 10, "output_tokens": 4}, (10, None, None, 4, None)),
    "details are parts of the totals": (
        {
            "input_tokens": 10,
            "output_tokens": 4,
            "input_token_details": {"cache_read": 3, "cache_creation": 2, "audio": 1},
            "output_token_details": {"reasoning": 1, "audio": 1},
        },
        (10, 3, 2, 4, 1),
    ),
    "a service tier renames the details": (
        {
            "input_tokens": 10,
            "output_tokens": 4,
            "input_token_details": {"flex_cache_read": 3, "flex": 7},
            "output_token_details": {"priority_reasoning": 2, "priority": 2},
        },
        (10, 3, None, 4, 2),
    ),
    "Anthropic's caches by time to live": (
        {
            "input_tokens": 10,
            "output_tokens": 4,
            "input_token_details": {
                "cache_read": 1,
                "cache_creation": 0,
                "ephemeral_5m_input_tokens": 2,
                "ephemeral_1h_input_tokens": 3,
            },
        },
        (10, 1, 5, 4, None),
    ),
    "details of None": (
        {
            "input_tokens": 10,
            "output_tokens": 4,
            "input_token_details": {"cache_read": None},
            "output_token_details": None,
        },
        (10, None, None, 4, None),
    ),
    "reasoning beside the output, as xAI counts it and ChatOpenAI passes it on": (
        {
            "input_tokens": 10,
            "output_tokens": 4,
            "total_tokens": 44,
            "output_token_details": {"reasoning": 30},
        },
        (10, None, None, 34, 30),
    ),
    "whole floats": ({"input_tokens": 10.0, "output_tokens": 4.0}, (10, None, None, 4, None)),
}


@pytest.mark.parametrize(("usage", "expected"), STANDARD.values(), ids=list(STANDARD))
def test_usage_metadata(usage, expected):
    call = end(chat(message(usage=usage)))
    assert (counts(call), call.tokens_source) == (expected, "reported")


RAW = {
    "OpenAI": (
        {
            "token_usage": {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 1},
            }
        },
        (10, 3, None, 4, 1),
    ),
    "Anthropic leaves cached tokens out of the input": (
        {
            "usage": {
                "input_tokens": 5,
                "output_tokens": 4,
                "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": 2,
            }
        },
        (10, 3, 2, 4, None),
    ),
    "LiteLLM names them so and includes them": (
        {
            "token_usage": {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "cache_read_input_tokens": 3,
                "cache_creation_input_tokens": 2,
            }
        },
        (10, 3, 2, 4, None),
    ),
    "an object": (
        {"token_usage": SimpleNamespace(prompt_tokens=10, completion_tokens=4)},
        (10, None, None, 4, None),
    ),
    "Bedrock": ({"usage": {"inputTokens": 10, "outputTokens": 4}}, (10, None, None, 4, None)),
    "Cohere, in floats": (
        {"token_count": {"input_tokens": 10.0, "output_tokens": 4.0}},
        (10, None, None, 4, None),
    ),
    "Ollama": ({"prompt_eval_count": 10, "eval_count": 4}, (10, None, None, 4, None)),
    "the body of an error": (
        {"body": {"usage": {"prompt_tokens": 10, "completion_tokens": 4}}, "status_code": 200},
        (10, None, None, 4, None),
    ),
}


@pytest.mark.parametrize("place", ["response_metadata", "generation_info", "llm_output"])
@pytest.mark.parametrize(("raw", "expected"), RAW.values(), ids=list(RAW))
def test_a_provider_s_own_usage_wherever_the_client_left_it(raw, expected, place):
    if place == "response_metadata":
        response = chat(message(meta=raw))
    elif place == "llm_output":
        response = chat(message(), llm_output=raw)
    else:
        generation = Generation(text=TEXT, generation_info=raw)
        response = LLMResult(generations=[[generation]])
    call = end(response)
    assert (counts(call), call.tokens_source) == (expected, "reported")


def test_cached_tokens_that_the_client_left_in_the_provider_s_usage():
    meta = {"token_usage": {"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 3}}}
    call = end(chat(message(usage={"input_tokens": 10, "output_tokens": 4}, meta=meta)))
    assert counts(call) == (10, 3, None, 4, None)


BAD = {
    "negative": {"input_tokens": -1, "output_tokens": 4},
    "NaN": {"input_tokens": NAN, "output_tokens": 4},
    "infinite": {"input_tokens": 1, "output_tokens": float("inf")},
    "text": {"input_tokens": "10", "output_tokens": 4},
    "a fraction": {"input_tokens": 10.5, "output_tokens": 4},
    "a truth": {"input_tokens": True, "output_tokens": 4},
    "None": {"input_tokens": None, "output_tokens": 4},
    "a list": [10, 4],
    "a number": 14,
    "details of a wrong type": {
        "input_tokens": 1,
        "output_tokens": 4,
        "input_token_details": [1],
    },
    "a bad detail": {
        "input_tokens": 1,
        "output_tokens": 4,
        "output_token_details": {"reasoning": -2},
    },
}


@pytest.mark.parametrize("usage", BAD.values(), ids=list(BAD))
def test_usage_of_a_wrong_shape_is_a_counted_problem_and_the_text_is_counted(usage):
    class Careless(Chat):
        def _answer(self):
            result = super()._answer()
            result.generations[0].message.__dict__["usage_metadata"] = usage
            return result

    handler = ImpactHandler()
    assert Careless().invoke("Hi", config={"callbacks": [handler]}).content == TEXT
    call = handler.last_run.call
    assert (call.tokens_source, call.output_tokens) == ("counted", 5)  # 18 / 3.6
    assert handler.tracker.problems == {"usage of an unknown shape": 1}
    assert "usage of an unknown shape" in str(handler.report())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["input_tokens", "output_tokens", "input_token_details", "cache_read", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    ),
    st.sampled_from(["usage_metadata", "token_usage", "body", "llm_output"]),
)
def test_no_usage_whatever_breaks_a_run(value, place):
    made = message(usage=value if place == "usage_metadata" else None)
    if place != "usage_metadata":
        made.__dict__["response_metadata"] = {place: value}
    response = SimpleNamespace(
        generations=[[SimpleNamespace(message=made)]],
        llm_output=value if place == "llm_output" else None,
    )
    handler = ImpactHandler()
    call = end(response, handler=handler)
    assert handler.last_run.status == "ok"
    assert set(handler.tracker.problems) <= {"usage of an unknown shape"}
    assert call.output_tokens is not None
    assert call.output_tokens >= 0


@pytest.mark.parametrize(
    "response",
    [None, object(), LLMResult(generations=[]), LLMResult(generations=[[]]), {"generations": 3}],
)
def test_an_end_without_any_answer(response):
    handler = ImpactHandler()
    call = end(response, handler=handler)
    assert (call.input_tokens, call.output_tokens, call.tokens_source) == (1, 0, "counted")
    assert handler.tracker.problems == {}


def test_zeros_beside_a_text_are_no_report():
    """Some clients say 0 and 0 where the answer reported nothing."""
    call = end(chat(message(usage={"input_tokens": 0, "output_tokens": 0})))
    assert (call.output_tokens, call.tokens_source) == (5, "counted")
    call = end(chat(message("", usage={"input_tokens": 0, "output_tokens": 0})))
    assert (call.output_tokens, call.tokens_source) == (0, "reported")


def test_what_is_counted_of_a_message():
    """Text blocks, reasoning and tool calls; pictures and other blocks are not text."""
    blocks = [
        "plain",
        {"type": "text", "text": "block"},
        {"type": "thinking", "thinking": "hm"},
        {"type": "reasoning", "reasoning": "so"},
        {"type": "image", "data": "a" * 1000},
    ]
    call = end(
        chat(message(blocks, tool_calls=[{"name": "add", "args": {"a": 1}, "id": "x"}])),
    )
    assert call.output_tokens == by_length("plainblockhmsoadd{'a': 1}")


THOUGHTS = "a thought of 25 letters.."
REASONING = {
    "OpenAI's summaries": (
        [{"type": "reasoning", "summary": [{"type": "summary_text", "text": THOUGHTS}]}],
        {},
    ),
    "Bedrock": ([{"type": "reasoning_content", "reasoning_content": {"text": THOUGHTS}}], {}),
    "Mistral": ([{"type": "thinking", "thinking": [{"type": "text", "text": THOUGHTS}]}], {}),
    "DeepSeek, Groq, Ollama, xAI: beside the content": (
        "",
        {"reasoning_content": THOUGHTS},
    ),
    "the same with output_version='v1': in both": (
        [{"type": "reasoning", "reasoning": THOUGHTS}],
        {"reasoning_content": THOUGHTS},
    ),
}


@pytest.mark.parametrize(("content", "beside"), REASONING.values(), ids=list(REASONING))
def test_reasoning_is_counted_wherever_the_client_puts_it(content, beside):
    made = message(content, additional_kwargs=beside)
    assert end(chat(made)).output_tokens == by_length(THOUGHTS)
    handler = ImpactHandler()
    handler.on_chat_model_start({}, [[AIMessage("Hi")]], run_id=1)
    handler.on_llm_new_token(content, chunk=ChatGeneration(message=made), run_id=1)
    handler.on_llm_error(ConnectionError("cut"), run_id=1)
    assert handler.last_run.call.output_tokens == by_length(THOUGHTS)


def test_tool_calls_that_do_not_parse_were_written_too():
    broken = {"name": "add", "args": '{"a": 1', "id": "x", "error": None}
    call = end(chat(message("", invalid_tool_calls=[broken])))
    assert call.output_tokens == by_length('add{"a": 1')


def test_a_token_may_be_a_list_of_blocks_and_a_chunk_is_not_a_token():
    handler = ImpactHandler()
    handler.on_chat_model_start({}, [[AIMessage("Hi")]], run_id=1)
    handler.on_llm_new_token("x" * 36, run_id=1)
    handler.on_llm_new_token([{"type": "text", "text": "y" * 36}], run_id=1)
    handler.on_llm_new_token(None, run_id=1)
    calls = [{"name": "add", "args": '{"a": 1}'}, {"name": None, "args": None}]
    chunk = SimpleNamespace(message=SimpleNamespace(tool_call_chunks=calls))
    handler.on_llm_new_token("", chunk=chunk, run_id=1)  # add{"a": 1} has 11 letters
    handler.on_llm_error(ConnectionError("cut"), run_id=1)
    assert handler.tracker.problems == {}
    assert handler.last_run.call.output_tokens == by_length("x" * 36 + "y" * 36 + "z" * 11)


def test_first_usage_of_a_broken_stream_is_not_its_last():
    """Anthropic's first chunk reports the input, and an output of a token or so."""
    handler = ImpactHandler()
    handler.on_chat_model_start({}, [[AIMessage("Hi")]], run_id=1)
    handler.on_llm_new_token("x" * 36, run_id=1)
    usage = {"input_tokens": 25, "output_tokens": 1, "input_token_details": {"cache_read": 5}}
    partial = chat(message("x" * 36, usage=usage))
    handler.on_llm_error(ConnectionError("cut"), run_id=1, response=partial)
    call = handler.last_run.call
    assert counts(call) == (25, 5, None, 10, None)
    assert call.tokens_source == "counted"


def test_the_time_it_takes_to_count_is_not_the_run_s(monkeypatch):
    from langchain_core.embeddings import DeterministicFakeEmbedding

    from impactree.langchain import _answer, _embeddings, track_embeddings

    def slow(text):
        time.sleep(0.2)
        return 1

    handler = ImpactHandler()
    for module in (_answer, _embeddings):
        monkeypatch.setattr(module, "count_tokens", slow)
    Chat(usage=False).invoke("Hi", config={"callbacks": [handler]})
    track_embeddings(DeterministicFakeEmbedding(size=4), handler).embed_query("pond")
    assert [run.kind for run in handler.runs] == ["chat", "embedding"]
    assert all(run.latency_s < 0.15 for run in handler.runs)
