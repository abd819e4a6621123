"""Runs: the database, which is only read."""

from __future__ import annotations

import json
import sqlite3

import httpx
import pytest
from server_helpers import TOKEN, serving

from impactree import ImpactTracker, ModelCall, Report
from impactree.cli import main
from impactree.exporters import SQLExporter
from impactree.server.settings import ServeSettings
from impactree.values.criteria import CRITERIA, ENDS

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
    for path in ("/v1/runs/groups", "/v1/runs/dearest", "/v1/runs/page?id=x"):
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

    with queries.opened(database) as connection, pytest.raises(Exception, match="readonly"):
        connection.exec_driver_sql("delete from impactree_runs")
    file = database.removeprefix("sqlite:///")
    with sqlite3.connect(file) as connection:
        assert connection.execute("select count(*) from impactree_runs").fetchone() == (2,)


@pytest.fixture(scope="module")
def crew(tmp_path_factory):
    """A database with a graph of an agent's two rounds and a tool; and the tree that went in."""
    found = f"sqlite:///{tmp_path_factory.mktemp('db') / 'impacts.db'}"
    tracker = ImpactTracker(exporters=[SQLExporter(found)], method="impactree-1")
    tracker.start("g", None, name="crew", kind="graph", metadata={"user_id": "ada"})
    tracker.start("a", "g", name="writer", kind="agent", labels={"agent": "writer"})
    for step in range(3):
        tracker.start(f"n{step}", "a", name="model", kind="node", labels={"node": "model"})
        call = ModelCall(
            model="gpt-4o", provider="openai", input_tokens=4000 + 3000 * step, output_tokens=60
        )
        tracker.record(call, f"n{step}", name=f"ask {step}")
        tracker.end(f"n{step}")
    tracker.start("t", "a", name="search", kind="tool", labels={"tool": "search"})
    tracker.record(ModelCall(model="dall-e-3", provider="openai", output_tokens=9), "t", name="odd")
    tracker.end("t")
    tracker.end("a")
    tracker.end("g")
    assert tracker.flush(20)
    return found, tracker.runs[0]


def lines_of(data):
    """Depth and name of each line."""
    lines = data["lines"]

    def coded(column, place):
        at = column["at"]
        return column["values"][at if isinstance(at, int) else at[place]]

    depths = []
    for parent in lines["parent"]:
        depths.append(0 if parent < 0 else depths[parent] + 1)
    return [(depth, coded(lines["name"], place)) for place, depth in enumerate(depths)]


def test_a_stored_run_is_a_tree_with_advice_again(crew):
    url, run = crew
    with (
        serving(ServeSettings(db=url, token=TOKEN)) as address,
        httpx.Client(base_url=address, timeout=60, headers=BEARER) as client,
    ):
        (dear,) = client.get("/v1/runs/dearest").json()["rows"]
        data = client.get("/v1/runs/page", params={"id": dear["id"]}).json()
        assert client.get("/v1/runs/page", params={"id": "nobody's"}).status_code == 404
        assert client.get("/v1/runs/page").status_code == 422
    assert sorted(lines_of(data)) == sorted(
        (len(list(each.ancestors())), each.name) for each in run.walk()
    )
    total = data["report"]["total"]
    for criterion in CRITERIA:
        kept, was = total[criterion.key]["value"], getattr(run.total, criterion.key).value
        for end in ENDS:
            assert kept[end] == pytest.approx(getattr(was, end), rel=1e-12)
    assert data["phases"] is False
    assert total["usage"] is total["embodied"] is None
    assert data["report"]["coverage"]["not_estimated"] == 1
    # Context that is sent again and again is what a prompt cache serves.
    advised = [item["kind"] for item in data["report"]["advice"]["items"]]
    assert advised == [item.kind for item in Report([run], method="impactree-1").advice()] != []


def test_the_document_s_examples_are_of_these_rows(stored):
    paths = stored.get("/openapi.json").json()["paths"]
    (dear, _) = stored.get("/v1/runs/dearest").json()["rows"]
    (content,) = paths["/v1/runs/page"]["get"]["responses"]["200"]["content"].values()
    assert content["example"].keys() <= stored.get(f"/v1/runs/page?id={dear['id']}").json().keys()
    for path in ("/v1/runs", "/v1/runs/groups", "/v1/runs/dearest"):
        (content,) = paths[path]["get"]["responses"]["200"]["content"].values()
        found = stored.get(path).json()
        assert content["example"].keys() == found.keys()
        for row in content["example"].get("rows", ()):
            assert row.keys() <= found["rows"][0].keys()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (None, "there is no database"),
        (b"hello", "file is not a database"),
        (b"SQLite format 3\0 and so on", "file is not a database"),
        ("create table x (a)", "it has no tables of impactree"),
    ],
    ids=["missing", "text", "corrupt", "another's"],
)
def test_a_database_that_cannot_be_read_is_said_at_once(made, said, tmp_path, capsys):
    file = tmp_path / "impacts.db"
    if isinstance(made, bytes):
        file.write_bytes(made)
    elif made is not None:
        with sqlite3.connect(file) as connection:
            connection.execute(made)
    with pytest.raises(SystemExit) as left:
        main(["serve", "--port", "0", "--db", f"sqlite:///{file}?timeout=0.1"])
    out, err = capsys.readouterr()
    assert (left.value.code, out) == (2, "")
    assert err.startswith("impactree: --db cannot be read: ")
    assert said in err
    assert err.count("\n") == 1


def test_a_database_of_a_newer_version_is_refused_in_one_line(database, tmp_path, capsys):
    file = tmp_path / "impacts.db"
    with (
        sqlite3.connect(database.removeprefix("sqlite:///")) as ours,
        sqlite3.connect(file) as copy,
    ):
        ours.backup(copy)
    with sqlite3.connect(file) as connection:
        connection.execute("update impactree_schema set version = version + 1")
        (newer,) = connection.execute("select version from impactree_schema").fetchone()
    with pytest.raises(SystemExit) as left:
        main(["serve", "--port", "0", "--db", f"sqlite:///{file}?timeout=0.1"])
    out, err = capsys.readouterr()
    assert (left.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("impactree: --db cannot be read: ")
    assert f"schema version {newer}, this impactree knows {newer - 1}: upgrade it" in err
    with serving(ServeSettings(db=f"sqlite:///{file}")) as address:  # one that came while it ran
        found = httpx.get(f"{address}/v1/runs/groups")
    assert found.status_code == 503
    assert "upgrade it" in found.json()["detail"]


def test_a_database_that_another_program_keeps_is_said_at_once(tmp_path, capsys):
    file = tmp_path / "impacts.db"
    with sqlite3.connect(file) as connection:
        connection.execute("create table x (a)")
        connection.commit()
        connection.execute("pragma locking_mode = exclusive")
        connection.execute("begin exclusive")
        with pytest.raises(SystemExit):
            main(["serve", "--port", "0", "--db", f"sqlite:///{file}?timeout=0.1"])
    assert "locked" in capsys.readouterr().err


def test_what_is_no_database_s_url_is_said_at_once(capsys):
    for url, said in (("nonsense", "not a database URL"), ("", "not a database URL")):
        with pytest.raises(SystemExit):
            main(["serve", "--port", "0", "--db", url])
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["serve", "--port", "0", "--host", ""])
    assert "--host is empty" in capsys.readouterr().err
