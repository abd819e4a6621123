"""OpenAI legacy completions, embeddings and the model list."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any

from ..templates import Event, load_stream
from .base import Exchange, pieces, prepare, texts, vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..model import Answer, Reply, Request


def completions(request: Request, answer: Answer) -> Reply:
    """Answer a legacy text completion."""
    body = request.json
    exchange = prepare("completions", request, answer, body.get("model", ""))
    exchange.values["finish"] = exchange.answer.finish
    if not body.get("stream"):
        return exchange.reply(exchange.fill("completion.json"))
    asked = bool((body.get("stream_options") or {}).get("include_usage"))
    return exchange.stream(_events(exchange, asked and not answer.no_usage))


def _events(exchange: Exchange, shown: bool) -> Iterator[Event]:
    sections = load_stream("completions", "completion.sse")
    for piece in pieces(exchange.values["text"]):
        yield from sections.render("text", {**exchange.values, "piece": piece})
    for name in ("finish", "usage", "end") if shown else ("finish", "end"):
        yield from sections.render(name, exchange.values)


def embeddings(request: Request, answer: Answer) -> Reply:
    """Answer an embedding request, as floats or base64."""
    body = request.json
    exchange = prepare("embeddings", request, answer, body.get("model", ""))
    packed = body.get("encoding_format") == "base64"
    count = len(texts(body.get("input", "")))
    data = [exchange.fill("item.json", index=n, vector=_pack(n, packed)) for n in range(count)]
    return exchange.reply(exchange.fill("embeddings.json", data=data))


def _pack(number: int, packed: bool) -> Any:
    values = vector(number)
    if not packed:
        return values
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def models(request: Request, answer: Answer) -> Reply:
    """Answer the model list."""
    exchange = prepare("openai", request, answer, "")
    reply = exchange.reply(exchange.fill("models.json"))
    reply.usage = None
    return reply
