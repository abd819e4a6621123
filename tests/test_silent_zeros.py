"""A count that nobody reported, or that the answer belies, is counted or unknown: never a zero."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    ChatResponse,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
)
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback

from impactree import ImpactHandler
from impactree.calls import counting
from impactree.llama_index import ImpactHandler as LlamaIndexHandler

# By length, 3.6 characters a token: "Hi there" is 8 / 3.6 = 3, TEXT 18 / 3.6 = 5.
PROMPT, TEXT = "Hi there", "It rains in Berlin"
PICTURE = {"type": "image", "base64": "AAAA"}
NAN = float("nan")


@pytest.fixture(autouse=True)
def _by_length(monkeypatch):
    monkeypatch.setattr(counting, "_use_vocabulary", False)


def counts(call: Any) -> tuple[Any, ...]:
    return (call.input_tokens, call.output_tokens, call.tokens_source)


def usage(read: Any, wrote: Any) -> dict[str, Any]:
    return {"input_tokens": read, "output_tokens": wrote, "total_tokens": read + wrote}


def langchain(message: Any) -> Any:
    handler = ImpactHandler()
    GenericFakeChatModel(messages=iter([message])).invoke(PROMPT, {"callbacks": [handler]})
    return handler


UNKNOWN = {
    "a picture": AIMessage([PICTURE], usage_metadata=usage(0, 0)),
    "a picture of which only the prompt is told": AIMessage([PICTURE], usage_metadata=usage(3, 0)),
    "a sound": AIMessage("", additional_kwargs={"audio": {"id": "a"}}, usage_metadata=usage(3, 0)),
    "a film": AIMessage([{"type": "video", "base64": "AAAA"}]),
    "a thought that is hidden": AIMessage([{"type": "redacted_thinking", "data": "AAAA"}]),
    "a block that nobody knows": AIMessage([{"type": "hologram", "value": {"x": 1}}]),
}


@pytest.mark.parametrize("message", UNKNOWN.values(), ids=list(UNKNOWN))
def test_langchain_what_cannot_be_counted_is_unknown(message):
    handler = langchain(message)
    assert counts(handler.last_run.call) == (3, None, "unknown")
    assert handler.total.unestimated_calls == 1
    assert handler.tracker.problems == {}


def call_of(name: str, **more: Any) -> dict[str, Any]:
    return {"type": name, "name": "weather", "input": {"c": "Ulm"}, "id": "1", **more}


# "weather{'c': 'Ulm'}" is 19 / 3.6 = 6, "print(2 + 2)" 12 / 3.6 = 4.
COUNTED = {
    "text beside a zero": (AIMessage(TEXT, usage_metadata=usage(3, 0)), 5),
    "text beside zeros": (AIMessage(TEXT, usage_metadata=usage(0, 0)), 5),
    "a tool call in the content alone": (AIMessage([call_of("tool_use")]), 6),
    "a tool of the provider's": (AIMessage([call_of("server_tool_use")]), 6),
    "code that the provider runs": (
        AIMessage(
            [
                {"type": "executable_code", "executable_code": "print(2 + 2)"},
                {"type": "code_execution_result", "code_execution_result": "4"},
            ]
        ),
        4,
    ),
    "a tool call, once": (
        AIMessage(
            [call_of("tool_use")],
            tool_calls=[{"name": "weather", "args": {"c": "Ulm"}, "id": "1"}],
        ),
        6,
    ),
}


@pytest.mark.parametrize(("message", "wrote"), COUNTED.values(), ids=list(COUNTED))
def test_langchain_what_can_be_counted_is(message, wrote):
    handler = langchain(message)
    assert counts(handler.last_run.call) == (3, wrote, "counted")
    assert handler.tracker.problems == {}


def test_an_answer_of_nothing_may_be_reported():
    """A filter of the provider's may stop an answer before its first word; something was read."""
    call = langchain(AIMessage("", usage_metadata=usage(0, 0))).last_run.call
    assert counts(call) == (None, 0, "reported")
    assert counts(langchain(AIMessage("", usage_metadata=usage(3, 0))).last_run.call) == (
        *(3, 0, "reported"),
    )


def llama_index(response: Any, way: str) -> Any:
    class Model(MockLLM):
        @llm_chat_callback()
        def chat(self, messages, **kwargs):
            return response

    handler = LlamaIndexHandler()
    if way == "instrument":
        with handler.instrument():
            Model().chat([ChatMessage(content=PROMPT)])
    else:
        Model(callback_manager=CallbackManager([handler])).chat([ChatMessage(content=PROMPT)])
    (root,) = handler.runs
    (run,) = root.calls
    return handler, run.call


def answer(*blocks: Any, told: Any = None, **beside: Any) -> ChatResponse:
    raw = None if told is None else {"usage": dict(zip(TOLD, told, strict=True))}
    message = ChatMessage(role="assistant", blocks=list(blocks), additional_kwargs=beside)
    return ChatResponse(message=message, raw=raw)


TOLD = ("prompt_tokens", "completion_tokens")
ANSWERS = {
    "a picture beside zeros": (answer(ImageBlock(image=b"A"), told=(0, 0)), (3, None, "unknown")),
    "a picture beside a zero": (answer(ImageBlock(image=b"A"), told=(3, 0)), (3, None, "unknown")),
    "a sound": (answer(AudioBlock(audio=b"A")), (3, None, "unknown")),
    "a document": (answer(DocumentBlock(data=b"A")), (3, None, "unknown")),
    "text beside a zero": (answer(TextBlock(text=TEXT), told=(3, 0)), (3, 5, "counted")),
    "text beside zeros": (answer(TextBlock(text=TEXT), told=(0, 0)), (3, 5, "counted")),
    "nothing": (answer(told=(3, 0)), (3, 0, "reported")),
    "a refusal beside the blocks": (answer(refusal=TEXT), (3, 5, "counted")),
    "reasoning beside the blocks": (answer(reasoning_content=TEXT), (3, 5, "counted")),
    "reasoning in a block and beside": (
        answer(ThinkingBlock(content=TEXT), reasoning_content=TEXT),
        (3, 5, "counted"),
    ),
}


@pytest.mark.parametrize("way", ["instrument", "manager"])
@pytest.mark.parametrize(("response", "expected"), ANSWERS.values(), ids=list(ANSWERS))
def test_llama_index(response, expected, way):
    handler, call = llama_index(response, way)
    assert counts(call) == expected
    assert handler.tracker.problems == {}


@pytest.mark.parametrize("bad", [-1, 1.5, NAN, 2**53 + 1, "12"])
@pytest.mark.parametrize("framework", ["langchain", "instrument", "manager"])
def test_a_count_that_is_none_is_a_problem_and_no_zero(bad, framework):
    """The text is counted; the chain goes on."""
    told = (bad, bad)
    if framework == "langchain":
        meta = {"token_usage": dict(zip(TOLD, told, strict=True))}
        handler = langchain(AIMessage(TEXT, response_metadata=meta))
        call = handler.last_run.call
    else:
        handler, call = llama_index(answer(TextBlock(text=TEXT), told=told), framework)
    assert counts(call) == (3, 5, "counted")
    assert handler.tracker.problems == {"usage of an unknown shape": 1}


@pytest.mark.parametrize("name", [5, None, b"gpt", ["gpt"], {"a": 1}, NAN, True])
@pytest.mark.parametrize("framework", ["langchain", "instrument", "manager"])
def test_a_name_that_is_none_breaks_nothing(name, framework):
    if framework == "langchain":
        meta = {"model_name": name, "model_provider": name}
        handler = langchain(
            AIMessage(TEXT, usage_metadata=usage(7, 2), response_metadata=meta),
        )
        call = handler.last_run.call
    else:
        response = answer(TextBlock(text=TEXT), told=(7, 2))
        response.raw["model"] = name
        handler, call = llama_index(response, framework)
    assert counts(call) == (7, 2, "reported")
    assert isinstance(call.model, str)
    assert handler.tracker.problems == {}
