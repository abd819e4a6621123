"""Every client package, unmodified, over HTTP: what is recorded is what the payload said, once."""

from __future__ import annotations

import asyncio
import re
import time
import types
import uuid
from pathlib import Path
from typing import Any

import pytest
from matrix import CLASSES, WAYS, loses, table

from impactree import ImpactHandler
from impactree.calls.counting import count_by_length, count_tokens
from wire import formats
from wire.clients import CLIENTS
from wire.server import Answer, ToolCall, Usage, WireServer

# Deprecation and resource warnings here come from the client packages.
pytestmark = [
    pytest.mark.newest,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("let_go"),
]
each_client = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)
each_way = pytest.mark.parametrize("way", WAYS)

DELAY = 0.02
FULL = Usage(input=1100, cached_input=300, cache_write=200, output=250, reasoning=90)


def ask(model: Any, way: str, config: dict[str, Any] | None = None) -> Any:
    """Call a model one way; everything it gives."""
    if way == "invoke":
        return model.invoke("Hi", config=config)
    if way == "ainvoke":
        return asyncio.run(model.ainvoke("Hi", config=config))
    if way == "stream":
        return list(model.stream("Hi", config=config))
    return asyncio.run(_astream(model, config))


async def _astream(model: Any, config: dict[str, Any] | None) -> list[Any]:
    return [chunk async for chunk in model.astream("Hi", config=config)]


def make(client: Any, server: WireServer) -> Any:
    pytest.importorskip(client.package)
    return client.make(server.url)


def recorded(handler: ImpactHandler) -> Any:
    """The one call that a handler saw."""
    assert handler.tracker.problems == {}
    assert handler.tracker.open_roots == []
    (run,) = [run for root in handler.runs for run in root.calls]
    assert run.call.latency_s is None or run.call.latency_s <= run.latency_s + 0.05
    return run


def check_tokens(call: Any, client: Any, way: str, sent: Usage) -> None:
    """The call's counts are those of the payload, but for what the client cannot report."""
    if loses(client, "usage", way):
        assert call.tokens_source == "counted"
        return
    assert call.tokens_source == "reported"
    found = {
        "input": call.input_tokens,
        "cached_input": call.cached_input_tokens,
        "cache_write": call.cache_write_tokens,
        "output": call.output_tokens,
        "reasoning": call.reasoning_tokens,
    }
    for name in CLASSES:
        if not loses(client, name, way):
            assert (found[name] or 0) == getattr(sent, name), name
        else:
            assert found[name] is None or found[name] < getattr(sent, name), name


def check_names(call: Any, client: Any, way: str, answered: str) -> None:
    """The answered and the requested name, and where the request went."""
    requested = client.requested or None
    if client.provider == "huggingface":
        requested = None  # the client tells nobody at the start
    assert call.requested == requested
    if not loses(client, "model", way):
        assert call.model == answered
    else:
        assert call.model == (client.requested or "ChatHuggingFace")
    assert call.provider == client.ls_provider


@each_client
@each_way
def test_all_token_classes_names_and_latency(client, way, wire_server):
    model = make(client, wire_server)
    answered = f"{client.answered}-x"
    wire_server.script(usage=FULL, thinking="Let me think.", delay=DELAY, model=answered)
    handler = ImpactHandler()
    started = time.perf_counter()
    ask(model, way, {"callbacks": [handler]})
    elapsed = time.perf_counter() - started

    (sent,) = wire_server.sent
    assert (sent.input, sent.output) == (1100, 250)
    run = recorded(handler)
    assert (run.kind, run.status, run.cached) == ("chat", "ok", False)
    check_tokens(run.call, client, way, sent)
    check_names(run.call, client, way, answered)
    assert DELAY <= run.call.latency_s <= elapsed
    if client.id == "huggingface":  # by repository: the client leaves the address to its SDK
        assert run.call.base_url is None
    else:
        assert run.call.base_url.startswith(wire_server.url)
    assert run.call.region == ("eu-west-3" if client.provider == "bedrock" else None)


@each_client
@pytest.mark.parametrize("way", ["batch", "abatch"])
def test_batches(client, way, wire_server):
    # Request n of the server's count: 100 n in, n out.
    wire_server.respond(
        lambda request: Answer(usage=Usage(input=100 * request.number, output=request.number))
    )
    model = make(client, wire_server)
    handler = ImpactHandler()
    config = {"callbacks": [handler]}
    prompts = ["one", "two", "three"]
    if way == "batch":
        model.batch(prompts, config=config)
    else:
        asyncio.run(model.abatch(prompts, config=config))

    assert handler.tracker.problems == {}
    calls = [run.call for root in handler.runs for run in root.calls]
    assert len(handler.runs) == len(calls) == 3
    found = sorted((call.input_tokens, call.output_tokens) for call in calls)
    assert found == sorted((sent.input, sent.output) for sent in wire_server.sent)
    assert [output for _, output in found] == [1, 2, 3]
    # Each prompt is a request of its own here, so its latency is the request's.
    assert all(call.latency_s is not None for call in calls)


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@each_client
@each_way
def test_tool_calls(client, way, wire_server):
    wire_server.script(tool_calls=(ToolCall("add", {"a": 1, "b": 2}),))
    model = make(client, wire_server).bind_tools([add])
    handler = ImpactHandler()
    ask(model, way, {"callbacks": [handler]})
    (sent,) = wire_server.sent
    check_tokens(recorded(handler).call, client, way, sent)


POINT = {
    "title": "Point",
    "description": "A point.",
    "type": "object",
    "properties": {"name": {"type": "string"}, "x": {"type": "integer"}},
    "required": ["name", "x"],
}


@each_client
@pytest.mark.parametrize("include_raw", [False, True])
def test_structured_output(client, include_raw, wire_server):
    model = make(client, wire_server).with_structured_output(POINT, include_raw=include_raw)
    handler = ImpactHandler()
    model.invoke("Hi", config={"callbacks": [handler]})
    (sent,) = wire_server.sent
    assert len(handler.runs) == 1
    check_tokens(recorded(handler).call, client, "invoke", sent)


@each_client
@each_way
def test_an_error_is_shown_and_produced_nothing(client, way, wire_server):
    wire_server.script(status=400, error="that will not do")
    model = make(client, wire_server)
    handler = ImpactHandler()
    with pytest.raises(Exception, match=r"that will not do|400"):
        ask(model, way, {"callbacks": [handler]})
    run = recorded(handler)
    assert (run.status, run.call.output_tokens, run.call.input_tokens) == ("error", 0, None)
    assert run.call.tokens_source == "unknown"
    assert wire_server.sent == []


def until_it_breaks(model: Any, way: str, config: dict[str, Any]) -> str:
    """The text that arrived."""
    chunks = []

    async def read() -> None:
        async for chunk in model.astream("Hi", config=config):
            chunks.append(chunk)  # noqa: PERF401  # what came before the error stays

    with pytest.raises(Exception):  # noqa: B017, PT011, PT012  # each client has its own
        if way == "astream":
            asyncio.run(read())
        else:
            for chunk in model.stream("Hi", config=config):
                chunks.append(chunk)  # noqa: PERF402
    return "".join(str(chunk.text) for chunk in chunks)


@each_client
@pytest.mark.parametrize("way", ["stream", "astream"])
def test_a_stream_that_breaks_counts_what_it_gave(client, way, wire_server):
    wire_server.respond(lambda request: Answer(text="word " * 40, cut=True))
    handler = ImpactHandler()
    text = until_it_breaks(make(client, wire_server), way, {"callbacks": [handler]})
    run = recorded(handler)
    assert 75 <= len(text) < 200
    assert run.status == "error"
    assert run.call.tokens_source == "counted"
    # By length where the first chunks carried some usage already (Google).
    assert run.call.output_tokens in {count_tokens(text), count_by_length(text)}


@each_client
@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_an_answer_without_usage_is_counted(client, way, wire_server):
    if client.id in {"cohere", "bedrock", "bedrock-thinking"}:
        pytest.skip("the client itself fails without usage")
    if client.id == "litellm":
        pytest.skip("the client makes an estimate up and does not say so")
    wire_server.script(no_usage=True)
    handler = ImpactHandler()
    ask(make(client, wire_server), way, {"callbacks": [handler]})
    call = recorded(handler).call
    assert call.tokens_source == "counted"
    assert call.input_tokens == count_tokens("Hi")
    assert call.output_tokens == count_tokens("Hello from the wire.")


# With and without the handler

WHEN = 1_700_000_000
# What differs from call to call: the Date header, ids, addresses.
RANDOM = re.compile(
    r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|"
    r"0{12,}[0-9a-f]+|0x[0-9a-f]{6,}"
)
OUTCOMES = {
    "text": ({"usage": FULL, "thinking": "Let me think."}, WAYS),
    "error": ({"status": 400, "error": "that will not do"}, ("invoke", "astream")),
    "tools": ({"tool_calls": (ToolCall("add", {"a": 1, "b": 2}),)}, ("stream",)),
}


def seen(model: Any, way: str, callbacks: list[Any]) -> str:
    """All that a caller sees of one call, as text."""
    try:
        shown = repr(ask(model, way, {"callbacks": callbacks, "run_id": uuid.UUID(int=7)}))
    except Exception as error:
        shown = f"{type(error)} {error} {error.args}"
    return RANDOM.sub("-", shown)


@each_client
@pytest.mark.parametrize(
    ("kind", "way"), [(kind, way) for kind, (_, ways) in OUTCOMES.items() for way in ways]
)
def test_what_a_caller_sees_is_the_same_with_and_without(
    client, kind, way, wire_server, monkeypatch
):
    clock = types.SimpleNamespace(
        time=lambda: WHEN, gmtime=lambda: time.gmtime(WHEN), strftime=time.strftime
    )
    monkeypatch.setattr(formats.base, "time", clock)
    answer = Answer(**OUTCOMES[kind][0])
    wire_server.script(answer, answer)
    handler = ImpactHandler()
    if way.startswith("a"):  # clients keep their connections for one event loop
        other = WireServer()
        other.start()
        other.script(answer)
        without = seen(make(client, other), way, []).replace(other.url, wire_server.url)
        other.stop()
    else:
        without = seen(make(client, wire_server), way, [])
    assert seen(make(client, wire_server), way, [handler]) == without
    assert len(handler.runs) == 1


def test_the_table_in_the_docs_is_this_one():
    page = Path(__file__).parents[2] / "docs" / "langchain.md"
    assert table() in page.read_text(encoding="utf-8")
