"""LangSmith, with the official client against a server that checks every payload."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import call, run_tree  # type: ignore[import-not-found]

pytest.importorskip("langsmith")
pytest.importorskip("langchain_core")

import langsmith
from langsmith import run_trees
from langsmith import utils as langsmith_utils
from langsmith_helpers import chain, scores, settle  # type: ignore[import-not-found]

from impactree import ImpactHandler, ImpactTracker, ModelCall
from impactree.exporters import LangSmithExporter, impact_evaluator
from impactree.exporters._langsmith_api import FEEDBACK, feedback_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from langsmith_server import LangSmith

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:langsmith"),
    pytest.mark.filterwarnings("ignore:'upload_runs' parameter is in beta"),  # warns once
]


def test_units_by_hand() -> None:
    # 1e-6 kWh is 1 mWh, 1e-6 kg is 1 mg, 1e-12 kg is 1 ng, 1e-6 MJ is 1 J, 1e-3 L is 1 mL.
    tracker = ImpactTracker()
    impacts = tracker.engine.estimate(call())
    got = feedback_values(impacts)
    assert impacts.energy is not None
    assert got["impact_energy_mwh"]["max"] == pytest.approx(impacts.energy.value.max * 1e6)
    assert impacts.gwp is not None
    assert got["impact_gwp_mg"]["mean"] == pytest.approx(impacts.gwp.value.mean * 1e6)
    assert impacts.adpe is not None
    assert got["impact_adpe_ng"]["min"] == pytest.approx(impacts.adpe.value.min * 1e12)
    assert impacts.pe is not None
    assert got["impact_pe_j"]["min"] == pytest.approx(impacts.pe.value.min * 1e6)
    assert impacts.wcf is not None
    assert got["impact_water_ml"]["max"] == pytest.approx(impacts.wcf.value.max * 1e3)


def test_one_token_of_any_model_survives_the_rounding() -> None:
    engine = ImpactTracker().engine
    for record in engine.catalog.records():
        impacts = engine.estimate(ModelCall(model=record.id, output_tokens=1))
        got = feedback_values(impacts)
        assert not impacts.estimated or len(got) == len(FEEDBACK)
        assert all(round(value["mean"], 4) > 0 for value in got.values())


def test_with_tracing_totals_are_feedback_and_impacts_travel_along(traced: LangSmith) -> None:
    handler = ImpactHandler(exporters=[LangSmithExporter()])
    chain().invoke("planted-prompt", {"callbacks": [handler]})
    settle(handler, traced)
    root = handler.last_run
    assert root is not None
    assert {run.name for run in root.walk()} == {run["name"] for run in traced.runs.values()}
    assert traced.by_key() == {str(root.id): scores(root.total)}
    for run in root.walk():
        stored = traced.runs[str(run.id)]
        metadata = stored["extra"]["metadata"]
        if run.total.estimated_calls:
            assert metadata["impacts"] == json.loads(json.dumps(run.total.to_dict()))
            assert metadata["impact_gwp_mg"] == feedback_values(run.total)["impact_gwp_mg"]["mean"]
            assert metadata["impactree_credits"] == list(run.report().credits) != []
            assert stored["outputs"]  # the tracer's own patch went through
        else:
            assert "impacts" not in metadata
    assert {"feedback"} in traced.operations  # the exporter's request had no patch to add
    # One request more than the tracer's own for the whole tree, and those that ask once.
    paths = [path for _, path in traced.requests]
    assert paths.count("/sessions") <= 2
    assert paths.count("/feedback-configs") == len(FEEDBACK)
    assert not any(path.startswith("/runs/") and path != "/runs/multipart" for path in paths)


def test_the_feedback_says_range_method_and_project(traced: LangSmith) -> None:
    handler = ImpactHandler(exporters=[LangSmithExporter()])
    chain().invoke("x", {"callbacks": [handler]})
    settle(handler, traced)
    root = handler.last_run
    assert root is not None
    assert root.total.gwp is not None
    (item,) = [f for f in traced.feedback.values() if f["key"] == "impact_gwp_mg"]
    assert item["session_id"] == traced.sessions["green"]
    assert item["trace_id"] == item["run_id"] == str(root.id)
    assert item["comment"] == "method ecologits-0.11; 2 model calls"
    assert item["value"]["min"] == pytest.approx(root.total.gwp.value.min * 1e6)
    assert item["value"]["method"] == "ecologits-0.11"
    credited = list(handler.report().credits)
    assert item["feedback_source"]["metadata"] == {"source": "impactree", "credits": credited}


def test_credits_are_those_of_the_zone_that_was_used(traced: LangSmith) -> None:
    """The call names none: it is the handler's, and impactree-1's factor of that part."""
    quebec = ImpactHandler(zone="CA-QC", method="impactree-1", exporters=[LangSmithExporter()])
    chain().invoke("x", {"callbacks": [quebec]})
    settle(quebec, traced)
    root = quebec.last_run
    assert root is not None
    credited = list(quebec.report().credits)
    assert any("Open Government Licence - Canada" in text for text in credited)
    for run in root.walk():
        metadata = traced.runs[str(run.id)]["extra"]["metadata"]
        assert metadata.get("impactree_credits", credited) == credited
    sources = [item["feedback_source"]["metadata"] for item in traced.feedback.values()]
    assert [source["credits"] for source in sources] == [credited] * len(sources)
    assert len(traced.runs[str(root.id)]["extra"]["metadata"]["impactree_credits"]) > 1


def test_streaming_with_tracing(traced: LangSmith) -> None:
    handler = ImpactHandler(exporters=[LangSmithExporter()])
    for _ in chain().stream("x", {"callbacks": [handler]}):
        pass
    settle(handler, traced)
    root = handler.last_run
    assert root is not None
    assert traced.by_key() == {str(root.id): scores(root.total)}
    assert "impacts" in traced.runs[str(root.id)]["extra"]["metadata"]


async def test_async_with_tracing(traced: LangSmith) -> None:
    handler = ImpactHandler(exporters=[LangSmithExporter()])
    await chain().ainvoke("x", {"callbacks": [handler]})
    settle(handler, traced)
    root = handler.last_run
    assert root is not None
    assert "impacts" in traced.runs[str(root.id)]["extra"]["metadata"]


def test_without_tracing_bare_runs_are_written(service: LangSmith) -> None:
    handler = ImpactHandler(exporters=[LangSmithExporter(project="other")])
    chain().invoke("planted-prompt", {"callbacks": [handler]})
    settle(handler, service)
    root = handler.last_run
    assert root is not None
    assert set(service.runs) == {str(run.id) for run in root.walk()}
    assert service.by_key() == {str(root.id): scores(root.total)}
    assert list(service.sessions) == ["other"]
    stored = service.runs[str(root.calls[0].id)]
    assert stored["run_type"] == "llm"
    assert stored["extra"]["metadata"]["ls_model_name"] == "gpt-4o-mini"
    assert stored["parent_run_id"] in service.runs
    assert "planted" not in json.dumps(service.runs)
    assert stored["extra"]["metadata"]["impactree_credits"] == list(root.report().credits)


def test_a_trace_that_sampling_leaves_out_stays_out(
    traced: LangSmith, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING_SAMPLING_RATE", "0.5")
    langsmith_utils.get_env_var.cache_clear()
    handler = ImpactHandler(exporters=[LangSmithExporter()])
    for _ in range(30):
        chain(1).invoke("x", {"callbacks": [handler]})
    settle(handler, traced)
    roots = {key for key, run in traced.runs.items() if not run.get("parent_run_id")}
    assert 0 < len(roots) < 30
    assert set(traced.by_key()) == roots


def test_under_traceable_the_run_is_found_in_its_trace(traced: LangSmith) -> None:
    handler = ImpactHandler(exporters=[LangSmithExporter()])
    seen: list[str] = []

    @langsmith.traceable(name="outer")
    def outer(text: str) -> str:
        tree = langsmith.get_current_run_tree()
        assert tree is not None
        seen.append(str(tree.id))
        answer: str = chain().invoke(text, {"callbacks": [handler]})
        return answer

    outer("x")
    settle(handler, traced)
    root = handler.last_run
    assert root is not None
    stored = traced.runs[str(root.id)]
    assert stored["trace_id"] == seen[0] != str(root.id)
    assert {f["trace_id"] for f in traced.feedback.values()} == {seen[0]}
    assert "impacts" in stored["extra"]["metadata"]


def test_a_distributed_parent(traced: LangSmith) -> None:
    far = run_trees.RunTree(name="far", inputs={}, id=uuid.uuid4())
    handler = ImpactHandler(exporters=[LangSmithExporter()])
    with langsmith.tracing_context(parent=far.to_headers()):
        chain().invoke("x", {"callbacks": [handler]})
    settle(handler, traced)
    assert {f["trace_id"] for f in traced.feedback.values()} == {str(far.id)}


def test_our_handler_after_the_tracer_patches_by_itself(traced: LangSmith) -> None:
    from langchain_core.tracers import LangChainTracer

    handler = ImpactHandler(exporters=[LangSmithExporter()])
    chain().invoke("x", {"callbacks": [LangChainTracer(project_name="late"), handler]})
    settle(handler, traced)
    root = handler.last_run
    assert root is not None
    for run in root.walk():
        metadata = traced.runs[str(run.id)]["extra"]["metadata"]
        assert ("impacts" in metadata) == bool(run.total.estimated_calls)
    leaf = traced.runs[str(root.calls[0].id)]["extra"]
    assert leaf["metadata"]["ls_provider"] == "openai"  # what the tracer sent is still there
    assert leaf["runtime"]
    assert {f["session_id"] for f in traced.feedback.values()} == {traced.sessions["late"]}


def test_a_late_end_replaces_feedback_and_metadata(traced: LangSmith) -> None:
    exporter = LangSmithExporter()
    tracker = ImpactTracker(exporters=[exporter])
    root, late = uuid.uuid4(), uuid.uuid4()
    tracker.start(root, name="r")
    tracker.start(late, root, name="late", kind="chat")
    tracker.record(call(), root)
    tracker.end(root)
    settle(tracker, traced)
    first = traced.by_key()[str(root)]
    tracker.end(late, call=call())
    settle(tracker, traced)
    assert len(traced.feedback) == len(FEEDBACK)
    assert traced.by_key()[str(root)]["impact_pe_j"] == pytest.approx(
        2 * first["impact_pe_j"], abs=2e-4
    )


def test_a_replay_of_bare_runs_replaces_too(
    service: LangSmith, dies: Callable[[], None], spool_dir: Any
) -> None:
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker)
    settle(tracker, service)
    for done in spool_dir.glob("*/*.done"):
        done.unlink()
    dies()
    runs, items = dict(service.runs), dict(service.feedback)
    service.feedback.clear()
    assert ImpactTracker(exporters=[LangSmithExporter()]).flush(10)
    assert service.runs == runs
    assert service.feedback == items


def test_nothing_estimated_gives_no_feedback(service: LangSmith) -> None:
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker, call(kind="embedding", model="text-embedding-3-small"))
    settle(tracker, service)
    assert service.feedback == {}
    assert len(service.runs) == 3


def test_ids_that_are_no_uuids(service: LangSmith) -> None:
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    tracker.start("SentenceSplitter-1", name="r")
    tracker.record(call(), "SentenceSplitter-1")
    tracker.end("SentenceSplitter-1")
    settle(tracker, service)
    assert len(service.runs) == 2
    assert len(service.feedback) == len(FEEDBACK)


def test_an_older_server_gets_feedback_one_by_one(service: LangSmith) -> None:
    service.version = "0.7.0"
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker)
    settle(tracker, service)
    assert service.count("/feedback") == len(FEEDBACK) == len(service.feedback)


def experiment(
    handler: ImpactHandler, texts: tuple[str, ...], answer: Callable[[str], str]
) -> dict[str, dict[str, Any]]:
    """LangSmith's evaluation of ``answer`` on texts: the scores of each, by their text."""
    from langsmith.schemas import Example

    def target(inputs: dict[str, str]) -> dict[str, str]:
        return {"answer": answer(inputs["text"])}

    client = langsmith.Client()
    results = client.evaluate(
        target,
        data=[Example(id=uuid.uuid4(), inputs={"text": text}) for text in texts],
        evaluators=[impact_evaluator(handler)],
        upload_results=False,
        max_concurrency=0,
    )
    rows = list(results)
    client.close()  # else it goes on sending when there is no server any more
    every = [result for row in rows for result in row["evaluation_results"]["results"]]
    credited = list(handler.report().credits)
    assert all(result.evaluator_info["credits"] == credited for result in every)
    return {
        row["example"].inputs["text"]: {
            result.key: result.score for result in row["evaluation_results"]["results"]
        }
        for row in rows
    }


def test_impacts_as_experiment_metrics(traced: LangSmith) -> None:
    handler = ImpactHandler()

    def answer(text: str) -> str:
        said: str = chain(1).invoke(text, {"callbacks": [handler]})
        return said

    got = [*experiment(handler, ("a", "b"), answer).values()]
    assert [row.keys() for row in got] == [FEEDBACK.keys()] * 2
    want = sorted(feedback_values(root.total)["impact_pe_j"]["mean"] for root in handler.runs)
    assert sorted(row["impact_pe_j"] for row in got) == pytest.approx(want)


def test_an_experiments_impacts_are_found_deep_down_and_else_left_out(traced: LangSmith) -> None:
    handler = ImpactHandler()

    @langsmith.traceable
    def inner(text: str) -> str:
        callbacks = [handler] if text == "deep" else []
        said: str = chain(1).invoke(text, {"callbacks": callbacks})
        return said

    got = experiment(handler, ("deep", "unseen"), inner)
    (root,) = handler.runs
    want = feedback_values(root.total)["impact_pe_j"]["mean"]
    assert got["deep"]["impact_pe_j"] == pytest.approx(want)
    assert got["unseen"] == {}  # not zeros


def test_experiments_in_one_trace_count_their_own_examples(traced: LangSmith) -> None:
    handler = ImpactHandler()

    def answer(text: str) -> str:
        said: str = chain(1).invoke(text, {"callbacks": [handler]})
        return said

    @langsmith.traceable
    def outer() -> dict[str, dict[str, Any]]:
        return experiment(handler, ("a", "b"), answer)

    got = sorted(row["impact_pe_j"] for row in outer().values())
    want = sorted(feedback_values(root.total)["impact_pe_j"]["mean"] for root in handler.runs)
    assert got == pytest.approx(want)


def test_tokens_of_bare_runs_are_as_langsmith_prices_them(service: LangSmith) -> None:
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(
        tracker,
        call(cached_input_tokens=60, cache_write_tokens=10, reasoning_tokens=5),
        call(input_tokens=None, output_tokens=None, tokens_source="unknown"),
    )
    settle(tracker, service)
    root = tracker.last_run
    assert root is not None
    known, unknown = (service.runs[str(run.id)]["extra"]["metadata"] for run in root.calls)
    assert known["usage_metadata"] == {
        "input_tokens": 100,
        "output_tokens": 20,
        "total_tokens": 120,
        "input_token_details": {"cache_read": 60, "cache_creation": 10},
        "output_token_details": {"reasoning": 5},
    }
    assert "usage_metadata" not in unknown  # not zero


def test_two_exporters_of_one_endpoint_keep_their_projects(service: LangSmith) -> None:
    trackers = {
        name: ImpactTracker(exporters=[LangSmithExporter(project=name)]) for name in ("red", "blue")
    }
    for name, tracker in trackers.items():
        run_tree(tracker, name=name)
        settle(tracker, service)
    placed = {f["run_id"]: f["session_id"] for f in service.feedback.values()}
    assert placed == {
        str(tracker.runs[0].id): service.sessions[name] for name, tracker in trackers.items()
    }


def test_llama_index_between_two_traced_runs(traced: LangSmith) -> None:
    instrumentation = pytest.importorskip("llama_index_instrumentation")
    from langchain_core.runnables import RunnableLambda
    from langchain_core.tracers import LangChainTracer

    from impactree.llama_index import ImpactHandler as LlamaHandler

    @instrumentation.get_dispatcher().span
    def engine(text: str) -> str:
        answer: str = inner.invoke(text)
        return answer

    inner = chain(1)
    outer = RunnableLambda(engine).with_config(run_name="outer")
    handler = ImpactHandler(exporters=[LangSmithExporter()])
    with LlamaHandler(tracker=handler.tracker).instrument():
        outer.invoke("x", {"callbacks": [LangChainTracer(project_name="mixed"), handler]})
    settle(handler, traced)
    root = handler.last_run
    assert root is not None
    names = {run.name: run for run in root.walk()}
    assert "engine" in str(names["agent"].parent_id)
    stored = traced.runs[str(names["agent"].id)]
    assert stored["parent_run_id"] == str(root.id)  # as the tracer said
    assert "impacts" in stored["extra"]["metadata"]
    assert not [path for _, path in traced.requests if "engine" in path]  # LangSmith has none
