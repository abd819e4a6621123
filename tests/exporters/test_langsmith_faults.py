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
from impactree.delivery import retry, sender
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
    while not service.feedback and time.monotonic() < started + 20:
        time.sleep(0.02)
    assert time.monotonic() - started > 2  # without the header 0.5 to 1 s
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


STATUSES = (
    *(400, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 413, 414, 415, 421, 422, 423, 425),
    *(426, 428, 431, 451, 500, 511),
)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are tried again at once."""
    monkeypatch.setattr(sender, "_SECOND_TRY_S", 0.01)
    monkeypatch.setattr(retry, "_FIRST_S", 0.002)
    monkeypatch.setattr(retry, "_LONGEST_S", 0.01)
    monkeypatch.setattr(retry, "_REFUSED_FIRST_S", 0.002)
    monkeypatch.setattr(retry, "_REFUSED_LONGEST_S", 0.01)


def flushed(tracker: ImpactTracker, within_s: float = 20.0) -> bool:
    deadline = time.monotonic() + within_s
    while not tracker.flush(1):
        if time.monotonic() > deadline:
            return False
    return True


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("path", "form"),
    [("/runs/multipart", {}), ("/runs/multipart", {"X-Page": "1"}), ("/info", {})],
    ids=["json", "page", "info"],
)
def test_no_status_of_a_proxy_costs_a_run(
    service: LangSmith, path: str, form: dict[str, str]
) -> None:
    """Each one a few times in a row, with a detail in JSON as well: then LangSmith is there."""
    for status in STATUSES:
        service.only, service.faults = path, [(status, form)] * 4
        tracker = ImpactTracker(exporters=[LangSmithExporter()])
        roots = {str(run_tree(tracker)) for _ in range(2)}
        assert flushed(tracker), status
        (health,) = tracker.health().values()
        assert (health["set_aside"], health["dropped"]) == (0, 0), status
        assert roots <= set(service.by_key()), status


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "fault",
    [
        "page",
        (200, {"X-Empty": "1"}),
        (204, {"X-Empty": "1"}),
        *((status, {"Location": "/login"}) for status in (301, 302, 303)),
    ],
    ids=str,
)
def test_what_a_hotspot_takes_has_not_arrived(service: LangSmith, fault: Any) -> None:
    """Its login answers 200, for LangSmith or after a redirect, in JSON as well."""
    service.only, service.faults = "/runs/multipart", [fault] * 4
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    roots = {str(run_tree(tracker)) for _ in range(2)}
    assert flushed(tracker)
    assert set(service.by_key()) == roots
    assert not service.faults


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [400, 422])
def test_what_langsmith_says_of_a_run_is_final_after_a_second_try(
    service: LangSmith, status: int
) -> None:
    """Its words name the run: "dotted_order must contain a single part for root runs for
    run_id:0ba586ea-...", langsmith-sdk issue 751."""
    service.only = "/runs/multipart"
    service.faults = [(status, {"X-Names": "1"})] * 2
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker)
    assert tracker.flush(10)
    (health,) = tracker.health().values()
    assert (health["set_aside"], health["delivered"]) == (1, 0)


@pytest.mark.usefixtures("impatient")
def test_a_run_that_alone_is_refused_is_set_aside_once_another_is_taken(service: LangSmith) -> None:
    """ "int too big to convert" names no run (langsmith-sdk issue 637): a proxy could say it."""
    service.refuses = b"poison"
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker, name="poison")
    assert not tracker.flush(0.5)
    (health,) = tracker.health().values()
    assert (health["set_aside"], health["pending"]) == (0, 1)
    good = {str(run_tree(tracker)), str(run_tree(tracker))}
    assert flushed(tracker)
    (health,) = tracker.health().values()
    assert (health["set_aside"], health["pending"], health["delivered"]) == (1, 0, 2)
    assert set(service.by_key()) == good


@pytest.mark.usefixtures("impatient")
def test_too_large_for_a_moment_does_not_leave_requests_small(service: LangSmith) -> None:
    service.only, service.faults = "/runs/multipart", [(413, {"X-Page": "1"})] * 8
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker)
    assert flushed(tracker)
    for _ in range(60):
        run_tree(tracker)
        assert flushed(tracker)
    before = service.count("/runs/multipart")
    for _ in range(20):
        run_tree(tracker)
    assert flushed(tracker)
    assert service.count("/runs/multipart") - before < 10


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
