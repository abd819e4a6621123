"""What a run works for: agent, node, step, thread, tool and user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LABELS", "Labels", "labels_of"]


class Labels(TypedDict, total=False):
    """Who and what a run works for. What runs under it works for the same, unless it says other."""

    agent: str
    node: str
    """The node of a graph, or the step of a workflow."""
    step: str
    """When that came, where it is counted, and its name: ``"1 model"``."""
    thread: str
    tool: str
    user: str


LABELS: Final = ("agent", "node", "step", "thread", "tool", "user")
_USERS: Final = ("user_id", "langfuse_user_id")
_KEYS: Final = frozenset(
    {"agent_name", "lc_agent_name", "langgraph_node", "langgraph_step", "thread_id", *_USERS}
)


def labels_of(
    name: str, kind: str, metadata: Mapping[str, Any], above: Mapping[str, Any] | None
) -> Labels:
    """What a run says of itself, by the metadata keys that frameworks and applications use.

    ``lc_agent_name`` comes down with the metadata to all that an agent runs: only where it is new,
    or stands on an agent, it is said. ``agent_name`` never comes down.

    Args:
        name: The run's.
        kind: The run's.
        metadata: The run's.
        above: The metadata of its parent; None: it has none.
    """
    found = Labels()
    if kind == "tool":
        found["tool"] = name
    if _KEYS.isdisjoint(metadata):
        return found
    agent = metadata.get("agent_name")
    if agent is None:
        agent = metadata.get("lc_agent_name")
        if agent is not None and kind != "agent" and above is not None:
            agent = None if agent == above.get("lc_agent_name") else agent
    node, step = metadata.get("langgraph_node"), metadata.get("langgraph_step")
    if step is not None:
        step = str(step) if node is None else f"{step} {node}"
    said = {"agent": agent, "node": node, "step": step, "thread": metadata.get("thread_id")}
    said["user"] = next((metadata[key] for key in _USERS if key in metadata), None)
    for key, value in said.items():
        if value is not None and value != "":
            found[key] = str(value)  # type: ignore[literal-required]  # one of LABELS
    return found
