"""What the exporters' tests share: calls, trees, a sink, and the end of the spool."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from impactree import ImpactTracker, ModelCall
from impactree.delivery import spool as _spool
from impactree.exporters import SpooledExporter

if TYPE_CHECKING:
    import pytest


def end_spool() -> None:
    """Stop the threads for good, so that none of them logs into the next test."""
    spool, _spool._spool = _spool._spool, None
    if spool is not None:
        for lane in spool._lanes.values():
            lane.stop(10)
        spool.close(0)


def call(**fields: Any) -> ModelCall:
    known = {"model": "gpt-4o-mini", "provider": "openai", "input_tokens": 100}
    return ModelCall(**{**known, "output_tokens": 20, "latency_s": 1.0, **fields})


def run_tree(tracker: ImpactTracker, *calls: ModelCall, name: str = "agent", **fields: Any) -> Any:
    """A root with a step that makes the calls; one call when none is given."""
    root, step = uuid.uuid4(), uuid.uuid4()
    tracker.start(root, name=name, **fields)
    tracker.start(step, root, name="model", kind="node", metadata={"langgraph_node": "model"})
    for each in calls or (call(),):
        run_id = uuid.uuid4()
        tracker.start(run_id, step, name="ChatOpenAI", kind="chat", tags=["fast"])
        tracker.end(run_id, call=each)
    tracker.end(step)
    tracker.end(root)
    return root


class Sink(SpooledExporter):
    """Collects what it is given; raises what it is told to first."""

    def __init__(self, name: str = "sink", *errors: BaseException) -> None:
        self.name = name
        self.errors = list(errors)
        self.trees: list[Any] = []
        self.attempts = 0
        self.had: set[tuple[str, float, int]] = set()

    @property
    def destination(self) -> str:
        return f"test:{self.name}"

    def delivered(self, keys: Any) -> Any:
        return keys & self.had

    def deliver(self, trees: Any) -> None:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        self.trees.extend(trees)


def ids(sink: Sink) -> list[str]:
    return [tree.root.id for tree in sink.trees]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning or worse."""
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
