"""LangSmith, with the official client against a server that checks every payload."""

from __future__ import annotations

import gc
import json
import logging
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from conftest import call, end_spool, run_tree  # type: ignore[import-not-found]

pytest.importorskip("langsmith")
pytest.importorskip("langchain_core")

import langsmith
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langsmith import run_trees
from langsmith import utils as langsmith_utils
from langsmith_server import KEY, LangSmith, serve  # type: ignore[import-not-found]

from impactree import ImpactHandler, ImpactTracker
from impactree.exporters import LangSmithExporter, impact_evaluator
from impactree.exporters._langsmith_api import FEEDBACK, LangSmithAPI, feedback_values
from impactree.exporters._langsmith_backfill import Backfill
from impactree.exporters._time import parse_since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:langsmith")


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[LangSmith]:
    for name in [name for name in os.environ if name.startswith(("LANGSMITH_", "LANGCHAIN_"))]:
        monkeypatch.delenv(name)
    with serve() as service:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", service.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
        monkeypatch.setenv("LANGSMITH_PROJECT", "green")
        langsmith_utils.get_env_var.cache_clear()
        monkeypatch.setattr(run_trees, "_CLIENT", None)
        yield service
        end_spool()
        if run_trees._CLIENT is not None:
            run_trees._CLIENT.flush()
            run_trees._CLIENT.cleanup()
    langsmith_utils.get_env_var.cache_clear()
    assert service.problems == []


@pytest.fixture
def traced(service: LangSmith, monkeypatch: pytest.MonkeyPatch) -> LangSmith:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    langsmith_utils.get_env_var.cache_clear()
    return service


class FakeModel(GenericFakeChatModel):
    def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
        return {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini", "ls_model_type": "chat"}


def model(count: int = 9) -> Any:
    usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    answered = {"model_name": "gpt-4o-mini", "model_provider": "openai"}
    answer = AIMessage("planted-answer", usage_metadata=usage, response_metadata=answered)
    return FakeModel(messages=iter([answer.model_copy() for _ in range(count)]))


def chain(calls: int = 2) -> Any:
    llm = model()

    def step(text: str) -> str:
        for _ in range(calls):
            llm.invoke(text)
        return "done"

    return (RunnableLambda(step) | RunnableLambda(lambda x: x)).with_config(run_name="agent")


def scores(impacts: Any) -> dict[str, float]:
    return {key: round(value["mean"], 4) for key, value in feedback_values(impacts).items()}


def settle(handler: Any, service: LangSmith) -> None:
    if run_trees._CLIENT is not None:
        run_trees._CLIENT.flush()
    assert handler.flush(10)
    if run_trees._CLIENT is not None:
        run_trees._CLIENT.flush()


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


@pytest.mark.filterwarnings("ignore:'upload_runs' parameter is in beta")
def test_impacts_as_experiment_metrics(traced: LangSmith) -> None:
    from langsmith.schemas import Example

    handler = ImpactHandler()
    examples = [Example(id=uuid.uuid4(), inputs={"text": text}) for text in ("a", "b")]

    def target(inputs: dict[str, str]) -> dict[str, str]:
        return {"answer": chain(1).invoke(inputs["text"], {"callbacks": [handler]})}

    results = langsmith.Client().evaluate(
        target,
        data=examples,
        evaluators=[impact_evaluator(handler)],
        upload_results=False,
        max_concurrency=0,
    )
    got = [
        {result.key: result.score for result in row["evaluation_results"]["results"]}
        for row in results
    ]
    assert [row.keys() for row in got] == [FEEDBACK.keys()] * 2
    want = sorted(feedback_values(root.total)["impact_pe_j"]["mean"] for root in handler.runs)
    assert sorted(row["impact_pe_j"] for row in got) == pytest.approx(want)


# Faults


def test_rate_limits_are_waited_for(service: LangSmith) -> None:
    service.faults = [(429, {"Retry-After": "2"})]
    service.only = "/runs/multipart"
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    started = time.monotonic()
    run_tree(tracker)
    while not service.feedback and time.monotonic() < started + 10:
        time.sleep(0.02)
    assert 2 < time.monotonic() - started < 4  # without the header 0.5 to 1 s
    assert service.count("/runs/multipart") == 2
    assert len(service.feedback) == len(FEEDBACK)


@pytest.mark.parametrize(
    "faults", [[500, 502, 503], ["reset"] * 2, [0.3], [408]], ids=["5xx", "reset", "slow", "408"]
)
def test_faults_that_pass_lose_nothing(service: LangSmith, faults: list[Any]) -> None:
    service.faults = faults
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    roots = {str(run_tree(tracker)) for _ in range(3)}
    deadline = time.monotonic() + 20
    while not tracker.flush(1) and time.monotonic() < deadline:
        pass
    assert set(service.by_key()) == roots


def test_down_then_up_again(monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    with serve() as service:
        port = int(service.url.rpartition(":")[2])
    monkeypatch.setenv("LANGSMITH_ENDPOINT", service.url)
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    langsmith_utils.get_env_var.cache_clear()
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    roots = {str(run_tree(tracker)) for _ in range(3)}
    assert not tracker.flush(1)
    lines = [r.getMessage() for r in caplog.records if r.name == "impactree"]
    assert len(lines) == 1
    assert "LangSmith cannot be reached (LangSmithConnectionError)" in lines[0]
    with serve(service, port):
        assert tracker.flush(10)
    assert set(service.by_key()) == roots
    langsmith_utils.get_env_var.cache_clear()


def test_a_wrong_key_is_one_line_without_it(
    service: LangSmith, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2-planted-wrong")
    langsmith_utils.get_env_var.cache_clear()
    exporter = LangSmithExporter()
    tracker = ImpactTracker(exporters=[exporter])
    for _ in range(3):
        run_tree(tracker)
    assert not tracker.flush(5)
    (line,) = {r.getMessage() for r in caplog.records if r.name == "impactree"}
    assert "HTTP 401: check LANGSMITH_API_KEY" in line
    assert "planted" not in line + repr(exporter)


def test_a_wrong_path_is_one_line(
    service: LangSmith, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LANGSMITH_ENDPOINT", service.url + "/wrong")
    langsmith_utils.get_env_var.cache_clear()
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker)
    assert not tracker.flush(5)
    assert "HTTP 404: check LANGSMITH_ENDPOINT" in caplog.text


def test_a_replay_replaces_instead_of_doubling(
    traced: LangSmith, dies: Callable[[], None], spool_dir: Any
) -> None:
    handler = ImpactHandler(exporters=[LangSmithExporter()])
    chain().invoke("x", {"callbacks": [handler]})
    settle(handler, traced)
    for done in spool_dir.glob("*/*.done"):
        done.unlink()
    before = dict(traced.feedback)
    dies()
    assert ImpactTracker(exporters=[LangSmithExporter()]).flush(10)
    assert traced.feedback.keys() == before.keys()
    assert {f["session_id"] for f in traced.feedback.values()} == {traced.sessions["green"]}


# Backfill


def stored(service: LangSmith, count: int) -> None:
    """Traces as LangChain's tracer alone leaves them."""
    for _ in range(count):
        chain().invoke("x")
    assert run_trees._CLIENT is not None
    run_trees._CLIENT.flush()


def test_backfill_writes_what_a_handler_would_have(traced: LangSmith) -> None:
    handler = ImpactHandler()
    chain().invoke("x", {"callbacks": [handler]})
    stored(traced, 4)
    api = LangSmithAPI()
    job = Backfill(project="green", since=parse_since("1d"), api=api, rate=1000, dry_run=True)
    dry = job.run()
    assert (job.traces, job.skipped, traced.feedback) == (5, 0, {})
    job = Backfill(project="green", since=parse_since("1d"), api=api, rate=1000)
    total = job.run()
    assert job.traces == 5
    assert total == dry
    root = handler.last_run
    assert root is not None
    got = traced.by_key()
    assert len(got) == 5
    # Latencies are the tracer's there and the handler's here; tokens are the same.
    assert got[str(root.id)].keys() == FEEDBACK.keys()
    assert got[str(root.id)]["impact_energy_mwh"] == pytest.approx(
        scores(root.total)["impact_energy_mwh"], rel=0.05
    )


def test_backfill_goes_on_where_it_stopped(traced: LangSmith) -> None:
    stored(traced, 5)

    class StopError(Exception):
        pass

    def stop(done: int) -> None:
        if done == 2:
            raise StopError

    api = LangSmithAPI()
    with pytest.raises(StopError):
        Backfill(project="green", since=parse_since("1d"), api=api, rate=1000).run(stop)
    traced.faults = [500, (429, {"Retry-After": "0"})]
    job = Backfill(project="green", since=parse_since("1d"), api=api, rate=1000)
    job.run()
    assert (job.traces, job.skipped) == (3, 2)
    assert len(traced.by_key()) == 5


def test_backfill_keeps_to_its_rate(traced: LangSmith) -> None:
    stored(traced, 3)
    api = LangSmithAPI()
    started = time.monotonic()
    Backfill(project="green", since=parse_since("1d"), api=api, rate=20, dry_run=True).run()
    # One for the project, one page of roots, one per trace: at least four intervals of 50 ms.
    assert time.monotonic() - started > 0.19


def test_no_such_project_is_named(service: LangSmith) -> None:
    from impactree.exceptions import ConfigurationError

    with pytest.raises(ConfigurationError, match="no project 'nope'"):
        Backfill(project="nope", since=parse_since("1d"), api=LangSmithAPI()).run()


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    yield
    gc.collect()
