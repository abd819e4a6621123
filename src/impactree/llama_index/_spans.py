"""What a LlamaIndex span is, from its id and the object whose method runs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from impactree.calls.scrubbing import plain_values

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

    from impactree.runs import Run, RunKind

__all__ = [
    "Role",
    "agent_name",
    "is_batch",
    "kept",
    "kind_of",
    "role_of",
    "shown_name",
    "span_name",
]

Role = Literal[
    "agent",
    "embedding",
    "hidden",
    "llm",
    "other",
    "rerank",
    "retriever",
    "tool",
    "transformation",
    "workflow",
]

_UUID: Final = 37  # span ids end in "-" and a UUID
_MODEL_METHODS: Final[dict[str, RunKind]] = {
    "chat": "chat",
    "achat": "chat",
    "stream_chat": "chat",
    "astream_chat": "chat",
    "complete": "completion",
    "acomplete": "completion",
    "stream_complete": "completion",
    "astream_complete": "completion",
}
_EMBED_ONE: Final = frozenset(
    {"get_query_embedding", "aget_query_embedding", "get_text_embedding", "aget_text_embedding"}
)
_EMBED_BATCH: Final = frozenset({"get_text_embedding_batch", "aget_text_embedding_batch"})
# By the names of base classes, nearest first: nothing of llama_index.core is imported for it.
_ROLES: Final[dict[str, Role]] = {
    "AgentWorkflow": "workflow",
    "BaseEmbedding": "embedding",
    "BaseImageRetriever": "retriever",
    "BaseLLM": "llm",
    "BaseOutputParser": "hidden",
    "BasePydanticProgram": "hidden",
    "BaseRetriever": "retriever",
    "BaseSQLParser": "hidden",
    "BaseSparseEmbedding": "embedding",
    "BaseTool": "tool",
    "BaseWorkflowAgent": "agent",
    "StreamingAgentChatResponse": "hidden",
    "TextSplitter": "hidden",
    "TransformComponent": "transformation",
    "Workflow": "workflow",
}
_KINDS: Final[dict[Role, RunKind]] = {
    "retriever": "retriever",
    "tool": "tool",
    "rerank": "rerank",
}


def span_name(span_id: str) -> tuple[str, str]:
    """``Class.method`` of a span, and its method alone."""
    name = span_id[:-_UUID] if len(span_id) > _UUID else span_id
    return name, name.rpartition(".")[2]


def role_of(instance: Any) -> Role:
    """What kind of LlamaIndex object this is."""
    return _role(type(instance))  # type: ignore[arg-type]  # every class is hashable


@lru_cache(maxsize=2048)
def _role(cls: type) -> Role:
    for base in cls.__mro__:
        role = _ROLES.get(base.__name__)
        if role is not None:
            return role
    ranks = "rerank" in cls.__name__.lower()
    if ranks and any(base.__name__ == "BaseNodePostprocessor" for base in cls.__mro__):
        return "rerank"
    return "other"


def kind_of(role: Role, method: str, instance: Any, parent: Run | None) -> RunKind | None:
    """What kind of run a span shows as; None: it does not show.

    Hidden are steps inside a model or an agent, and methods that an object calls on itself.
    """
    if role in ("agent", "workflow"):
        return _workflow_kind(role, method, instance)
    if role in _SHOWN:
        return _SHOWN[role](method)
    if instance is None:  # a function, or a workflow's step
        return "node" if parent is not None and parent.kind in ("agent", "graph") else "chain"
    if parent is not None and getattr(parent.pending, "instance", None) is instance:
        return None
    return _KINDS.get(role, "chain")


def _workflow_kind(role: Role, method: str, instance: Any) -> RunKind | None:
    if method == "run":
        return "agent" if role == "agent" else "graph"
    # Before workflows 2, steps are methods of the workflow; later they are functions.
    step = getattr(type(instance), method, None)
    is_step = hasattr(step, "_step_config") or hasattr(step, "__step_config")
    return "node" if is_step and not method.startswith("_") else None


def _llm_kind(method: str) -> RunKind | None:
    return _MODEL_METHODS.get(method) or ("chain" if "structured" in method else None)


def _embedding_kind(method: str) -> RunKind | None:
    return "embedding" if method in _EMBED_ONE or method in _EMBED_BATCH else None


_SHOWN: Final[dict[Role, Callable[[str], RunKind | None]]] = {
    "embedding": _embedding_kind,
    "hidden": lambda method: None,
    "llm": _llm_kind,
    "transformation": lambda method: "chain" if method in ("__call__", "acall") else None,
}


def is_batch(method: str) -> bool:
    """Whether a method of an embedding may send several requests."""
    return method in _EMBED_BATCH


def shown_name(name: str, instance: Any, role: Role, kind: RunKind) -> str:
    """The name of the run: LlamaIndex's own for the span, a tool's or a step's own name."""
    owner, _, method = name.rpartition(".")
    if role == "tool":
        called = getattr(getattr(instance, "metadata", None), "name", None)
        return called if isinstance(called, str) and called else owner
    if kind == "node":
        return method
    if method.startswith("__"):
        return owner
    return f"{owner}.{method.lstrip('_')}" if owner else method


def kept(tags: Any, keys: frozenset[str]) -> dict[str, Any]:
    """The whitelisted instrumentation tags, plain values only."""
    return plain_values(tags, keys) if tags and isinstance(tags, dict) else {}


def agent_name(instance: Any, role: Role, bound_args: inspect.BoundArguments) -> str | None:
    """The agent that a workflow or one of its steps works for."""
    if role == "agent":
        name = getattr(instance, "name", None)
        return name if isinstance(name, str) else None
    if instance is not None and role != "workflow":
        return None  # no step
    for value in bound_args.arguments.values():
        name = getattr(value, "current_agent_name", None)
        if isinstance(name, str) and name:
            return name
    return None
