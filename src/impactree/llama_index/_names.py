"""Who was asked, as LlamaIndex's objects and events tell it: provider, model, place."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from impactree.calls.building import Asked
from impactree.calls.names import MODEL_KEYS, address, field, first_address, known
from impactree.calls.names import answered_model as answered_in
from impactree.calls.retrying import MAY_RETRY, may_retry
from impactree.calls.scrubbing import text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = [
    "Asked",
    "answered_model",
    "asked",
    "with_retries",
]

_ANSWER_WRAPPERS: Final = ("response", "data", "message")
_NAMELESS: Final = "base_component"  # LlamaIndex's default where a class gives itself no name
_CLIENTS: Final = frozenset({"_client", "_aclient"})
_REGION: Final = ("region_name",)
# llama_index.llms.openai.base -> openai; these hold no client of their own.
_PACKAGES: Final = ("llama_index.llms.", "llama_index.embeddings.", "llama_index.postprocessor.")


def asked(instance: Any, model_dict: dict[str, Any]) -> Asked:
    """Who is asked, from the model's object and its description in an event."""
    speaks = _asked_object(instance)
    said = model_dict if speaks is instance else {}
    class_name = text(said.get("class_name"))
    if class_name == _NAMELESS:
        class_name = None
    clients = _clients(speaks)
    return Asked(
        _provider(speaks, class_name),
        _requested_model(speaks, said),
        _base_url(speaks, clients) or first_address(said),
        _region(speaks, clients),
        class_name or type(speaks).__name__,
    )


def _asked_object(instance: Any) -> Any:
    """The object that knows the model: of LangChain's wrappers, what they wrap."""
    private = getattr(instance, "__pydantic_private__", None) or {}
    wrapped = private.get("_llm") or private.get("_langchain_embedding")
    return instance if wrapped is None else wrapped


def _provider(instance: Any, name: str | None) -> str | None:
    """Who was asked: the client package's name, else the class's without its ``_llm``."""
    package = None if instance is None else _package(type(instance))  # type: ignore[arg-type]
    if package is None and name is not None:
        package = _package_of_class(name)
    if package is not None:
        return package
    if name is None:
        return None if instance is None else type(instance).__name__
    return name[:-4].lower() if name.lower().endswith("_llm") else name


@lru_cache(maxsize=512)
def _package(cls: type) -> str | None:
    for base in cls.__mro__:
        for prefix in _PACKAGES:
            if base.__module__.startswith(prefix):
                package = base.__module__[len(prefix) :].partition(".")[0]
                return package.removesuffix("_rerank")
    return None


@lru_cache(maxsize=512)
def _package_of_class(name: str) -> str | None:
    """The package of the loaded class that gives itself this name: a callback tells no more."""
    component = getattr(sys.modules.get("llama_index.core.schema"), "BaseComponent", None)
    classes = [] if component is None else component.__subclasses__()
    while classes:
        cls = classes.pop()
        classes += cls.__subclasses__()
        found = _package(cls)
        if found is not None and cls.class_name() == name:
            return found
    return None


def _requested_model(instance: Any, model_dict: dict[str, Any]) -> str | None:
    """The model's name as it was asked for: the object's, else the event's."""
    held = known(instance, MODEL_KEYS)
    for key in MODEL_KEYS:
        if key not in model_dict and key not in held:
            continue
        for found in (model_dict.get(key), getattr(instance, key, None) if key in held else None):
            said = text(found)
            if said and said != "unknown":  # LlamaIndex's default for no name
                return said
    return None


def answered_model(raw: Any) -> str | None:
    """The model's name as the provider's answer gave it."""
    if raw is None:
        return None
    inside = (field(raw, key) for key in known(raw, _ANSWER_WRAPPERS))
    places = (place for place in (raw, *inside) if place is not None)
    return next(filter(None, map(answered_in, places)), None)


def _base_url(instance: Any, clients: Collection[Any]) -> str | None:
    """Where the requests go, if the model or what it asks through says so."""
    found = first_address(instance)
    if found:
        return found
    for client in clients:
        url = getattr(client, "base_url", None)
        if url is not None and str(url).startswith("http"):
            return address(str(url))
    return None


def _region(instance: Any, clients: Collection[Any]) -> str | None:
    """The cloud region, where the client tells it (Bedrock and Vertex do)."""
    found = text(getattr(instance, "region_name", None)) if known(instance, _REGION) else None
    for client in clients:
        found = found or text(field(client, "location"))
    return found


def _clients(instance: Any) -> Collection[Any]:
    """What a model holds for its requests: never a property that would make one."""
    private = getattr(instance, "__pydantic_private__", None)
    if not private or _CLIENTS.isdisjoint(private):
        return ()
    return [*_held(private)]


def _held(private: dict[str, Any]) -> Iterator[Any]:
    for name in ("_client", "_aclient"):
        client = private.get(name)
        if client is not None:
            yield client
            inner = getattr(client, "_api_client", None)  # Google's
            if inner is not None:
                yield inner
                yield getattr(inner, "_http_options", None)


def with_retries(metadata: dict[str, Any] | None, instance: Any) -> dict[str, Any] | None:
    """The metadata of a call, marked where its client may ask again by itself."""
    told = getattr(instance, "__dict__", {}).get("max_retries")
    if not may_retry(type(instance).__name__, told):
        return metadata
    return {**(metadata or {}), MAY_RETRY: True}
