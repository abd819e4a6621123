"""LangSmith: totals as feedback on root runs, impacts as metadata on every run."""

from __future__ import annotations

import functools
import threading
import uuid
from collections import OrderedDict
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from impactree.delivery.address import keyed_hash
from impactree.delivery.exporter import SpooledExporter
from impactree.exceptions import ConfigurationError
from impactree.exporters._langsmith_api import (
    LangSmithAPI,
    feedback_items,
    feedback_values,
    label_metadata,
    run_metadata,
    said,
)
from impactree.exporters._langsmith_hook import Traced, tracing
from impactree.exporters._sessions import reconnect
from impactree.store.rows import credits_by_run, credits_for, credits_under
from impactree.values.impacts import Impacts
from impactree.values.times import resolved_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    import langsmith

    from impactree.calls import ModelCall
    from impactree.delivery.codec import Tree, ZoneOf
    from impactree.runs import Run

__all__ = ["LangSmithExporter", "impact_evaluator"]

_MAX_TRACES: Final = 10_000
_STEPS: Final = frozenset({"node", "agent", "tool"})
_FLUSH_S: Final = 5.0
_UUID_LENGTH: Final = 36
_RUN_TYPES: Final = {
    "tool": "tool",
    "retriever": "retriever",
    "chat": "llm",
    "completion": "llm",
    "embedding": "embedding",
}


class LangSmithExporter(SpooledExporter):
    """Writes each root's totals as feedback, and every run's impacts as metadata.

    Feedback keys: ``impact_energy_mwh``, ``impact_gwp_mg``, ``impact_adpe_ng``, ``impact_pe_j``,
    ``impact_water_ml``; the score is the mean, ``value`` has min, max and method. Their ids follow
    from run and key: what comes twice, or again with a late end, replaces.

    Where LangSmith's tracer is active, metadata travels with the runs it posts. Where it is not,
    the runs themselves are written, without inputs and outputs. A trace that sampling leaves out
    stays out.

    Args:
        client: The official client; None: one with the environment's settings.
        project: Where runs go that no tracer posted; None: ``LANGSMITH_PROJECT``.
        steps: Feedback ``impact_step_...`` on each node, agent and tool as well, for charts by
            run name.

    Raises:
        ConfigurationError: the endpoint's port is none.
        MissingExtraError: ``langsmith`` is not installed.
    """

    def __init__(
        self,
        *,
        client: langsmith.Client | None = None,
        project: str | None = None,
        steps: bool = False,
    ) -> None:
        self._api = LangSmithAPI(client)
        self._project = project
        self._steps = steps
        self._destination = f"langsmith:{_endpoint(self._api.client.api_url)}"
        self._owner = self._whom()
        # Of a trace above several roots of ours: what each came to, for the sum on its own root.
        self._lock = threading.Lock()
        self._traces: OrderedDict[str, dict[str, Impacts]] = OrderedDict()
        tracing().install()

    @property
    def destination(self) -> str:
        """``langsmith:`` and the endpoint."""
        return self._destination

    @property
    def owner(self) -> Mapping[str, str]:
        """The workspace, or where none is named a keyed hash of the key; and the project."""
        return self._owner

    def _whom(self) -> dict[str, str]:
        client = self._api.client
        workspace = getattr(client, "workspace_id", None)
        whom = {"workspace": str(workspace)} if workspace else {}
        if not whom and client.api_key:
            whom = {"key": keyed_hash(client.api_key)}
        return {**whom, "project": self._default_project()}

    def observe(self, run: Run, zone_of: ZoneOf) -> None:
        """Metadata for the tracer's next patch of this run."""
        watch = tracing()
        if watch.is_traced(str(run.id)):
            metadata = run_metadata(run, functools.partial(credits_under, zone_of=zone_of))
            if metadata is not None:
                watch.attach(str(run.id), metadata)

    def notes(self, root: Run) -> Mapping[str, Any]:
        """Where the tracer put this root: a replay in another process needs it."""
        traced = tracing().find(str(root.id))
        if traced is None:
            return {"project": self._default_project()}
        noted = {
            "traced": True,
            "trace_id": traced.trace_id,
            "project": traced.project or self._default_project(),
        }
        if traced.trace_id != _uuid(str(root.id)):
            noted["trace"] = said(self._so_far(traced.trace_id, root))
        return noted

    def _so_far(self, trace_id: str, root: Run) -> Impacts:
        """What a trace has come to, with this root: under ``@traceable`` it may have several."""
        with self._lock:
            roots = self._traces.setdefault(trace_id, {})
            roots[str(root.id)] = root.total
            if len(self._traces) > _MAX_TRACES:
                self._traces.popitem(last=False)
            return Impacts.sum(list(roots.values()))

    def deliver(self, trees: Sequence[Tree]) -> None:
        """One request for the whole batch, where it fits; first the project's id is asked for."""
        runs: list[Iterable[dict[str, Any]]] = []
        patches: list[Iterable[dict[str, Any]]] = []
        items: list[dict[str, Any]] = []
        for tree in trees:
            place = self._place(tree)
            if not self._api.sampled(place.trace_id):
                continue
            session = self._api.session_id(place.project)
            if place.traced:
                patches.append(self._patches(tree))
            else:
                bare = patches if tree.root.revision else runs
                bare.append(self._runs(tree, place.project))
            items += self._feedback(tree, place.trace_id, session)
        self._api.configure_feedback(items)
        self._api.send(chain.from_iterable(runs), chain.from_iterable(patches), items)

    def _feedback(self, tree: Tree, trace_id: str, session: str) -> Iterator[dict[str, Any]]:
        """On the root, on the trace's own root where that is above it, and on steps."""
        root, place = tree.root, {"trace_id": trace_id, "session_id": session}
        make = functools.partial(
            feedback_items, method=tree.method, start=root.start, credits=credits_for([tree])
        )
        yield from make({"run_id": _uuid(root.id), **place}, said(root.total))
        if trace_id != _uuid(root.id) and "trace" in tree.notes:
            yield from make({"run_id": trace_id, **place}, tree.notes["trace"])
        if self._steps:
            for run in root.walk():
                if run is not root and run.kind in _STEPS and run.total.estimated_calls:
                    whose = {"run_id": _uuid(run.id), **place}
                    yield from make(whose, said(run.total), prefix="impact_step_")

    def _runs(self, tree: Tree, project: str) -> Iterator[dict[str, Any]]:
        for run in _runs(tree, project):
            run["extra"]["metadata"] = self._api.shown(run["extra"]["metadata"])
            yield run

    def after_fork(self) -> None:
        """Connections of our own, of a given client as well."""
        self._lock = threading.Lock()
        reconnect(self._api.client.session)
        self._api = LangSmithAPI(self._api.client)

    def _default_project(self) -> str:
        from langsmith.utils import get_tracer_project

        return self._project or get_tracer_project() or "default"

    def _place(self, tree: Tree) -> _Place:
        """As known now: the tracer may have posted the run after our handler saw its end."""
        traced = tracing().find(tree.root.id)
        notes = tree.notes
        if traced is not None:
            project = traced.project or self._default_project()
            return _Place(True, traced.trace_id, project)
        return _Place(
            bool(notes.get("traced")),
            notes.get("trace_id") or _uuid(tree.root.id),
            notes.get("project") or self._default_project(),
        )

    def _patches(self, tree: Tree) -> Iterator[dict[str, Any]]:
        """For runs whose patch went out before our metadata was there, or with less in it."""
        credited = credits_by_run(tree)
        flushed = False
        for run in tree.root.walk():
            metadata = run_metadata(run, credited)
            traced = tracing().find(run.id)
            if metadata is None or (traced is not None and traced.carries == metadata):
                continue
            if traced is not None and not flushed:
                _flush(traced.client)  # its patch would come after ours, and undo it
                flushed = True
            extra = tracing().extra_of(run.id)
            if traced is not None and extra is not None:
                patch: dict[str, Any] | None = _patch_of(run, traced, extra)
            else:
                patch = self._patch_by_reading(run)
            if patch is not None:
                extra = _merged(patch.get("extra"), metadata)
                yield {**patch, "extra": {**extra, "metadata": self._api.shown(extra["metadata"])}}
                if traced is not None:
                    traced.carries = metadata

    def _patch_by_reading(self, run: Run) -> dict[str, Any] | None:
        # Another id than a UUID is LlamaIndex's: no tracer has posted that run.
        stored = self._api.read_run(run.id) if run.id == _uuid(run.id) else None
        if stored is None:
            return None
        keys = ("id", "trace_id", "dotted_order", "parent_run_id", "extra")
        return {key: stored[key] for key in keys if stored.get(key) is not None}


class _Place:
    """Where a root lies in LangSmith."""

    def __init__(self, traced: bool, trace_id: str, project: str) -> None:
        self.traced = traced
        self.trace_id = trace_id
        self.project = project


def _patch_of(run: Run, traced: Traced, extra: dict[str, Any]) -> dict[str, Any]:
    patch = {"id": run.id, "trace_id": traced.trace_id, "extra": extra}
    if traced.dotted_order:
        patch["dotted_order"] = traced.dotted_order
        # The tracer's parent: ours may be a LlamaIndex run between the two, unknown to LangSmith.
        above = traced.dotted_order.split(".")[:-1]
        if above:
            patch["parent_run_id"] = above[-1][-_UUID_LENGTH:]
    return patch


def _endpoint(api_url: str) -> str:
    try:
        url = urlsplit(api_url)
        host = url.hostname if url.port is None else f"{url.hostname}:{url.port}"
    except ValueError:
        raise ConfigurationError(
            "LangSmith's endpoint has a port that is none: set LANGSMITH_ENDPOINT to a URL such as "
            "'https://api.smith.langchain.com'"
        ) from None
    return f"{url.scheme}://{host}{url.path}"


def _flush(client: Any) -> None:
    try:
        client.flush(timeout=_FLUSH_S)
    except (AttributeError, TypeError):  # no client, or one that can only wait for ever
        return


def _merged(extra: Mapping[str, Any] | None, metadata: Mapping[str, Any]) -> dict[str, Any]:
    extra = extra or {}
    return {**extra, "metadata": {**(extra.get("metadata") or {}), **metadata}}


def _runs(tree: Tree, project: str) -> Iterator[dict[str, Any]]:
    """A tree that no tracer posted, as runs without inputs and outputs."""
    root, credited = tree.root, credits_by_run(tree)
    orders: dict[str, str] = {}
    for run in root.walk():
        start, end = resolved_at(run.start), resolved_at(run.end)
        assert start is not None  # noqa: S101
        run_id = _uuid(run.id)
        own = f"{_order(start)}{run_id}"
        above = None if run is root or run.parent is None else _uuid(run.parent.id)
        orders[run_id] = own if above is None else f"{orders[above]}.{own}"
        metadata = {**run.metadata, **label_metadata(run), **(run_metadata(run, credited) or {})}
        if run.call is not None:
            metadata |= {"ls_model_name": run.call.model, "ls_provider": run.call.provider}
            if (usage := _usage(run.call, cached=run.cached)) is not None:
                metadata["usage_metadata"] = usage
        yield {
            "id": run_id,
            "trace_id": _uuid(root.id),
            "dotted_order": orders[run_id],
            "parent_run_id": above,
            "session_name": project,
            "name": run.name,
            "run_type": _RUN_TYPES.get(run.kind, "chain"),
            "start_time": start.isoformat(),
            "end_time": None if end is None else end.isoformat(),
            "error": run.status if run.status in ("error", "cancelled") else None,
            "tags": list(run.tags),
            "inputs": {},
            "extra": {"metadata": metadata},
        }


def _usage(call: ModelCall, *, cached: bool) -> dict[str, Any] | None:
    """A call's tokens as LangSmith reads them, also to price them; None where they are unknown."""
    if call.input_tokens is None or call.output_tokens is None:
        return None
    read, written = call.cached_input_tokens, call.cache_write_tokens
    usage: dict[str, Any] = {
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "total_tokens": call.input_tokens + call.output_tokens,
        "input_token_details": _given(cache_read=read, cache_creation=written),
        "output_token_details": _given(reasoning=call.reasoning_tokens),
    }
    return usage | {"total_cost": 0} if cached else usage


def _given(**counts: int | None) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count is not None}


def _uuid(id: str) -> str:
    """LangSmith takes UUIDs alone; LlamaIndex's span ids are other text."""
    try:
        return str(uuid.UUID(id))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, id))


def _order(start: datetime) -> str:
    return start.strftime("%Y%m%dT%H%M%S%fZ")


class KeepsRuns(Protocol):
    """A handler or a tracker."""

    @property
    def runs(self) -> list[Run]:
        """The finished root runs that are kept."""
        ...

    def report(self, run: Any = None) -> Any:
        """A report over one of them."""
        ...


def impact_evaluator(handler: KeepsRuns) -> Callable[..., dict[str, Any]]:
    """An evaluator for ``langsmith.evaluate``: each example's impacts as experiment metrics.

    Args:
        handler: The one that the evaluated target has in its callbacks.
    """
    tracing().install()

    def impacts(run: Any) -> dict[str, Any]:
        below = [root for root in handler.runs if _is_below(root, run)]
        if not below:  # the handler was not there, which is not zero
            return {"results": []}
        total = Impacts.sum(root.total for root in below)
        credited = dict.fromkeys(text for root in below for text in handler.report(root).credits)
        about = {"source": "impactree", "credits": list(credited)}  # the feedback's source
        results = [
            {"key": key, "score": value["mean"], "evaluator_info": about}
            for key, value in feedback_values(total).items()
        ]
        return {"results": results}

    return impacts


def _is_below(root: Run, run: Any) -> bool:
    """Whether a root belongs to a run of LangSmith: directly, or through traced functions."""
    traced = tracing().find(str(root.id))
    return str(root.parent_id) == str(run.id) or (
        traced is not None and str(run.id) in (traced.dotted_order or "")
    )
