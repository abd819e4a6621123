"""Runs: a report as its page shows it, and the database, which is only read."""

from __future__ import annotations

import json
import sqlite3

import httpx
import pytest
from server_helpers import TOKEN, serving

from impactree import ImpactTracker, ModelCall, Report
from impactree.cli import main
from impactree.report._sheet import lay_out_report
from impactree.report.renderers.page import page_data
from impactree.server.settings import ServeSettings

BEARER = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def stored(database):
    with (
        serving(ServeSettings(db=database, token=TOKEN)) as address,
        httpx.Client(base_url=address, timeout=60, headers=BEARER) as client,
    ):
        yield client


@pytest.mark.parametrize("by", ["day", "agent", "model", "user"])
def test_groups_are_the_commands(stored, database, by, capsys):
    found = stored.get("/v1/runs/groups", params={"by": by, "since": "7d"}).json()["rows"]
    with pytest.raises(SystemExit):
        main(["db", "report", "--by", by, "--since", "7d", "--db", database, "--json"])
    assert found == json.loads(capsys.readouterr().out) != []


def test_the_dearest_runs_come_first(stored):
    found = stored.get("/v1/runs/dearest", params={"top": 1}).json()["rows"]
    assert [row["name"] for row in found] == ["run of ada"]
    both = stored.get("/v1/runs/dearest").json()["rows"]
    assert both[0]["gwp_kgco2eq_mean"] > both[1]["gwp_kgco2eq_mean"] > 0


def test_a_team_s_runs_need_the_token(stored):
    for path in ("/v1/runs/groups", "/v1/runs/dearest"):
        assert stored.get(path, headers={"authorization": ""}).status_code == 401


def test_without_a_database_it_is_said(ask):
    assert ask.get("/v1/runs").json()["database"] is False
    found = ask.get("/v1/runs/groups")
    assert found.status_code == 404
    assert "--db" in found.json()["detail"]
    assert ask.get("/v1/runs/groups", params={"by": "nonsense"}).status_code == 422


def test_a_database_that_is_gone_is_one_line(tmp_path):
    url = f"sqlite:///{tmp_path / 'none.db'}"
    with serving(ServeSettings(db=url)) as address:
        found = httpx.get(f"{address}/v1/runs/dearest")
    assert found.status_code == 503
    assert "there is no database" in found.json()["detail"]


def test_the_database_is_only_read(database):
    from impactree.store import queries

    with queries._open(database) as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("delete from impactree_runs")
    file = database.removeprefix("sqlite:///")
    with sqlite3.connect(file) as connection:
        assert connection.execute("select count(*) from impactree_runs").fetchone() == (2,)


def test_a_report_is_laid_out_as_its_page(ask):
    tracker = ImpactTracker()
    tracker.record(ModelCall(model="gpt-4o", provider="openai", output_tokens=300))
    report = tracker.report().to_dict()
    found = ask.post("/v1/report/page", json={"report": report}).json()
    read = Report.from_json(json.dumps(report))
    assert found == json.loads(json.dumps(page_data(read, None, lay_out_report(read))))
    assert ask.post("/v1/report/page", json={"report": {}}).status_code == 409


def test_the_document_s_examples_are_of_these_rows(stored):
    paths = stored.get("/openapi.json").json()["paths"]
    for path in ("/v1/runs", "/v1/runs/groups", "/v1/runs/dearest"):
        (content,) = paths[path]["get"]["responses"]["200"]["content"].values()
        found = stored.get(path).json()
        assert content["example"].keys() == found.keys()
        for row in content["example"].get("rows", ()):
            assert row.keys() <= found["rows"][0].keys()
