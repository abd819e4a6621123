"""Ingestion in worker processes, whose events stay in the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impactree.llama_index._embeddings import node_texts
from impactree.llama_index._models import OpenModel
from impactree.llama_index._runs import settled
from impactree.llama_index._spans import role_of

if TYPE_CHECKING:
    import inspect

    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = ["cache_size", "in_workers", "record_workers"]


def in_workers(instance: Any, method: str, bound_args: inspect.BoundArguments) -> bool:
    """Whether a span is an ingestion that hands its transformations to other processes."""
    if method not in ("run", "arun"):
        return False
    workers = bound_args.arguments.get("num_workers")
    return isinstance(workers, int) and workers > 1 and hasattr(instance, "transformations")


def cache_size(instance: Any) -> int | None:
    """How much an ingestion's cache holds; None without one, or where asking takes a network."""
    if getattr(instance, "disable_cache", True):
        return None
    store = getattr(getattr(instance, "cache", None), "cache", None)
    if store is None or all(cls.__name__ != "MutableMappingKVStore" for cls in type(store).__mro__):
        return None
    collection = getattr(instance.cache, "collection", None)
    return len(store.get_all(collection=collection))


def record_workers(
    tracker: ImpactTracker, run: Run, instance: Any, nodes: Any, before: int | None
) -> None:
    """Count what the workers embedded, from the nodes that came back.

    One call stands for all requests of one embedding model. Workers that add nothing to the
    ingestion cache found everything in it.
    """
    for transformation in instance.transformations:
        if role_of(transformation) == "embedding":
            texts = node_texts(n for n in nodes if getattr(n, "embedding", None) is not None)
            pending = OpenModel(
                instance=transformation, kind="embedding", note=tracker.note_problem
            )
            cached = before is not None and cache_size(instance) == before
            call_id = f"{run.id}/workers"
            tracker.start(call_id, run.id, name=type(transformation).__name__, kind="embedding")
            call = settled(tracker, call_id, pending, pending.read(texts), cached=cached)
            tracker.end(call_id, call=call, cached=cached)
        elif getattr(transformation, "llm", None) is not None:
            name = type(transformation).__name__
            tracker.note_problem(
                f"calls of {name} in worker processes were not seen; cure: num_workers=1"
            )
