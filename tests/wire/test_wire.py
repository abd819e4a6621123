"""Real client packages against the wire server."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from .clients import CLIENTS, Client
from .server import Answer, Request, ToolCall, Usage, WireServer

if TYPE_CHECKING:
    from collections.abc import Callable

# Deprecation and resource warnings here come from the client packages.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("let_go")]

WAYS = ("invoke", "ainvoke", "stream", "astream")
FULL = Usage(input=1100, cached_input=300, cache_write=200, output=250, reasoning=90)
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)
each_way = pytest.mark.parametrize("way", WAYS)


def add_tool() -> Any:
    """Return a LangChain tool."""
    tools = pytest.importorskip("langchain_core.tools")

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    return tools.tool(add)


def call(model: Any, way: str) -> Any:
    """Call a model one way and return its whole message."""
    if way == "invoke":
        return model.invoke("Hi")
    if way == "ainvoke":
        return asyncio.run(model.ainvoke("Hi"))
    if way == "stream":
        return _joined(list(model.stream("Hi")))
    return asyncio.run(_astream(model))


async def _astream(model: Any) -> Any:
    return _joined([chunk async for chunk in model.astream("Hi")])


def _joined(chunks: list[Any]) -> Any:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    return whole


def told(message: Any) -> dict[str, int]:
    """Return the token classes of a message's `usage_metadata`."""
    usage = message.usage_metadata
    inside = usage.get("input_token_details") or {}
    written = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
    return {
        "input": usage["input_tokens"],
        "cached_input": inside.get("cache_read") or 0,
        "cache_write": sum(inside.get(key) or 0 for key in written),
        "output": usage["output_tokens"],
        "reasoning": (usage.get("output_token_details") or {}).get("reasoning") or 0,
    }


def check(client: Client, way: str, message: Any, sent: Usage) -> None:
    """Compare what the client tells with what was sent."""
    if client.drops("usage", way):
        return
    found = told(message)
    for name, count in found.items():
        if not client.drops(name, way):
            assert count == getattr(sent, name), name


@each_client
@each_way
def test_text(client: Client, way: str, wire_server: WireServer) -> None:
    pytest.importorskip(client.package)
    message = call(client.make(wire_server.url), way)
    (sent,) = wire_server.sent
    assert "Hello from the wire." in str(message.text)
    assert sent.model == client.answered
    assert sent.input > 0
    assert sent.output > 0
    check(client, way, message, sent)


@each_client
@each_way
def test_all_token_classes(client: Client, way: str, wire_server: WireServer) -> None:
    pytest.importorskip(client.package)
    wire_server.script(usage=FULL, thinking="Let me think.")
    message = call(client.make(wire_server.url), way)
    (sent,) = wire_server.sent
    assert (sent.input, sent.output) == (FULL.input, FULL.output)
    check(client, way, message, sent)


@each_client
@each_way
def test_answered_model(client: Client, way: str, wire_server: WireServer) -> None:
    pytest.importorskip(client.package)
    wire_server.script(model="another-model-2")
    message = call(client.make(wire_server.url), way)
    found = message.response_metadata.get("model_name")
    if not client.drops("model", way):
        assert found == "another-model-2"


@each_client
@each_way
def test_tool_call(client: Client, way: str, wire_server: WireServer) -> None:
    pytest.importorskip(client.package)
    wire_server.script(tool_calls=(ToolCall("add", {"a": 1, "b": 2}),))
    message = call(client.make(wire_server.url).bind_tools([add_tool()]), way)
    calls = [(made["name"], made["args"]) for made in message.tool_calls]
    assert ("add", {"a": 1, "b": 2}) in calls
    assert "add" in json.dumps(wire_server.requests[-1].body)
    check(client, way, message, wire_server.sent[0])


@each_client
@each_way
def test_error(client: Client, way: str, wire_server: WireServer) -> None:
    pytest.importorskip(client.package)
    wire_server.script(status=400, error="that will not do")
    model = client.make(wire_server.url)
    with pytest.raises(Exception, match=r"that will not do|400"):
        call(model, way)
    assert wire_server.sent == []
    assert len(wire_server.requests) == 1


@each_client
@pytest.mark.parametrize("way", ["stream", "astream"])
def test_cut_stream(client: Client, way: str, wire_server: WireServer) -> None:
    pytest.importorskip(client.package)
    wire_server.respond(lambda request: Answer(cut=True))
    model = client.make(wire_server.url)
    with pytest.raises(Exception):  # noqa: B017, PT011
        call(model, way)
    assert wire_server.sent == []
    assert wire_server.unfinished


@each_client
def test_traced_provider(client: Client, wire_server: WireServer) -> None:
    pytest.importorskip(client.package)
    from langchain_core.callbacks import BaseCallbackHandler

    class Seen(BaseCallbackHandler):
        found: dict[str, Any]

        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            self.found = kwargs["metadata"]

    seen = Seen()
    client.make(wire_server.url).invoke("Hi", config={"callbacks": [seen]})
    assert seen.found["ls_provider"] == client.ls_provider
    assert seen.found.get("ls_model_name", "") in (client.requested, "")


@each_client
def test_structured_output(client: Client, wire_server: WireServer) -> None:
    pytest.importorskip(client.package)
    from pydantic import BaseModel

    class Point(BaseModel):
        """A point."""

        name: str
        x: int

    model = client.make(wire_server.url)
    if client.provider == "huggingface":
        pytest.skip("the client does not parse structured output into classes")
    found = model.with_structured_output(Point).invoke("Hi")
    assert isinstance(found, Point)
    assert len(wire_server.sent) == 1


def post(server: WireServer, path: str, body: Any) -> tuple[int, bytes]:
    """Send one plain request."""
    host = server.url.removeprefix("http://")
    link = http.client.HTTPConnection(host, timeout=30)
    link.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = link.getresponse()
    found = answer.status, answer.read()
    link.close()
    return found


def test_many_concurrent_requests(wire_server: WireServer) -> None:
    def usage_of(request: Request) -> Answer:
        number = int(request.json["messages"][0]["content"])
        return Answer(usage=Usage(input=number, output=number * 2))

    def ask(number: int) -> tuple[int, int]:
        message = {"role": "user", "content": str(number)}
        body = {"model": "gpt-4o", "messages": [message]}
        status, raw = post(wire_server, "/v1/chat/completions", body)
        assert status == 200
        usage = json.loads(raw)["usage"]
        return usage["prompt_tokens"], usage["completion_tokens"]

    wire_server.respond(usage_of)
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(ask, range(2000)))
    assert found == [(number, number * 2) for number in range(2000)]
    assert sorted(usage.input for usage in wire_server.sent) == list(range(2000))
    assert len({request.number for request in wire_server.requests}) == 2000


def test_keep_alive_reuses_one_connection(wire_server: WireServer) -> None:
    link = http.client.HTTPConnection(wire_server.url.removeprefix("http://"), timeout=10)
    link.connect()
    first = link.sock
    for stream in (False, True, False):
        body = json.dumps({"model": "gpt-4o", "stream": stream})
        link.request("POST", "/v1/chat/completions", body)
        assert link.getresponse().read()
        assert link.sock is first
    link.close()


def test_delays(wire_server: WireServer) -> None:
    wire_server.script(delay=0.1)
    wire_server.script(chunk_delay=0.02)
    for stream, least in ((False, 0.1), (True, 0.1)):
        start = time.perf_counter()
        post(wire_server, "/v1/chat/completions", {"model": "m", "stream": stream})
        assert time.perf_counter() - start >= least


def test_stream_usage_only_when_asked(wire_server: WireServer) -> None:
    body: dict[str, Any] = {"model": "gpt-4o", "stream": True}
    assert b"prompt_tokens" not in post(wire_server, "/v1/chat/completions", body)[1]
    body["stream_options"] = {"include_usage": True}
    assert b"prompt_tokens" in post(wire_server, "/v1/chat/completions", body)[1]
    wire_server.script(no_usage=True)
    assert b"prompt_tokens" not in post(wire_server, "/v1/chat/completions", body)[1]
    assert len(wire_server.sent) == 3


def test_unknown_path(wire_server: WireServer) -> None:
    status, raw = post(wire_server, "/nowhere", {})
    assert status == 404
    assert "/nowhere" in json.loads(raw)["error"]["message"]
    assert wire_server.requests[0].path == "/nowhere"


def test_rate_limit_headers(wire_server: WireServer) -> None:
    wire_server.script(status=429, headers={"retry-after": "1"})
    assert post(wire_server, "/v1/messages", {"model": "m"})[0] == 429


def test_google_stream_as_array(wire_server: WireServer) -> None:
    path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    chunks = json.loads(post(wire_server, path, {})[1])
    assert len(chunks) > 1
    assert chunks[-1]["usageMetadata"]["candidatesTokenCount"] == wire_server.sent[0].output


def test_cohere_v1(wire_server: WireServer) -> None:
    body = {"model": "command-r", "message": "Hi"}
    whole = json.loads(post(wire_server, "/v1/chat", body)[1])
    lines = post(wire_server, "/v1/chat", {**body, "stream": True})[1].splitlines()
    last = json.loads(lines[-1])["response"]
    first, second = wire_server.sent
    assert whole["meta"]["tokens"]["input_tokens"] == first.input
    assert last["meta"]["tokens"]["output_tokens"] == second.output


def test_ollama_generate(wire_server: WireServer) -> None:
    lines = post(wire_server, "/api/generate", {"model": "llama3.2"})[1].splitlines()
    assert "".join(json.loads(line)["response"] for line in lines) == "Hello from the wire."
    assert json.loads(lines[-1])["eval_count"] == wire_server.sent[0].output


def _openai_sdk(url: str) -> int:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{url}/openai/v1", api_key="k", max_retries=0)
    found = client.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
    assert len(found.data) == 2
    assert len(found.data[0].embedding) == 8
    return int(found.usage.prompt_tokens)


def _openai_completion(url: str) -> int:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{url}/openai/v1", api_key="k", max_retries=0)
    options = {"include_usage": True}
    name = "gpt-3.5-turbo-instruct"
    chunks = list(
        client.completions.create(model=name, prompt="a", stream=True, stream_options=options)
    )
    return int(chunks[-1].usage.prompt_tokens)


def _cohere_embed(url: str) -> int:
    cohere = pytest.importorskip("cohere")
    client = cohere.ClientV2("k", base_url=f"{url}/cohere")
    found = client.embed(
        model="embed-v4.0",
        texts=["a"],
        input_type="search_query",
        embedding_types=["float"],
    )
    assert len(found.embeddings.float_) == 1
    return int(found.meta.billed_units.input_tokens)


def _cohere_rerank(url: str) -> int:
    cohere = pytest.importorskip("cohere")
    client = cohere.ClientV2("k", base_url=f"{url}/cohere")
    found = client.rerank(model="rerank-v3.5", query="q", documents=["a", "b"])
    assert [item.index for item in found.results] == [0, 1]
    return 0


def _ollama_embed(url: str) -> int:
    ollama = pytest.importorskip("ollama")
    found = ollama.Client(f"{url}/ollama").embed(model="nomic-embed-text", input=["a", "b"])
    assert len(found.embeddings) == 2
    return int(found.prompt_eval_count)


def _google_embed(url: str) -> None:
    genai = pytest.importorskip("google.genai")
    options = {"base_url": f"{url}/google"}
    client = genai.Client(api_key="k", http_options=options)
    found = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])
    assert len(found.embeddings) == 2


@pytest.mark.parametrize(
    "use",
    [
        _openai_sdk,
        _openai_completion,
        _cohere_embed,
        _cohere_rerank,
        _ollama_embed,
        _google_embed,
    ],
)
def test_other_calls(use: Callable[[str], int | None], wire_server: WireServer) -> None:
    stated = use(wire_server.url)
    (sent,) = wire_server.sent
    assert stated is None or stated == sent.input
