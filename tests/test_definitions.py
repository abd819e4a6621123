"""Tools and schemas among what was sent: their tokens are counted, as the server received them."""

from __future__ import annotations

import json

import pytest
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.callbacks import CallbackManager
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from impactree import ImpactHandler
from impactree.calls.counting import count_tokens
from impactree.calls.definitions import definitions
from impactree.llama_index import ImpactHandler as LlamaIndexHandler
from wire.fixtures import let_go, wire_server  # noqa: F401

pytestmark = pytest.mark.usefixtures("let_go")


class City(BaseModel):
    """A city and how many people live there."""

    name: str
    inhabitants: int


def forecast(city: str, days: int = 1) -> str:
    """The weather forecast of a city, for as many days as asked for."""
    return ""


def _openai(server, **settings):
    return ChatOpenAI(
        model="gpt-4o-mini", base_url=server.base("openai") + "/v1", api_key="k", **settings
    )


def _sent(server, *keys):
    """Tokens of the question and of parts of the request, as they came over the wire."""
    body = server.requests[-1].body
    told = (json.dumps(part) for key in keys for part in body[key])
    return count_tokens(body["messages"][-1]["content"]) + sum(map(count_tokens, told))


def test_a_stream_counts_the_tools_that_it_sends(wire_server):  # noqa: F811
    wire_server.script(no_usage=True)
    handler = ImpactHandler()
    model = _openai(wire_server, stream_usage=False).bind_tools([tool(forecast)] * 9)
    list(model.stream("Rain in Ulm?", {"callbacks": [handler]}))
    call = handler.last_run.call
    assert call.tokens_source == "counted"
    sent = _sent(wire_server, "tools")
    assert sent > 400  # nine definitions of about 60 tokens each
    assert call.input_tokens == pytest.approx(sent, abs=9)  # a line break after each


def test_a_stream_counts_the_schema_that_it_sends(wire_server):  # noqa: F811
    wire_server.script(no_usage=True, text='{"name": "Ulm", "inhabitants": 126000}')
    handler = ImpactHandler()
    model = _openai(wire_server, stream_usage=False).bind(
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "City", "schema": City.model_json_schema()},
        }
    )
    list(model.stream("What is Ulm?", {"callbacks": [handler]}))
    schema = wire_server.requests[-1].body["response_format"]
    wanted = count_tokens("What is Ulm?") + count_tokens(json.dumps(schema))
    assert handler.last_run.call.input_tokens == wanted


def test_a_stream_that_is_left_counts_its_tools(wire_server):  # noqa: F811
    wire_server.script(no_usage=True, text="It will rain in Ulm all day long.")
    handler = ImpactHandler()
    model = _openai(wire_server, stream_usage=False).bind_tools([tool(forecast)])
    stream = model.stream("Rain in Ulm?", {"callbacks": [handler]})
    next(piece for piece in stream if piece.content)
    stream.close()
    assert handler.last_run.call.input_tokens == _sent(wire_server, "tools")


@pytest.mark.parametrize("way", ["instrument", "manager"])
def test_llama_index_counts_the_tools_that_it_sends(wire_server, way):  # noqa: F811
    openai = pytest.importorskip("llama_index.llms.openai")
    wire_server.script(no_usage=True)
    handler = LlamaIndexHandler()
    settings = {"callback_manager": CallbackManager([handler])} if way == "manager" else {}
    model = openai.OpenAI(
        model="gpt-4o-mini",
        api_base=wire_server.base("openai") + "/v1",
        api_key="k",
        max_retries=0,
        **settings,
    )
    asked = [ChatMessage(content="Rain in Ulm?")]
    tools = [FunctionTool.from_defaults(forecast)]
    if way == "instrument":
        with handler.instrument():
            list(model.stream_chat_with_tools(tools, chat_history=asked))
    else:
        list(model.stream_chat_with_tools(tools, chat_history=asked))
    calls = [run.call for root in handler.runs for run in root.calls]
    assert [call.input_tokens for call in calls] == [_sent(wire_server, "tools")]


def test_llama_index_counts_the_schema_of_a_prediction_without_events(wire_server):  # noqa: F811
    google = pytest.importorskip("llama_index.llms.google_genai")
    types = pytest.importorskip("google.genai.types")
    wire_server.script(text='{"name": "Ulm", "inhabitants": 126000}')
    options = types.HttpOptions(base_url=wire_server.base("google"))
    model = google.GoogleGenAI(
        model="gemini-2.5-flash",
        api_key="k",
        http_options=options,
        context_window=1000,
        max_tokens=100,
    )
    with LlamaIndexHandler().instrument() as handler:
        model.structured_predict(City, PromptTemplate("What is {it}?"), it="Ulm")
    call = handler.last_run.calls[0].call
    schema = json.dumps(City.model_json_schema())
    assert call.input_tokens == count_tokens("What is Ulm?") + count_tokens(schema)


_OPENAI = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "Does it.",
        "parameters": {"type": "object", "properties": {}},
    },
}


class _Broken:
    @property
    def description(self):
        raise RuntimeError

    metadata = None


@pytest.mark.parametrize(
    ("params", "told"),
    [
        pytest.param({"tools": [_OPENAI]}, json.dumps(_OPENAI), id="tools"),
        pytest.param({"functions": [_OPENAI["function"]]}, '"Does it."', id="functions"),
        pytest.param({"tools": {"tools": [_OPENAI], "toolChoice": {}}}, '"Does it."', id="bedrock"),
        pytest.param({"tools": [tool(forecast)]}, '"name": "forecast"', id="langchain"),
        pytest.param(
            {"tools": [FunctionTool.from_defaults(forecast)]},
            '"name": "forecast"',
            id="llama_index",
        ),
        pytest.param({"tools": [forecast]}, "for as many days", id="function"),
        pytest.param({"tools": [City]}, '"inhabitants"', id="pydantic"),
        pytest.param({"response_format": City}, '"inhabitants"', id="schema"),
        pytest.param(
            {"response_format": {"type": "json_object", "schema": {"title": "City"}}},
            '{"title": "City"}',
            id="schema beside its kind",
        ),
        pytest.param({"text": {"format": {"name": "City"}}}, '{"name": "City"}', id="responses"),
        pytest.param({"output_config": {"format": {"a": 1}}}, '{"a": 1}', id="anthropic"),
        pytest.param({"response_json_schema": {"a": 1}}, '{"a": 1}', id="google"),
    ],
)
def test_what_a_model_is_given_to_read(params, told):
    assert told in definitions(params)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"tools": None, "response_format": None, "text": None},
        {"tools": [], "tool_choice": "auto", "output_config": {"effort": "low"}},
        {"response_format": {"type": "json_object"}},
        {"response_format": "json"},
        {"format": {"a": 1}},  # Ollama's: a grammar
        {"text": {"verbosity": "low"}},
    ],
)
def test_what_no_model_reads(params):
    assert definitions(params) == ""


def test_a_tool_that_cannot_be_described_breaks_nothing():
    circle = {}
    circle["self"] = circle
    assert "Does it." in definitions({"tools": [_Broken(), circle, object(), _OPENAI]})


def test_the_first_place_that_has_a_name_counts():
    assert definitions({"tools": []}, {"tools": ["a"]}) == '"a"'
    assert definitions({"tools": ["b"]}, None, {"tools": ["a"]}) == '"b"'
