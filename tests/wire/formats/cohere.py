"""Cohere chat (v2 and v1), embed and rerank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..model import Answer, Reply, Request, Usage
from ..templates import Event, load_stream
from .base import Demand, Exchange, function_tools, pieces, prepare, vector
from .blocks import block_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS"}
_PLAN = "I will call a tool."


def _prepare(request: Request, answer: Answer, demand: Demand | None = None) -> Exchange:
    exchange = prepare("cohere", request, answer, request.json.get("model", ""), demand)
    exchange.values["finish"] = _FINISH.get(answer.finish, answer.finish)
    return exchange


def chat(request: Request, answer: Answer) -> Reply:
    """Answer a v2 chat call."""
    exchange = _prepare(request, answer, _demand(request.json))
    if exchange.answer.tool_calls:
        exchange.values["finish"] = "TOOL_CALL"
    if request.json.get("stream"):
        return exchange.stream(_events(exchange))
    calls = exchange.tools("tool_call.json")
    plan = _PLAN if calls else ""
    kinds = [kind for kind in ("thinking", "text") if exchange.values[kind]]
    blocks = [exchange.fill(f"block_{kind}.json") for kind in kinds]
    return exchange.reply(
        exchange.fill("chat.json", blocks=blocks, tool_calls=calls, tool_plan=plan)
    )


def _demand(body: dict[str, Any]) -> Demand:
    wanted = body.get("response_format") or {}
    schema = wanted.get("json_schema") or wanted.get("schema")
    if wanted.get("type") == "json_object":
        schema = schema or {"type": "object"}
    tools = function_tools(body.get("tools"))
    return Demand(tools, body.get("tool_choice") == "REQUIRED", schema)


def _events(exchange: Exchange) -> Iterator[Event]:
    sections = load_stream("cohere", "chat.sse")
    for name, more in block_steps(exchange):
        values = {**exchange.values, **more}
        if name == "tool_start" and more["tool_index"] == 0:
            yield from sections.render("plan", {**values, "piece": _PLAN})
        yield from sections.render(name, values)


def chat_v1(request: Request, answer: Answer) -> Reply:
    """Answer a v1 chat call."""
    exchange = _prepare(request, answer)
    calls = exchange.tools("tool_call_v1.json")
    history = [
        {"role": "USER", "message": request.json.get("message", "")},
        {"role": "CHATBOT", "message": exchange.values["text"]},
    ]
    body = exchange.fill("chat_v1.json", tool_calls=calls, history=history)
    if not request.json.get("stream"):
        return exchange.reply(body)
    events = _events_v1(exchange, body, calls)
    return exchange.stream(events, Event.line, "application/stream+json")


def _events_v1(exchange: Exchange, body: Any, calls: list[Any]) -> Iterator[Event]:
    sections = load_stream("cohere", "chat_v1.ndjson")
    values = {**exchange.values, "response": body, "tool_calls": calls}
    yield from sections.render("start", values)
    for piece in pieces(exchange.values["text"]):
        yield from sections.render("text", {**values, "piece": piece})
    if calls:
        yield from sections.render("tool", values)
    yield from sections.render("end", values)


def embed(request: Request, answer: Answer) -> Reply:
    """Answer an embed call, in the v1 float shape where the request names no types."""
    exchange = _prepare(request, answer).input_only()
    inputs = request.json.get("texts") or request.json.get("inputs") or []
    typed = "/v2/" in request.path or bool(request.json.get("embedding_types"))
    name = "embed.json" if typed else "embed_v1.json"
    vectors = [vector(number) for number in range(len(inputs))]
    return exchange.reply(exchange.fill(name, vectors=vectors, texts=inputs))


def rerank(request: Request, answer: Answer) -> Reply:
    """Answer a rerank call, which is billed in search units."""
    exchange = _prepare(request, answer)
    documents = request.json.get("documents") or []
    count = min(request.json.get("top_n") or len(documents), len(documents))
    results = [
        exchange.fill("rerank_item.json", index=n, score=round(0.99 / (n + 1), 6))
        for n in range(count)
    ]
    reply = exchange.reply(exchange.fill("rerank.json", results=results))
    reply.usage = Usage(model=exchange.values["model"])
    return reply
