"""What a request gives a model to read beside its messages: tools, functions, the answer's schema.

Providers put these into the prompt in templates of their own, most of them as JSON.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["definitions"]

_TOOLS: Final = ("tools", "functions")
# Ollama's ``format`` is none of them: it is a grammar for the sampler, which no model reads.
_SCHEMAS: Final = ("response_format", "response_schema", "response_json_schema", "output_format")
_NESTED: Final = (("text", "format"), ("output_config", "format"), ("output_config", "textFormat"))
_NAMES: Final = frozenset({*_TOOLS, *_SCHEMAS, *(holder for holder, _ in _NESTED)})
_NO_SCHEMA: Final = frozenset({"text", "json_object", "json"})


def definitions(*places: Mapping[str, Any] | None) -> str:
    """The tools and schemas among a request's parameters, as JSON; what is in none is left out.

    Args:
        places: Where parameters may stand; of a name, the first one that has it counts.
    """
    params: dict[str, Any] = {}
    for place in reversed(places):
        if place and not _NAMES.isdisjoint(place):
            params |= {key: value for key, value in place.items() if value}
    return "\n".join(filter(None, map(_as_json, _found(params)))) if params else ""


def _found(params: Mapping[str, Any]) -> Iterator[Any]:
    for key in _TOOLS:
        tools = params.get(key)
        if isinstance(tools, dict):  # Bedrock's, with a choice beside them
            tools = tools.get("tools", tools)
        if tools:
            yield from tools if isinstance(tools, list | tuple) else (tools,)
    for key in _SCHEMAS:
        yield _schema(params.get(key))
    for key, inner in _NESTED:
        holder = params.get(key)
        if isinstance(holder, dict):
            yield _schema(holder.get(inner))


def _schema(value: Any) -> Any:
    """The schema that an answer must have; None where only its kind is asked for."""
    if isinstance(value, dict) and value.get("type") in _NO_SCHEMA:
        return value.get("schema")
    return None if isinstance(value, str) else value


def _as_json(value: Any) -> str:
    if value is None:
        return ""
    import json

    try:
        return json.dumps(value, default=_plain, ensure_ascii=False, skipkeys=True)
    except (TypeError, ValueError, RecursionError):
        return ""  # it cannot be sent either


def _plain(value: Any) -> Any:
    """What the clients send of the objects that they take: schemas, tools, functions."""
    try:
        return _described(value)
    except Exception:
        return None  # a tool that cannot describe itself: the count is marked approximate


def _described(value: Any) -> Any:
    if isinstance(value, type):
        schema = getattr(value, "model_json_schema", None)
        return schema() if schema is not None else inspect.getdoc(value)
    if hasattr(value, "description") and hasattr(value, "args"):  # LangChain's tools
        return {"name": value.name, "description": value.description, "parameters": value.args}
    told = getattr(getattr(value, "metadata", None), "to_openai_tool", None)
    if told is not None:  # LlamaIndex's
        return told()
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", exclude_none=True)
    if callable(value):
        name, signature = getattr(value, "__name__", ""), inspect.signature(value)
        return {"name": name, "description": inspect.getdoc(value), "parameters": str(signature)}
    return None
