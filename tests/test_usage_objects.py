"""Every provider's documented usage object, through the reader and through both frameworks."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from impactree import ModelCall, estimate
from impactree.calls.reconciling import READINGS, UNCLEAR
from impactree.calls.usage import read_input, read_usage
from usage_objects import CASES, Case

each_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


def objects(value: Any) -> Any:
    """The same as an SDK gives it: attributes instead of keys."""
    if isinstance(value, list):
        return [objects(inner) for inner in value]
    if isinstance(value, dict) and all(key.isidentifier() for key in value):
        return SimpleNamespace(**{key: objects(inner) for key, inner in value.items()})
    return value


def test_there_are_enough_of_them_and_each_has_its_address() -> None:
    assert len(CASES) >= 60
    assert all(case.docs.startswith("https://") for case in CASES.values())


@each_case
def test_read(case: Case) -> None:
    assert read_usage(case.answer) == (case.tokens, case.notes)
    assert set(case.notes) <= READINGS.keys()


@each_case
def test_read_as_objects(case: Case) -> None:
    if case.answer.keys() & {"results", "amazon-bedrock-invocationMetrics"}:
        pytest.skip("no SDK makes objects of these")
    assert read_usage(objects(case.answer)) == (case.tokens, case.notes)


def buckets(call: Any) -> tuple[Any, ...]:
    return (call.tokens.input, call.tokens.output, call.tokens.cached_input, call.tokens.reasoning)


def expected(case: Case) -> tuple[Any, ...]:
    tokens = case.tokens
    return (tokens.input, tokens.output, tokens.cached_input, tokens.reasoning)


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
