"""Large trees: read a run at a time, written by a thread, and the same in the end."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import Sink, call, run_tree  # type: ignore[import-not-found]
from hypothesis import given, settings
from hypothesis import strategies as st

from impactree import ImpactTracker
from impactree.delivery import codec
from impactree.exporters import JSONLExporter

if TYPE_CHECKING:
    from pathlib import Path

LARGE = 2500
"""Runs: more than a callback waits for."""


def large_tree(tracker: ImpactTracker) -> Any:
    return run_tree(tracker, *[call(output_tokens=n) for n in range(1, LARGE + 1)])


def test_a_large_tree_arrives_whole(tmp_path: Path) -> None:
    tracker = ImpactTracker(exporters=[JSONLExporter(tmp_path / "i.jsonl")])
    root = str(large_tree(tracker))
    assert tracker.flush(60)
    (line,) = (tmp_path / "i.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert record["id"] == root
    tokens = [r["call"]["output_tokens"] for r in record["runs"] if "call" in r]
    assert tokens == list(range(1, LARGE + 1))


def test_the_callback_does_not_wait_until_a_large_tree_is_written() -> None:
    """Its exporter's notes are taken when it is: here they wait for the callback to return."""
    returned = threading.Event()

    class Noting(Sink):
        def notes(self, root: Any) -> Any:
            return {"returned": returned.wait(60)}

    sink = Noting()
    tracker = ImpactTracker(exporters=[sink])
    large_tree(tracker)
    returned.set()
    assert tracker.flush(60)
    assert [tree.notes for tree in sink.trees] == [{"returned": True}]


def test_revisions_of_a_large_tree_come_in_order() -> None:
    sink = Sink()
    tracker = ImpactTracker(exporters=[sink])
    root = uuid.uuid4()
    tracker.start(root, name="agent")
    late = uuid.uuid4()
    for _ in range(LARGE):
        tracker.record(call(), root)
    tracker.start(late, root, name="ChatOpenAI", kind="chat")
    tracker.end(root)
    tracker.end(late, call=call(output_tokens=7))
    assert tracker.flush(60)
    assert [tree.root.revision for tree in sink.trees] == sorted(
        tree.root.revision for tree in sink.trees
    )
    newest = sink.trees[-1].root
    assert newest.revision == 1
    assert newest.children[-1].call.output_tokens == 7


def record_of(line: bytes, monkeypatch: pytest.MonkeyPatch, long: int) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(codec, "_LONG", long)
        try:
            return codec._record(line)
        except ValueError:
            return ValueError


@given(
    runs=st.lists(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)),
    notes=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
    cut=st.integers(0, 400),
)
@settings(deadline=None)
def test_a_long_line_is_read_as_a_short_one_is(
    runs: list[Any], notes: dict[str, str], cut: int
) -> None:
    """Whole, and cut off anywhere."""
    line = {"to": ["x"], "format": 2, "runs": runs, "messages": [], "notes": notes}
    text = json.dumps(line, separators=(",", ":"), ensure_ascii=False)
    monkeypatch = pytest.MonkeyPatch()
    for data in (text.encode(), text.encode()[:-cut] if cut else b""):
        assert record_of(data, monkeypatch, 0) == record_of(data, monkeypatch, 2**40)
