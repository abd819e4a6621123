"""impactree spool, langsmith and db, as a user types them."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import pytest
from exporter_helpers import Sink, call, run_tree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.cli import main
from impactree.delivery import spool as _spool
from impactree.exporters import DeliveryRefusedError, JSONLExporter
from impactree.propagation import HEADER, merge, trees_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Result(NamedTuple):
    exit_code: int
    output: str


def impactree(*arguments: str, input: str = "") -> Result:
    with (
        mock.patch.object(sys, "stdin", io.StringIO(input)),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(out),
        mock.patch.dict(os.environ, COLUMNS="200"),
        pytest.raises(SystemExit) as left,
    ):
        main(arguments)
    return Result(left.value.code or 0, out.getvalue())


@pytest.fixture
def left(tmp_path: Path, dies: Callable[[], None]) -> Path:
    """Two runs that a dead process left for a file, and for an exporter of the user's own."""
    path = tmp_path / "later" / "impacts.jsonl"
    own = Sink("own", *[DeliveryRefusedError("no")] * 99)
    tracker = ImpactTracker(exporters=[JSONLExporter(path), own])
    for _ in range(2):
        run_tree(tracker)
    dies()
    return path


def test_status_lists_what_waits(left: Path) -> None:
    shown = impactree("spool", "status").output
    assert ": 4 deliveries wait" in shown
    assert f"       2  jsonl:{left}  (process " in shown
    found = json.loads(impactree("spool", "status", "--json").output)
    assert [(row["destination"], row["runs"], row["alive"]) for row in found] == [
        (f"jsonl:{left}", 2, False),
        ("test:own", 2, False),
    ]


def test_replay_delivers_what_it_can_name(left: Path) -> None:
    left.parent.mkdir()
    result = impactree("spool", "replay", "--timeout", "10")
    assert len(left.read_text().splitlines()) == 2
    assert "left: test:own: the next process that exports there delivers it" in result.output
    assert "2 deliveries wait" in result.output
    assert result.exit_code == 1
    assert impactree("spool", "clear", "--yes").output == "2 deliveries given up\n"
    assert impactree("spool", "replay").output == "nothing waits\n"


def test_replay_goes_on_where_one_exporter_cannot_be_made(
    tmp_path: Path, dies: Callable[[], None]
) -> None:
    pytest.importorskip("sqlalchemy")

    class Gone(Sink):
        destination = "sql:nosuch://impacts"

    path = tmp_path / "later" / "impacts.jsonl"
    down = Gone("x", *[DeliveryRefusedError("no")] * 9)
    run_tree(ImpactTracker(exporters=[down, JSONLExporter(path)]))
    dies()
    path.parent.mkdir()
    result = impactree("spool", "replay", "--timeout", "10")
    assert "left: sql:nosuch://impacts: not a database URL" in result.output
    assert len(path.read_text().splitlines()) == 1


def test_clear_asks(left: Path) -> None:
    assert impactree("spool", "clear", input="n\n").exit_code == 130
    assert ": 4 deliveries wait" in impactree("spool", "status").output
    assert "4 deliveries given up" in impactree("spool", "clear", input="y\n").output


def test_an_empty_spool_is_no_error() -> None:
    assert ": 0 deliveries wait" in impactree("spool", "status").output


def test_db_report_and_export(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from impactree.exporters import SQLExporter

    url = f"sqlite:///{tmp_path / 'impacts.db'}"
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    embedded = call(kind="embedding", model="text-embedding-3-small")
    run_tree(tracker, call(), call(), embedded, name="[/a]")
    assert tracker.flush(5)
    _spool._close()
    shown = impactree("db", "report", "--by", "model", "--since", "7d", "--db", url)
    assert shown.exit_code == 0
    (line,) = [line for line in shown.output.splitlines() if "gpt-4o-mini" in line]
    assert "200" in line
    assert "gCO2eq" in line
    (line,) = [line for line in shown.output.splitlines() if "text-embedding" in line]
    assert "?" in line  # not a zero
    credited = [line for line in shown.output.splitlines() if line.startswith("Credit: ")]
    assert credited == [f"Credit: {one}" for one in tracker.report().credits]
    assert any("CC BY 4.0" in one for one in credited)
    assert "[/a]" in impactree("db", "report", "--by", "run", "--db", url).output  # no markup
    found = json.loads(impactree("db", "report", "--json", "--db", url).output)
    assert found[0]["model"] == "gpt-4o-mini"
    assert found[0]["calls"] == 2
    assert [f"Credit: {one}" for one in found[0]["credits"]] == credited
    assert found[1]["credits"] == []  # an embedding that was not estimated
    exported = impactree("db", "export", "--format", "jsonl", "--db", url).output
    assert len(exported.splitlines()) == 3
    out = tmp_path / "calls.csv"
    assert impactree("db", "export", "--out", str(out), "--db", url).output == ""
    assert out.read_bytes().decode() == impactree("db", "export", "--db", url).output
    beside = (tmp_path / "calls.csv.credits.txt").read_text().splitlines()
    assert [f"Credit: {one}" for one in beside] == credited


def test_db_report_counts_a_call_once_that_two_processes_have_written(tmp_path: Path) -> None:
    """A service behind a service: its tree stands in its own, in the other's and the caller's."""
    pytest.importorskip("sqlalchemy")
    from impactree.exporters import SQLExporter

    url = f"sqlite:///{tmp_path / 'i.db'}"
    trackers = [ImpactTracker(exporters=[SQLExporter(url)]) for _ in range(3)]
    names: list[str | None] = [None, "caller", "service", "behind"]
    for tracker, above, name in zip(trackers, names, names[1:], strict=False):
        tracker.start(name, above, name=str(name))
        tracker.record(call(), name)
    trackers[2].end("behind")
    merge(trackers[1], trees_for(trackers[2], {HEADER: "service"}))
    trackers[1].end("service")
    merge(trackers[0], trees_for(trackers[1], {HEADER: "caller"}))
    trackers[0].end("caller")
    assert all(tracker.flush(20) for tracker in trackers)
    found = json.loads(impactree("db", "report", "--by", "run", "--json", "--db", url).output)
    assert [(group["run"], group["calls"]) for group in found] == [("caller", 3)]


def test_db_report_has_training_in_lines_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from impactree.exporters import SQLExporter

    url = f"sqlite:///{tmp_path / 'impacts.db'}"
    asked = {"requests": 100e9, "development": 1}
    tracker = ImpactTracker(
        method="impactree-1", include_training=asked, exporters=[SQLExporter(url)]
    )
    llama = {"model": "meta-llama/Meta-Llama-3-70B-Instruct", "provider": "together"}
    unknown = call(model="who-knows-9")
    embedded = call(kind="embedding", model="text-embedding-3-small")
    for calls in ((call(**llama), embedded), (call(**llama), unknown)):
        run_tree(tracker, *calls)
    assert tracker.flush(5)
    _spool._close()
    shown = impactree("db", "report", "--by", "kind", "--db", url).output
    table, training = shown.split("Training the models, in no figure above; ")
    assert "1e+11 requests in each model's life (as set)" in training
    (line,) = [line for line in training.splitlines() if "chat" in line]
    assert "2 of 3" in line
    assert "38 mgCO2eq" in line  # twice 1,900 t over 100 billion
    assert "embedding" in table
    assert "embedding" not in training
    found = {
        row["kind"]: row
        for row in json.loads(
            impactree("db", "report", "--by", "kind", "--json", "--db", url).output
        )
    }
    assert found["chat"]["training_gwp_kgco2eq_mean"] == pytest.approx(38e-6)
    assert found["chat"]["training_calls"] == 2
    assert found["embedding"]["training_calls"] is None
    plain = ImpactTracker(exporters=[SQLExporter(f"sqlite:///{tmp_path / 'plain.db'}")])
    run_tree(plain)
    assert plain.flush(5)
    shown = impactree("db", "report", "--db", f"sqlite:///{tmp_path / 'plain.db'}").output
    assert "raining" not in shown


def test_errors_are_one_line(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    url = f"sqlite:///{tmp_path / 'none.db'}"
    result = impactree("db", "report", "--db", url)
    assert result.exit_code == 2
    assert result.output.startswith("impactree: there is no database ")
    assert len(result.output.splitlines()) == 1
    pytest.importorskip("psycopg")
    for command in ("report", "export"):
        result = impactree("db", command, "--db", "postgresql://u:pw-planted@127.0.0.1:1/x")
        assert result.exit_code == 2
        assert "impactree: OperationalError: " in result.output.splitlines()[-1]
        assert "planted" not in result.output
    result = impactree("db", "report", "--since", "soon", "--db", url)
    assert result.output.startswith("impactree: since must be a span such as '7d'")


def test_langsmith_backfill(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("langsmith")
    from langsmith import utils as langsmith_utils
    from langsmith_server import KEY, serve  # type: ignore[import-not-found]

    with serve() as service:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", service.url)
        monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
        langsmith_utils.get_env_var.cache_clear()
        missing = impactree("langsmith", "backfill", "--project", "nope")
        assert missing.output.splitlines()[-1] == "impactree: LangSmith has no project 'nope'"
        service.session("green")
        dry = impactree("langsmith", "backfill", "--project", "green", "--dry-run")
        assert "0 traces would get feedback, 0 passed over" in dry.output
    langsmith_utils.get_env_var.cache_clear()
