"""One tree across processes: headers there, trees back, merged by id."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import uuid
from contextvars import copy_context
from typing import Any

import pytest

from impactree import ImpactTracker, ModelCall, estimate
from impactree.propagation import HEADER, capture, dump, merge, restore, trees_for
from impactree.runs.current import remote_parent

CALL = ModelCall(
    provider="openai",
    model="gpt-4o-mini",
    input_tokens=100,
    output_tokens=40,
    latency_s=2.0,
    base_url="https://user:secret@gateway.example:8443/v1?key=secret",
)


def remote_tree(parent_id: Any) -> list[dict[str, Any]]:
    """What a service gives back that worked for a caller's run."""
    tracker = ImpactTracker()
    tracker.start("query", parent_id, name="query", tags=["a"], metadata={"user_id": "u"})
    tracker.start("chat", "query", name="chat", kind="chat")
    tracker.end("chat", call=CALL)
    tracker.end("query")
    return dump(tracker.last_run)


@pytest.mark.parametrize("parent_id", ["Engine.query-1", uuid.uuid4()], ids=["text", "uuid"])
def test_merged_under_the_callers_run(parent_id: Any) -> None:
    tracker = ImpactTracker()
    tracker.start(parent_id, name="caller", kind="tool")
    tree = json.loads(json.dumps(remote_tree(parent_id)))
    (merged,) = merge(tracker, [tree])
    tracker.end(parent_id)
    (root,) = tracker.runs
    assert [run.name for run in root.walk()] == ["caller", "query", "chat"]
    assert merged.parent is root
    assert (merged.tags, dict(merged.metadata)) == (("a",), {"user_id": "u"})
    (run,) = root.calls
    assert (run.call.output_tokens, run.call.latency_s) == (40, 2.0)
    # The same call estimated here alone.
    assert root.total.gwp.value == tracker.engine.estimate(run.call).gwp.value


def test_merging_again_changes_nothing() -> None:
    tracker = ImpactTracker()
    tracker.start("caller", name="caller")
    tree = remote_tree("caller")
    for _ in range(3):
        merge(tracker, [tree])
    tracker.end("caller")
    merge(tracker, [tree])
    assert len(tracker.last_run.calls) == 1
    assert tracker.total.estimated_calls == 1
    tree = remote_tree("nobody")
    for _ in range(2):
        merge(tracker, [tree])
    assert len(tracker.last_run.calls) == 1
    assert tracker.total.estimated_calls == 2


def test_the_same_id_with_another_start_is_another_run() -> None:
    first = remote_tree("caller")
    second = [{**run, "start": run["start"] + 1, "end": run["end"] + 1} for run in first]
    tracker = ImpactTracker()
    tracker.start("caller", name="caller")
    merge(tracker, [first, second, first, second])
    tracker.end("caller")
    merge(tracker, [second, first])
    (root,) = tracker.runs
    assert [run.start for run in root.children] == [first[0]["start"], second[0]["start"]]
    assert root.total.estimated_calls == tracker.total.estimated_calls == 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 0, 1, 1, 0)])
def test_the_newest_revision_counts(order: tuple[int, ...]) -> None:
    """A stream was open when its query ended: in between, its call is unknown."""

    class Open:
        def produced(self) -> ModelCall:
            return ModelCall(model="gpt-4o-mini", tokens_source="unknown")

    service = ImpactTracker()
    service.start("query", "caller", name="query")
    service.start("chat", "query", name="chat", kind="chat", pending=Open())
    service.end("query")
    trees = [dump(service.last_run)]
    service.end("chat", call=CALL)
    service.start("late", "query", name="late", kind="chat")
    service.end("late", call=CALL)
    trees.append(dump(service.last_run))
    tracker = ImpactTracker()
    tracker.start("caller", name="caller")
    merge(tracker, [trees[0]])
    assert tracker.total.unestimated_calls == 1
    for number in order:
        merge(tracker, [json.loads(json.dumps(trees[number]))])
    tracker.end("caller")
    (root,) = tracker.runs
    assert [run.name for run in root.walk()] == ["caller", "query", "chat", "late"]
    assert (root.total.estimated_calls, root.total.unestimated_calls) == (2, 0)
    assert (tracker.total.estimated_calls, tracker.total.unestimated_calls) == (2, 0)


def test_a_hidden_parent_is_not_dumped() -> None:
    tracker = ImpactTracker()
    tracker.start("query", "caller", name="query")
    tracker.alias("query._inner", "query")
    tracker.start("chat", "query._inner", name="chat", kind="chat")
    tracker.end("chat", call=CALL)
    tracker.end("query")
    query, chat = dump(tracker.last_run)
    assert (query["parent_id"], chat["parent_id"]) == ("caller", "query")


def test_only_the_callers_trees_are_sent_back() -> None:
    tracker = ImpactTracker()
    for caller in ("a", "b", None):
        tracker.start(f"for {caller}", caller, name=f"for {caller}")
        tracker.end(f"for {caller}")
    trees = trees_for(tracker, {"X-Impactree-Run": "a", "host": "service"})
    assert [[run["name"] for run in tree] for tree in trees] == [["for a"]]
    assert trees_for(tracker, {}) == []


def test_record_hangs_under_the_restored_run() -> None:
    tracker = ImpactTracker()
    with restore({HEADER: "caller"}):
        tracker.record(CALL)
    tracker.record(CALL)
    assert [run.parent_id for run in tracker.runs] == ["caller", None]


def test_late_and_orphaned_trees() -> None:
    tracker = ImpactTracker()
    tracker.start("caller", name="caller")
    tracker.end("caller")
    merge(tracker, [remote_tree("caller")])
    assert len(tracker.last_run.calls) == 1
    assert tracker.last_run.revision > 0
    other = ImpactTracker()
    merge(other, [remote_tree("nobody")])
    assert (other.last_run.name, other.last_run.parent_id) == ("query", "nobody")
    assert len(other.last_run.calls) == 1
    assert other.last_run.revision == 0  # whole when it ended: exporters get it once


def test_no_credentials_leave() -> None:
    (_, chat) = remote_tree("caller")
    assert chat["call"]["base_url"] == "https://gateway.example:8443/v1"
    assert "secret" not in json.dumps(chat)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "banana"}, "kind must be one of"),
        ({"status": "running"}, "status must be one of"),
        ({"call": {"model": "m", "price": 3}}, "not a dumped run tree"),
        ({"call": {"model": "m", "output_tokens": -1}}, "output_tokens"),
        ({"start": None}, "not a dumped run tree"),
        ({"metadata": []}, "not a dumped run tree"),
        ({"end": float("nan")}, "start and end must be Unix times"),
    ],
)
def test_foreign_shapes_are_refused(change: dict[str, Any], message: str) -> None:
    tracker = ImpactTracker()
    tree = remote_tree("caller")
    tree[1] |= change
    with pytest.raises(ValueError, match=message):
        merge(tracker, [tree])
    assert tracker.runs == tracker.open_roots == []
    with pytest.raises(ValueError, match="at least one run"):
        merge(tracker, [[]])
    with pytest.raises(ValueError, match="not a dumped run tree"):
        merge(tracker, [[{}]])


class TestRestore:
    def test_headers_in_any_case(self) -> None:
        with restore({"X-Impactree-Run": "Engine.query-1", "Accept": "*/*"}):
            assert remote_parent.get() == "Engine.query-1"
        assert remote_parent.get() is None

    def test_uuids_are_langchains(self) -> None:
        run_id = uuid.uuid4()
        with restore({HEADER: str(run_id)}):
            assert remote_parent.get() == run_id

    @pytest.mark.parametrize("value", ["", "a" * 201, "two words", "line\nbreak", 3, None])
    def test_nonsense_is_ignored(self, value: Any) -> None:
        with restore({HEADER: value}):
            assert remote_parent.get() is None

    def test_nests(self) -> None:
        with restore({HEADER: "outer"}):
            with restore({HEADER: "inner"}):
                assert remote_parent.get() == "inner"
            with restore({}):
                assert remote_parent.get() == "outer"

    def test_outside_any_run_nothing_is_captured(self) -> None:
        assert capture(ImpactTracker()) == {}
        with restore({HEADER: "passed-on"}):
            assert capture(ImpactTracker()) == {HEADER: "passed-on"}


SERVICE = """
import json, sys
from impactree.propagation import dump, restore
FRAMEWORK
with restore(json.loads(sys.argv[1])):
    run()
print(json.dumps([dump(root) for root in runs()]))
"""
LANGCHAIN = """
from langchain_core.runnables import RunnableLambda
from impactree import ImpactHandler
handler = ImpactHandler()
run = lambda: RunnableLambda(len, name="work").invoke("x", {"callbacks": [handler]})
runs = lambda: handler.runs
"""
LLAMA_INDEX = """
from impactree.llama_index import ImpactHandler
from llama_index.core.llms import MockLLM
handler = ImpactHandler().instrument()
run = lambda: MockLLM(max_tokens=5).complete("x")
runs = lambda: handler.runs
"""


def serve(framework: str, headers: dict[str, str]) -> list[Any]:
    """Work for a run in another process, as a service would."""
    code = SERVICE.replace("FRAMEWORK", framework)
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(headers)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("service", ["langchain", "llama_index"])
@pytest.mark.parametrize("caller", ["langchain", "llama_index"])
def test_two_processes(caller: str, service: str) -> None:
    pytest.importorskip("langchain_core")
    pytest.importorskip("llama_index.core")
    framework = LANGCHAIN if service == "langchain" else LLAMA_INDEX
    tracker = ImpactTracker()

    def consult() -> int:
        merge(tracker, serve(framework, capture(tracker)))
        return 3

    if caller == "langchain":
        from langchain_core.runnables import RunnableLambda

        from impactree.langchain import ImpactHandler

        handler = ImpactHandler(tracker=tracker)
        RunnableLambda(lambda _: consult(), name="caller").invoke("x", {"callbacks": [handler]})
    else:
        from llama_index.core.tools import FunctionTool

        from impactree.llama_index import ImpactHandler as LlamaHandler

        with LlamaHandler(tracker=tracker).instrument():
            FunctionTool.from_defaults(consult, name="caller")()
    (root,) = tracker.runs
    work = "work" if service == "langchain" else "MockLLM.complete"
    assert [run.name for run in root.walk()] == ["caller", work]
    assert len(root.calls) == (service == "llama_index")


def test_llama_index_dispatcher_carries_it() -> None:
    """LlamaIndex captures and restores its handlers' contexts, for instance around workflows."""
    pytest.importorskip("llama_index.core")
    from llama_index.core.tools import FunctionTool
    from llama_index_instrumentation import root_dispatcher

    from impactree.llama_index import ImpactHandler

    if not hasattr(root_dispatcher, "capture_propagation_context"):
        pytest.skip("this version has no such hooks")

    def carried() -> str:
        context = json.loads(json.dumps(root_dispatcher.capture_propagation_context()))
        fresh = copy_context()
        fresh.run(root_dispatcher.restore_propagation_context, context)
        return str(fresh[remote_parent])

    with ImpactHandler().instrument() as handler:
        told = FunctionTool.from_defaults(carried)().raw_output
    assert told == handler.last_run.id


def test_a_tree_of_another_day_is_estimated_as_of_that_day():
    """``deepseek-chat`` was DeepSeek-V3 (671B) in May 2025."""
    may = dt.datetime(2025, 5, 1, 12, tzinfo=dt.UTC).timestamp()
    call = ModelCall(model="deepseek-chat", provider="deepseek", output_tokens=500)
    service = ImpactTracker()
    service.start("r", name="r", start=may)
    service.start("c", "r", name="c", kind="chat", start=may)
    service.end("c", call=call, end=may + 1)
    service.end("r", end=may + 2)
    for tracker, (root,) in (
        (service, service.runs),
        ((here := ImpactTracker()), merge(here, [dump(service.last_run)])),
    ):
        assert root.total.figures == estimate(call, at="2025-05-01").figures
        assert root.total.figures != estimate(call).figures
        again = tracker.report(method="impactree-1").total
        assert again.figures == estimate(call, at="2025-05-01", method="impactree-1").figures
