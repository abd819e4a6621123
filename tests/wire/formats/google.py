"""Google GenAI generateContent and embedContent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..templates import Event, dumps
from .base import JSON, PNG, Demand, Exchange, pieces, prepare, vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Answer, Reply, Request

_FINISH = {"stop": "STOP", "length": "MAX_TOKENS"}


def generate(model: str, request: Request, answer: Answer) -> Reply:
    """Answer generateContent."""
    exchange = _prepare(model, request, answer)
    parts = [part for part, _ in _parts(exchange, whole=True)]
    return exchange.reply(_body(exchange, parts, last=True))


def stream_generate(model: str, request: Request, answer: Answer) -> Reply:
    """Answer streamGenerateContent, as SSE or as a JSON array."""
    exchange = _prepare(model, request, answer)
    events = [Event(None, body) for body in _stream(exchange)]
    if request.query.get("alt") == "sse":
        return exchange.stream(events)
    reply = exchange.stream(events, encode=lambda event: dumps(event.data), content_type=JSON)
    last = len(reply.chunks) - 1
    reply.chunks = [
        (b"[" if n == 0 else b",\r\n") + chunk + (b"]" if n == last else b"")
        for n, chunk in enumerate(reply.chunks)
    ]
    return reply


def embed(model: str, request: Request, answer: Answer) -> Reply:
    """Answer embedContent."""
    exchange = _prepare(model, request, answer, output=False)
    return exchange.reply(exchange.fill("embed.json", vector=vector(0)))


def batch_embed(model: str, request: Request, answer: Answer) -> Reply:
    """Answer batchEmbedContents."""
    exchange = _prepare(model, request, answer, output=False)
    count = len(request.json.get("requests") or [])
    embeddings = [{"values": vector(number)} for number in range(count)]
    return exchange.reply(exchange.fill("batch_embed.json", embeddings=embeddings))


def _prepare(model: str, request: Request, answer: Answer, output: bool = True) -> Exchange:
    exchange = prepare("google", request, answer, model, _demand(request.json))
    exchange.values["finish"] = _FINISH.get(answer.finish, answer.finish)
    cached = exchange.usage.cached_input
    details = [{"modality": "TEXT", "tokenCount": cached}] if cached else []
    exchange.values["cache_details"] = details
    return exchange if output else exchange.input_only()


def _demand(body: dict[str, Any]) -> Demand:
    functions = [
        declared
        for tool in body.get("tools") or []
        for declared in tool.get("functionDeclarations") or []
    ]
    tools = {
        item["name"]: item.get("parametersJsonSchema") or item.get("parameters") or {}
        for item in functions
    }
    calling = (body.get("toolConfig") or {}).get("functionCallingConfig") or {}
    allowed = calling.get("allowedFunctionNames") or [True]
    config = body.get("generationConfig") or {}
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if config.get("responseMimeType") == "application/json":
        schema = schema or {"type": "object"}
    return Demand(tools, calling.get("mode") == "ANY" and allowed[0], schema)


def _parts(exchange: Exchange, whole: bool) -> Iterator[tuple[Any, bool]]:
    for kind in ("thinking", "text"):
        text = exchange.values[kind]
        for piece in [text] if whole and text else pieces(text):
            yield exchange.fill(f"part_{kind}.json", piece=piece), kind == "thinking"
    for _ in range(exchange.answer.pictures):
        yield {"inlineData": {"mimeType": "image/png", "data": PNG}}, False
    for values in exchange.tool_values():
        yield exchange.fill("part_tool.json", **values), False


def _body(exchange: Exchange, parts: list[Any], last: bool) -> Any:
    more = {} if last else {"finish": ""}
    return exchange.fill("generate.json", parts=parts, **more)


def _stream(exchange: Exchange) -> Iterator[Any]:
    parts = list(_parts(exchange, whole=False)) or [({"text": ""}, False)]
    visible = exchange.values["visible"]
    for number, (part, thinking) in enumerate(parts, start=1):
        last = number == len(parts)
        body = _body(exchange, [part], last)
        if not last:
            told = 0 if thinking else visible * number // len(parts)
            body["usageMetadata"] = _so_far(exchange, told)
        yield body


def _so_far(exchange: Exchange, visible: int) -> Any:
    total = exchange.values["input"] + visible + exchange.values["reasoning"]
    return exchange.fill("stream_usage.json", visible_so_far=visible, total_so_far=total)
