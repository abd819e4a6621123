"""Content blocks: thinking, text and tool use, as Anthropic and Bedrock send them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .base import Exchange, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator


def _kinds(exchange: Exchange) -> Iterator[tuple[str, str, dict[str, Any]]]:
    if exchange.values["thinking"]:
        yield "thinking", exchange.values["thinking"], {}
    if exchange.values["text"] or not exchange.answer.tool_calls:
        yield "text", exchange.values["text"], {}
    for values in exchange.tool_values():
        yield "tool", values["tool_json"], values


def blocks(exchange: Exchange) -> list[Any]:
    """Return the content blocks of a whole answer."""
    return [exchange.fill(f"block_{kind}.json", **values) for kind, _, values in _kinds(exchange)]


def block_steps(exchange: Exchange) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the section names and extra values of a streamed answer."""
    yield "start", {}
    for index, (kind, whole, values) in enumerate(_kinds(exchange)):
        shared = {**values, "index": index}
        yield f"{kind}_start", shared
        for piece in pieces(whole):
            yield f"{kind}_delta", {**shared, "piece": piece}
        yield f"{kind}_end", shared
    yield "end", {}
