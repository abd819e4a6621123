"""The report as data: what the published schemas say, at any depth."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator, ValidationError

from impactree import ImpactTracker, ModelCall, Report, estimate
from impactree.report import schema


def check(data, name="report"):
    found = schema(name)
    Draft202012Validator.check_schema(found)
    Draft202012Validator(found).validate(data)


def test_a_report_is_its_runs_parents_first_with_its_sums(agent):
    data = agent.to_dict()
    check(data)
    assert (data["calls"], data["input_tokens"], data["output_tokens"]) == (2, 2700, 200)
    assert (data["method"], data["zone"], data["catalog_version"]) == ("flat-1", None, "2026-11-24")
    # 200 tokens, 2 to 4 mgCO2eq each
    assert data["total"]["gwp"]["value"] == pytest.approx(
        {"min": 400e-6, "mean": 600e-6, "max": 800e-6}
    )
    assert data["by_model"][0]["model"] == "gpt-4o-2024-08-06"
    assert data["by_model"][0]["share"] == 1.0
    assert data["coverage"]["grades"] == {"exact": 2}

    names = [run["name"] for run in data["runs"]]
    assert names[:4] == ["research_agent", "model", "ChatOpenAI", "tools"]
    seen = set()
    for run in data["runs"]:
        assert run["parent_id"] is None or run["parent_id"] in seen
        assert run["root_id"] == data["runs"][0]["id"]
        seen.add(run["id"])
    chat = data["runs"][2]
    assert chat["call"]["input_tokens"] == 800
    assert chat["own"] == chat["total"]
    assert chat["latency_s"] == pytest.approx(0.9)
    assert data["runs"][0]["total"] == data["total"]
    assert data["runs"][0]["own"] is None


def test_json_reads_back_as_the_same_data(agent):
    assert json.loads(agent.to_json()) == agent.to_dict()
    assert "\n  " in agent.to_json(indent=2)


def test_every_shape_of_run_fits_the_schema(build):
    root = build.start(
        name="\ud800\x00", tags=["a"], metadata={"n": 1, "f": float("nan"), "o": {1}, "b": True}
    )
    build.chat(root, cached=True)
    build.chat(root, model="unknown-1", status="error")
    build.chat(root, out=None, input_tokens=None, tokens_source="unknown", kind="embedding")
    build.start(root, kind="tool")
    build.end(root, status="interrupted")
    build.tracker.start("orphan", "nobody knows", name="late", kind="retriever")
    build.tracker.end("orphan")
    build.tracker.note_problem("odd")
    data = json.loads(build.report().to_json())
    check(data)
    assert data["runs"][0]["metadata"] == {"n": 1, "b": True}  # as exporters have it
    assert data["runs"][1]["avoided"]["gwp"]["value"]["max"] == pytest.approx(400e-6)
    assert data["runs"][-1]["parent_id"] == "nobody knows"
    assert [run["status"] for run in data["runs"]][:5] == [
        "interrupted",
        "ok",
        "error",
        "ok",
        "abandoned",
    ]


def test_empty_running_and_bare_reports_fit_the_schema(build):
    check(build.report().to_dict())
    check(Report([]).to_dict())
    build.start()
    check(Report(build.tracker.open_roots).to_dict())


def test_impacts_of_the_real_engine_fit_their_schema():
    check(
        estimate(ModelCall(provider="openai", model="gpt-4o", output_tokens=9)).to_dict(), "impacts"
    )
    check(
        estimate(ModelCall(model="no such model", output_tokens=9), zone="FRA").to_dict(), "impacts"
    )
    tracker = ImpactTracker()
    tracker.record(ModelCall(provider="openai", model="gpt-4o", output_tokens=9))
    check(tracker.report().to_dict())


@pytest.mark.parametrize(
    ("place", "value"),
    [("total", None), ("calls", -1), ("by_model", {}), ("coverage", {"calls": 0}), ("new", 1)],
)
def test_the_schema_refuses_other_shapes(agent, place, value):
    with pytest.raises(ValidationError):
        check(agent.to_dict() | {place: value})


def test_the_schema_looks_into_the_impacts(agent):
    data = agent.to_dict()
    data["runs"][0]["total"]["gwp"]["unit"] = "g"
    with pytest.raises(ValidationError):
        check(data)


def test_a_tree_of_any_depth_is_written(build):
    opened = [build.start()]
    for _ in range(10_000):
        opened.append(build.start(opened[-1]))
    for run_id in reversed(opened):
        build.end(run_id)
    data = json.loads(build.report().to_json())
    assert len(data["runs"]) == 10_001


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:p@ss@host:8080/v1?api-key=s3cret#x", "https://host:8080/v1"),
        ("user:s3cret@host/v1", "host/v1"),
        ("https://host/@v1", "https://host/@v1"),
        ("http://localhost:4000", "http://localhost:4000"),
        (None, None),
    ],
)
def test_no_key_in_an_address_is_passed_on(build, url, shown):
    build.chat(base_url=url)
    assert build.report().to_dict()["runs"][0]["call"]["base_url"] == shown


def test_an_unknown_schema_is_told_the_known_ones():
    with pytest.raises(ValueError, match="no schema 'reports'; there are impacts, report"):
        schema("reports")
