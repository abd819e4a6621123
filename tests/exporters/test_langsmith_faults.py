"""LangSmith busy, broken, slow, away, or closed to us: nothing lost, nothing double."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import run_tree  # type: ignore[import-not-found]

pytest.importorskip("langsmith")
pytest.importorskip("langchain_core")

from langsmith import utils as langsmith_utils
from langsmith_helpers import chain, settle  # type: ignore[import-not-found]
from langsmith_server import KEY, LangSmith, serve  # type: ignore[import-not-found]

from impactree import ImpactHandler, ImpactTracker
from impactree.delivery import sender
from impactree.exporters import LangSmithExporter
from impactree.exporters._langsmith_api import FEEDBACK

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:langsmith")


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


@pytest.mark.parametrize("status", [400, 422])
def test_a_page_in_place_of_an_answer_sets_nothing_aside(
    service: LangSmith, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LangSmith says what is wrong with a run; a proxy's page does not, however often it comes."""
    monkeypatch.setattr(sender, "_SECOND_TRY_S", 0.01)
    service.only = "/runs/multipart"
    service.faults = [(status, {"X-Page": "1"})] * 4
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    root = str(run_tree(tracker))
    deadline = time.monotonic() + 20
    while not tracker.flush(1) and time.monotonic() < deadline:
        pass
    (health,) = tracker.health().values()
    assert (health["set_aside"], health["delivered"]) == (0, 1)
    assert set(service.by_key()) == {root}


def test_what_langsmith_says_of_a_run_is_final_after_a_second_try(
    service: LangSmith, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "_SECOND_TRY_S", 0.01)
    service.only = "/runs/multipart"
    service.faults = [422, 422]
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker)
    assert tracker.flush(10)
    (health,) = tracker.health().values()
    assert (health["set_aside"], health["delivered"]) == (1, 0)


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


def test_a_website_in_its_place_is_one_line(
    service: LangSmith, caplog: pytest.LogCaptureFixture
) -> None:
    service.faults = ["page"]
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker)
    assert not tracker.flush(5)
    (line,) = [r.getMessage() for r in caplog.records if r.name == "impactree"]
    assert "something that is not JSON: check LANGSMITH_ENDPOINT" in line
    assert tracker.flush(5)  # tries again


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
