"""Who was asked, as LangChain's events tell it: run names, kinds, provider and model names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from impactree.runs import RunKind

__all__ = [
    "answered_model",
    "base_url",
    "chain_kind",
    "kept_metadata",
    "provider",
    "requested_model",
    "run_name",
]

_MAX_NAME: Final = 300
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
        "xai_api_base",
    }
)
_GRAPHS: Final = ("langgraph", "langchain_create_agent")


def text(value: Any) -> str | None:
    """A non-empty string cut to a sane length, else None."""
    return value[:_MAX_NAME] if isinstance(value, str) and value else None


def run_name(serialized: Any, name: Any, fallback: str) -> str:
    """The run's name: as configured, else the class's."""
    if name and isinstance(name, str):
        return name if len(name) <= _MAX_NAME else name[:_MAX_NAME]
    if isinstance(serialized, dict):
        path = serialized.get("id")
        last = path[-1] if isinstance(path, list) and path else None
        return text(serialized.get("name")) or text(last) or fallback
    return fallback


def chain_kind(name: str, tags: Any, metadata: Any, is_root: bool) -> RunKind:
    """What kind of run a chain event is: LangGraph marks its nodes by tag, agents by name."""
    for tag in tags or ():
        if isinstance(tag, str) and tag.startswith("graph:step:"):
            return "node"
    if name == "LangGraph":
        return "graph"
    if metadata and isinstance(metadata, dict):
        if metadata.get("lc_agent_name") == name:
            return "agent"
        if is_root and metadata.get("ls_integration") in _GRAPHS:
            return "graph"
    return "agent" if name == "AgentExecutor" else "chain"


def kept_metadata(metadata: Any, keys: frozenset[str]) -> dict[str, Any]:
    """The whitelisted keys, plain values only."""
    if not isinstance(metadata, dict):
        return {}
    kept: dict[str, Any] = {}
    for key, value in metadata.items():
        if key in keys:
            if isinstance(value, str):
                kept[key] = value[:_MAX_NAME]
            elif isinstance(value, int | float | bool):
                kept[key] = value
    return kept


def provider(metadata: dict[str, Any], params: dict[str, Any], class_name: str) -> str | None:
    """Who was asked: LangSmith's provider, else the client's type, else its class."""
    return text(metadata.get("ls_provider")) or text(params.get("_type")) or text(class_name)


def requested_model(metadata: dict[str, Any], params: dict[str, Any]) -> str | None:
    """The model's name as it was asked for."""
    found = metadata.get("ls_model_name") or next(filter(None, map(params.get, _MODEL_KEYS)), None)
    return text(found)


def answered_model(message: Any, llm_output: Any, generation_info: Any) -> str | None:
    """The model's name as the answer gave it."""
    for place in (getattr(message, "response_metadata", None), generation_info, llm_output):
        if isinstance(place, dict):
            for key in _ANSWER_KEYS:
                found = text(place.get(key))
                if found:
                    return _unrepeated(found)
    return None


def _unrepeated(name: str) -> str:
    """Merging stream chunks concatenates strings: ``gpt-4ogpt-4o`` is ``gpt-4o``."""
    length = len(name)
    for times in range(length // 3, 1, -1):
        if length % times == 0 and name == name[: length // times] * times:
            return name[: length // times]
    return name


def base_url(serialized: Any, params: dict[str, Any]) -> str | None:
    """Where the requests go, if the client says so."""
    kwargs = serialized.get("kwargs") if isinstance(serialized, dict) else None
    for place in (kwargs, params):
        if place and isinstance(place, dict):
            for key in _URL_KEYS & place.keys():
                found = text(place[key])
                if found:
                    return found
    return None
