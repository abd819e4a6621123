"""Anthropic Messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..templates import Event, load_stream
from .base import Demand, Exchange, prepare
from .blocks import block_steps, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Answer, Reply, Request

_FINISH = {"stop": "end_turn", "length": "max_tokens"}


def messages(request: Request, answer: Answer) -> Reply:
    """Answer a Messages call."""
    body = request.json
    exchange = prepare("anthropic", request, answer, body.get("model", ""), _demand(body))
    finish = "tool_use" if exchange.answer.tool_calls else _FINISH.get(answer.finish)
    exchange.values["finish"] = finish or answer.finish
    if not body.get("stream"):
        return exchange.reply(exchange.fill("message.json", blocks=blocks(exchange)))
    return exchange.stream(_events(exchange))


def count_tokens(request: Request, answer: Answer) -> Reply:
    """Answer a token count, which is no model call."""
    exchange = prepare("anthropic", request, answer, request.json.get("model", ""))
    reply = exchange.reply(exchange.fill("count_tokens.json"))
    reply.usage = None
    return reply


def _demand(body: dict[str, Any]) -> Demand:
    tools = {
        tool["name"]: tool.get("input_schema") or {}
        for tool in body.get("tools") or []
        if "name" in tool
    }
    choice = body.get("tool_choice") or {}
    forced = choice.get("name") or choice.get("type") == "any"
    wanted = (body.get("output_config") or {}).get("format") or body.get("output_format") or {}
    return Demand(tools, forced, wanted.get("schema"))


def _events(exchange: Exchange) -> Iterator[Event]:
    sections = load_stream("anthropic", "message.sse")
    for name, more in block_steps(exchange):
        yield from sections.render(name, {**exchange.values, **more})
