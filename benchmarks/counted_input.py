"""How far a locally counted input is from what was sent: an agent's streamed step, per client.

Every client of the tests streams one conversation with five tools to a server that reports no
usage and keeps the request. ``python -m benchmarks.counted_input`` prints the table of
``docs/tokens.md``. With ``pip install mistral-common`` it also prints what Mistral's own tokenizer
and template make of LangChain's conversation.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from langchain_core.messages import (
    AIMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_openai_messages,
)
from langchain_core.tools import StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool

from impactree import ImpactHandler
from impactree.calls.counting import count_tokens
from impactree.llama_index import ImpactHandler as LlamaIndexHandler

SYSTEM = "You plan trips by train. Look everything up with the tools, and answer in two sentences."
QUESTION = "I want to go from Ulm to Vienna on Friday morning with two children. What does it cost?"
ARGUMENTS = {"origin": "Ulm Hbf", "destination": "Wien Hbf", "day": "2026-05-08"}
FOUND = json.dumps([{"train": "RJX 61", "leaves": "08:05", "arrives": "13:30", "changes": 1}] * 3)


def find_trains(origin: str, destination: str, day: str, latest_arrival: str = "") -> str:
    """Find the trains between two stations on a day, with their times, changes and operators."""
    return FOUND


def price(train: str, adults: int, children: int, first_class: bool = False) -> float:
    """The price in euros of a connection for all travellers, discounts for children included."""
    return 0.0


def reserve_seats(train: str, seats: int, by_the_window: bool = False) -> str:
    """Reserve seats next to one another in a train; fails when there are not enough of them."""
    return ""


def weather(city: str, day: str) -> str:
    """The forecast of the weather in a city: temperature in degrees Celsius, rain and wind."""
    return ""


def hotels(city: str, night: str, guests: int, most_euros: float = 150.0) -> str:
    """Find hotels with free rooms near the main station of a city, the cheapest ones first."""
    return ""


TOOLS = (find_trains, price, reserve_seats, weather, hotels)
_NO_TEXT = {"role", "type", "id", "status", "name", "index"}


def _messages() -> list[Any]:
    asks = AIMessage("", tool_calls=[{"name": "find_trains", "args": ARGUMENTS, "id": "call00001"}])
    found = ToolMessage(FOUND, tool_call_id="call00001")
    return [SystemMessage(SYSTEM), HumanMessage(QUESTION), asks, found]


def _tools() -> list[StructuredTool]:
    return [StructuredTool.from_function(tool) for tool in TOOLS]


def _langchain(make: Any, url: str) -> Any:
    handler = ImpactHandler()
    model = make(url).bind_tools(_tools())
    with suppress(Exception):  # some clients cannot do without usage; the request was sent
        list(model.stream(_messages(), {"callbacks": [handler]}))
    return handler


def _llama_index(make: Any, url: str) -> Any:
    try:
        model = make(url)
    except ImportError:
        return None
    if not getattr(model.metadata, "is_function_calling_model", False):
        return None
    messages = [ChatMessage(role="system", content=SYSTEM), ChatMessage(content=QUESTION)]
    tools = [FunctionTool.from_defaults(tool) for tool in TOOLS]
    with LlamaIndexHandler().instrument() as handler, suppress(Exception):
        list(model.stream_chat_with_tools(tools, chat_history=messages))
    return handler


def _leaves(place: Any, key: str = "") -> Iterator[str]:
    """The texts of a request's messages, arguments of tools as JSON."""
    if key in ("input", "args", "arguments") and isinstance(place, dict):
        yield json.dumps(place)
    elif isinstance(place, dict):
        for name, value in place.items():
            if name not in _NO_TEXT and not name.lower().endswith("id"):
                yield from _leaves(value, name)
    elif isinstance(place, list):
        for value in place:
            yield from _leaves(value)
    elif isinstance(place, str):
        yield place


def _sent(body: dict[str, Any]) -> int:
    """What a request asks a model to read, by the vocabulary that impactree counts with."""
    keys = ("system", "systemInstruction", "instructions", "messages", "contents", "input")
    texts = "\n".join(text for key in keys for text in _leaves(body.get(key)))
    tools = (body.get("toolConfig") or {}).get("tools") or body.get("tools") or ()
    return count_tokens(texts) + count_tokens("\n".join(json.dumps(tool) for tool in tools))


def _row(name: str, handler: Any, server: Any) -> str | None:
    asked = [r.body for r in server.requests if isinstance(r.body, dict)]
    calls = [] if handler is None else [c.call for run in handler.runs for c in run.calls]
    if not calls or not asked:
        return None
    call, sent = calls[-1], _sent(asked[-1])
    if call.tokens_source != "counted" or not call.input_tokens:
        return f"| {name} | {sent} | {call.input_tokens} ({call.tokens_source}) | |"
    return (
        f"| {name} | {sent} | {call.input_tokens} | {100 * (call.input_tokens / sent - 1):+.0f} % |"
    )


def _by_templates() -> Iterator[str]:
    try:
        from mistral_common.protocol.instruct.request import ChatCompletionRequest
        from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
    except ImportError:
        return
    tools = [convert_to_openai_tool(tool) for tool in _tools()]
    messages = convert_to_openai_messages(_messages())
    for message in messages:
        for called in message.get("tool_calls", ()):
            called.pop("type", None)
    tokenizer = MistralTokenizer.v3(is_tekken=True)
    request = ChatCompletionRequest.from_openai(messages=messages, tools=tools)
    yield f"Mistral's v3 tekken: {len(tokenizer.encode_chat_completion(request).tokens)} tokens"


def main() -> None:
    warnings.simplefilter("ignore")
    tests = Path(__file__).parents[1] / "tests"
    sys.path += [str(tests), str(tests / "llama_index")]
    wire = import_module("wire.server")
    print("| client | sent | counted | error |\n| --- | --- | --- | --- |")
    with wire.WireServer() as server:
        answer = wire.Answer(no_usage=True)
        for framework, module, ask in (
            ("LangChain", "wire.clients", _langchain),
            ("LlamaIndex", "llama_clients", _llama_index),
        ):
            for client in import_module(module).CLIENTS:
                server.reset()
                server.respond(lambda _: answer)
                row = _row(f"{framework}, {client.id}", ask(client.make, server.url), server)
                if row is not None:
                    print(row)
    print("", *_by_templates(), sep="\n")


if __name__ == "__main__":
    main()
