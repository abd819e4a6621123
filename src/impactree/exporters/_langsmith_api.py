"""LangSmith's endpoints, through the official client's session.

Requests go out one by one with ``Client.request_with_retries``: the client's own queue drops what
it cannot send, and its errors and logs show parts of the key, so that neither reaches ours.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401
import json
import math
import netrc  # noqa: F401 (both: else by the first request, which a fork must not fall into)
import uuid
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from impactree.delivery.codec import json_bytes
from impactree.delivery.errors import DeliveryRefusedError, TreeRejectedError
from impactree.exceptions import MissingExtraError
from impactree.exporters._langsmith_errors import ConflictError, TooLargeError, meaning
from impactree.values.criteria import CRITERIA
from impactree.values.sources import source_shares_text
from impactree.values.times import resolved_at

try:
    import langsmith
    from urllib3.util import Retry
except ImportError as error:
    raise MissingExtraError("langsmith", "langsmith") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from impactree.runs import Run
    from impactree.values.impacts import Impacts

__all__ = ["FEEDBACK", "LangSmithAPI", "feedback", "feedback_items", "feedback_values", "said"]

_NAMESPACE: Final = uuid.UUID("5d1c0c3a-8a2e-5b0e-9a51-0f6a3f0f6f5e")
_MULTIPART_FEEDBACK_SINCE: Final = (0, 8, 10)

FEEDBACK: Final = {
    **{criterion.feedback: (criterion.key, criterion.feedback_factor) for criterion in CRITERIA},
    "impact_adpe_pg": ("adpe", 1e15),
    "impact_water_ul": ("wcf", 1e6),
}
"""Feedback key -> criterion and factor. LangSmith keeps 4 decimals: one token of the smallest
model of the catalog is 0.075 mWh, 0.0087 mg, 360 pg, 0.093 J, 0.3 uL. In the older keys
``impact_adpe_ng`` and ``impact_water_ml`` the last one keeps a digit only; dashboards go on."""

TRAINING_FEEDBACK: Final = {
    "impact_training_energy_uwh": ("energy", 1e9),
    "impact_training_gwp_ug": ("gwp", 1e9),
    "impact_training_water_ul": ("wcf", 1e6),
}
"""The same of the share of training, where it is asked for and known."""

_CRITERIA: Final = tuple(criterion.key for criterion in CRITERIA)
_SIZE_LIMIT: Final = 20 * 2**20
_PART_OVERHEAD: Final = 400  # boundary and headers, bytes
_Body = dict[str, Any]


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
        self._configured: set[str] = set()
        self._multipart: bool | None = None
        self._limit = self._servers_limit = _SIZE_LIMIT

    def sampled(self, trace_id: str) -> bool:
        """Whether the client's sampling keeps a trace; the tracer's client decides the same."""
        decide = getattr(self.client, "_should_sample", None)
        return decide is None or bool(decide(trace_id))

    def shown(self, metadata: dict[str, Any]) -> dict[str, Any]:
        """A run's metadata as its user wants it written: ``LANGSMITH_HIDE_METADATA``, say.

        The client does so with what it sends itself; inputs and outputs we never have.
        """
        hidden: dict[str, Any] = self.client._hide_run_metadata(metadata)
        return hidden

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

    def configure_feedback(self, items: Iterable[_Body]) -> None:
        """Create the configs of items' keys, once; a workspace may not let us, and works without.

        Of the share of training and of steps too, where there are any.
        """
        for key in sorted({item["key"] for item in items} - self._configured):
            body = {
                "feedback_key": key,
                "feedback_config": {"type": "continuous", "min": 0},
                "is_lower_score_better": True,
            }
            # There already, not allowed, or an older server: none of these is for us to mend.
            with suppress(TreeRejectedError, DeliveryRefusedError):
                self._request("POST", "/feedback-configs", json=body)
            self._configured.add(key)

    def send(self, runs: Iterable[_Body], patches: Iterable[_Body], items: Iterable[_Body]) -> None:
        """Runs, changes to runs and feedback items, in as few requests as the server takes."""
        records = chain((("post", b) for b in runs), (("patch", b) for b in patches))
        if self._takes_multipart_feedback():
            self._ingest(chain(records, (("feedback", b) for b in items)))
            return
        self._ingest(records)
        for item in items:
            about = [item["id"], item["run_id"]]
            self._request("POST", "/feedback", about=about, data=json.dumps(item))

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
            limit = config.get("size_limit_bytes")
            if type(limit) is int and limit > 0:
                self._limit = self._servers_limit = limit
            self._multipart = (
                config.get("use_multipart_endpoint", True) and version >= _MULTIPART_FEEDBACK_SINCE
            )
        return self._multipart

    def _ingest(self, records: Iterable[tuple[str, _Body]]) -> None:
        """Post records, as many to a request as fit: a large tree is never in memory as a whole."""
        batch: list[_Record] = []
        size = 0
        for operation, body in records:
            record = _Record(operation, body)
            if batch and size + record.size > self._limit:
                self._post(batch)
                batch, size = [], 0
            batch.append(record)
            size += record.size
        if batch:
            self._post(batch)

    def _post(self, batch: Sequence[_Record]) -> None:
        try:
            parts = [part for record in batch for part in record.parts]
            ids = [record.id for record in batch]
            self._request("POST", "/runs/multipart", about=ids, files=parts)
        except ConflictError:  # runs that an earlier attempt had written
            if not any(record.operation == "post" for record in batch):
                raise
            self._post([record.as_patch() for record in batch])
        except TooLargeError:  # a proxy's limit may be lower than the server's
            if len(batch) == 1:
                raise
            self._limit = max(_PART_OVERHEAD, sum(record.size for record in batch) // 2)
            middle = len(batch) // 2
            self._post(batch[:middle])
            self._post(batch[middle:])
        else:  # it may have been the limit of a moment
            self._limit = min(self._servers_limit, self._limit + self._limit // 8)

    def _request(self, method: Any, path: str, about: Iterable[str] = (), **kwargs: Any) -> Any:
        try:
            response = self.client.request_with_retries(method, path, **kwargs)
        except Exception as error:
            raise meaning(error, path, about) from None
        if response.status_code == 202 and not response.content:
            return None
        try:
            answer = response.json()
        except ValueError:  # a page of the website, of a proxy or of a hotspot's login
            said = f"LangSmith answered {path} with something that is not JSON"
            raise DeliveryRefusedError(f"{said}: check LANGSMITH_ENDPOINT") from None
        # Such a redirect leaves behind what was sent.
        if about and any(step.status_code not in (307, 308) for step in response.history):
            said = f"LangSmith answered {path} with a redirect"
            raise DeliveryRefusedError(f"{said}: check LANGSMITH_ENDPOINT")
        return answer


class _Record:
    """A run, a change to one, or a feedback item, as the parts of a request."""

    def __init__(self, operation: str, body: _Body) -> None:
        self.operation = operation
        self.id = body["id"]
        self._body = body
        name = f"{operation}.{body['id']}"
        apart = () if operation == "feedback" else ("extra", "inputs")
        self.parts = [_part(name, {k: v for k, v in body.items() if k not in apart})]
        self.parts += [
            _part(f"{name}.{field}", body[field]) for field in apart if body.get(field) is not None
        ]
        self.size = sum(len(data) + _PART_OVERHEAD for _, (_, data, *_) in self.parts)
        """About what it takes in a request, bytes."""

    def as_patch(self) -> _Record:
        """The same, for a run that is there already."""
        return _Record("patch", self._body) if self.operation == "post" else self


def _part(name: str, body: Any) -> tuple[str, tuple[None, bytes, str, dict[str, str]]]:
    data = json_bytes(body)
    return name, (None, data, "application/json", {"Content-Length": str(len(data))})


def feedback_values(impacts: Impacts) -> dict[str, dict[str, float]]:
    """Feedback key -> mean, min and max in the key's unit; empty when nothing was estimated."""
    out = {}
    totals = None if impacts.figures is None else impacts.figures.totals
    estimated = [totals[at : at + 3] for at in range(0, len(totals), 3)] if totals else []
    training = () if impacts.training is None else impacts.training.values
    for triples, keys in ((estimated, FEEDBACK), (training, TRAINING_FEEDBACK)):
        known = dict(zip(_CRITERIA, triples, strict=False))
        for key, (criterion, factor) in keys.items():
            triple = known.get(criterion)
            if triple is not None and not math.isnan(triple[1]):
                low, mean, high = (value * factor for value in triple)
                out[key] = {"min": low, "mean": mean, "max": high}
    return out


def feedback(
    run_id: str,
    trace_id: str,
    session_id: str,
    impacts: Impacts,
    *,
    method: str,
    start: float | None,
    credits: Sequence[str],
) -> list[dict[str, Any]]:
    """The feedback items of one run; their ids follow from run and key, so that they replace."""
    place = {"run_id": run_id, "trace_id": trace_id, "session_id": session_id}
    return feedback_items(place, said(impacts), method=method, start=start, credits=credits)


def said(impacts: Impacts) -> dict[str, Any]:
    """What feedback says of impacts, in plain values."""
    return {
        "values": feedback_values(impacts),
        "estimated": impacts.estimated_calls,
        "unestimated": impacts.unestimated_calls,
        "sources": source_shares_text(impacts),
        "shared_over": () if impacts.training is None else impacts.training.shared_over,
    }


def feedback_items(
    place: Mapping[str, str],
    what: Mapping[str, Any],
    *,
    method: str,
    start: float | None,
    credits: Sequence[str],
    prefix: str = "impact_",
) -> list[dict[str, Any]]:
    """The feedback items for what :func:`said` says, at a run of a trace of a project."""
    comment = f"method {method}; {what['estimated']} model calls"
    if what["unestimated"]:
        comment += f"; {what['unestimated']} more not estimated: a lower bound"
    if what.get("sources"):
        comment += f"; energy {what['sources']}"
    if what.get("shared_over"):
        comment += f"; training shared out over {'; '.join(what['shared_over'])}"
    started = resolved_at(start)
    source = {"type": "api", "metadata": {"source": "impactree", "credits": list(credits)}}
    values = {f"{prefix}{key.removeprefix('impact_')}": v for key, v in what["values"].items()}
    return [
        {
            "id": str(uuid.uuid5(_NAMESPACE, f"{place['run_id']}:{key}")),
            **place,
            "key": key,
            "score": round(value["mean"], 4),
            "value": {**value, "method": method},
            "comment": comment,
            "feedback_source": source,
            "start_time": None if started is None else started.isoformat(),
        }
        for key, value in values.items()
    ]


def run_metadata(run: Run, credits: Callable[[Run], Sequence[str]]) -> dict[str, Any] | None:
    """What a run carries in LangSmith: flat means to filter by, and the impacts in full.

    None for a run without a model call in or under it.

    Args:
        run: A run.
        credits: Says what the licences of the factors behind its figures want to be shown.
    """
    total = run.total
    if not total.estimated_calls and not total.unestimated_calls:
        return None
    flat: dict[str, Any] = {key: v["mean"] for key, v in feedback_values(total).items()}
    if total.source is not None:
        flat["impact_source"] = total.source
    credited = {"impactree_credits": list(credits(run))} if total.estimated_calls else {}
    return {**flat, **label_metadata(run), "impacts": total.to_dict(), **credited}


def label_metadata(run: Run) -> dict[str, str]:
    """What a run works for, to filter by: ``impactree_agent`` and so on."""
    return {f"impactree_{key}": str(value) for key, value in run.labels.items()}
