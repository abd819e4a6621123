"""One run tree across processes and services.

The caller captures its current run, sends the result along (a dict of strings, fit for HTTP
headers), and the other side restores it: what runs there names the caller's run as its parent.
Its finished trees come back as plain data, and merge under the caller's run by id::

    headers = capture(tracker)                      # caller
    with restore(request.headers): engine.query(..) # service
    return trees_for(tracker, request.headers)      # service, with its answer
    merge(tracker, trees)                           # caller
"""

from __future__ import annotations

import math
import re
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args
from weakref import WeakKeyDictionary, WeakValueDictionary

from impactree.calls import ModelCall
from impactree.calls.scrubbing import plain_values
from impactree.runs import LABELS, RUN_KINDS, Labels, RunKind, RunStatus
from impactree.runs.current import current_run_ids, remote_parent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = ["HEADER", "capture", "dump", "merge", "restore", "set_parent", "trees_for"]

HEADER: Final = "x-impactree-run"
_FIELDS: Final = ("name", "kind", "start", "end", "status", "cached")
_STATUSES: Final = frozenset(get_args(RunStatus)) - {"running"}
_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")


def capture(tracker: ImpactTracker) -> dict[str, str]:
    """The current run as headers; empty outside any run of this tracker."""
    runs = [run for i in current_run_ids(tracker) if (run := tracker.find(i)) is not None]
    if not runs:
        return {} if (remote := remote_parent.get()) is None else {HEADER: str(remote)}
    innermost = max(runs, key=lambda run: sum(1 for _ in run.ancestors()))
    return {HEADER: str(innermost.id)}


@contextmanager
def restore(context: Mapping[str, Any]) -> Iterator[None]:
    """Work for the caller's run inside a block.

    Args:
        context: What :func:`capture` gave, or the headers of a request that hold it. Without it
            the block changes nothing.
    """
    token = remote_parent.set(_parent_id(context) or remote_parent.get())
    try:
        yield
    finally:
        remote_parent.reset(token)


def set_parent(context: Mapping[str, Any]) -> None:
    """Like :func:`restore`, for the rest of the current context."""
    parent_id = _parent_id(context)
    if parent_id is not None:
        remote_parent.set(parent_id)


def _parent_id(context: Mapping[str, Any]) -> Any:
    for key, value in context.items():  # header names come in any case
        if str(key).lower() == HEADER and isinstance(value, str) and _ID.fullmatch(value):
            return _framework_id(value)
    return None


def _framework_id(text: str) -> Any:
    """LangChain's run ids are UUIDs, LlamaIndex's are strings with more in them."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return text


def trees_for(tracker: ImpactTracker, context: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    """The finished trees that worked for one caller, and no other's, as :func:`dump` gives them.

    Args:
        tracker: The service's.
        context: The headers of the caller's request; without :data:`HEADER` there is no tree.
    """
    caller = _parent_id(context)
    return [dump(run) for run in tracker.runs if caller is not None and run.parent_id == caller]


def dump(root: Run) -> list[dict[str, Any]]:
    """A finished tree as plain values for JSON: no prompts, no answers, no credentials."""
    return [_dump_run(run) for run in root.walk()]


def _dump_run(run: Run) -> dict[str, Any]:
    fields: dict[str, Any] = {key: getattr(run, key) for key in _FIELDS}
    fields["id"] = str(run.id)
    fields["parent_id"] = None if run.parent_id is None else str(run.parent_id)
    fields["parent_start"] = None if run.parent is None else run.parent.start
    fields["tags"], fields["metadata"] = list(run.tags), plain_values(run.metadata)
    fields["labels"] = dict(run.own_labels)
    fields["revision"] = run.revision
    fields["call"] = None
    if run.call is not None:
        fields["call"] = run.call.to_dict()
    return fields


def merge(tracker: ImpactTracker, trees: Iterable[Iterable[Mapping[str, Any]]]) -> list[Run]:
    """Hang trees of other processes under the runs here that they name as their parents.

    A tree whose parent is not known (any more) stays a tree of its own. The same id and start is
    one run: merging it again changes nothing, unless its revision is newer; then what has come
    since is added, and what had been left open counts as it ended. The same id with another start
    is another run.

    Args:
        tracker: The caller's.
        trees: What :func:`dump` gave, JSON or not in between.

    Returns:
        The roots of the merged trees, as runs of this tracker.

    Raises:
        ValueError: a tree is not of that shape; nothing of it was merged.
    """
    return [_merge_tree(tracker, _checked(tree)) for tree in trees]


def _merge_tree(tracker: ImpactTracker, tree: list[_Remote]) -> Run:
    merged = _merged.setdefault(tracker, WeakValueDictionary())
    root = _known(tracker, merged, tree[0])
    if root is None or root.end is None or tree[0].revision > _revisions.get(root, 0):
        here: dict[Any, Run] = {}
        for remote in tree:
            run = _known(tracker, merged, remote) or _started(tracker, remote, here)
            merged[_key(remote)] = here[_key(remote)] = here[remote.id] = run
        for remote in reversed(tree):  # a root that ends closes what is open under it
            _end(tracker, remote, here[_key(remote)].key)
        root = here[_key(tree[0])]
        _revisions[root] = tree[0].revision
    return root


def _started(tracker: ImpactTracker, remote: _Remote, here: Mapping[Any, Run]) -> Run:
    """A run that is new here, under its parent in the same tree, else under the caller."""
    parent = here.get(remote.parent_key, here.get(remote.parent_id))
    taken = tracker.find(remote.id) is not None  # by a run with another start
    run = tracker.start(
        _key(remote) if taken else remote.id,
        remote.parent_id if parent is None else parent.key,
        name=remote.name,
        kind=remote.kind,
        tags=remote.tags,
        metadata=remote.metadata,
        start=remote.start,
        labels=remote.labels,
        pending=remote,
    )
    run.id = remote.id
    return run


def _end(tracker: ImpactTracker, remote: _Remote, key: Any) -> None:
    """End a run; one that may still end late in the other process may do so here."""
    if remote.status == "abandoned":
        tracker.abandon(key, end=remote.end)
    else:
        tracker.end(
            key,
            status=remote.status,
            call=remote.call,
            cached=remote.cached,
            end=remote.end,
        )


def _key(run: Run | _Remote) -> tuple[str, float]:
    """What makes two runs one."""
    return str(run.id), run.start


def _known(
    tracker: ImpactTracker, merged: Mapping[tuple[str, float], Run], remote: _Remote
) -> Run | None:
    """The run as it is here: merged before, or this process's own that comes back to it."""
    key = _key(remote)
    run = merged.get(key) or tracker.find(remote.id)
    if run is None or _key(run) == key:
        return run
    # Its id has been used again since.
    return next((root for root in tracker.runs if _key(root) == key), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remote:
    """One run of another process, checked."""

    id: Any
    parent_id: Any
    parent_key: tuple[str, float] | None
    name: str
    kind: RunKind
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    labels: Labels
    start: float
    end: float
    status: RunStatus
    cached: bool
    call: ModelCall | None
    revision: int

    def produced(self) -> ModelCall | None:
        """What it had come to when it was dumped."""
        return self.call


# Of each tracker: what was merged into it and is still there.
_merged: Final[WeakKeyDictionary[ImpactTracker, WeakValueDictionary[tuple[str, float], Run]]] = (
    WeakKeyDictionary()
)
# Of roots that were merged: which revision of the other process's they show.
_revisions: Final[WeakKeyDictionary[Run, int]] = WeakKeyDictionary()


def _checked(tree: Iterable[Mapping[str, Any]]) -> list[_Remote]:
    try:
        runs = [_checked_run(fields) for fields in tree]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a dumped run tree: {type(error).__name__} {error}") from error
    if not runs:
        raise ValueError("a dumped run tree has at least one run")
    return runs


def _checked_run(fields: Mapping[str, Any]) -> _Remote:
    parent_id, call = fields["parent_id"], fields["call"]
    for key, allowed in (("kind", RUN_KINDS), ("status", _STATUSES)):
        if fields[key] not in allowed:
            raise ValueError(f"{key} must be one of {sorted(allowed)}, not {fields[key]!r:.60}")
    above = fields.get("parent_start")  # before 1.0 it was not told
    start, end = float(fields["start"]), float(fields["end"])
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"start and end must be Unix times, not {start} and {end}")
    told = fields.get("labels") or {}  # before 1.0 there were none
    labels = {key: str(told[key]) for key in LABELS if told.get(key) is not None}
    return _Remote(
        id=_framework_id(fields["id"]),
        parent_id=None if parent_id is None else _framework_id(parent_id),
        parent_key=None if above is None else (str(parent_id), float(above)),
        name=str(fields["name"]),
        kind=fields["kind"],
        tags=tuple(map(str, fields["tags"])),
        metadata=plain_values(fields["metadata"]),
        labels=Labels(**labels),  # type: ignore[typeddict-item]  # its keys are Labels'
        start=start,
        end=end,
        status=fields["status"],
        cached=bool(fields["cached"]),
        call=None if call is None else ModelCall(**call),
        revision=int(fields.get("revision", 0)),  # before 1.0 it was not told
    )
