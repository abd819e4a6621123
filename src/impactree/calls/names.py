"""Reading names out of what frameworks and providers hand over: dicts or objects."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from impactree.calls.scrubbing import MAX_TEXT, text, without_secrets

__all__ = [
    "MODEL_KEYS",
    "URL_KEYS",
    "address",
    "answered_model",
    "field",
    "first_address",
    "first_text",
    "known",
]

MODEL_KEYS: Final = (
    *("model_name", "model", "model_id", "deployment_name", "azure_deployment", "engine"),
)
"""What clients call the model that they ask, the most specific first."""
URL_KEYS: Final = (
    "azure_endpoint",
    "anthropic_api_url",
    "groq_api_base",
    "mistral_api_base",
    "openai_api_base",
    "openrouter_api_base",
    "xai_api_base",
    "api_base",
    "base_url",
    "endpoint_url",
    "endpoint",
)
"""What clients call the address that they ask, the most specific first."""
_URLS: Final = frozenset(URL_KEYS)
_ANSWER_KEYS: Final = (
    *("model_name", "model", "model_version", "modelVersion", "model_id", "modelId"),
)


def field(place: Any, key: str) -> Any:
    """What a dict or an object holds under a name; None if nothing."""
    return place.get(key) if isinstance(place, dict) else getattr(place, key, None)


def known(place: Any, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Which of these names a place may hold: pydantic takes long to say that it lacks one."""
    if isinstance(place, dict):
        return keys
    if getattr(place, "__pydantic_extra__", None):
        return keys
    return _declared(type(place), keys)  # type: ignore[arg-type]  # every class is hashable


@lru_cache(maxsize=1024)
def _declared(cls: type, keys: tuple[str, ...]) -> tuple[str, ...]:
    fields = getattr(cls, "__pydantic_fields__", None)
    asked = getattr(cls, "__getattr__", None)
    if fields is None or getattr(asked, "__module__", None) != "pydantic.main":
        return keys
    return tuple(key for key in keys if key in fields or hasattr(cls, key))


def first_text(keys: tuple[str, ...], *places: Any) -> str | None:
    """The first non-empty text under these names, cut; each name is looked up in all places."""
    found = [(place, known(place, keys)) for place in places]
    for key in keys:
        for place, held in found:
            if key in held and (said := text(field(place, key))):
                return said
    return None


def address(value: Any) -> str | None:
    """Where requests go, without credentials; None if that is no text."""
    # Cut last: half a user and password could not be told from a host.
    return text(without_secrets(value)) if isinstance(value, str) and value else None


def first_address(place: Any) -> str | None:
    """The address that a client asks, without credentials, under whatever name it has it."""
    held = place if isinstance(place, dict) else None
    if held is not None and _URLS.isdisjoint(held):
        return None
    for key in known(place, URL_KEYS):
        value = getattr(place, key, None) if held is None else held.get(key)
        if value and (found := address(value)):
            return found
    return None


def answered_model(place: Any) -> str | None:
    """The model's name as a part of an answer gave it; None if it does not."""
    held = place if isinstance(place, dict) else None
    for key in known(place, _ANSWER_KEYS) if held is None else _ANSWER_KEYS:
        found = getattr(place, key, None) if held is None else held.get(key)
        if found and isinstance(found, str) and "://" not in found:  # an endpoint
            return _cleaned(found)
    return None


@lru_cache(maxsize=512)
def _cleaned(name: str) -> str:
    """Merging stream chunks concatenates strings: ``gpt-4ogpt-4o`` is ``gpt-4o``."""
    period = (name + name).find(name, 1)
    return (name[:period] if period > 2 else name)[:MAX_TEXT].removeprefix("models/")
