"""LangSmith's endpoints, through the official client's session, and what its errors mean.

Requests go out one by one with ``Client.request_with_retries``: the client's own queue drops what
it cannot send, and its errors and logs show parts of the key, so that neither reaches ours.
"""

from __future__ import annotations

import json
import uuid
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from impactree.exceptions import MissingExtraError
from impactree.exporters._errors import DeliveryRefusedError, RetryLaterError, TreeRejectedError
from impactree.exporters._time import resolved_at
from impactree.values.criteria import CRITERIA

try:
    import langsmith
    from langsmith import utils as langsmith_utils
    from urllib3.util import Retry
except ImportError as error:
    raise MissingExtraError("langsmith", "langsmith") from error

if TYPE_CHECKING:
    from impactree.runs import Run
    from impactree.values.impacts import Impacts

__all__ = ["FEEDBACK", "LangSmithAPI", "feedback", "feedback_values"]

_NAMESPACE: Final = uuid.UUID("5d1c0c3a-8a2e-5b0e-9a51-0f6a3f0f6f5e")
_MULTIPART_FEEDBACK_SINCE: Final = (0, 8, 10)

FEEDBACK: Final = {criterion.feedback: criterion for criterion in CRITERIA}
"""Feedback key -> criterion. LangSmith keeps 4 decimals: one token of the smallest
model of the catalog is 0.075 mWh, 0.0087 mg, 0.36 ng, 0.093 J, 0.0003 mL."""


class _ConflictError(TreeRejectedError):
    """HTTP 409."""


class LangSmithAPI:
    """What the exporter and the backfill ask of LangSmith.

    Args:
        client: The official client; None: one of our own, with the environment's settings.
    """

    def __init__(self, client: langsmith.Client | None = None) -> None:
        self.client = client or langsmith.Client(
            auto_batch_tracing=False, retry_config=Retry(0, raise_on_status=False)
        )
        self._sessions: dict[str, str] = {}
        self._configured = False
        self._multipart: bool | None = None

    def sampled(self, trace_id: str) -> bool:
        """Whether the client's sampling keeps a trace; the tracer's client decides the same."""
        decide = getattr(self.client, "_should_sample", None)
        return decide is None or bool(decide(trace_id))

    def session_id(self, project: str) -> str:
        """The project's id; the project is made when it is not there yet."""
        known = self._sessions.get(project)
        if known is None:
            found = self._request("GET", "/sessions", params={"name": project, "limit": 1})
            if not found:
                body = {"name": project, "id": str(uuid.uuid4())}
                found = [self._request("POST", "/sessions", json=body, params={"upsert": True})]
            known = self._sessions[project] = str(found[0]["id"])
        return known

    def existing_session_id(self, project: str) -> str | None:
        """The id of a project; None when there is none of that name."""
        found = self._request("GET", "/sessions", params={"name": project, "limit": 1})
        return str(found[0]["id"]) if found else None

    def configure_feedback(self) -> None:
        """Create the feedback configs, once; a workspace may not let us, and works without."""
        if self._configured:
            return
        for key in FEEDBACK:
            body = {
                "feedback_key": key,
                "feedback_config": {"type": "continuous", "min": 0},
                "is_lower_score_better": True,
            }
            try:
                self._request("POST", "/feedback-configs", json=body)
            except (TreeRejectedError, DeliveryRefusedError):
                continue  # there already, not allowed, or an older server
        self._configured = True

    def send(self, runs: list[dict[str, Any]], patches: list[dict[str, Any]], items: Any) -> None:
        """Runs, changes to runs and feedback items: one request where the server can."""
        at_once = items if self._takes_multipart_feedback() else []
        try:
            self._ingest(runs, patches, at_once)
        except _ConflictError:  # runs that an earlier attempt had written
            self._ingest([], [*runs, *patches], at_once)
        if at_once is not items:
            for item in items:
                self._request("POST", "/feedback", data=json.dumps(item))

    def read_run(self, run_id: str) -> dict[str, Any] | None:
        """A stored run; None when it is not there."""
        try:
            found: dict[str, Any] = self._request("GET", f"/runs/{run_id}")
        except TreeRejectedError:
            return None
        return found

    def page(self, query: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
        """One page of stored runs, and the cursor of the next."""
        body = {key: value for key, value in query.items() if value is not None}
        page = self._request("POST", "/runs/query", json=body)
        return page.get("runs", []), (page.get("cursors") or {}).get("next")

    def _takes_multipart_feedback(self) -> bool:
        if self._multipart is None:
            info = self._request("GET", "/info") or {}
            config = info.get("batch_ingest_config") or {}
            version = tuple(int(p) for p in str(info.get("version", "")).split(".") if p.isdigit())
            self._multipart = (
                config.get("use_multipart_endpoint", True) and version >= _MULTIPART_FEEDBACK_SINCE
            )
        return self._multipart

    def _ingest(self, runs: list[Any], patches: list[Any], items: list[Any]) -> None:
        parts = []
        for operation, bodies in (("post", runs), ("patch", patches)):
            for body in bodies:
                name = f"{operation}.{body['id']}"
                extra = body.get("extra")
                rest = {key: value for key, value in body.items() if key not in ("extra", "inputs")}
                parts.append(_part(name, rest))
                if "inputs" in body:
                    parts.append(_part(f"{name}.inputs", body["inputs"]))
                if extra is not None:
                    parts.append(_part(f"{name}.extra", extra))
        parts += [_part(f"feedback.{item['id']}", item) for item in items]
        if parts:
            self._request("POST", "/runs/multipart", files=parts)

    def _request(self, method: Any, path: str, **kwargs: Any) -> Any:
        try:
            response = self.client.request_with_retries(method, path, **kwargs)
        except Exception as error:
            raise _meaning(error, path) from None
        try:
            return response.json() if response.content else None
        except ValueError:  # a page of the website, or of a proxy
            said = f"LangSmith answered {path} with something that is not JSON"
            raise DeliveryRefusedError(f"{said}: check LANGSMITH_ENDPOINT") from None


def _part(name: str, body: Any) -> tuple[str, tuple[None, bytes, str, dict[str, str]]]:
    data = json.dumps(body, ensure_ascii=False).encode()
    return name, (None, data, "application/json", {"Content-Length": str(len(data))})


def _meaning(error: Exception, path: str) -> Exception:
    """An error of the client, without its text: that holds parts of the key and of payloads."""
    response = _response(error)
    status = getattr(response, "status_code", None)
    if status is None:
        if isinstance(error, langsmith_utils.LangSmithAuthError):
            return DeliveryRefusedError("LangSmith wants a key: set LANGSMITH_API_KEY")
        return RetryLaterError(f"LangSmith cannot be reached ({type(error).__name__})")
    said = f"LangSmith answered {path} with HTTP {status}"
    if status in (401, 403):
        return DeliveryRefusedError(f"{said}: check LANGSMITH_API_KEY and its workspace")
    if status == 404 and path in ("/sessions", "/info", "/runs/multipart"):
        return DeliveryRefusedError(f"{said}: check LANGSMITH_ENDPOINT")
    if status in (408, 425, 429) or status >= 500:
        return RetryLaterError(said, after_s=_retry_after(response))
    return _ConflictError(said) if status == 409 else TreeRejectedError(said)


def _response(error: BaseException | None) -> Any:
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            return response
        error = error.__cause__ or error.__context__
    return None


def _retry_after(response: Any) -> float | None:
    """The Retry-After header, s: a number or an HTTP date."""
    text = response.headers.get("Retry-After")
    if not text:
        return None
    if text.isdigit():
        return float(text)
    try:
        from datetime import UTC, datetime

        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def feedback_values(impacts: Impacts) -> dict[str, dict[str, float]]:
    """Feedback key -> mean, min and max in the key's unit; empty when nothing was estimated."""
    out = {}
    for key, criterion in FEEDBACK.items():
        impact = getattr(impacts, criterion.key)
        if impact is not None:
            out[key] = (impact.value * criterion.feedback_factor).to_dict()
    return out


def feedback(
    run_id: str,
    trace_id: str,
    session_id: str,
    impacts: Impacts,
    *,
    method: str,
    start: float | None,
) -> list[dict[str, Any]]:
    """The feedback items of one run; their ids follow from run and key, so that they replace."""
    comment = f"method {method}; {impacts.estimated_calls} model calls"
    if impacts.unestimated_calls:
        comment += f"; {impacts.unestimated_calls} more not estimated: a lower bound"
    started = resolved_at(start)
    return [
        {
            "id": str(uuid.uuid5(_NAMESPACE, f"{run_id}:{key}")),
            "run_id": run_id,
            "trace_id": trace_id,
            "session_id": session_id,
            "key": key,
            "score": round(value["mean"], 4),
            "value": {**value, "method": method},
            "comment": comment,
            "feedback_source": {"type": "api", "metadata": {"source": "impactree"}},
            "start_time": None if started is None else started.isoformat(),
        }
        for key, value in feedback_values(impacts).items()
    ]


def run_metadata(run: Run) -> dict[str, Any] | None:
    """What a run carries in LangSmith: flat means to filter by, and the impacts in full.

    None for a run without a model call in or under it.
    """
    total = run.total
    if not total.estimated_calls and not total.unestimated_calls:
        return None
    flat = {key: value["mean"] for key, value in feedback_values(total).items()}
    return {**flat, **label_metadata(run), "impacts": total.to_dict()}


def label_metadata(run: Run) -> dict[str, str]:
    """What a run works for, to filter by: ``impactree_agent`` and so on."""
    return {f"impactree_{key}": str(value) for key, value in run.labels.items()}
