"""Embeddings and rerankers: which texts a model really read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.calls.counting import counts_of_documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["cached_texts", "document_counts", "node_texts", "ranked_texts"]

_IN_MEMORY: Final = "MutableMappingKVStore"
_NOT_ASKED: Final = (
    "an embeddings cache outside this process was not asked, so its hits count as computed; cure: "
    "embeddings_cache=SimpleKVStore()"
)


def cached_texts(
    instance: Any, texts: Sequence[str], note: Callable[[str], None]
) -> list[bool] | None:
    """Which texts the embeddings cache holds; None where there is none to look into.

    LlamaIndex fires the same events on a hit. Only a cache in memory is asked: nothing here may
    touch a network. Of another one, ``note`` is told.
    """
    cache = getattr(instance, "embeddings_cache", None)
    if cache is None:
        return None
    if all(cls.__name__ != _IN_MEMORY for cls in type(cache).__mro__):
        note(_NOT_ASKED)
        return None
    return [cache.get(key=text, collection="embeddings") is not None for text in texts]


def node_texts(nodes: Iterable[Any]) -> list[str]:
    """What is embedded of nodes, with or without scores."""
    return [node.get_content(metadata_mode="embed") for node in nodes or ()]


def document_counts(nodes: Any) -> dict[str, int]:
    """How many nodes a retriever found, of how many tokens, as metadata of its run."""
    listed = [node for node in nodes or () if hasattr(node, "get_content")]
    return counts_of_documents(node.get_content(metadata_mode="llm") for node in listed)


def ranked_texts(query: Any, nodes: Iterable[Any]) -> list[str]:
    """What a reranker reads: the query, once with each node."""
    asked = getattr(query, "query_str", query) or ""
    return [f"{asked}\n{text}" for text in node_texts(nodes)]
