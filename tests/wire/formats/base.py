"""What all formats share: prepared exchanges, pieces of text, schema samples, errors."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from ..model import Answer, Reply, Request, ToolCall, Usage
from ..templates import Event, drop, dumps, fill, load

JSON = "application/json"
SSE = "text/event-stream; charset=utf-8"
NDJSON = "application/x-ndjson"
USAGE_KEYS = frozenset({"usage", "usageMetadata", "meta", "prompt_eval_count", "eval_count"})

# One transparent pixel.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
Handler = Callable[["Request", "Answer"], "Reply"]


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request asks for beyond text: its tools, a forced tool, a JSON schema."""

    tools: Mapping[str, Any]
    forced: str | bool = False
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with its resolved answer and the values its templates use."""

    provider: str
    request: Request
    answer: Answer
    usage: Usage
    values: dict[str, Any]

    def input_only(self) -> Exchange:
        """Return the exchange without output tokens, as for embeddings."""
        usage = replace(self.usage, output=0, reasoning=0)
        return replace(self, usage=usage)

    def fill(self, name: str, **more: Any) -> Any:
        """Return a filled JSON template of the provider."""
        return fill(load(self.provider, name), {**self.values, **more})

    def tools(self, name: str) -> list[Any]:
        """Return every tool call of the answer in the provider's shape."""
        return [self.fill(name, **values) for values in self.tool_values()]

    def tool_values(self) -> Iterator[dict[str, Any]]:
        """Yield the template values of each tool call."""
        for index, call in enumerate(self.answer.tool_calls):
            yield {
                "tool_index": index,
                "tool_id": f"call_{self.values['id']}{index}",
                "tool_name": call.name,
                "tool_arguments": dict(call.arguments),
                "tool_json": json.dumps(dict(call.arguments)),
            }

    def reply(self, body: Any, content_type: str = JSON) -> Reply:
        """Return a whole JSON reply."""
        shown = drop(body, USAGE_KEYS) if self.answer.no_usage else body
        return Reply(200, content_type, [dumps(shown)], usage=self.usage)

    def stream(
        self,
        events: Iterable[Event],
        encode: Callable[[Event], bytes] = Event.sse,
        content_type: str = SSE,
    ) -> Reply:
        """Return a streamed reply."""
        if self.answer.no_usage:
            events = (Event(item.name, drop(item.data, USAGE_KEYS)) for item in events)
        chunks = [encode(item) for item in events]
        return Reply(200, content_type, chunks, stream=True, usage=self.usage)


def prepare(
    provider: str, request: Request, answer: Answer, model: str, demand: Demand | None = None
) -> Exchange:
    """Resolve what the script left open and compute the template values."""
    defaults = load(provider, "defaults.json")
    answer = _meet(answer, demand, defaults["text"])
    models = defaults["models"]
    answered = answer.model or models.get(model) or models.get("*") or model
    usage = (answer.usage or Usage(**defaults["usage"])).visible(defaults["reports"], answered)
    values = {
        **_identity(request, answered),
        **_counts(usage, answer.cache_ttl),
        "text": answer.text,
        "thinking": answer.thinking or "",
        "billed_input": max(usage.input - defaults.get("special_tokens", 0), 0),
    }
    return Exchange(provider, request, answer, usage, values)


def _meet(answer: Answer, demand: Demand | None, text: str) -> Answer:
    if answer.tool_calls:
        return replace(answer, text=answer.text or "")
    if answer.text is not None:
        return answer
    if demand is not None and demand.forced and demand.tools:
        name = demand.forced if isinstance(demand.forced, str) else next(iter(demand.tools))
        call = ToolCall(name, sample(demand.tools.get(name) or {}))
        return replace(answer, text="", tool_calls=(call,))
    if demand is not None and demand.schema is not None:
        return replace(answer, text=json.dumps(sample(demand.schema)))
    return replace(answer, text=text)


def _identity(request: Request, model: str) -> dict[str, Any]:
    return {
        "id": f"{request.number:024x}",
        "number": request.number,
        "created": int(time.time()),
        "created_iso": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
        "model": model,
    }


def _counts(usage: Usage, ttl: str) -> dict[str, int]:
    return {
        "input": usage.input,
        "cached": usage.cached_input,
        "cache_write": usage.cache_write,
        "write_5m": usage.cache_write if ttl == "5m" else 0,
        "write_1h": usage.cache_write if ttl == "1h" else 0,
        "uncached": usage.input - usage.cached_input,
        "fresh": usage.input - usage.cached_input - usage.cache_write,
        "output": usage.output,
        "reasoning": usage.reasoning,
        "visible": usage.output - usage.reasoning,
        "total": usage.input + usage.output,
    }


def pieces(text: str, most: int = 8) -> list[str]:
    """Split text into a few stream pieces that join back to it."""
    if not text:
        return []
    size = max(math.ceil(len(text) / most), 4)
    return [text[start : start + size] for start in range(0, len(text), size)]


def vector(number: int, size: int = 8) -> list[float]:
    """Return a small deterministic unit vector."""
    raw = [math.sin(number + 1 + place) for place in range(size)]
    norm = math.sqrt(sum(value * value for value in raw))
    return [value / norm for value in raw]


def texts(value: Any) -> list[Any]:
    """Return an embedding input as a list of inputs."""
    if isinstance(value, list) and value and isinstance(value[0], int):
        return [value]
    return list(value) if isinstance(value, list) else [value]


def sample(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> Any:
    """Return a smallest value that fits a JSON schema."""
    root = schema if root is None else root
    if "$ref" in schema:
        return sample(_resolve(root, schema["$ref"]), root)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return sample(schema[key][0], root)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    return _by_type(schema, root)


def _resolve(root: Mapping[str, Any], pointer: str) -> Mapping[str, Any]:
    node: Any = root
    for part in pointer.removeprefix("#/").split("/"):
        node = node[part]
    found: Mapping[str, Any] = node
    return found


def _by_type(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    kinds = schema.get("type", "object" if "properties" in schema else "string")
    kind = str(kinds[0] if isinstance(kinds, list) else kinds).lower()
    if kind == "object":
        return {key: sample(part, root) for key, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items", {}), root)]
    return {"integer": 1, "number": 1.5, "boolean": True, "null": None}.get(kind, "wire")


def function_tools(tools: Sequence[Any] | None) -> dict[str, Any]:
    """Return the schemas of `{"type": "function", "function": {...}}` tools by name."""
    found = [tool.get("function") or tool for tool in tools or [] if isinstance(tool, dict)]
    return {tool["name"]: tool.get("parameters") or {} for tool in found if "name" in tool}


def error(provider: str, request: Request, answer: Answer) -> tuple[Reply, str]:
    """Return the provider's error reply and its error type."""
    template = load(provider, "error.json")
    kind = template["types"].get(str(answer.status), "error")
    values = {
        **_identity(request, ""),
        "status": answer.status,
        "status_text": HTTPStatus(answer.status).phrase if answer.status != 529 else "Overloaded",
        "type": kind,
        "message": answer.error,
    }
    return Reply(answer.status, JSON, [dumps(fill(template["body"], values))]), kind
