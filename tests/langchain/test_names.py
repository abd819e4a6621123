"""Names: of models, asked and answered, of who was asked, and of runs."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, Generation, LLMResult
from models import Chat

from impactree import ImpactHandler

USAGE = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}


def call(
    *,
    meta: dict[str, Any] | None = None,
    info: dict[str, Any] | None = None,
    output: dict[str, Any] | None = None,
    serialized: Any = None,
    metadata: dict[str, Any] | None = None,
    **start: Any,
) -> Any:
    """The call of one start and one end with these facts in them."""
    handler = ImpactHandler()
    handler.on_chat_model_start(serialized, [[]], run_id=1, metadata=metadata, **start)
    message = AIMessage("x", usage_metadata=USAGE, response_metadata=meta or {})
    generation = ChatGeneration(message=message, generation_info=info)
    handler.on_llm_end(LLMResult(generations=[[generation]], llm_output=output), run_id=1)
    assert handler.tracker.problems == {}
    return handler.last_run.call


ASKED = {"ls_provider": "openai", "ls_model_name": "gpt-4o"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"meta": {"model_name": "gpt-4o-2024-08-06"}}, "gpt-4o-2024-08-06"),
        ({"meta": {"model": "a"}}, "a"),
        ({"meta": {"model_id": "a"}}, "a"),
        ({"info": {"model_name": "a"}}, "a"),
        ({"output": {"model_name": "a"}}, "a"),
        ({"meta": {"model_name": "a"}, "output": {"model_name": "b"}}, "a"),
        ({}, "gpt-4o"),  # Cohere sets none: as it was asked
        ({"meta": {"model_name": ""}}, "gpt-4o"),
        ({"meta": {"model_name": None}}, "gpt-4o"),
        ({"meta": {"model_name": 7}}, "gpt-4o"),
        ({"meta": {"model_name": ["a"]}}, "gpt-4o"),
        # Merged chunks of a stream with n=2 or 3
        ({"meta": {"model_name": "gpt-4o-2024-08-06" * 2}}, "gpt-4o-2024-08-06"),
        ({"meta": {"model_name": "gpt-4o-2024-08-06" * 3}}, "gpt-4o-2024-08-06"),
        (
            {"meta": {"model_name": "a-name-of-40-characters-and-more-of-them-" * 9}},
            "a-name-of-40-characters-and-more-of-them-",
        ),
        ({"meta": {"model_name": "o1o1"}}, "o1o1"),  # too short to be sure
        # A local server answers with a path, an endpoint with its address
        ({"meta": {"model_name": "/models/gemma.gguf"}}, "/models/gemma.gguf"),
        ({"meta": {"model_name": "http://10.0.0.1:8080/v1"}}, "gpt-4o"),
        (
            {"meta": {"model_name": "arn:aws:bedrock:eu-west-3::foundation-model/a.b-v1:0"}},
            "arn:aws:bedrock:eu-west-3::foundation-model/a.b-v1:0",
        ),
    ],
)
def test_the_answered_name(answer, expected):
    found = call(metadata=ASKED, **answer)
    assert (found.model, found.requested) == (expected, "gpt-4o")


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ({"metadata": ASKED}, "gpt-4o"),
        ({"invocation_params": {"model": "a"}}, "a"),
        ({"invocation_params": {"model_name": "a"}}, "a"),
        ({"invocation_params": {"model": None, "azure_deployment": "mine"}}, "mine"),
        ({"metadata": ASKED, "invocation_params": {"model": "b"}}, "gpt-4o"),
        ({"metadata": {"ls_model_name": 3}, "invocation_params": "wrong"}, None),
        ({}, None),
    ],
)
def test_the_requested_name(start, expected):
    assert call(**start).requested == expected


def test_a_call_without_any_name_still_counts_its_tokens():
    found = call(serialized={"id": ["my", "OwnModel"]})
    assert (found.model, found.provider) == ("OwnModel", "OwnModel")
    assert (found.input_tokens, found.output_tokens) == (1, 1)


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ({"metadata": {"ls_provider": "groq"}}, "groq"),
        ({"invocation_params": {"_type": "cohere-chat"}}, "cohere-chat"),
        ({"serialized": {"id": ["a", "ChatMine"]}}, "ChatMine"),
        ({"serialized": {"name": "ChatMine"}}, "ChatMine"),
        ({"serialized": None}, "chat"),
        ({"serialized": "wrong"}, "chat"),
    ],
)
def test_the_provider(start, expected):
    assert call(**start).provider == expected


@pytest.mark.parametrize(
    ("serialized", "expected"),
    [
        ({"kwargs": {"openai_api_base": "http://localhost:8000/v1"}}, "http://localhost:8000/v1"),
        ({"kwargs": {"azure_endpoint": "https://x.azure.com"}}, "https://x.azure.com"),
        ({"repr": "ChatOllama(model='a', base_url='http://127.0.0.1:1')"}, "http://127.0.0.1:1"),
        ({"kwargs": {"base_url": None}}, None),
        ({"kwargs": "wrong", "repr": 3}, None),
        (None, None),
    ],
)
def test_where_the_request_went(serialized, expected):
    """``ls_provider`` is ``openai`` for every compatible server: the address tells them apart."""
    assert call(serialized=serialized, metadata=ASKED).base_url == expected


@pytest.mark.parametrize(
    "name", ["gpt-4o" + "x" * 10_000, "gpt\x00-\x1b[31m4o\n\r\u202e", "\ud800", "x" * 299 + "é" * 9]
)
def test_names_that_nobody_should_give(name):
    """The chain is untouched, nothing fails, names stay short, no control character is printed."""
    handler = ImpactHandler()
    model = Chat(model_name=name)
    assert model.invoke("Hi", config={"callbacks": [handler], "run_name": name}).content
    run = handler.last_run
    assert handler.tracker.problems == {}
    assert len(run.call.model) <= 300
    assert len(run.name) <= 300
    assert run.call.output_tokens == 40
    shown = str(handler.report())
    assert all(letter == "\n" or letter.isprintable() for letter in shown)
    assert max(map(len, shown.splitlines())) <= 100
    handler.report().to_json()


@pytest.mark.parametrize("tags", [None, [], ["a", "b"], [3, None]])
def test_names_tags_and_metadata_of_runs(tags):
    handler = ImpactHandler(metadata_keys=["tenant"])
    metadata = {"thread_id": "t", "tenant": 7, "secret": "s", "user_id": {"no": "plain value"}}
    handler.on_chain_start(
        None, "in", run_id=1, name="named", tags=tags, metadata=metadata, extra="unknown"
    )
    handler.on_chain_end("out", run_id=1)
    run = handler.last_run
    assert (run.name, run.metadata) == ("named", {"thread_id": "t", "tenant": 7})
    assert list(run.tags) == [tag for tag in tags or [] if isinstance(tag, str)]
    assert handler.tracker.problems == {}


def test_a_completion_s_name_stands_in_the_result():
    handler = ImpactHandler()
    handler.on_llm_start({}, ["Hi"], run_id=1, metadata=ASKED)
    output = {"token_usage": {"prompt_tokens": 1, "completion_tokens": 2}, "model_name": "b"}
    response = LLMResult(generations=[[Generation(text="x")]], llm_output=output)
    handler.on_llm_end(response, run_id=1)
    found = handler.last_run.call
    assert (found.model, found.kind, found.output_tokens) == ("b", "completion", 2)
