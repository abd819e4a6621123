"""Who was asked, as LangChain's events tell it: run names, kinds, provider and model names."""

from __future__ import annotations

import re
from typing import Any, Final

__all__ = [
    "MAX_NAME",
    "answered_model",
    "base_url",
    "kept_metadata",
    "kept_tags",
    "provider",
    "region",
    "requested_model",
    "run_name",
    "text",
]

MAX_NAME: Final = 300
_MODEL_KEYS: Final = ("model_name", "model", "model_id", "deployment_name", "azure_deployment")
_ANSWER_KEYS: Final = ("model_name", "model", "model_id", "modelId")
_URL_KEYS: Final = frozenset(
    {
        "anthropic_api_url",
        "api_base",
        "azure_endpoint",
        "base_url",
        "endpoint",
        "endpoint_url",
        "groq_api_base",
        "mistral_api_base",
        "openai_api_base",
        "openrouter_api_base",
        "xai_api_base",
    }
)
_URL_IN_REPR: Final = re.compile(r"(?:base_url|api_base|endpoint_url)='(https?://[^']{1,300})'")


def text(value: Any) -> str | None:
    """A non-empty string cut to a sane length, else None."""
    return value[:MAX_NAME] if isinstance(value, str) and value else None


def run_name(serialized: Any, name: Any, fallback: str) -> str:
    """The run's name: as configured, else the class's."""
    if name and isinstance(name, str):
        return name if len(name) <= MAX_NAME else name[:MAX_NAME]
    if isinstance(serialized, dict):
        path = serialized.get("id")
        last = path[-1] if isinstance(path, list) and path else None
        return text(serialized.get("name")) or text(last) or fallback
    return fallback


def kept_tags(tags: Any) -> tuple[str, ...]:
    """The tags without LangChain's own ``seq:step:N``, which say nothing that the tree does not."""
    kept: tuple[str, ...] = ()
    for tag in tags or ():
        if isinstance(tag, str) and not tag.startswith("seq:step:"):
            kept = (*kept, tag)
    return kept


def kept_metadata(metadata: Any, keys: frozenset[str]) -> dict[str, Any]:
    """The whitelisted keys, plain values only."""
    if not isinstance(metadata, dict):
        return {}
    kept: dict[str, Any] = {}
    for key, value in metadata.items():
        if key in keys:
            if isinstance(value, str):
                kept[key] = value[:MAX_NAME]
            elif isinstance(value, int | float | bool):
                kept[key] = value
    return kept


def provider(metadata: dict[str, Any], params: dict[str, Any], class_name: str) -> str | None:
    """Who was asked: LangSmith's provider, else the client's type, else its class."""
    return text(metadata.get("ls_provider") or params.get("_type") or class_name)


def requested_model(metadata: dict[str, Any], params: dict[str, Any]) -> str | None:
    """The model's name as it was asked for."""
    found = metadata.get("ls_model_name") or next(filter(None, map(params.get, _MODEL_KEYS)), None)
    return text(found)


def answered_model(message: Any, llm_output: Any, generation_info: Any) -> str | None:
    """The model's name as the answer gave it."""
    for place in (getattr(message, "response_metadata", None), generation_info, llm_output):
        if isinstance(place, dict):
            for key in _ANSWER_KEYS:
                found = place.get(key)
                if found and isinstance(found, str) and "://" not in found:  # an endpoint
                    return _unrepeated(found)[:MAX_NAME]
    return None


def _unrepeated(name: str) -> str:
    """Merging stream chunks concatenates strings: ``gpt-4ogpt-4o`` is ``gpt-4o``."""
    period = (name + name).find(name, 1)
    return name[:period] if period > 2 else name


def base_url(serialized: Any) -> str | None:
    """Where the requests go, if the client says so: among its arguments, else in its repr."""
    if not isinstance(serialized, dict):
        return None
    kwargs = serialized.get("kwargs")
    if isinstance(kwargs, dict):
        for key in _URL_KEYS & kwargs.keys():
            found = text(kwargs[key])
            if found:
                return found
    shown = serialized.get("repr")
    match = _URL_IN_REPR.search(shown) if isinstance(shown, str) and "://" in shown else None
    return match[1] if match else None


def region(metadata: dict[str, Any], params: dict[str, Any]) -> str | None:
    """The cloud region, where the client tells it (Bedrock does)."""
    for place in (params, metadata.get("ls_invocation_params")):
        if isinstance(place, dict):
            found = text(place.get("region_name") or place.get("location"))
            if found:
                return found
    return None
