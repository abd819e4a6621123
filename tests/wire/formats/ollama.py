"""Ollama chat, generate, embed and model information."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import Answer, Reply, Request
from ..templates import Event, dumps, load, load_stream
from .base import JSON, NDJSON, Demand, Exchange, function_tools, pieces, prepare, texts, vector

if TYPE_CHECKING:
    from collections.abc import Iterator


def chat(request: Request, answer: Answer) -> Reply:
    """Answer /api/chat, streamed unless the request says otherwise."""
    exchange = _prepare(request, answer)
    calls = exchange.tools("tool_call.json")
    if request.json.get("stream", True) is False:
        return exchange.reply(exchange.fill("chat.json", tool_calls=calls))
    return exchange.stream(_events(exchange, "chat.ndjson", calls), Event.line, NDJSON)


def generate(request: Request, answer: Answer) -> Reply:
    """Answer /api/generate."""
    exchange = _prepare(request, answer)
    if request.json.get("stream", True) is False:
        return exchange.reply(exchange.fill("generate.json"))
    return exchange.stream(_events(exchange, "generate.ndjson", []), Event.line, NDJSON)


def embed(request: Request, answer: Answer) -> Reply:
    """Answer /api/embed."""
    exchange = _prepare(request, answer).input_only()
    count = len(texts(request.json.get("input", "")))
    vectors = [vector(number) for number in range(count)]
    return exchange.reply(exchange.fill("embed.json", vectors=vectors))


def info(name: str, request: Request, answer: Answer) -> Reply:
    """Answer a question about local models."""
    return Reply(200, JSON, [dumps(load("ollama", name))])


def _prepare(request: Request, answer: Answer) -> Exchange:
    body = request.json
    wanted = body.get("format")
    schema = {"type": "object"} if wanted == "json" else wanted or None
    demand = Demand(function_tools(body.get("tools")), schema=schema)
    exchange = prepare("ollama", request, answer, body.get("model", ""), demand)
    exchange.values["finish"] = answer.finish
    return exchange


def _events(exchange: Exchange, name: str, calls: list[Any]) -> Iterator[Event]:
    sections = load_stream("ollama", name)
    for kind in ("thinking", "text"):
        for piece in pieces(exchange.values[kind]):
            yield from sections.render(kind, {**exchange.values, "piece": piece})
    if calls:
        yield from sections.render("tool", {**exchange.values, "tool_calls": calls})
    yield from sections.render("end", exchange.values)
