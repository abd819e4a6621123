"""Every client package, unmodified, over HTTP: what is recorded is what the payload said, once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from llama_clients import CLIENTS, WAYS, let_finish, load, table
from llama_index.core.llms import ChatMessage
from pydantic import BaseModel

from impactree.calls.counting import count_tokens
from wire.server import Answer, ToolCall, Usage, WireServer

if TYPE_CHECKING:
    from impactree.llama_index import ImpactHandler

# Deprecation and resource warnings here come from the client packages.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("let_go")]
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)
each_way = pytest.mark.parametrize("way", WAYS)

FULL = Usage(input=1100, cached_input=300, cache_write=200, output=250, reasoning=90)
CLASSES = {
    "input": "input_tokens",
    "cached_input": "cached_input_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
    "reasoning": "reasoning_tokens",
}


def ask(model: Any, way: str) -> Any:
    """Call a model one way; everything it gives."""
    asked: Any = [ChatMessage(role="user", content="Hi")] if "chat" in way else "Hi"
    method = getattr(model, way)
    try:
        if way.startswith("astream"):
            return asyncio.run(_read(method, asked))
        if way.startswith("a"):
            return asyncio.run(_wait(method, asked))
        given = method(asked)
        return list(given) if way.startswith("stream") else given
    finally:
        let_finish()


async def _read(method: Any, asked: Any) -> list[Any]:
    return [piece async for piece in await method(asked)]


async def _wait(method: Any, asked: Any) -> Any:
    return await method(asked)


def make(client: Any, server: WireServer, way: str = "") -> Any:
    pytest.importorskip(client.package)
    if client.drops("way", way):
        pytest.skip(f"the client's own {way} is broken")
    return client.make(server.url)


def recorded(handler: ImpactHandler) -> Any:
    """The one call that a handler saw."""
    (run,) = [run for root in handler.runs for run in root.calls]
    return run.call


@each_client
@each_way
def test_all_token_classes(
    client: Any, way: str, wire_server: WireServer, handler: ImpactHandler
) -> None:
    model = make(client, wire_server, way)
    thinking = None if client.id == "mistralai" else "Let me think."  # it cannot read thoughts
    wire_server.script(usage=FULL, thinking=thinking)
    ask(model, way)
    (sent,) = wire_server.sent
    call = recorded(handler)
    assert call.requested == client.requested
    if client.drops("model", way):
        assert call.model in (client.requested, client.requested.removeprefix("openai/"))
    else:
        assert call.model == client.answered
    # Where complete() calls chat(), the innermost counts.
    assert call.kind in (("chat",) if "chat" in way else ("chat", "completion"))
    if client.drops("usage", way):
        assert call.tokens_source == "counted"
        assert call.input_tokens == count_tokens("Hi")
        assert call.output_tokens >= count_tokens("Hello from the wire.")
        return
    assert call.tokens_source == "reported"
    for name, attribute in CLASSES.items():
        if not client.drops(name, way):
            assert (getattr(call, attribute) or 0) == getattr(sent, name), name


@each_client
@each_way
def test_refused_request(
    client: Any, way: str, wire_server: WireServer, handler: ImpactHandler
) -> None:
    model = make(client, wire_server, way)
    wire_server.respond(lambda request: Answer(status=400, error="that will not do"))
    # LangChainLLM's streamed completion fails on its own end event instead.
    with pytest.raises(Exception, match=r"that will not do|400|LLMCompletionEndEvent"):
        ask(model, way)
    call = recorded(handler)
    assert (call.input_tokens, call.output_tokens) == (None, 0)
    assert {root.status for root in handler.runs} <= {"error", "abandoned"}


@each_client
@pytest.mark.parametrize("way", ["stream_chat", "astream_chat"])
def test_cut_stream(client: Any, way: str, wire_server: WireServer, handler: ImpactHandler) -> None:
    model = make(client, wire_server, way)
    wire_server.respond(lambda request: Answer(cut=True, text="one two three four five six"))
    with pytest.raises(Exception):  # noqa: B017, PT011
        ask(model, way)
    assert wire_server.unfinished
    call = recorded(handler)
    # As much as came before the cut, or as usage came with it.
    assert 0 <= call.output_tokens <= max(10, wire_server.unfinished[-1].output)


@each_client
def test_tool_call(client: Any, wire_server: WireServer, handler: ImpactHandler) -> None:
    model = make(client, wire_server, "tools")
    wire_server.script(tool_calls=(ToolCall("add", {"a": 1, "b": 2}),), usage=FULL)

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    tool = load("llama_index.core.tools.FunctionTool").from_defaults(add)
    response = model.chat_with_tools([tool], user_msg="1 + 2?")
    (selection,) = model.get_tool_calls_from_response(response)
    assert selection.tool_kwargs == {"a": 1, "b": 2}
    call = recorded(handler)
    assert (call.input_tokens, call.output_tokens) == (FULL.input, FULL.output)


@each_client
def test_structured_prediction(
    client: Any, wire_server: WireServer, handler: ImpactHandler
) -> None:
    model = make(client, wire_server, "structured")

    class Point(BaseModel):
        """A point."""

        name: str
        x: int

    prompt = load("llama_index.core.PromptTemplate")("Where?")
    if client.id in ("cohere", "litellm", "mistralai"):
        wire_server.script(tool_calls=(ToolCall("Point", {"name": "here", "x": 1}),))
    elif client.id == "langchain":
        wire_server.script(text='{"name": "here", "x": 1}')
    found = model.structured_predict(Point, prompt)
    assert isinstance(found, Point)
    assert len(wire_server.sent) == len([run for root in handler.runs for run in root.calls]) == 1
    call = recorded(handler)
    if client.drops("usage", "structured"):
        if call.tokens_source == "reported":
            return  # older clients predict through chat()
        assert call.input_tokens >= count_tokens("Where?")
        assert call.output_tokens >= count_tokens(found.model_dump_json()) - 2
    else:
        assert call.output_tokens == wire_server.sent[0].output


def test_early_close(wire_server: WireServer, handler: ImpactHandler) -> None:
    """A reader that leaves: what came until then counts, though no usage did."""
    model = make(CLIENTS[0], wire_server)
    wire_server.script(text="one two three four five six seven eight", chunk_delay=0.001)
    stream = model.stream_chat([ChatMessage(role="user", content="Hi")])
    read = [next(stream), next(stream), next(stream)]
    stream.close()
    call = recorded(handler)
    assert call.tokens_source == "counted"
    assert call.output_tokens == count_tokens(read[-1].message.content) > 0
    assert handler.last_run.status == "abandoned"


def test_stream_that_nobody_reads(wire_server: WireServer, handler: ImpactHandler) -> None:
    """No event tells of it; when the stream is gone, its run ends: what it wrote is unknown."""
    model = make(CLIENTS[0], wire_server)
    model.stream_chat([ChatMessage(role="user", content="Hi")])
    assert handler.last_run.status == "abandoned"
    (run,) = handler.last_run.calls
    assert (run.call.output_tokens, run.call.tokens_source) == (None, "unknown")
    assert not run.total.estimated
    assert [error.code for error in run.own.errors] == ["output-tokens-unknown"]
    assert handler.tracker.open_roots == []


def test_streams_report_no_usage_by_default(
    wire_server: WireServer, handler: ImpactHandler
) -> None:
    """OpenAI's streams carry usage only when asked: counted from the text, never zero."""
    openai = pytest.importorskip("llama_index.llms.openai")
    model = openai.OpenAI(
        model="gpt-4o-mini", api_base=f"{wire_server.url}/openai/v1", api_key="k", max_retries=0
    )
    ask(model, "stream_chat")
    call = recorded(handler)
    assert call.tokens_source == "counted"
    assert call.output_tokens == count_tokens("Hello from the wire.")
    assert call.input_tokens == count_tokens("Hi")


EMBEDDINGS = {
    "openai": lambda url: load("llama_index.embeddings.openai.OpenAIEmbedding")(
        model="text-embedding-3-small", api_base=f"{url}/openai/v1", api_key="k", max_retries=0
    ),
    "cohere": lambda url: load("llama_index.embeddings.cohere.CohereEmbedding")(
        model_name="embed-english-v3.0", base_url=f"{url}/cohere", api_key="k"
    ),
    "google_genai": lambda url: load("llama_index.embeddings.google_genai.GoogleGenAIEmbedding")(
        model_name="gemini-embedding-001",
        api_key="k",
        http_options=load("google.genai.types.HttpOptions")(base_url=f"{url}/google"),
    ),
    "ollama": lambda url: load("llama_index.embeddings.ollama.OllamaEmbedding")(
        model_name="nomic-embed-text", base_url=f"{url}/ollama"
    ),
}


@pytest.mark.parametrize("name", EMBEDDINGS)
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("sync", [True, False])
def test_embeddings(
    name: str, batch: bool, sync: bool, wire_server: WireServer, handler: ImpactHandler
) -> None:
    pytest.importorskip(f"llama_index.embeddings.{name}")
    model = EMBEDDINGS[name](wire_server.url)
    texts = ["one small step", "for a man"]
    if batch:
        run = model.get_text_embedding_batch if sync else model.aget_text_embedding_batch
        asked: Any = texts
    else:
        run = model.get_query_embedding if sync else model.aget_query_embedding
        asked, texts = texts[0], texts[:1]
    vectors = run(asked) if sync else asyncio.run(_wait(run, asked))
    assert vectors
    call = recorded(handler)
    assert (call.provider, call.kind, call.tokens_source) == (name, "embedding", "counted")
    assert call.model == call.requested == model.model_name
    assert call.input_tokens == sum(map(count_tokens, texts))
    (code,) = [error.code for error in handler.last_run.calls[0].own.errors]
    assert code in ("kind-not-covered", "model-not-registered")
    assert handler.total.energy is None  # not covered is never zero


def test_rerank(wire_server: WireServer, handler: ImpactHandler) -> None:
    package = pytest.importorskip("llama_index.postprocessor.cohere_rerank")
    from llama_index.core.schema import NodeWithScore, TextNode

    model = package.CohereRerank(
        api_key="k", base_url=f"{wire_server.url}/cohere", model="rerank-v3.5", top_n=1
    )
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in ("one step", "a man")]
    model.postprocess_nodes(nodes, query_str="who?")
    call = recorded(handler)
    assert (call.provider, call.kind, call.model) == ("cohere", "rerank", "rerank-v3.5")
    # A reranker reads the query with each document.
    assert call.input_tokens == count_tokens("who?\none step") + count_tokens("who?\na man")
    assert call.tokens_source == "counted"
    model.postprocess_nodes([], query_str="who?")
    assert handler.last_run.calls == []  # nothing to rank, nothing was sent


def test_documented_matrix() -> None:
    page = (Path(__file__).parents[2] / "docs" / "llama_index.md").read_text(encoding="utf-8")
    assert table() in page, "docs/llama_index.md: paste the output of llama_clients.py"
