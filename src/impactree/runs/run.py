"""Run and the run tree: what called what, and how impacts roll up."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, cast, get_args
from uuid import UUID
from weakref import ref

from impactree.runs.labels import LABELS, Labels
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from impactree.calls import ModelCall

__all__ = [
    "RUN_KINDS",
    "Exporter",
    "Pending",
    "Run",
    "RunKind",
    "RunStatus",
    "check_run",
    "run_key",
    "show_runs_by",
]

RunKind = Literal[
    "chain",
    "graph",
    "node",
    "agent",
    "tool",
    "retriever",
    "chat",
    "completion",
    "embedding",
    "rerank",
    "image",
    "video",
    "speech",
    "transcription",
    "other",
]
RunStatus = Literal["running", "ok", "error", "cancelled", "interrupted", "abandoned"]

_NO_METADATA: Final[Mapping[str, Any]] = MappingProxyType({})
_NO_LABELS: Final = Labels()
_ON_ITS_OWN: Final = 2**62
"""The version of what lies below a root: asked when the root is gone, and unlike any root's."""
RUN_KINDS: Final = get_args(RunKind)


def check_run(kind: Any, labels: Any) -> None:
    """Refuse what no run has, which would be kept under a name that nobody asks for.

    Raises:
        ValueError: an unknown kind or label; it names the nearest and all that there are.
    """
    if not isinstance(kind, str) or kind not in RUN_KINDS:
        raise ValueError(_unknown("kind", kind, sorted(RUN_KINDS)))
    for key in labels or ():
        if key not in LABELS:
            raise ValueError(_unknown("label", key, LABELS))


def _unknown(what: str, value: Any, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(str(value), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    return f"unknown {what} {value!r:.80}{hint} There are: {', '.join(known)}"


def run_key(run_id: Any) -> Any:
    """What a run's id is looked up by: a UUID hashes several times slower than its number."""
    return run_id.int if type(run_id) is UUID else run_id


class Pending(Protocol):
    """An adapter's state of an open run; gone once the run has ended."""

    def produced(self) -> ModelCall | None:
        """The call as far as it got: asked when the run is abandoned. None: nothing yet."""
        ...


class Run:
    """One traced unit of work. With its descendants, a root is a run tree.

    The tracker writes it; everybody else reads. ``id`` is the framework's own run id.
    """

    __slots__ = (
        "__weakref__",
        "_labels",
        "_parent",
        "_root",
        "_total",
        "_version",
        "avoided",
        "cached",
        "call",
        "children",
        "end",
        "id",
        "key",
        "kind",
        "metadata",
        "name",
        "own",
        "parent_id",
        "pending",
        "revision",
        "start",
        "status",
        "tags",
    )

    id: Any
    """The framework's own."""
    parent_id: Any
    """Its parent's id; of one that is unknown here, as the framework gave it."""
    start: float
    """Unix time, s."""
    end: float | None
    cached: bool
    """Whether a cache answered: no model ran, and ``own`` is zero."""
    own: Impacts | None
    """Impacts of this run's own model call; None without one."""
    avoided: Impacts | None
    """What the call would have cost, where a cache answered instead."""
    revision: int
    """Of a root: rises when a late end changed the finished tree."""
    pending: Pending | None
    """While the run is open: what the adapter knows of it so far."""
    call: ModelCall | None
    # Upwards weakly: a tree that nobody keeps is freed at once, not by the collector.
    _parent: ref[Run] | None
    _root: ref[Run] | None
    _total: tuple[int, Impacts] | None  # the root's version then, and the total

    def __init__(
        self,
        id: Any,
        name: str,
        kind: RunKind,
        parent: Run | None = None,
        parent_id: Any = None,
        start: float | None = None,
        tags: tuple[str, ...] = (),
        metadata: dict[str, Any] | None = None,
        labels: Labels | None = None,
    ) -> None:
        self.id = id
        self.key = id.int if type(id) is UUID else id  # run_key, without a call for every run
        self.name = name
        self.kind: RunKind = kind
        if parent is None:
            self.parent_id = parent_id
            self._parent = self._root = None
            self._version = 0
            self._labels = labels or _NO_LABELS
        else:
            self.parent_id = parent.id
            self._parent = ref(parent)
            self._root = parent._root or self._parent
            self._version = _ON_ITS_OWN
            self._labels = _joined(parent._labels, labels) if labels else parent._labels
        # Most runs are leaves without metadata: shared empties keep the collector's work small.
        self.children: Sequence[Run] = ()
        self.start = time.time() if start is None else start
        self.status: RunStatus = "running"
        self.cached = False
        self.tags = tags
        self.metadata: Mapping[str, Any] = metadata or _NO_METADATA
        self.call = self.own = self.avoided = self.end = self.pending = self._total = None
        self.revision = 0

    @property
    def parent(self) -> Run | None:
        """The run that started this one; None for a root, or when its tree is no longer kept."""
        return None if self._parent is None else self._parent()

    @property
    def root(self) -> Run:
        """The root of this run's tree (itself, when its tree is no longer kept)."""
        return self if self._root is None else self._root() or self

    @property
    def labels(self) -> Labels:
        """What it works for: those of its own, and those of the runs above it."""
        return self._labels

    @property
    def own_labels(self) -> Labels:
        """Those that the run above it does not share."""
        parent = self.parent
        above = _NO_LABELS if parent is None else parent._labels
        own = {k: value for k, value in self._labels.items() if above.get(k) != value}
        return cast("Labels", own)

    @property
    def agent(self) -> str | None:
        """The nearest agent that it is, or works for."""
        return self._labels.get("agent")

    @property
    def node(self) -> str | None:
        """The nearest node of a graph, or step of a workflow."""
        return self._labels.get("node")

    @property
    def step(self) -> str | None:
        """When that node came, and its name: ``"1 model"``."""
        return self._labels.get("step")

    @property
    def thread(self) -> str | None:
        """The conversation, as LangGraph's ``thread_id``."""
        return self._labels.get("thread")

    @property
    def tool(self) -> str | None:
        """The nearest tool that it is, or that called it."""
        return self._labels.get("tool")

    @property
    def user(self) -> str | None:
        """Whom it worked for, as the application named them."""
        return self._labels.get("user")

    @property
    def latency_s(self) -> float | None:
        """Elapsed time, s; None while it runs."""
        return None if self.end is None else max(0.0, self.end - self.start)

    @property
    def total(self) -> Impacts:
        """Impacts of this run and everything under it, up to now."""
        version = self.root._version
        known = self._total
        return known[1] if known is not None and known[0] == version else self._roll_up(version)

    def _roll_up(self, version: int) -> Impacts:
        """Fill in the totals of the whole subtree, children first, without recursion."""
        total = Impacts.zero()
        order = list(self.walk())
        for run in reversed(order):
            parts = [] if run.own is None else [run.own]
            for child in tuple(run.children):
                known = child._total
                if known is not None and (known[1].estimated_calls or known[1].unestimated_calls):
                    parts.append(known[1])
            total = parts[0] if len(parts) == 1 else Impacts.sum(parts)
            run._total = version, total
        return total  # of the last one: this run

    def adopt(self, child: Run) -> None:
        """Hang a run under this one."""
        if isinstance(self.children, list):
            self.children.append(child)
        else:
            self.children = [child]

    def relabel(self, labels: Labels) -> None:
        """Say later what this run works for; what runs under it and said nothing, follows."""
        before = self._labels
        changed = {key: (before.get(key), value) for key, value in labels.items()}
        for run in self.walk():
            follows = {k: new for k, (old, new) in changed.items() if run._labels.get(k) == old}
            run._labels = {**run._labels, **follows}  # type: ignore[typeddict-item]

    def walk(self) -> Iterator[Run]:
        """This run, then its descendants depth first, in the order they started."""
        stack = [self]
        while stack:
            run = stack.pop()
            yield run
            stack += run.children[::-1]

    def ancestors(self) -> Iterator[Run]:
        """The runs above this one, nearest first."""
        run = self.parent
        while run is not None:
            yield run
            run = run.parent

    @property
    def calls(self) -> list[Run]:
        """The runs in this tree that called a model."""
        return [run for run in self.walk() if run.call is not None]

    def report(self) -> Any:
        """A :class:`impactree.Report` over this run and everything under it."""
        return _report_of(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data as in a report's; ``runs``: what is under it as a flat list, parents first."""
        entry, *below = self.report().to_dict()["runs"]
        return {**entry, "runs": below}

    def __repr__(self) -> str:
        return f"<Run {self.kind} {self.name!r} {self.status}, {len(self.children)} children>"


def _joined(inherited: Labels, own: Labels) -> Labels:
    """One mapping for all runs that say the same."""
    return inherited if own.items() <= inherited.items() else {**inherited, **own}


_reporter: Callable[[Run], Any] | None = None


def show_runs_by(reporter: Callable[[Run], Any]) -> None:
    """Register what :meth:`Run.report` asks: those who make runs know how, runs know no report."""
    global _reporter
    _reporter = reporter


def _report_of(run: Run) -> Any:
    if _reporter is None:
        raise RuntimeError("a run made by hand knows no report: use impactree.Report([run])")
    return _reporter(run)


class Exporter(Protocol):
    """Sends finished run trees somewhere."""

    def export(self, root: Run) -> None:
        """Take a finished tree; called again with a higher ``revision`` when it changed."""
        ...

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what is pending; True when nothing is left."""
        ...
