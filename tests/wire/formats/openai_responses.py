"""OpenAI Responses API."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from ..templates import Event, load_stream
from .base import PNG, Demand, Exchange, function_tools, pieces, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Answer, Reply, Request

_PROVIDER = "responses"


def responses(request: Request, answer: Answer) -> Reply:
    """Answer a Responses API call."""
    body = request.json
    exchange = prepare(_PROVIDER, request, answer, body.get("model", ""), _demand(body))
    if not body.get("stream"):
        return exchange.reply(_response(exchange, _items(exchange)))
    return exchange.stream(_numbered(exchange))


def _demand(body: dict[str, Any]) -> Demand:
    choice = body.get("tool_choice")
    forced: str | bool = choice == "required"
    if isinstance(choice, dict):
        forced = choice.get("name", True)
    wanted = (body.get("text") or {}).get("format") or {}
    schema = wanted.get("schema")
    if wanted.get("type") == "json_object":
        schema = {"type": "object"}
    return Demand(function_tools(body.get("tools")), forced, schema)


def _response(exchange: Exchange, items: list[Any] | None) -> Any:
    cut_short = exchange.answer.finish == "length"
    status = "in_progress" if items is None else "incomplete" if cut_short else "completed"
    incomplete = {"reason": "max_output_tokens"} if status == "incomplete" else None
    body = exchange.fill("response.json", items=items or [], status=status, incomplete=incomplete)
    if items is None:
        body["usage"] = None
    return body


def _items(exchange: Exchange) -> list[Any]:
    return [item for _, item, _ in _parts(exchange)]


def _parts(exchange: Exchange) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    thinking = exchange.values["thinking"]
    if thinking or exchange.usage.reasoning:
        summary = [{"type": "summary_text", "text": thinking}] if thinking else []
        yield "thinking", exchange.fill("item_reasoning.json", summary=summary), {}
    for number in range(exchange.answer.pictures):
        values = {"picture": number, "png": PNG}
        yield "image", exchange.fill("item_image.json", **values), values
    if exchange.values["text"] or not exchange.answer.tool_calls:
        yield "text", exchange.fill("item_message.json"), {}
    for values in exchange.tool_values():
        yield "tool", exchange.fill("item_tool.json", **values), values


def _numbered(exchange: Exchange) -> Iterator[Event]:
    sections = load_stream(_PROVIDER, "response.sse")
    numbers = count()
    for name, more in _steps(exchange):
        for event in sections.render(name, {**exchange.values, **more, "seq": 0}):
            yield Event(event.name, {**event.data, "sequence_number": next(numbers)})


def _steps(exchange: Exchange) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "start", {"response": _response(exchange, None)}
    for index, (kind, item, values) in enumerate(_parts(exchange)):
        shared = {**values, "index": index, "item": item}
        for name, more in _inside(exchange, kind, values):
            yield name, {**shared, **more}
        yield "item_end", shared
    final = _response(exchange, _items(exchange))
    yield final["status"], {"response": final}


def _inside(
    exchange: Exchange, kind: str, values: dict[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    yield f"{kind}_start", {}
    thinking = exchange.values["thinking"]
    if kind == "thinking" and thinking:
        yield "summary_start", {}
        yield from (("summary_delta", {"piece": piece}) for piece in pieces(thinking))
        yield "summary_end", {}
    elif kind not in ("thinking", "image"):
        whole = values["tool_json"] if kind == "tool" else exchange.values["text"]
        yield from ((f"{kind}_delta", {"piece": piece}) for piece in pieces(whole))
        yield f"{kind}_end", {}
