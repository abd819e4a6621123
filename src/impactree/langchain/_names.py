"""Who was asked, as LangChain's events tell it: run names, provider, model and place."""

from __future__ import annotations

import re
from typing import Any, Final

from impactree.calls.building import Asked
from impactree.calls.counting import counts_of_documents
from impactree.calls.names import MODEL_KEYS, URL_KEYS, address, first_address, first_text
from impactree.calls.names import answered_model as answered_in
from impactree.calls.retrying import MAY_RETRY, may_retry
from impactree.calls.scrubbing import MAX_TEXT as MAX_NAME
from impactree.calls.scrubbing import plain_values, text

__all__ = [
    "MAX_NAME",
    "answered_model",
    "asked",
    "document_counts",
    "kept_metadata",
    "kept_tags",
    "run_name",
    "text",
    "with_retries",
]

_URL_KEYS: Final = frozenset(URL_KEYS)
_REGION_KEYS: Final = frozenset({"region_name", "location"})
_STEP: Final = "seq:step:"
_RETRIES: Final = re.compile(r"\bmax_retries=(\d{1,4})\b")
_URL_IN_REPR: Final = re.compile(r"(?:base_url|api_base|endpoint_url)='(https?://[^']{1,300})'")


def run_name(serialized: Any, name: Any, fallback: str) -> str:
    """The run's name: as configured, else the class's."""
    if name and isinstance(name, str):
        return name if len(name) <= MAX_NAME else name[:MAX_NAME]
    if isinstance(serialized, dict):
        path = serialized.get("id")
        last = path[-1] if isinstance(path, list) and path else None
        return text(serialized.get("name")) or text(last) or fallback
    return fallback


def document_counts(documents: Any) -> dict[str, int]:
    """How many documents a retriever found, of how many tokens, as metadata of its run."""
    listed = documents if isinstance(documents, list | tuple) else ()
    return counts_of_documents(getattr(one, "page_content", None) for one in listed)


def kept_tags(tags: Any) -> tuple[str, ...]:
    """The tags without LangChain's own ``seq:step:N``, which say nothing that the tree does not."""
    if len(tags) == 1 and type(tag := tags[0]) is str and tag.startswith(_STEP):
        return ()  # as of most
    return tuple([t for t in tags if isinstance(t, str) and not t.startswith(_STEP)])


def kept_metadata(metadata: Any, keys: frozenset[str]) -> dict[str, Any]:
    """The whitelisted keys, plain values only."""
    if not isinstance(metadata, dict) or keys.isdisjoint(metadata):
        return {}
    return plain_values(metadata, keys)


def with_retries(
    metadata: dict[str, Any] | None, class_name: str, params: dict[str, Any], serialized: Any
) -> dict[str, Any] | None:
    """The metadata of a call, marked where its client may ask again by itself."""
    told = params.get("max_retries")
    if told is None and isinstance(serialized, dict):
        given = serialized.get("kwargs")
        told = given.get("max_retries") if isinstance(given, dict) else None
        shown = serialized.get("repr") if told is None else None
        if isinstance(shown, str) and "max_retries=" in shown:  # a class that is not serializable
            found = _RETRIES.search(shown)
            told = int(found[1]) if found else None
    return {**(metadata or {}), MAY_RETRY: True} if may_retry(class_name, told) else metadata


def asked(
    metadata: dict[str, Any], params: dict[str, Any], serialized: Any, class_name: str
) -> Asked:
    """Who is asked, as a start event tells it."""
    return Asked(
        # LangSmith's provider, else the client's type, else its class.
        text(metadata.get("ls_provider") or params.get("_type") or class_name),
        text(metadata.get("ls_model_name")) or first_text(MODEL_KEYS, params),
        _base_url(serialized),
        _region(params, metadata.get("ls_invocation_params")),
        class_name,
    )


def answered_model(message: Any, llm_output: Any, generation_info: Any) -> str | None:
    """The model's name as the answer gave it."""
    for place in (getattr(message, "response_metadata", None), generation_info, llm_output):
        if place and isinstance(place, dict):
            found = answered_in(place)
            if found:
                return found
    return None


def _base_url(serialized: Any) -> str | None:
    """Where the requests go, if the client says so: among its arguments, else in its repr."""
    if not isinstance(serialized, dict):
        return None
    kwargs = serialized.get("kwargs")
    if isinstance(kwargs, dict) and not _URL_KEYS.isdisjoint(kwargs):
        found = first_address(kwargs)
        if found:
            return found
    shown = serialized.get("repr")
    match = _URL_IN_REPR.search(shown) if isinstance(shown, str) and "://" in shown else None
    return address(match[1]) if match else None


def _region(*places: Any) -> str | None:
    """The cloud region, where the client tells it (Bedrock does)."""
    for place in places:
        if isinstance(place, dict) and not _REGION_KEYS.isdisjoint(place):
            found = first_text(("region_name", "location"), place)
            if found:
                return found
    return None
