"""What kind of run a chain event is: the marks that LangGraph and LangChain leave on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.langchain._names import text

if TYPE_CHECKING:
    from impactree.runs import Run, RunKind

__all__ = ["NAMED", "agent_metadata", "chain_kind", "parent_kind"]

_UNNAMED: Final = "LangGraph"
NAMED: Final[dict[str, RunKind]] = {_UNNAMED: "graph", "AgentExecutor": "agent"}
"""The kinds of chains that nothing tells but their names; all others are chains."""
# What ``create_agent`` has marked its runs with since langchain 1.2.4. Before, its node ``model``
# tells; of ``create_react_agent``, and with it ``create_supervisor``, its node ``agent``.
_MARKS: Final = frozenset({"lc_agent_name", "ls_integration"})
_OF_ROOT: Final[dict[str | None, RunKind]] = {
    "langgraph": "graph",
    "langchain_create_agent": "agent",
}


def chain_kind(name: str, tags: Any, metadata: Any, parent: Run | None, is_root: bool) -> RunKind:
    """The kind of a chain that starts with metadata; ``parent`` is None where it is unknown."""
    if isinstance(metadata, dict):
        if _is_step(tags):
            return "node"
        # Metadata comes down from the parents: what is new with this run tells its kind.
        if metadata.get("langgraph_node") == name and _is_new(
            metadata.get("langgraph_checkpoint_ns"), "langgraph_checkpoint_ns", parent
        ):  # a task of the functional API: a node without a superstep of its own
            return "node"
        agent = metadata.get("lc_agent_name")
        if agent is not None and (
            agent == name
            or ((is_root or parent is not None) and _is_new(agent, "lc_agent_name", parent))
        ):
            return "agent"
        if is_root:
            kind = _OF_ROOT.get(text(metadata.get("ls_integration")))
            if kind is not None:
                return kind
    return NAMED.get(name, "chain")


def parent_kind(parent: Run, node: str, tags: Any, metadata: Any) -> RunKind | None:
    """What a parent is now that a node has started in it, which nothing told before; or None."""
    if node == "agent" or (node == "model" and not _MARKS & (metadata or {}).keys()):
        kind: RunKind = "agent"
    else:
        kind = "graph"
    return None if kind == parent.kind or not _is_step(tags) else kind


def agent_metadata(run: Run) -> dict[str, Any]:
    """Of a graph that has turned out to be an agent: its name, if it was given one."""
    return {} if run.name == _UNNAMED else {"agent_name": run.name}


def _is_step(tags: Any) -> bool:
    """Whether LangGraph runs it as a node in a superstep."""
    for tag in tags or ():  # noqa: SIM110  # on the hot path: a generator costs more
        if isinstance(tag, str) and tag.startswith("graph:step:"):
            return True
    return False


def _is_new(value: Any, key: str, parent: Run | None) -> bool:
    known = None if parent is None else parent.metadata.get(key)
    return value != known and text(value) != known  # long values are kept cut
