"""Impacts for runs that LangSmith has stored already."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langsmith")
pytest.importorskip("langchain_core")

import langsmith
from langsmith import run_trees
from langsmith_helpers import chain, scores, settle  # type: ignore[import-not-found]

from impactree import ImpactHandler, ModelCall, estimate
from impactree.engine import shared_engine
from impactree.exporters import LangSmithExporter
from impactree.exporters._langsmith_api import FEEDBACK, LangSmithAPI
from impactree.exporters._langsmith_backfill import Backfill, calls_of
from impactree.values.times import parse_since

if TYPE_CHECKING:
    from langsmith_server import LangSmith

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:langsmith")


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

    def stop(done: int, total: int) -> None:
        assert total == 5
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


def test_a_handlers_own_feedback_further_down_is_not_doubled(traced: LangSmith) -> None:
    handler = ImpactHandler(exporters=[LangSmithExporter()])

    @langsmith.traceable(name="outer")
    def outer(text: str) -> Any:
        return chain().invoke(text, {"callbacks": [handler]})

    outer("x")
    settle(handler, traced)
    job = Backfill(project="green", since=parse_since("1d"), api=LangSmithAPI(), rate=1000)
    job.run()
    assert (job.traces, job.skipped) == (0, 1)
    assert len(traced.feedback) == 2 * len(FEEDBACK)  # and on the trace's own root


def test_a_trace_is_estimated_as_of_its_own_day(
    traced: LangSmith, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``deepseek-chat`` was DeepSeek-V3 (671B) in May 2025 and DeepSeek-V2.5 (236B) before."""
    job = Backfill(project="green", since=parse_since("1d"), api=LangSmithAPI())
    run = stored_call("r", output_tokens=500, input_tokens=1)
    run["extra"]["metadata"] |= {"ls_model_name": "deepseek-chat", "ls_provider": "deepseek"}
    monkeypatch.setattr(job, "_query", lambda *_, **__: iter([run]))
    for day in ("2024-10-01", "2025-05-01"):
        root = {"id": "r", "trace_id": "r", "start_time": f"{day}T12:00:00"}
        found = job._impacts("session", root, shared_engine())
        assert found is not None
        impacts, _ = found
        call = ModelCall(model="deepseek-chat", provider="deepseek", output_tokens=500)
        assert impacts.figures == estimate(call, at=day).figures
        assert impacts.figures != estimate(call).figures


def stored_call(id: str, parent: str | None = None, **usage: Any) -> dict[str, Any]:
    metadata = {"ls_model_name": "gpt-4o-mini", "ls_provider": "openai", "usage_metadata": usage}
    return {
        "id": id,
        "parent_run_id": parent,
        "run_type": "llm",
        "name": "ChatOpenAI",
        "extra": {"metadata": metadata},
    }


def test_of_nested_calls_the_innermost_counts_and_cached_ones_do_not() -> None:
    used = {"input_tokens": 9, "output_tokens": 5, "output_token_details": {"reasoning": 2}}
    runs = [
        stored_call("wrapper", **used),
        {"id": "between", "parent_run_id": "wrapper", "run_type": "chain"},
        stored_call("inner", "between", **used),
        stored_call("alone", None, **used),
        stored_call("mute", "alone"),
        stored_call("cached", None, **used, total_cost=0),
    ]
    calls = calls_of(runs)
    assert [call.output_tokens for call in calls] == [5, 5]
    assert calls[0].reasoning_tokens == 2
