"""Impacts for runs that LangSmith stored before impactree was there."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from impactree.calls import Kind, ModelCall, Tokens
from impactree.calls.building import Asked, build_call
from impactree.calls.names import MODEL_KEYS, first_text
from impactree.calls.reconciling import Reading
from impactree.calls.scrubbing import text
from impactree.calls.tokens import is_count
from impactree.calls.usage import MalformedUsageError, read_langchain_usage
from impactree.delivery.errors import RetryLaterError
from impactree.engine import Engine, shared_engine
from impactree.exceptions import ConfigurationError
from impactree.exporters._langsmith_api import FEEDBACK, LangSmithAPI, feedback
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Backfill", "call_of", "calls_of"]

_ROOT_FIELDS: Final = ["id", "trace_id", "start_time", "feedback_stats"]
_FIELDS: Final = [
    *("id", "parent_run_id", "run_type", "name", "start_time", "end_time"),
    *("prompt_tokens", "completion_tokens", "extra", "feedback_stats"),
]
_KINDS: Final[dict[str, Kind]] = {"llm": "chat", "embedding": "embedding"}
_COLUMNS: Final = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}
_ATTEMPTS: Final = 8


@dataclass(kw_only=True)
class Backfill:
    """Reads a project's traces, estimates them from their recorded usage, writes the feedback.

    It can be stopped and run again: traces that carry the feedback are passed over.

    Args:
        project: The project's name.
        since: Traces that started at this time or later.
        api: LangSmith.
        engine: Estimates; None: the default method.
        rate: Requests per second, at most.
        dry_run: Read and estimate, write nothing.
        force: Also traces that carry the feedback already (it is replaced).
    """

    project: str
    since: datetime
    api: LangSmithAPI
    engine: Engine | None = None
    rate: float = 5.0
    dry_run: bool = False
    force: bool = False
    traces: int = 0
    """Traces written (or that would be)."""
    skipped: int = 0
    """Traces that carried the feedback, or had no model call to estimate."""
    total: int = 0
    """Traces found."""
    _next_at: float = 0.0

    def run(self, progress: Callable[[int, int], None] = lambda done, total: None) -> Impacts:
        """All traces, newest first. Returns the sum of their impacts.

        Args:
            progress: Told how many traces are done, and of how many.

        Raises:
            ConfigurationError: no such project.
            DeliveryRefusedError: wrong key or endpoint.
            RetryLaterError: LangSmith stayed away for all attempts.
        """
        engine = self.engine or shared_engine()
        session = self._patiently(lambda: self.api.existing_session_id(self.project))
        if session is None:
            raise ConfigurationError(f"LangSmith has no project {self.project!r:.100}")
        since = self.since.isoformat()
        roots = list(self._query(session, _ROOT_FIELDS, is_root=True, start_time=since))
        self.total = len(roots)
        sums = Impacts.zero()
        for root in roots:
            progress(self.traces + self.skipped, self.total)
            found = None if self._carries(root) else self._impacts(session, root, engine)
            if found is None:
                self.skipped += 1
                continue
            impacts, credited = found
            if not self.dry_run:
                self._write(session, root, impacts, engine.method.name, credited)
            self.traces += 1
            sums = sums + impacts
        progress(self.traces + self.skipped, self.total)
        return sums

    def _carries(self, run: dict[str, Any]) -> bool:
        return not self.force and FEEDBACK.keys() <= (run.get("feedback_stats") or {}).keys()

    def _impacts(
        self, session: str, root: dict[str, Any], engine: Engine
    ) -> tuple[Impacts, tuple[str, ...]] | None:
        """Of one trace, and the credits of the factors; None where nothing is to be written."""
        start = root.get("start_time")
        runs = list(self._query(session, _FIELDS, trace=root["trace_id"], start_time=start))
        # A handler under @traceable has written to its own root, which is not the trace's.
        if any(map(self._carries, runs)):
            return None
        began = _time(start)
        day = None if began is None else began.date()  # names and factors as they were then
        calls = calls_of(runs)
        impacts = Impacts.sum(engine.estimate(call, at=day) for call in calls)
        return (impacts, engine.credits_for(calls, day)) if impacts.estimated_calls else None

    def _write(
        self,
        session: str,
        root: dict[str, Any],
        impacts: Impacts,
        method: str,
        credited: Sequence[str],
    ) -> None:
        start = _time(root.get("start_time"))
        items = feedback(
            str(root["id"]),
            str(root["trace_id"]),
            session,
            impacts,
            method=method,
            start=None if start is None else start.timestamp(),
            credits=credited,
        )
        self._patiently(lambda: self._send(items))

    def _send(self, items: list[dict[str, Any]]) -> None:
        self.api.configure_feedback(items)
        self.api.send([], [], items)

    def _query(self, session: str, select: list[str], **which: Any) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            query = {"session": [session], "select": select, "cursor": cursor, **which}
            page, cursor = self._patiently(functools.partial(self.api.page, query))
            yield from page
            if cursor is None:
                return

    def _patiently(self, request: Callable[[], Any]) -> Any:
        """One request, at most ``rate`` per second, again when LangSmith asks to wait."""
        import tenacity

        backoff = tenacity.wait_exponential(max=60) + tenacity.wait_random(0, 1)

        def wait(state: tenacity.RetryCallState) -> float:
            error = None if state.outcome is None else state.outcome.exception()
            asked = getattr(error, "after_s", None)
            return backoff(state) if asked is None else float(asked)

        def paced() -> Any:
            now = time.monotonic()
            if now < self._next_at:
                time.sleep(self._next_at - now)
            self._next_at = time.monotonic() + 1 / self.rate
            return request()

        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(RetryLaterError),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=wait,
            reraise=True,
        )(paced)


def calls_of(runs: list[dict[str, Any]]) -> list[ModelCall]:
    """The model calls of a trace: of nested ones (a wrapper, its model) the innermost with usage.

    Answers from a response cache are left out: no model ran for them.
    """
    calls = {str(run["id"]): call for run in runs if (call := call_of(run)) is not None}
    parents = {str(run["id"]): str(run.get("parent_run_id")) for run in runs}
    left_out = {str(run["id"]) for run in runs if _usage(run).get("total_cost") == 0}
    for run_id, call in calls.items():
        above = parents[run_id]
        while above in parents:
            if above in calls and call.tokens_source == "reported":
                left_out.add(above)
            elif above in calls and calls[above].tokens_source == "reported":
                left_out.add(run_id)
            above = parents[above]
    return [call for run_id, call in calls.items() if run_id not in left_out]


def call_of(run: dict[str, Any]) -> ModelCall | None:
    """The model call of a stored run, from the usage it was stored with; None: it is not one."""
    kind = _KINDS.get(run.get("run_type", ""))
    if kind is None:
        return None
    extra = run.get("extra") or {}
    metadata = extra.get("metadata") or {}
    params = extra.get("invocation_params") or {}
    reading = _reading(run)
    asked = Asked(
        text(metadata.get("ls_provider")),
        text(metadata.get("ls_model_name")) or first_text(MODEL_KEYS, params),
        None,
        None,
        text(run.get("name")) or "",
    )
    start, end = _time(run.get("start_time")), _time(run.get("end_time"))
    return build_call(
        asked,
        kind,
        reading.tokens,
        "unknown" if reading.tokens.output is None else "reported",
        latency_s=None if start is None or end is None else max(0.0, (end - start).total_seconds()),
        notes=reading.notes,
    )


def _reading(run: dict[str, Any]) -> Reading:
    """The usage that a run was stored with; what is no count is unknown."""
    stored = _usage(run)
    usage = {
        name: run.get(column) if stored.get(name) is None else stored[name]
        for name, column in _COLUMNS.items()
    }
    try:
        return read_langchain_usage({**stored, **usage})
    except MalformedUsageError:
        read, wrote = (count if is_count(count) else None for count in usage.values())
        return Reading(Tokens(input=read, output=wrote))


def _usage(run: dict[str, Any]) -> dict[str, Any]:
    usage = ((run.get("extra") or {}).get("metadata") or {}).get("usage_metadata")
    return usage if isinstance(usage, dict) else {}


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
