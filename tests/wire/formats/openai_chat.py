"""OpenAI Chat Completions and the providers that speak it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..templates import Event, Sections, load_stream
from .base import Demand, Exchange, function_tools, pieces, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Answer, Reply, Request

FLAVOURS = (
    "openai",
    "azure",
    "groq",
    "deepseek",
    "xai",
    "openrouter",
    "mistral",
    "huggingface",
    "litellm",
)


def chat(provider: str, request: Request, answer: Answer) -> Reply:
    """Answer a chat completion in the provider's flavour."""
    body = request.json
    model = body.get("model") or _deployment(request.path)
    exchange = prepare(provider, request, answer, model, _demand(body))
    exchange.values["finish"] = _finish(exchange)
    if not body.get("stream"):
        return exchange.reply(_whole(exchange))
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    return exchange.stream(_events(exchange, asked))


def _deployment(path: str) -> str:
    parts = path.split("/")
    return parts[parts.index("deployments") + 1] if "deployments" in parts else ""


def _demand(body: dict[str, Any]) -> Demand:
    choice = body.get("tool_choice")
    forced: str | bool = choice in ("required", "any")
    if isinstance(choice, dict):
        forced = (choice.get("function") or {}).get("name", True)
    wanted = body.get("response_format") or {}
    schema = (wanted.get("json_schema") or {}).get("schema") or wanted.get("value")
    if wanted.get("type") == "json_object":
        schema = schema or wanted.get("schema") or {"type": "object"}
    return Demand(function_tools(body.get("tools")), forced, schema)


def _finish(exchange: Exchange) -> str:
    if exchange.answer.tool_calls:
        return "tool_calls"
    return exchange.answer.finish


def _whole(exchange: Exchange) -> Any:
    content: Any = exchange.values["text"] or (None if exchange.answer.tool_calls else "")
    if exchange.provider == "mistral":
        content = _mistral_content(exchange)
    calls = exchange.tools("tool_call.json")
    return exchange.fill("chat.json", content=content, tool_calls=calls)


def _mistral_content(exchange: Exchange) -> Any:
    text, thinking = exchange.values["text"], exchange.values["thinking"]
    if not thinking:
        return text
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": thinking}]}
    return [thought, {"type": "text", "text": text}]


def _events(exchange: Exchange, asked: bool) -> Iterator[Event]:
    sections = load_stream(exchange.provider, "chat.sse")
    shown = asked and not exchange.answer.no_usage
    for name, more in _steps(exchange):
        if name == "usage" and not shown:
            continue
        for event in sections.render(name, {**exchange.values, **more}):
            yield event if shown else _without_usage(event, sections)


def _without_usage(event: Event, sections: Sections) -> Event:
    optional = "usage" in sections
    if not optional or not isinstance(event.data, dict):
        return event
    return Event(event.name, {k: v for k, v in event.data.items() if k != "usage"})


def _steps(exchange: Exchange) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "start", {}
    yield from (("thinking", {"piece": piece}) for piece in pieces(exchange.values["thinking"]))
    yield from (("text", {"piece": piece}) for piece in pieces(exchange.values["text"]))
    for values in exchange.tool_values():
        yield "tool_start", values
        for piece in pieces(values["tool_json"]):
            yield "tool_delta", {**values, "piece": piece}
    yield "finish", {}
    if not exchange.answer.no_usage:
        yield "always_usage", {}
    yield "usage", {}
    yield "end", {}
