"""A tree as a line, and back."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import call, run_tree  # type: ignore[import-not-found]
from hypothesis import given
from hypothesis import strategies as st

from impactree import ImpactTracker, ModelCall, Range
from impactree.delivery.codec import decode, encode

if TYPE_CHECKING:
    from impactree.runs import Run


def shape(run: Run) -> Any:
    return (
        str(run.id),
        run.name,
        run.kind,
        run.start,
        run.end,
        run.status,
        run.cached,
        run.tags,
        dict(run.metadata),
        run.call,
        run.own,
        run.avoided,
        [shape(child) for child in run.children],
    )


def back(root: Run) -> Run:
    return decode(b"".join(encode(root, "m", ["a", "b"], {"a": {"x": 1}})), "a").root


def test_a_tree_comes_back_as_it_was() -> None:
    tracker = ImpactTracker()
    run_tree(tracker, call(), call(model="nobody-knows-9", provider=None), metadata={"user_id": 7})
    root = tracker.last_run
    assert root is not None
    again = back(root)
    assert shape(again) == shape(root)
    assert again.total == root.total
    assert again.revision == root.revision


def test_notes_go_to_their_own_destination_only() -> None:
    tracker = ImpactTracker()
    run_tree(tracker)
    assert tracker.last_run is not None
    line = b"".join(encode(tracker.last_run, "m", ["a", "b"], {"a": {"x": 1}}))
    assert dict(decode(line, "a").notes) == {"x": 1}
    assert dict(decode(line, "b").notes) == {}


def test_a_cached_call_keeps_what_it_avoided() -> None:
    tracker = ImpactTracker()
    tracker.start("r", name="r", kind="chat")
    tracker.end("r", call=call(), cached=True)
    assert tracker.last_run is not None
    again = back(tracker.last_run)
    assert again.cached
    assert again.avoided == tracker.engine.estimate(call())
    assert again.total.gwp is not None
    assert again.total.gwp.value.max == 0


def test_only_plain_values_and_no_base_url() -> None:
    tracker = ImpactTracker()
    metadata = {"ok": "x", "nan": float("nan"), "object": object(), "list": ["secret"]}
    tracker.start("r", name="r" * 10_000, metadata=metadata)
    url = "https://user:sk-hidden@host/v1?key=sk-hidden"
    tracker.record(call(base_url=url), "r")
    tracker.end("r")
    assert tracker.last_run is not None
    line = b"".join(encode(tracker.last_run, "m", [], {}))
    assert b"sk-hidden" not in line
    assert b"secret" not in line
    record = json.loads(line)
    assert record["runs"][0]["metadata"] == {"ok": "x"}
    assert len(record["runs"][0]["name"]) == 500


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"to":["a"]}\n', b'{"to":[],"runs":[]}'])
def test_a_torn_line_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(line, "a")


text = st.text(max_size=20)
calls = st.builds(
    ModelCall,
    model=text,
    provider=st.none() | text,
    input_tokens=st.none() | st.integers(0, 10**9),
    output_tokens=st.none() | st.integers(0, 10**6),
    latency_s=st.none() | st.floats(0, 1e6),
    zone=st.sampled_from([None, "FRA", "XXX"]),
)


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | calls), max_size=8), text)
def test_any_tree_comes_back(steps: list[tuple[int, ModelCall | None]], name: str) -> None:
    tracker = ImpactTracker()
    ids = [uuid.uuid4()]
    tracker.start(ids[0], name=name, tags=[name])
    for parent, made in steps:
        ids.append(uuid.uuid4())
        tracker.start(ids[-1], ids[parent % (len(ids) - 1)], name=name)
        tracker.end(ids[-1], call=made)
    tracker.end(ids[0])
    assert tracker.last_run is not None
    again = back(tracker.last_run)
    assert shape(again) == shape(tracker.last_run)
    assert again.total == tracker.last_run.total


def test_what_the_fast_encoder_refuses_is_encoded_too() -> None:
    tracker = ImpactTracker()
    tracker.start("r", name="half \ud83d of a pair", metadata={"big": 2**70})
    tracker.end("r")
    assert tracker.last_run is not None
    again = back(tracker.last_run)
    assert again.metadata["big"] == 2**70
    assert again.name == "half ? of a pair"


def test_a_line_of_the_first_format_is_read() -> None:
    """Sixteen ends, low and high by turns; no means, no method, no parts of the energy."""
    ends = [float(n) for n in range(1, 17)]
    line = json.dumps(
        {
            "to": ["a"],
            "id": "r",
            "revision": 0,
            "format": 1,
            "method": "ecologits-0.11",
            "parent_id": None,
            "runs": [
                {
                    "id": "r",
                    "parent": None,
                    "name": "model",
                    "kind": "chat",
                    "start": 1.0,
                    "end": 2.0,
                    "status": "ok",
                    "call": {"model": "gpt-4o", "kind": "chat", "tokens_source": "reported"},
                    "cached": False,
                    "own": [ends, [], [], "exact", 1, 0],
                }
            ],
            "messages": [],
        }
    ).encode()
    total = decode(line, "a").root.total
    assert total.energy is not None
    assert total.energy.value == Range(1, 2, 1.5)
    assert total.gwp is not None
    assert total.gwp.value == Range(3 + 11, 4 + 12)
    assert total.energy_parts is None
