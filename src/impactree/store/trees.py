"""A stored run as a tree again: its model calls, under what their agent, tool and node say.

The tables hold outermost runs and model calls. What lay between is told by the calls' labels and by
the ids of their parents; usage and embodied impacts are kept as one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import sqlalchemy as sa

from impactree.calls import MEDIA_FIELDS, ModelCall
from impactree.runs import LABELS, Labels, Run
from impactree.store.queries import opened
from impactree.store.schema import CALLS, RUNS
from impactree.values.criteria import CRITERIA, ENDS, FLAT_COLUMNS, MARKET_COLUMNS, PART_COLUMNS
from impactree.values.figures import Figures
from impactree.values.impacts import Impacts
from impactree.values.messages import MESSAGES, Message
from impactree.values.sources import SOURCE_FIGURES, SOURCES, as_by_source
from impactree.values.times import as_utc
from impactree.values.training import (
    TRAINING_CALLS,
    TRAINING_FIGURES,
    TRAINING_SHARED,
    TrainingPhase,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from impactree.values.training import Triple

__all__ = ["StoredTree", "stored_tree"]

_ASKED: Final = (
    *("model", "provider", "kind", "zone", "input_tokens", "output_tokens"),
    *("cached_input_tokens", "reasoning_tokens", "tokens_source", "latency_s", *MEDIA_FIELDS),
)
_BETWEEN: Final = ("agent", "tool", "node")


class StoredTree(NamedTuple):
    """A run, and the method that it was estimated by."""

    root: Run
    method: str


def stored_tree(url: str, run_id: str) -> StoredTree | None:
    """The newest run with an id; None: there is none.

    Raises:
        ConfigurationError: not a database URL.
        DeliveryRefusedError: the database or its tables are missing, or of another version.
        RetryLaterError: the database cannot be read.
    """
    with opened(url) as connection:
        asked = sa.select(RUNS).where(RUNS.c.id == run_id).order_by(RUNS.c.started_at.desc())
        run = connection.execute(asked.limit(1)).mappings().first()
        if run is None:
            return None
        mine = (CALLS.c.run_id == run["id"], CALLS.c.run_started_at == run["started_at"])
        query = sa.select(CALLS).where(*mine).order_by(CALLS.c.started_at, CALLS.c.id)
        calls = connection.execute(query).mappings().all()
    return StoredTree(_tree(run, calls), run["method"])


def _tree(row: sa.RowMapping, calls: Sequence[sa.RowMapping]) -> Run:
    if len(calls) == 1 and calls[0]["id"] == row["id"]:  # a call that nothing called
        return _call(calls[0], None, row["method"])
    said = (row["tags"], row["metadata"])
    root = _run(row["id"], row["name"], row["kind"], None, row["started_at"], None, *said)
    _ended(root, row)
    between: dict[tuple[str, ...], Run] = {}
    for call in calls:
        _call(call, _above(call, root, between), row["method"])
    for run in reversed(between.values()):
        run.end = max((below.end or below.start for below in run.children), default=run.start)
    return root


def _above(call: sa.RowMapping, root: Run, between: dict[tuple[str, ...], Run]) -> Run:
    """The run that a call hangs under; made where it is the first one under it."""
    above, path = root, ()
    for label in _BETWEEN:
        name = call[label]
        if not name or name == above.name:
            continue
        own = () if label == "agent" else (str(call["parent_id"]),)
        path = (*path, label, name, *own)
        known = between.get(path)
        if known is None:
            made = _run(" / ".join(path), name, label, above, call["started_at"], call)
            known = between[path] = made
        above = known
    return above


def _run(
    run_id: str,
    name: str,
    kind: Any,
    parent: Run | None,
    started_at: datetime,
    labels: sa.RowMapping | None,
    tags: Sequence[str] = (),
    metadata: dict[str, Any] | None = None,
) -> Run:
    told = {} if labels is None else {name: labels[name] for name in LABELS if labels[name]}
    said = Labels(**told)  # type: ignore[typeddict-item]
    start, above = as_utc(started_at).timestamp(), parent.id if parent else None
    run = Run(run_id, name, kind, parent, above, start, tuple(tags), metadata or None, said)
    run.status = "ok"
    if parent is not None:
        parent.adopt(run)
    return run


def _ended(run: Run, row: sa.RowMapping) -> Run:
    run.end = None if row["ended_at"] is None else as_utc(row["ended_at"]).timestamp()
    run.status = row["status"]
    return run


def _call(row: sa.RowMapping, parent: Run | None, method: str) -> Run:
    run = _run(row["id"], row["name"], row["kind"], parent, row["started_at"], row)
    _ended(run, row)
    asked = {name: row[name] for name in _ASKED if row[name] is not None}
    run.call = ModelCall(**asked)
    run.cached = bool(row["cached"])
    run.own = Impacts.zero() if run.cached else _impacts(row, method)
    return run


def _impacts(row: sa.RowMapping, method: str) -> Impacts:
    figures = _figures(row)
    sources: dict[str, float]
    sources = {s: row[name] for s, name in zip(SOURCES, SOURCE_FIGURES, strict=True) if row[name]}
    market = tuple(row[name] for name in MARKET_COLUMNS)
    return Impacts(
        figures,
        method=method if figures else None,
        market=None if None in market else market,
        training=_training(row),
        by_source=None if sources.keys() <= {"estimated"} else as_by_source(sources),
        warnings=_messages(row["warnings"]),
        errors=_messages(row["errors"]),
        grade=row["grade"],
    )


def _figures(row: sa.RowMapping) -> Figures | None:
    """Both phases stand in the place of usage: they were added before they were stored."""
    if row[FLAT_COLUMNS[0]] is None:
        return None
    values = [row[name] for name in FLAT_COLUMNS]
    known = [math.nan if value is None else value for value in values]
    embodied = [0.0] * (len(ENDS) * sum(criterion.embodied for criterion in CRITERIA))
    parts = [math.nan if row[name] is None else row[name] for name in PART_COLUMNS]
    return Figures(*known, *embodied, *parts)


def _training(row: sa.RowMapping) -> TrainingPhase | None:
    if not row[TRAINING_CALLS]:
        return None
    ends = [row[name] for name in TRAINING_FIGURES]
    values: list[Triple | None] = [
        None if None in triple else triple for triple in zip(*[iter(ends)] * len(ENDS), strict=True)
    ]
    shared = row[TRAINING_SHARED]
    return TrainingPhase(tuple(values), row[TRAINING_CALLS], (shared,) if shared else ())


def _messages(codes: str) -> tuple[Message, ...]:
    return tuple(Message(code, MESSAGES.get(code, code)) for code in codes.split())
