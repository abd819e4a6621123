"""What a LlamaIndex span is, from its id and the object whose method runs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from impactree.calls.scrubbing import plain_values
from impactree.llama_index._streams import is_step

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

    from impactree.runs import Run, RunKind

__all__ = [
    "UUID",
    "WORKING",
    "Method",
    "Role",
    "agent_name",
    "is_batch",
    "kept",
    "kind_of",
    "method_of",
    "role_of",
    "shown_name",
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

UUID: Final = 37
"""Span ids end in "-" and a UUID: so many characters."""
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
WORKING: Final = frozenset({"agent", "workflow"})
"""Roles of what works for an agent."""
_NESTING: Final = frozenset({"other", *_KINDS})
"""Roles of objects whose methods call one another."""


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


class Method(NamedTuple):
    """What the spans of one method of one class have in common."""

    owner: str
    """The name of the class."""
    name: str
    role: Role
    """Of the class."""
    kind: RunKind | None
    """What it shows as, where the run around it does not say other; None: it does not show."""
    shown: str
    """The name of its runs."""
    is_step: bool
    """Whether it is not followed."""


@lru_cache(maxsize=2048)
def method_of(cls: type, span_name: str) -> Method:
    """The method that spans of this name, which is their id without its UUID, are of."""
    owner, _, name = span_name.rpartition(".")
    role = _role(cls)
    if role in WORKING:
        kind = _workflow_kind(role, name, cls)
    elif role in _SHOWN:
        kind = _SHOWN[role](name)
    else:
        kind = _KINDS.get(role, "chain")
    shown = f"{owner}.{name.lstrip('_')}" if owner else name
    if name.startswith("__"):
        shown = owner
    return Method(owner, name, role, kind, shown, is_step(span_name))


def kind_of(method: Method, instance: Any, parent: Run | None) -> RunKind | None:
    """What kind of run a span shows as; None: it does not show.

    Hidden are steps inside a model or an agent, and methods that an object calls on itself.
    """
    if parent is None or method.role not in _NESTING:
        return method.kind
    if instance is None:  # a function, or a workflow's step
        return "node" if parent.kind in ("agent", "graph") else "chain"
    return None if getattr(parent.pending, "instance", None) is instance else method.kind


def _workflow_kind(role: Role, method: str, cls: type) -> RunKind | None:
    if method == "run":
        return "agent" if role == "agent" else "graph"
    # Before workflows 2, steps are methods of the workflow; later they are functions.
    step = getattr(cls, method, None)
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


def shown_name(method: Method, instance: Any, kind: RunKind) -> str:
    """The name of the run: LlamaIndex's own for the span, a tool's or a step's own name."""
    if method.role == "tool":
        called = getattr(getattr(instance, "metadata", None), "name", None)
        return called if isinstance(called, str) and called else method.owner
    return method.name if kind == "node" else method.shown


def kept(tags: Any, keys: frozenset[str]) -> dict[str, Any]:
    """The whitelisted instrumentation tags, plain values only."""
    return plain_values(tags, keys) if tags and isinstance(tags, dict) else {}


def agent_name(instance: Any, role: Role, bound_args: inspect.BoundArguments) -> str | None:
    """The agent that an agent is, or that a workflow or one of its steps works for."""
    if role == "agent":
        name = getattr(instance, "name", None)
        return name if isinstance(name, str) else None
    for value in bound_args.arguments.values():
        name = getattr(value, "current_agent_name", None)
        if isinstance(name, str) and name:
            return name
    return None
