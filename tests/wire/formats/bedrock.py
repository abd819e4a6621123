"""AWS Bedrock Converse and ConverseStream."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import eventstream
from ..templates import Event, dumps, load_stream
from .base import Demand, Exchange, prepare
from .blocks import block_steps, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Answer, Reply, Request

_FINISH = {"stop": "end_turn", "length": "max_tokens"}


def converse(model: str, request: Request, answer: Answer) -> Reply:
    """Answer Converse."""
    exchange = _prepare(model, request, answer)
    return exchange.reply(exchange.fill("converse.json", blocks=blocks(exchange)))


def converse_stream(model: str, request: Request, answer: Answer) -> Reply:
    """Answer ConverseStream in event-stream framing."""
    exchange = _prepare(model, request, answer)
    kind = "application/vnd.amazon.eventstream"
    return exchange.stream(_events(exchange), _frame, kind)


def _frame(event: Event) -> bytes:
    return eventstream.event(event.name or "", dumps(event.data))


def _prepare(model: str, request: Request, answer: Answer) -> Exchange:
    body = request.json
    exchange = prepare("bedrock", request, answer, model, _demand(body))
    finish = "tool_use" if exchange.answer.tool_calls else _FINISH.get(answer.finish)
    exchange.values["finish"] = finish or answer.finish
    exchange.values["latency_ms"] = max(int(answer.delay * 1000), 1)
    exchange.values["cache_details"] = _cache_details(exchange)
    asked = "/usage" in (body.get("additionalModelResponseFieldPaths") or [])
    exchange.values["additional"] = exchange.fill("additional.json") if asked else None
    if asked:
        return exchange
    return replace(exchange, usage=replace(exchange.usage, reasoning=0))


def _cache_details(exchange: Exchange) -> list[dict[str, Any]]:
    written = exchange.usage.cache_write
    return [{"ttl": exchange.answer.cache_ttl, "inputTokens": written}] if written else []


def _demand(body: dict[str, Any]) -> Demand:
    config = body.get("toolConfig") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or [] if "toolSpec" in tool]
    tools = {spec["name"]: spec["inputSchema"].get("json") or {} for spec in specs}
    choice = config.get("toolChoice") or {}
    return Demand(tools, (choice.get("tool") or {}).get("name") or "any" in choice)


def _events(exchange: Exchange) -> Iterator[Event]:
    sections = load_stream("bedrock", "converse.events")
    for name, more in block_steps(exchange):
        yield from sections.render(name, {**exchange.values, **more})
