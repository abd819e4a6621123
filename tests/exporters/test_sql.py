"""SQL: exactly once per (run id, revision), in SQLite and PostgreSQL."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import postgres  # type: ignore[import-not-found]
import pytest
from exporter_helpers import call, run_tree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.exceptions import ConfigurationError

sa = pytest.importorskip("sqlalchemy")

from impactree.delivery import spool as _spool  # noqa: E402
from impactree.exporters import (  # noqa: E402
    DeliveryRefusedError,
    RetryLaterError,
    SQLExporter,
    _sql,
)
from impactree.store import schema  # noqa: E402
from impactree.store.database import connect, parse_url  # noqa: E402
from impactree.store.migrations import MIGRATIONS  # noqa: E402
from impactree.store.queries import sums, write_rows  # noqa: E402
from impactree.values.times import parse_since  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    if postgres.programs() is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL is not installed: CI does not go without it")
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg")
    with postgres.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'impacts.db'}"
    found: str = request.getfixturevalue("postgresql")
    engine = sa.create_engine(parse_url(found))
    with engine.begin() as connection:
        for table in ("impactree_calls", "impactree_runs", "impactree_schema"):
            connection.execute(sa.text(f"drop table if exists {table}"))
    engine.dispose()
    return found


def rows(url: str, text: str) -> list[Any]:
    engine = connect(parse_url(url))
    with engine.begin() as connection:
        result = connection.execute(sa.text(text))
        found = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return found


def make_tables(url: str) -> None:
    exporter = SQLExporter(url)
    exporter.deliver([])
    exporter.close()


def test_roots_and_calls_with_their_figures(url: str) -> None:
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    root = run_tree(
        tracker, call(), call(model="no-such-model-1", provider=None), tags=["a"], name="qa"
    )
    assert tracker.flush(10)
    total = tracker.runs[0].total
    assert total.gwp is not None
    found = rows(
        url,
        "select id, name, calls, estimated_calls, unestimated_calls, input_tokens, "
        "gwp_kgco2eq_min, gwp_kgco2eq_max, method from impactree_runs",
    )
    estimated = total.estimated_calls
    ends = (total.gwp.value.min, total.gwp.value.max)
    assert found == [(str(root), "qa", 2, estimated, 2 - estimated, 200, *ends, "ecologits-0.11")]
    (known,) = rows(
        url,
        "select run_id, node, grade, energy_kwh_max, water_l_min from impactree_calls "
        "where model = 'gpt-4o-mini'",
    )
    impacts = tracker.engine.estimate(call())
    assert impacts.energy is not None
    assert impacts.wcf is not None
    assert known == (
        str(root),
        "model",
        impacts.grade,
        impacts.energy.value.max,
        impacts.wcf.value.min,
    )


def test_a_late_end_replaces(url: str) -> None:
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    tracker.start("r", name="r")
    tracker.start("late", "r", name="late", kind="chat")
    tracker.end("r")
    assert tracker.flush(10)
    assert rows(url, "select revision, calls from impactree_runs") == [(0, 0)]
    tracker.end("late", call=call())
    assert tracker.flush(10)
    assert rows(url, "select revision, calls from impactree_runs") == [(1, 1)]
    assert rows(url, "select id from impactree_calls") == [("late",)]


def test_an_older_revision_does_not_come_back(url: str) -> None:
    exporter = SQLExporter(url)
    tracker = ImpactTracker(exporters=[exporter])
    tracker.start("r", name="new")
    tracker.end("r")
    root = tracker.last_run
    assert root is not None
    root.revision = 5
    exporter.export(root)
    assert exporter.flush(10)
    root.revision, root.name = 3, "old"
    exporter.export(root)
    assert exporter.flush(10)
    assert rows(url, "select revision, name from impactree_runs") == [(5, "new")]


def test_long_ids_and_odd_texts_arrive(url: str) -> None:
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    # As LlamaIndex makes them: class, method, UUID.
    root = f"CondensePlusContextChatEngine.stream_chat-{uuid.uuid4()}"
    tracker.start(root, name="zero\0byte", metadata={"user_id": "a\0b"})
    tracker.record(call(model="gpt-4o-mini\0"), root)
    tracker.end(root)
    assert tracker.flush(10)
    assert rows(url, "select id, name from impactree_runs") == [(root, "zero\ufffdbyte")]
    assert rows(url, "select run_id, model from impactree_calls") == [(root, "gpt-4o-mini\ufffd")]


def test_calls_that_share_an_id_arrive(url: str) -> None:
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    tracker.start("r", name="r")
    for _ in range(2):  # LangChain's ``run_id``, fixed by its caller
        tracker.start("mine", "r", name="model", kind="chat")
        tracker.end("mine", call=call())
    tracker.end("r")
    assert tracker.flush(10)
    assert rows(url, "select id from impactree_calls order by id") == [("mine",), ("mine#2",)]


def test_ids_of_the_first_schema_become_longer(postgresql: str, url: str) -> None:
    if url != postgresql:
        pytest.skip("SQLite does not hold texts to their length")
    first_schema(url)
    rows(url, "delete from impactree_calls")
    rows(url, "delete from impactree_runs")
    test_long_ids_and_odd_texts_arrive(url)


def first_schema(url: str) -> None:
    """Tables as the first version made them, with a run and a call of 1 to 3 kWh."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        MIGRATIONS[0](connection)
        connection.execute(sa.text("insert into impactree_schema values (1)"))
        connection.execute(
            sa.text(
                "insert into impactree_runs (id, revision, name, kind, status, started_at, method,"
                " calls, estimated_calls, unestimated_calls, input_tokens, output_tokens,"
                " energy_kwh_min, energy_kwh_max, tags, metadata) values ('old', 0, 'r', 'chain',"
                " 'ok', '2026-01-01 00:00:00+00:00', 'ecologits-0.11', 1, 1, 0, 1, 1, 1, 3, '[]',"
                " '{}')"
            )
        )
        connection.execute(
            sa.text(
                "insert into impactree_calls (run_id, id, name, kind, status, cached, started_at,"
                " model, tokens_source, warnings, errors, energy_kwh_min, energy_kwh_max) values"
                " ('old', 'c', 'm', 'chat', 'ok', false, '2026-01-01 00:00:00+00:00', 'gpt-4o',"
                " 'reported', '', '', 1, 3)"
            )
        )
    engine.dispose()


def test_rows_of_the_first_schema_get_the_middle_as_their_mean(url: str) -> None:
    first_schema(url)
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    run_tree(tracker, call())
    assert tracker.flush(10)
    for table in ("runs", "calls"):
        old = rows(
            url, f"select energy_kwh_mean, pe_mj_mean from impactree_{table} order by started_at"
        )
        assert old[0] == (2.0, None)
        assert old[1][0] > 0
    assert [group.calls for group in sums(url, by="kind")] == [2]


def test_an_id_that_is_used_again_is_another_run(url: str) -> None:
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    for start in (1_000.0, 2_000.0, 3_000.0):
        tracker.start("r", name=f"at {start:.0f}", start=start)
        tracker.start("model", "r", name="model", kind="chat", start=start)
        tracker.end("model", call=call())
        tracker.end("r", end=start + 1)
    assert tracker.flush(10)
    assert len(tracker.runs) == 3
    found = rows(url, "select name from impactree_runs order by started_at")
    assert found == [("at 1000",), ("at 2000",), ("at 3000",)]
    groups = {group.key: group.calls for group in sums(url, by="run")}
    assert groups == {"at 1000": 1, "at 2000": 1, "at 3000": 1}


def test_a_late_end_replaces_the_run_of_its_start(url: str) -> None:
    exporter = SQLExporter(url)
    tracker = ImpactTracker(exporters=[exporter])
    tracker.start("r", name="first", start=1_000.0)
    tracker.end("r", end=1_001.0)
    tracker.start("r", name="second", start=2_000.0)
    tracker.start("late", "r", name="late", kind="chat")
    tracker.end("r", end=2_001.0)
    tracker.end("late", call=call())
    assert tracker.flush(10)
    found = rows(url, "select name, revision, calls from impactree_runs order by started_at")
    assert found == [("first", 0, 0), ("second", 1, 1)]


def test_the_third_schema_gets_the_start_into_its_keys(url: str) -> None:
    first_schema(url)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for step in MIGRATIONS[1:3]:
            step(connection)
        connection.execute(sa.text("update impactree_schema set version = 3"))
        for table in ("runs", "calls"):  # a column of somebody's own
            connection.execute(sa.text(f"alter table impactree_{table} add column team text"))
            connection.execute(sa.text(f"update impactree_{table} set team = 'search'"))
    engine.dispose()
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    tracker.start("old", name="again")
    tracker.start("c", "old", name="model", kind="chat")
    tracker.end("c", call=call())
    tracker.end("old")
    assert tracker.flush(10)
    assert rows(url, "select name, team from impactree_runs order by started_at") == [
        ("r", "search"),
        ("again", None),
    ]
    joined = (
        "select c.name, c.energy_kwh_max, c.team from impactree_calls c join impactree_runs r"
        " on r.id = c.run_id and r.started_at = c.run_started_at where r.name = 'r'"
    )
    assert rows(url, joined) == [("m", 3.0, "search")]
    columns = "id, revision, name, kind, status, started_at, method, calls, estimated_calls,"
    columns += " unestimated_calls, input_tokens, output_tokens, tags, metadata"
    again = f"insert into impactree_runs ({columns}) select {columns} from impactree_runs"
    with engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):  # the key holds
        connection.execute(sa.text(again))
    engine.dispose()


def test_the_first_step_makes_the_first_tables_whatever_comes_later() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        MIGRATIONS[0](connection)
        columns = {c["name"] for c in sa.inspect(connection).get_columns("impactree_calls")}
    assert "energy_kwh_max" in columns
    assert not [name for name in columns if name.endswith("_mean")]


def test_a_row_that_the_database_never_takes_is_dropped_alone(
    postgresql: str, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    if url != postgresql:
        pytest.skip("SQLite takes it")
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    for root in ("x" * 300, "y"):
        tracker.start(root, name="r")
        tracker.end(root)
    assert tracker.flush(10)
    assert rows(url, "select id from impactree_runs") == [("y",)]
    (line,) = warnings(caplog)
    assert "cannot take a run (StringDataRightTruncation: value too long" in line


def test_a_replay_changes_nothing(url: str, tmp_path: Path, dies: Callable[[], None]) -> None:
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    for _ in range(5):
        run_tree(tracker, call(), call())
    assert tracker.flush(10)
    for done in (tmp_path / "spool").glob("*/*.done"):
        done.unlink()
    dies()
    assert ImpactTracker(exporters=[SQLExporter(url)]).flush(10)
    assert rows(url, "select count(*) from impactree_runs") == [(5,)]
    assert rows(url, "select count(*) from impactree_calls") == [(10,)]


def test_an_older_schema_is_migrated_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    run_tree(tracker)
    assert tracker.flush(10)
    _spool._close()
    steps = []

    def further(connection: Any) -> None:
        steps.append(1)
        connection.execute(sa.text("alter table impactree_runs add column team text"))

    newest = len(schema.MIGRATIONS)
    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, further])
    for _ in range(2):
        tracker = ImpactTracker(exporters=[SQLExporter(url)])
        run_tree(tracker)
        assert tracker.flush(10)
        _spool._close()
    assert steps == [1]
    assert rows(url, "select version from impactree_schema") == [(newest + 1,)]
    assert rows(url, "select count(*) from impactree_runs where team is null") == [(3,)]


def test_a_newer_schema_is_left_alone(url: str, caplog: pytest.LogCaptureFixture) -> None:
    make_tables(url)
    rows(url, "update impactree_schema set version = 99")
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    run_tree(tracker)
    assert not tracker.flush(10)
    (line,) = warnings(caplog)
    assert "schema version 99, this impactree knows 7: upgrade it" in line


def test_a_missing_table_is_one_line(url: str, caplog: pytest.LogCaptureFixture) -> None:
    exporter = SQLExporter(url)
    tracker = ImpactTracker(exporters=[exporter])
    run_tree(tracker)
    assert tracker.flush(10)
    rows(url, "drop table impactree_calls")
    for _ in range(3):
        run_tree(tracker)
    deadline = time.monotonic() + 10
    while not any("is missing" in w for w in warnings(caplog)) and time.monotonic() < deadline:
        tracker.flush(1)
    assert "table impactree_calls is missing" in warnings(caplog)[-1]
    assert len(warnings(caplog)) <= 3


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    ours = (r for r in caplog.records if r.name == "impactree")
    return [r.getMessage() for r in ours if r.levelno >= logging.WARNING]


def test_a_read_only_database_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "impacts.db"
    make_tables(f"sqlite:///{path}")
    tracker = ImpactTracker(exporters=[SQLExporter(f"sqlite:///file:{path}?mode=ro&uri=true")])
    for _ in range(3):
        run_tree(tracker)
    assert not tracker.flush(1)
    (line,) = warnings(caplog)
    assert "attempt to write a readonly database" in line


def test_a_wrong_host_is_one_line_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("psycopg")
    exporter = SQLExporter("postgresql://team:pw-planted-secret@127.0.0.1:1/x?sslmode=disable")
    tracker = ImpactTracker(exporters=[exporter])
    run_tree(tracker)
    assert not tracker.flush(1)
    (line,) = warnings(caplog)
    assert "OperationalError" in line
    assert "planted" not in line + repr(exporter) + exporter.destination


def test_a_wrong_password_is_not_shown(postgresql: str, caplog: pytest.LogCaptureFixture) -> None:
    exporter = SQLExporter(postgresql.replace("pw-planted-secret", "pw-planted-wrong"))
    tracker = ImpactTracker(exporters=[exporter])
    run_tree(tracker)
    assert not tracker.flush(1)
    (line,) = warnings(caplog)
    assert "password authentication failed" in line
    assert "planted" not in line


def test_a_driver_that_talks_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("psycopg")

    def talkative(url: Any) -> Any:
        raise sa.exc.OperationalError("x", {}, RuntimeError(f"cannot use {url.password}"))

    monkeypatch.setattr(_sql, "connect", talkative)
    tracker = ImpactTracker(exporters=[SQLExporter("postgresql://u:pw-planted@h/x")])
    run_tree(tracker)
    assert not tracker.flush(0.5)
    (line,) = warnings(caplog)
    assert "RuntimeError: cannot use ***" in line


@pytest.mark.parametrize("url", ["impacts.db", "nosuch://x", "", "://"])
def test_what_is_no_url_is_named(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"not a database URL; expected one such as"):
        SQLExporter(url)


def test_sums_by_model_since(url: str) -> None:
    exporter = SQLExporter(url)
    tracker = ImpactTracker(exporters=[exporter])
    run_tree(tracker, call(), call(), call(kind="embedding", model="text-embedding-3-small"))
    old = time.time() - 9 * 86400
    tracker.start("old", name="old", start=old)
    tracker.start("c", "old", name="c", start=old)
    tracker.end("c", call=call(), end=old)
    tracker.end("old", end=old)
    assert tracker.flush(10)
    week = parse_since("7d")
    recent = {group.key: group for group in sums(url, since=week)}
    one = tracker.engine.estimate(call())
    assert one.gwp is not None
    # Two calls of 100 tokens in and 20 out in the last week.
    group = recent["gpt-4o-mini"]
    assert (group.calls, group.input_tokens, group.output_tokens) == (2, 200, 40)
    assert group.figures["gwp_kgco2eq_max"] == pytest.approx(2 * one.gwp.value.max, rel=1e-12)
    assert recent["text-embedding-3-small"].estimated_calls == 0
    assert recent["text-embedding-3-small"].impacts == [None] * 5
    assert {g.key: g.calls for g in sums(url)}["gpt-4o-mini"] == 3
    assert {g.key for g in sums(url, by="run")} == {"agent", "old"}
    assert {g.key for g in sums(url, by="node")} == {"model", None}
    assert len(sums(url, by="day")) == 2


def test_the_zone_is_the_one_that_was_used(url: str) -> None:
    tracker = ImpactTracker(exporters=[SQLExporter(url)], provider_zones={"anthropic": "SWE"})
    run_tree(
        tracker,
        call(),  # OpenAI's own, in the USA
        call(zone="FRA"),
        call(provider="anthropic", model="claude-haiku-4-5"),
        call(zone="Frankfurt am Main"),  # not one: not estimated
    )
    assert tracker.flush(10)
    found = {g.key: g.calls for g in sums(url, by="zone")}
    assert found == {"USA": 1, "FRA": 1, "SWE": 1, None: 1}


def test_all_rows_as_csv_and_json_lines(url: str) -> None:
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    run_tree(tracker, call(), call(), tags=["x"])
    assert tracker.flush(10)
    out = io.StringIO()
    assert write_rows(url, out) == 2
    out.seek(0)
    found = list(csv.DictReader(out))
    assert [row["model"] for row in found] == ["gpt-4o-mini"] * 2
    assert found[0]["started_at"].endswith("+00:00")
    out = io.StringIO()
    assert write_rows(url, out, table="runs", format="jsonl") == 1
    assert json.loads(out.getvalue())["tags"] == ["x"]


def test_reading_where_nothing_is_says_so(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    with pytest.raises(DeliveryRefusedError, match=f"there is no database {path}"):
        sums(f"sqlite:///{path}")
    assert not path.exists()
    path.touch()
    with pytest.raises(DeliveryRefusedError, match=r"no tables of impactree: nothing was exported"):
        sums(f"sqlite:///{path}")
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(RetryLaterError, match=r"^DatabaseError: file is not a database$"):
        sums(f"sqlite:///{path}")
    with pytest.raises(ConfigurationError, match=r"by must be one of agent, day, .*, not 'colour'"):
        sums("sqlite://", by="colour")


def test_spans_of_time() -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert parse_since("36h", now) == now - timedelta(hours=36)
    assert parse_since("2w", now) == now - timedelta(weeks=2)
    assert parse_since("2026-11-01") == datetime(2026, 11, 1, tzinfo=UTC)
    # 1 November in Paris begins at 23:00 UTC; SQLite compares what it stored, which is UTC.
    found = parse_since("2026-11-01T00:00:00+01:00")
    assert found.isoformat() == "2026-10-31T23:00:00+00:00"
    with pytest.raises(ConfigurationError, match=r"not 'yesterday'"):
        parse_since("yesterday")
    with pytest.raises(ConfigurationError, match=r"too far back: '999999999d'"):
        parse_since("999999999d")
