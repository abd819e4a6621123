"""What LangSmith's tracer posts and when: metadata goes along, without a request of its own.

The callbacks give a handler no way to the tracer beside it. The public ``RunTree.post`` and
``RunTree.patch`` are what every tracer of LangSmith calls (LangChain's and ``@traceable``), so
those two are wrapped while an exporter is in use; they still do what they did, whatever we do.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langsmith.run_trees import RunTree

from impactree.delivery.forks import free_in_child

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Traced", "Tracing", "tracing"]

_log: Final = logging.getLogger("impactree")
_MAX_RUNS: Final = 20_000
_MAX_EXTRAS: Final = 1000


@dataclass(slots=True)
class Traced:
    """A run as a tracer of this process posted it."""

    trace_id: str
    dotted_order: str | None
    project: str | None
    ended: bool = False
    """Its last patch is out."""
    carries: dict[str, Any] | None = None
    """The metadata of ours that went along."""
    client: Any = None


class Tracing:
    """Runs that tracers posted, and the metadata that waits for their patch. Bounded."""

    def __init__(self) -> None:
        self._lock = free_in_child(threading.Lock())
        self._runs: OrderedDict[str, Traced] = OrderedDict()
        self._traces: OrderedDict[str, None] = OrderedDict()
        self._waiting: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._extras: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._installed = False

    def install(self) -> None:
        """Begin to watch; does nothing the second time."""
        with self._lock:
            if not self._installed:
                self._installed = True
                RunTree.post = _wrapped(RunTree.post, self, ends=False)  # type: ignore[method-assign]
                RunTree.patch = _wrapped(RunTree.patch, self, ends=True)  # type: ignore[method-assign]

    def is_traced(self, run_id: str) -> bool:
        """Whether a tracer posted this run, or a run of the trace it is the root of."""
        return run_id in self._runs or run_id in self._traces

    def find(self, run_id: str) -> Traced | None:
        """The run, if a tracer of this process posted it lately."""
        return self._runs.get(run_id)

    def extra_of(self, run_id: str) -> dict[str, Any] | None:
        """What a run was last sent with, where ours was not in it: a later patch repeats it."""
        return self._extras.get(run_id)

    def attach(self, run_id: str, metadata: dict[str, Any]) -> None:
        """Metadata for a run's patch, which comes next when our handler is before the tracer."""
        with self._lock:
            _put(self._waiting, run_id, metadata)

    def about_to_send(self, tree: RunTree, *, ends: bool) -> None:
        """A tracer posts or patches a run."""
        run_id = str(tree.id)
        with self._lock:
            metadata = self._waiting.pop(run_id, None)
        if metadata is not None:
            tree.extra = {
                **(tree.extra or {}),
                "metadata": {**((tree.extra or {}).get("metadata") or {}), **metadata},
            }
        with self._lock:
            known = self._runs.get(run_id)
            traced = Traced(
                trace_id=str(tree.trace_id),
                dotted_order=tree.dotted_order,
                project=tree.session_name,
                ended=ends or tree.end_time is not None,
                carries=metadata or (known.carries if known else None),
                client=tree.ls_client,
            )
            _put(self._runs, run_id, traced)
            if traced.carries is None and traced.ended:
                _put(self._extras, run_id, dict(tree.extra or {}), _MAX_EXTRAS)
            _put(self._traces, traced.trace_id, None)


def _put(table: OrderedDict[str, Any], key: str, value: Any, bound: int = _MAX_RUNS) -> None:
    table[key] = value
    if len(table) > bound:
        table.popitem(last=False)


def _wrapped(method: Callable[..., Any], watch: Tracing, *, ends: bool) -> Callable[..., Any]:
    @functools.wraps(method)
    def send(tree: RunTree, *args: Any, **kwargs: Any) -> Any:
        try:
            watch.about_to_send(tree, ends=ends)
        except Exception as error:
            # Tracing goes on whatever happens here.
            _log.debug("impactree: run not annotated: %s", type(error).__name__)
        return method(tree, *args, **kwargs)

    return send


_tracing: Final = Tracing()


def tracing() -> Tracing:
    """The process's one."""
    return _tracing
