"""Every provider's documented usage object, through the reader and through both frameworks."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from impactree import ModelCall, Tokens, estimate
from impactree.calls.reconciling import READINGS, UNCLEAR
from impactree.calls.usage import (
    MalformedUsageError,
    others_of,
    read_input,
    read_usage,
    updated,
)
from usage_objects import CASES, STREAMS, Case

each_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
each_stream = pytest.mark.parametrize("case", STREAMS.values(), ids=list(STREAMS))


def tokens(case: Case) -> Tokens:
    return Tokens(**case.tokens._asdict())


def objects(value: Any) -> Any:
    """The same as an SDK gives it: attributes instead of keys."""
    if isinstance(value, list):
        return [objects(inner) for inner in value]
    if isinstance(value, dict) and all(key.isidentifier() for key in value):
        return SimpleNamespace(**{key: objects(inner) for key, inner in value.items()})
    return value


def test_there_are_enough_of_them_and_each_has_its_address() -> None:
    addresses = [case.docs for case in (*CASES.values(), *STREAMS.values())]
    assert len(CASES) >= 135
    assert len(set(addresses)) == len(addresses)
    assert all(address.startswith("https://") for address in addresses)


@each_case
def test_read(case: Case) -> None:
    assert read_usage(case.answer) == (tokens(case), case.notes)
    assert set(case.notes) <= READINGS.keys()


@each_case
def test_read_as_objects(case: Case) -> None:
    if case.answer.keys() & {"results", "amazon-bedrock-invocationMetrics"}:
        pytest.skip("no SDK makes objects of these")
    assert read_usage(objects(case.answer)) == (tokens(case), case.notes)


def buckets(call: Any) -> tuple[Any, ...]:
    return (call.tokens.input, call.tokens.output, call.tokens.cached_input, call.tokens.reasoning)


def expected(case: Case) -> tuple[Any, ...]:
    read, wrote, cached, _, reasoning = case.tokens
    return (read, wrote, cached, reasoning)


@each_case
def test_through_langchain(case: Case) -> None:
    from langchain_core.outputs import Generation, LLMResult

    from impactree import ImpactHandler

    handler = ImpactHandler()
    handler.on_llm_start({}, ["Hi"], run_id=1)
    info = json.loads(json.dumps(case.answer))
    handler.on_llm_end(
        LLMResult(generations=[[Generation(text="", generation_info=info)]]), run_id=1
    )
    call = handler.last_run.call
    if case.tokens.output is None:  # an embedding's
        assert (call.tokens.input, call.tokens_source) == (case.tokens.input, "counted")
    else:
        assert (buckets(call), call.tokens_source) == (expected(case), "reported")
    assert call.usage_notes == case.notes


@each_case
def test_through_llama_index(case: Case) -> None:
    from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
    from llama_index.core.llms.callbacks import llm_completion_callback

    from impactree.llama_index import ImpactHandler

    class Model(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name="m")

        @llm_completion_callback()
        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            return CompletionResponse(text="", raw=case.answer)

        @llm_completion_callback()
        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            raise NotImplementedError

    with ImpactHandler().instrument() as handler:
        Model().complete("Hi")
    call = handler.last_run.call
    if case.tokens.output is None:
        assert (call.tokens.input, call.tokens_source) == (case.tokens.input, "counted")
    else:
        assert (buckets(call), call.tokens_source) == (expected(case), "reported")
    assert call.usage_notes == case.notes


@each_stream
@pytest.mark.parametrize("shape", [dict, objects])
def test_read_piece_by_piece(case: Case, shape: Any) -> None:
    so_far = None
    for chunk in case.answer:
        reading = read_usage(shape(chunk))
        so_far = so_far if reading is None else updated(so_far, reading)
    assert so_far == (tokens(case), case.notes)


@each_stream
def test_a_stream_through_llama_index(case: Case) -> None:
    """One call, of the counts that the whole stream comes to."""
    from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
    from llama_index.core.llms.callbacks import llm_completion_callback

    from impactree.llama_index import ImpactHandler

    class Model(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name="m")

        @llm_completion_callback()
        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            raise NotImplementedError

        @llm_completion_callback()
        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            return (CompletionResponse(text="x", delta="", raw=raw) for raw in case.answer)

    with ImpactHandler().instrument() as handler:
        list(Model().stream_complete("Hi"))
    (call,) = [run.call for run in handler.last_run.calls]
    assert (buckets(call), call.tokens_source) == (expected(case), "reported")


def test_parts_of_the_output_through_llama_index() -> None:
    """Twelve chunks of a token each, which is what 40 characters come to: not 1 token."""
    from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
    from llama_index.core.llms.callbacks import llm_completion_callback

    from impactree.llama_index import ImpactHandler

    class Model(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name="m")

        @llm_completion_callback()
        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            raise NotImplementedError

        @llm_completion_callback()
        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            told = {"usage": {"prompt_tokens": 10, "completion_tokens": 1}}
            for _ in range(12):
                yield CompletionResponse(text="", delta="word", raw=told)

    with ImpactHandler().instrument() as handler:
        list(Model().stream_complete("Hi"))
    call = handler.last_run.call
    assert (call.input_tokens, call.output_tokens, call.tokens_source) == (10, 12, "reported")
    assert call.usage_notes == ("input-repeated",)


def test_what_other_models_did_for_an_answer() -> None:
    """Anthropic's advisor is asked within the request; a fallback answers after a refusal."""
    advised, declined = (CASES[f"anthropic-{name}"].answer for name in ("advisor", "fallback"))
    uncached = {"cached_input": 0, "cache_write": 0}
    assert others_of(advised) == {"claude-opus-4-6": Tokens(**uncached, input=823, output=1612)}
    assert others_of(declined) == {"claude-fable-5": Tokens(**uncached, input=200, output=3)}
    assert others_of(CASES["anthropic-compaction"].answer) == {}


@pytest.mark.parametrize("bad", ["12", "many", -1, 1.5, float("nan"), float("inf"), 2**53 + 1])
@pytest.mark.parametrize("place", ["prompt_tokens", "completion_tokens"])
def test_a_count_that_is_none_is_told(bad: Any, place: str) -> None:
    """It is no usage that nobody reported, and no zero."""
    other = {"prompt_tokens": "completion_tokens", "completion_tokens": "prompt_tokens"}[place]
    for usage in ({place: bad}, {place: bad, "total_tokens": 9}):
        with pytest.raises(MalformedUsageError):
            read_usage({"usage": usage})
    if not isinstance(bad, str):
        with pytest.raises(MalformedUsageError):
            read_usage({"usage": {place: bad, other: 3}})


@pytest.mark.parametrize("note", READINGS)
def test_what_was_decided_is_a_warning(note: str) -> None:
    call = ModelCall(model="gpt-4o-mini", output_tokens=10, usage_notes=[note])
    warning = estimate(call).warnings[-1]
    assert warning.code == ("usage-unclear" if note in UNCLEAR else "usage-reconciled")
    assert READINGS[note] in warning.message


def test_two_readings_leave_the_counts_unknown() -> None:
    """A total that cached tokens beside the input explain, and as many thoughts as well."""
    usage = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 180}
    reading = read_usage({**usage, "prompt_tokens_details": {"cached_tokens": 30}})
    assert reading is not None
    assert (reading.tokens.input, reading.tokens.output) == (None, None)
    assert reading.notes == ("two-readings",)


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        ({"usage": {"total_tokens": 10}}, 10),  # https://docs.voyageai.com/reference/embeddings-api
        ({"usage": {"total_tokens": 38, "prompt_tokens": 38}}, 38),  # https://jina.ai/embeddings/
        (
            {"meta": {"billed_units": {"input_tokens": 2}}},
            2,
        ),  # https://docs.cohere.com/reference/embed
        ({"meta": {"billed_units": {"search_units": 1}}}, None),  # .../reference/rerank
        ({"prompt_eval_count": 8}, 8),  # https://docs.ollama.com/api/embed
        ({}, None),
        (None, None),
    ],
)
def test_what_generates_nothing_has_an_input(answer: Any, tokens: int | None) -> None:
    assert read_input(answer) == tokens
