"""The report as a page: what the file holds, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import random
import re
import sys
from importlib import resources
from pathlib import Path

import pytest

from impactree import ImpactTracker, ModelCall, Report
from impactree.cli import main
from impactree.exceptions import PageNotBuiltError
from impactree.report._outline import outline
from impactree.report._sheet import lay_out_report
from impactree.report.renderers.page import GROUPED_BY, page_data
from impactree.values.criteria import CRITERIA
from impactree.values.figures import Figures

ROOT = Path(__file__).parents[2]
BUILT = (resources.files("impactree") / "web" / "page.js").is_file()
IN_CI = os.environ.get("CI") == "true"
needs_page = pytest.mark.skipif(not BUILT and not IN_CI, reason="no page: run `make page`")
ATTACK = "</script><img src=x onerror=alert(1)><!--"


def island(html):
    """The data that a page carries."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(text)


def data_of(report, engine):
    return page_data(report, engine, lay_out_report(report))


def column(columns, place):
    """A value of a coded column."""
    at = columns["at"]
    return columns["values"][at if isinstance(at, int) else at[place]]


def figure(figures, name, place):
    """A value of a column: its own, that of an equal one, or a factor of another one's."""
    values = figures[name]
    if isinstance(values, str):
        return figure(figures, values, place)
    if isinstance(values, dict):
        return figure(figures, values["of"], place) * column(values, place)
    value = values[place] if isinstance(values, list) else values
    return math.nan if value is None else value


def figures_of(columns):
    """Figures by the place of their run, as lists of floats; None is not a number."""
    return {
        columns["at"][having]: [figure(columns["figures"], n, place) for n in Figures._fields]
        for place, having in enumerate(columns["having"])
    }


def test_every_run_and_figure_is_in_the_data(agent):
    data = data_of(agent, agent._engine)
    lines = data["lines"]
    runs = [run for root in agent.runs for run in root.walk()]
    assert sorted(lines["id"]) == sorted(str(run.id) for run in runs)
    by_id = {str(run.id): run for run in runs}
    figures = figures_of(lines["own"])
    for place, run_id in enumerate(lines["id"]):
        run = by_id[run_id]
        assert column(lines["name"], place) == run.name
        assert column(lines["kind"], place) == run.kind
        assert column(lines["status"], place) == run.status
        assert column(lines["agent"], place) == run.agent
        above = lines["parent"][place]
        assert (lines["id"][above] if above >= 0 else None) == (run.parent and str(run.parent.id))
        assert above < place
        if run.own is None:
            assert place not in figures
        else:
            assert figures[place] == pytest.approx(list(run.own.figures), rel=1e-8, nan_ok=True)


def test_what_is_said_of_the_report_is_its_json(agent):
    data = data_of(agent, agent._engine)
    said = agent.to_dict()
    assert data["report"] == {**{k: v for k, v in said.items() if k != "runs"}, "by_model": []}
    for key in GROUPED_BY:
        groups, page = agent.by(key), data["groups"][key]
        assert page["labels"] == [None if label is None else str(label) for label in groups]
        figures = figures_of(page["total"])
        for place, group in enumerate(groups.values()):
            expected = pytest.approx(list(group.total.figures), rel=1e-8, nan_ok=True)
            assert figures[place] == expected


def test_many_groups_end_in_one_for_the_others(build):
    root = build.start(name="root")
    for number in range(60):
        build.chat(root, f"gpt-{number}", out=60 - number)
    build.end(root)
    page = data_of(build.report(), build.tracker.engine)["groups"]["model"]
    assert page["labels"] == [f"gpt-{number}" for number in range(40)]
    assert page["others"] == 20
    # 1 + ... + 20 output tokens of 2 mWh, by the test's engine
    assert figures_of(page["total"])[40][1] == pytest.approx(210 * 2e-6)


@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_figures_that_all_differ_are_in_the_data_in_half_the_room(method):
    chance = random.Random(1)
    tracker = ImpactTracker(method=method, include_training=True, max_runs=1000)
    models = ("gpt-4o", "gpt-4o-mini", "meta-llama/Llama-3.1-8B-Instruct", "nobody-knows")
    for number in range(1000):
        call = ModelCall(
            model=models[number % 4],
            input_tokens=chance.randrange(9000),
            output_tokens=chance.randrange(900),
        )
        tracker.record(call)
    report = tracker.report()
    own = data_of(report, tracker.engine)["lines"]["own"]
    shown, training = figures_of(own), own["training"]
    trained = dict(zip(training["having"], range(1000), strict=False))
    for place, run in enumerate(report.runs):
        if run.own.figures is None:
            assert place not in shown
            continue
        assert shown[place] == pytest.approx(list(run.own.figures), rel=1e-8, nan_ok=True)
        if run.own.training is None:
            assert place not in trained
            continue
        for criterion, triple in zip(CRITERIA, run.own.training.values, strict=True):
            for end, value in zip(("min", "mean", "max"), triple or [math.nan] * 3, strict=True):
                there = figure(training["figures"], f"{criterion.key}_{end}", trained[place])
                assert there == pytest.approx(value, rel=1e-8, nan_ok=True)
    # Each figure has some 14 characters; most are factors of others.
    written = len(json.dumps(own["figures"], separators=(",", ":")))
    assert written < 0.5 * 14 * len(Figures._fields) * len(shown)


def wide(build, parts):
    root = build.start(name="map_reduce", kind="graph")
    for number in range(parts):
        node = build.start(root, "map", "node")
        build.chat(node, "unknown" if number % 10 == 9 else "gpt-4o", out=1 + number)
        build.end(node)
    build.end(root)
    return build.report()


def test_too_many_runs_are_folded_and_none_is_lost(build):
    report = wide(build, 50)
    lines = outline(report.runs, most=40)
    assert [(line.runs[0].name, len(line.runs), line.parent) for line in lines] == [
        ("map_reduce", 1, -1),
        ("map", 50, 0),
        ("ChatOpenAI", 45, 1),
        ("ChatOpenAI", 5, 1),
    ]
    assert sum(len(line.told) for line in lines) == 101
    assert len(outline(report.runs, most=101)) == 101
    level = outline(report.runs, most=60)  # every part, with what is under it
    assert [len(line.told) for line in level] == [1] + [2] * 50


def test_the_deepest_runs_are_summed_up_in_what_is_above(build):
    parent = None
    for depth in range(3000):
        parent = build.start(parent, f"step {depth}")
    build.chat(parent, out=7)
    for number in range(3000, 0, -1):
        build.end(f"r{number}")
    report = build.report()
    lines = outline(report.runs)
    assert len(lines) == 201
    assert sum(len(line.told) for line in lines) == 3001
    data = data_of(report, report._engine)
    assert "3,001 runs are too many to list: 201 lines" in data["folded"]
    assert figures_of(data["lines"]["own"])[200][1] == pytest.approx(7 * 2e-6)


def test_a_report_that_is_not_folded_does_not_say_so(agent):
    assert data_of(agent, agent._engine)["folded"] == ""


def test_a_report_of_nothing_says_what_to_do():
    data = data_of(Report([]), None)
    assert 'config={"callbacks": [handler]}' in data["empty"]
    assert data["title"] == "no runs"


def test_the_models_stand_with_their_hypotheses_and_sources():
    from impactree import ImpactTracker, ModelCall

    tracker = ImpactTracker()
    tracker.record(ModelCall(provider="openai", model="gpt-4o", input_tokens=9, output_tokens=9))
    data = data_of(tracker.report(), tracker.engine)
    (model,) = data["models"]
    rows = [data["hypotheses"][place] for place in model["hypotheses"]]
    assert model["resolution"]["model"] == "openai/gpt-4o" or "gpt-4o" in str(model["resolution"])
    assert {"P_t, total parameters", "PUE"} <= {row["name"] for row in rows}
    assert any(row["sources"] for row in rows)
    assert "joss.07471" in data["citation"]


@needs_page
def test_nothing_in_the_file_can_end_its_element_or_ask_a_host(build):
    build.chat(name=ATTACK, model=ATTACK, metadata={"user_id": ATTACK}, tags=[ATTACK])
    html = build.report().to_html()
    assert ATTACK not in html
    assert len(re.findall(r"</script", html)) == 2  # the data's and the script's
    assert len(re.findall(r"</style", html)) == 1
    head, _, _ = html.partition("<style>")
    assert not re.search(r"<[^>]*\s(src|href|srcset|action)=", head)
    assert column(island(html)["lines"]["name"], 0) == ATTACK


@needs_page
def test_the_policy_lets_run_what_is_in_the_file_and_nothing_else(agent):
    html = agent.to_html()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', html)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.S)
    (script,) = re.findall(r"<script>(.*)</script>", html, re.S)
    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<\w+[^>]*\sstyle=", html.partition("<script")[0])
    assert "eval(" not in script
    assert "new Function" not in script


@needs_page
def test_the_page_carries_the_licences_of_what_it_contains(agent):
    html = agent.to_html()
    for name in ("preact", "d3-hierarchy", "d3-scale", "@tanstack/table-core"):
        assert re.search(rf"^{re.escape(name)} \d", html, re.M), name
    assert html.count("Permission is hereby granted") >= 2


@needs_page
def test_without_script_the_report_is_there_as_text(agent):
    (text,) = re.findall(r"<noscript><pre>(.*?)</pre>", agent.to_html(), re.S)
    assert "research_agent" in text


@needs_page
def test_a_file_is_written_whole_or_not_at_all(agent, tmp_path):
    path = tmp_path / "report.html"
    assert agent.to_html(path) is None
    assert path.read_text("utf-8") == agent.to_html()
    with pytest.raises(FileNotFoundError):
        agent.to_html(tmp_path / "nowhere" / "report.html")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@needs_page
@pytest.mark.parametrize("name", ["\ud800 lone", "\x00\u202e", "", "a" * 5000])
def test_any_name_can_be_written(build, name, tmp_path):
    build.chat(name=name, model=name or "gpt-4o")
    build.report().to_html(tmp_path / "r.html")
    assert island((tmp_path / "r.html").read_text("utf-8"))["lines"]["parent"] == [-1]


@needs_page
def test_a_figure_beyond_all_measure_is_no_broken_file(build):
    build.chat()
    data = build.report().to_dict()
    data["runs"][0]["own"]["usage"]["gwp"]["value"]["max"] = math.inf
    report = Report.from_json(json.dumps(data))
    assert "Infinity" not in json.dumps(island(report.to_html()))


@needs_page
@pytest.mark.parametrize(("runs", "most"), [(1_000, 900e3), (10_000, 6e6)])
def test_files_stay_small(build, runs, most):
    report = wide(build, runs // 2)
    assert len(report.to_html().encode()) < most


def test_without_the_script_one_line_says_how_to_get_it(agent, monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    with pytest.raises(PageNotBuiltError) as raised:
        agent.to_html(tmp_path / "r.html")
    assert "make page" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert not (tmp_path / "r.html").exists()


def test_a_notebook_links_to_the_page(agent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "to_html(&#x27;report.html&#x27;)" in agent._repr_html_()
    if BUILT or IN_CI:
        agent.to_html(tmp_path / "a: <b>.html")
        assert 'href="a%3A%20%3Cb%3E.html"' in agent._repr_html_()


@needs_page
def test_a_fresh_report_links_to_the_page_of_its_handler(build, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build.chat(name="one")
    build.report().to_html("page.html")
    fresh = build.report()._repr_html_()
    assert '<a href="page.html" target="_blank">The report as a page</a>' in fresh
    assert "Anew" not in fresh
    build.chat(name="two")
    later = build.report()._repr_html_()
    assert '<a href="page.html" target="_blank">An earlier report as a page</a>' in later
    assert "handler.report().to_html(&#x27;page.html&#x27;)" in later
    build.report().to_html("page.html")
    assert "An earlier" not in build.report()._repr_html_()
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]  # nothing else is written
    other = Report.from_json(build.report().to_json())
    assert "href" not in other._repr_html_()


# From the command line


def run(*arguments):
    with pytest.raises(SystemExit) as left:
        main(list(map(str, arguments)))
    return left.value.code or 0


@needs_page
def test_a_file_becomes_a_page_that_is_opened(agent, tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    agent.to_json(tmp_path / "r.json")
    page = tmp_path / "out.html"
    assert run("report", tmp_path / "r.json", "--html", page, "--open") == 0
    assert opened == [page.as_uri()]
    data = island(page.read_text("utf-8"))
    assert data["report"]["total"] == json.loads(json.dumps(agent.total.to_dict()))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("wrong", [["--open"], ["--html", "o.html", "--by", "model"]])
def test_wrong_usage_says_what_is_right(agent, tmp_path, wrong, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    agent.to_json(tmp_path / "r.json")
    assert run("report", "r.json", *wrong) == 2
    assert "--html" in capsys.readouterr().err
    assert not (tmp_path / "o.html").exists()


# How it is built


def test_the_lockfile_names_no_registry():
    lock = json.loads((ROOT / "web" / "package-lock.json").read_text("utf-8"))
    assert not [name for name, one in lock["packages"].items() if "resolved" in one]
    assert "https://registry" not in (ROOT / "web" / "package-lock.json").read_text("utf-8")
    assert "registry=" not in (ROOT / "web" / ".npmrc").read_text("utf-8").replace(
        "omit-lockfile-registry-resolved=", ""
    )


@needs_page
def test_the_page_is_that_of_these_sources():
    sys.path.insert(0, str(ROOT / "web"))
    try:
        import build as page
    finally:
        sys.path.remove(str(ROOT / "web"))
    assert page.is_built(), "run `make page`"
