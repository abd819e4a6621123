"""LangChain and LangGraph: ``callbacks=[ImpactHandler()]``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from impactree.exceptions import MissingExtraError

try:
    import langchain_core.callbacks  # noqa: F401  # the guard: the adapter needs it
except ImportError as error:
    raise MissingExtraError("langchain", "langchain-core") from error

from impactree.langchain._handler import ImpactHandler

if TYPE_CHECKING:
    from impactree.langchain._attach import attach as attach
    from impactree.langchain._embeddings import track_embeddings as track_embeddings
    from impactree.langchain._embeddings import track_reranker as track_reranker
    from impactree.langchain._images import track_images as track_images
    from impactree.langchain._middleware import ImpactMiddleware as ImpactMiddleware

__all__ = [
    "ImpactHandler",
    "ImpactMiddleware",
    "attach",
    "track_embeddings",
    "track_images",
    "track_reranker",
]

# They import more of LangChain than a handler needs.
_HOMES = {
    "ImpactMiddleware": "_middleware",
    "attach": "_attach",
    "track_embeddings": "_embeddings",
    "track_images": "_images",
    "track_reranker": "_embeddings",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
