"""Impacts for runs that LangSmith stored before impactree was there."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from impactree.calls import Kind, ModelCall
from impactree.engine import Engine, default_engine
from impactree.exceptions import ConfigurationError
from impactree.exporters._errors import RetryLaterError
from impactree.exporters._langsmith_api import FEEDBACK, LangSmithAPI, feedback
from impactree.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Backfill", "call_of"]

_FIELDS: Final = [
    *("id", "trace_id", "run_type", "name", "start_time", "end_time", "prompt_tokens"),
    *("completion_tokens", "extra", "feedback_stats"),
]
_KINDS: Final[dict[str, Kind]] = {"llm": "chat", "embedding": "embedding"}
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
    _next_at: float = 0.0

    def run(self, progress: Callable[[int], None] = lambda done: None) -> Impacts:
        """All traces, newest first. Returns the sum of their impacts.

        Raises:
            ConfigurationError: no such project.
            DeliveryRefusedError: wrong key or endpoint.
            RetryLaterError: LangSmith stayed away for all attempts.
        """
        engine = self.engine or default_engine()
        session = self._patiently(lambda: self.api.existing_session_id(self.project))
        if session is None:
            raise ConfigurationError(f"LangSmith has no project {self.project!r:.100}")
        if not self.dry_run:
            self._patiently(self.api.configure_feedback)
        total = Impacts.zero()
        for root in self._query(session, is_root=True):
            progress(self.traces + self.skipped)
            if not self.force and FEEDBACK.keys() & (root.get("feedback_stats") or {}).keys():
                self.skipped += 1
                continue
            calls = [call_of(run) for run in self._query(session, trace=root["trace_id"])]
            impacts = Impacts.sum(engine.estimate(call) for call in calls if call is not None)
            if not impacts.estimated_calls:
                self.skipped += 1
                continue
            if not self.dry_run:
                self._write(session, root, impacts, engine.method.name)
            self.traces += 1
            total = total + impacts
        progress(self.traces + self.skipped)
        return total

    def _write(self, session: str, root: dict[str, Any], impacts: Impacts, method: str) -> None:
        start = _time(root.get("start_time"))
        items = feedback(
            str(root["id"]),
            str(root["trace_id"]),
            session,
            impacts,
            method=method,
            start=None if start is None else start.timestamp(),
        )
        self._patiently(lambda: self.api.send([], [], items))

    def _query(self, session: str, **which: Any) -> Iterator[dict[str, Any]]:
        if "trace" not in which:
            which["start_time"] = self.since.isoformat()
        cursor = None
        while True:
            query = {"session": [session], "select": _FIELDS, "cursor": cursor, **which}
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


def call_of(run: dict[str, Any]) -> ModelCall | None:
    """The model call of a stored run, from the usage it was stored with; None: it is not one."""
    kind = _KINDS.get(run.get("run_type", ""))
    if kind is None:
        return None
    extra = run.get("extra") or {}
    metadata = extra.get("metadata") or {}
    params = extra.get("invocation_params") or {}
    usage = metadata.get("usage_metadata") or {}
    model = metadata.get("ls_model_name") or params.get("model") or params.get("model_name")
    given_in, given_out = usage.get("input_tokens"), usage.get("output_tokens")
    tokens_in = _count(given_in if given_in is not None else run.get("prompt_tokens"))
    tokens_out = _count(given_out if given_out is not None else run.get("completion_tokens"))
    start, end = _time(run.get("start_time")), _time(run.get("end_time"))
    return ModelCall(
        model=str(model or run.get("name") or ""),
        provider=metadata.get("ls_provider"),
        kind=kind,
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        latency_s=None if start is None or end is None else max(0.0, (end - start).total_seconds()),
        tokens_source="unknown" if tokens_out is None else "reported",
    )


def _count(value: Any) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else None
