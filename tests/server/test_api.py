"""The REST API: figures are those of ``estimate``, and of the command line; errors name a field."""

from __future__ import annotations

import asyncio
import gzip
import inspect
import json
import math
import socket

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_helpers import serving
from uvicorn.server import ServerState

from impactree import Impacts, ImpactTracker, ModelCall, Report, estimate
from impactree.calls import MEDIA_FIELDS
from impactree.calls.known_energy import ENERGY_FIELDS
from impactree.cli import main
from impactree.report import schema
from impactree.server.bodies import MediaCall, TextCall
from impactree.server.running import configuration
from impactree.server.settings import ServeSettings

CALL = {
    "model": "gpt-4o-mini",
    "provider": "openai",
    "input_tokens": 1200,
    "output_tokens": 400,
    "latency_s": 3.2,
}
JSON = {"content-type": "application/json"}


def as_json(value):
    return json.loads(json.dumps(value))


@pytest.fixture
def command(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit):
            main([*arguments, "--json"])
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def report():
    """Three calls of two users."""
    tracker = ImpactTracker()
    for model, user in (("gpt-4o", "ada"), ("gpt-4o-mini", "ada"), ("claude-haiku-4-5", "bob")):
        parent = f"{model}-run"
        tracker.start(parent, None, name=f"run of {model}", kind="chain", metadata={"user": user})
        provider = "anthropic" if "claude" in model else "openai"
        tracker.record(ModelCall(model=model, provider=provider, output_tokens=300), parent)
        tracker.end(parent)
    return tracker.report().to_dict()


@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
@pytest.mark.parametrize(
    "call",
    [
        CALL,
        {**CALL, "zone": "FRA", "cached_input_tokens": 1000},
        {**CALL, "zone": "FRE"},
        {"model": "nobody-knows-it", "output_tokens": 10},
        {**CALL, "energy_kwh": {"measured": 2e-4, "modelled": 1e-5}, "energy_boundary": "gpu"},
        {"model": "text-embedding-3-small", "kind": "embedding", "input_tokens": 900},
        {
            "model": "google/veo-3.1",
            "kind": "video",
            "resolution": "1280x720",
            "seconds": 8,
            "sound": False,
        },
        {"model": "gpt-image-1", "kind": "image", "count": 2, "resolution": "1024x1024"},
    ],
    ids=lambda call: "-".join(map(str, call.values()))[:60],
)
def test_figures_are_those_of_estimate(ask, call, method):
    found = ask.post("/v1/estimate", json={**call, "method": method}).json()
    ours = estimate(ModelCall(**call), method=method)
    assert found["impacts"] == as_json(ours.to_dict())
    assert found["method"] == method
    assert found["catalog_version"]


CALLS = st.fixed_dictionaries(
    {"model": st.sampled_from(["gpt-4o", "claude-haiku-4-5", "bge-m3", "llama3.1:8b", "nobody's"])},
    optional={
        "provider": st.sampled_from(["openai", "bedrock", "ollama", "nobody"]),
        "zone": st.sampled_from(["FRA", "US-VA", "WOR", "nowhere"]),
        "region": st.sampled_from(["eu-west-3", "us-east-1"]),
        "kind": st.sampled_from(["chat", "embedding", "rerank"]),
        "input_tokens": st.integers(0, 10**9),
        "cached_input_tokens": st.integers(0, 10**6),
        "output_tokens": st.integers(0, 10**6),
        "latency_s": st.floats(0, 1e4, allow_subnormal=False),
        "energy_kwh": st.floats(0, 10, allow_subnormal=False),
    },
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(CALLS, min_size=1, max_size=20),
    asked=st.fixed_dictionaries(
        {"method": st.sampled_from(["ecologits-0.11", "impactree-1"])},
        optional={
            "zone": st.sampled_from(["SWE", "WOR"]),
            "at": st.sampled_from(["2021-05-05", "2026-06-01"]),
            "include_training": st.booleans(),
            "unknown_models": st.just("error"),
        },
    ),
)
def test_figures_equal_estimate_to_the_last_digit(ask, calls, asked):
    found = ask.post("/v1/estimate", json={"calls": calls, **asked}).json()
    ours = [estimate(ModelCall(**call), **asked) for call in calls]
    assert [row["impacts"] for row in found["results"]] == as_json([one.to_dict() for one in ours])
    assert found["total"] == as_json(Impacts.sum(ours).to_dict())


def test_many_calls_sum_as_calls_never_as_tokens(ask):
    """Each request pays its own time to the first token: 27 % in GWP, 65 % in ADPe."""
    one = {"model": "claude-haiku-4-5", "provider": "anthropic", "output_tokens": 20}
    found = ask.post("/v1/estimate", json={"calls": [one] * 1000}).json()
    alone = estimate(ModelCall(**one))
    assert [row["impacts"] for row in found["results"]] == [as_json(alone.to_dict())] * 1000
    summed = estimate(ModelCall(**{**one, "output_tokens": 20_000}))
    for key, apart in (("gwp", 0.27), ("adpe", 0.65)):
        total = found["total"][key]["value"]["mean"]
        figure = getattr(alone, key).value.mean
        assert total == pytest.approx(math.fsum([figure] * 1000), rel=1e-12)
        assert 1 - getattr(summed, key).value.mean / total == pytest.approx(apart, abs=0.005)


def test_settings_hold_for_calls_that_name_nothing(ask):
    body = {"calls": [CALL, {**CALL, "zone": "SWE"}], "zone": "FRA"}
    found = ask.post("/v1/estimate", json=body).json()
    assert [row["zone"] for row in found["results"]] == ["FRA", "SWE"]
    first = estimate(ModelCall(**CALL), zone="FRA")
    assert found["results"][0]["impacts"] == as_json(first.to_dict())


def test_hardware_counts_by_the_method_that_plans_with_it(ask):
    deployment = {"accelerator": "H100", "count": 2, "batch_size": 32, "precision": "fp8"}
    body = {**CALL, "method": "impactree-1", "deployment": deployment}
    found = ask.post("/v1/estimate", json=body).json()
    ours = estimate(ModelCall(**CALL), method="impactree-1", deployment=deployment)
    assert found["impacts"] == as_json(ours.to_dict())
    refused = ask.post("/v1/estimate", json={**body, "method": "ecologits-0.11"})
    assert refused.status_code == 409
    assert "impactree-1" in refused.json()["detail"]


# The command line and the server call the same functions.


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (("gpt-4o", "--zone", "FRA", "--tokens", "10"), {"zone": "FRA", "output_tokens": 10}),
        (
            ("gpt-4o", "--provider", "azure", "--input", "9", "--cached", "3", "--latency", "2"),
            {"provider": "azure", "input_tokens": 9, "cached_input_tokens": 3, "latency_s": 2.0},
        ),
        (
            ("gpt-4o", "--method", "impactree-1", "--training", "--at", "2026-01-02"),
            {"method": "impactree-1", "include_training": True, "at": "2026-01-02"},
        ),
        (
            ("google/veo-3.1", "--kind", "video", "--resolution", "720p", "--seconds", "8"),
            {"kind": "video", "resolution": "720p", "seconds": 8},
        ),
    ],
)
def test_explain_is_the_commands(ask, command, arguments, body):
    found = ask.post("/v1/explain", json={"model": arguments[0], **body})
    assert found.json() == command("explain", *arguments)


WRITTEN = {"output_tokens": 1000}
"""What the commands take if nothing is said."""


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (("gpt-4o", "--zone", "FRA", "--tokens", "10"), {"zone": "FRA", "output_tokens": 10}),
        (("gpt-4o", "--zone", "FRE", "--tokens", "10"), {"zone": "FRE", "output_tokens": 10}),
        (("nobody-knows-it", "--region", "eu-west-3"), {"region": "eu-west-3", **WRITTEN}),
        (
            ("gpt-4o", "--provider", "azure", "--input", "9", "--cached", "3", "--latency", "2"),
            {"provider": "azure", "input_tokens": 9, "cached_input_tokens": 3, "latency_s": 2.0}
            | WRITTEN,
        ),
        (
            ("gpt-4o", "--training", "--at", "2026-01-02", "--energy-kwh", "1e-4"),
            {"include_training": True, "at": "2026-01-02", "energy_kwh": 1e-4, **WRITTEN},
        ),
        (
            ("gpt-4o", "--method", "impactree-1", "--deployment", "accelerator=H100,count=8"),
            {"method": "impactree-1", "deployment": {"accelerator": "H100", "count": 8}} | WRITTEN,
        ),
        (
            ("google/veo-3.1", "--kind", "video", "--resolution", "720p", "--seconds", "8"),
            {"kind": "video", "resolution": "720p", "seconds": 8},
        ),
        (
            ("bge-m3", "--kind", "embedding", "--input", "9"),
            {"kind": "embedding", "input_tokens": 9},
        ),
    ],
    ids=str,
)
def test_estimate_is_the_commands(ask, command, arguments, body):
    found = ask.post("/v1/estimate", json={"model": arguments[0], **body})
    assert found.status_code == 200
    assert found.json() == command("estimate", *arguments)


def test_comparisons_are_the_commands(ask, command, report, tmp_path):
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    alternatives = [
        {"name": "in Sweden", "zone": "SWE"},
        {"model": "gpt-4o"},
        {"model": "gpt-4o", "deployment": {"accelerator": "H100", "batch_size": 31.5}},
    ]
    body = {"report": report, "alternatives": alternatives, "method": "impactree-1"}
    found = ask.post("/v1/compare", json=body)
    options = ["in Sweden: zone=SWE", "model=gpt-4o"]
    options.append("model=gpt-4o, accelerator=H100,batch_size=31.5")
    given = [word for one in options for word in ("--with", one)]
    assert found.status_code == 200
    assert found.json() == command("compare", str(file), *given, "--method", "impactree-1")


def test_a_step_that_no_open_factor_gives_is_null(ask, command):
    body = {"model": "gpt-4o", "zone": "AFG", "method": "impactree-1"}
    found = ask.post("/v1/explain", json=body).json()
    assert found == command("explain", "gpt-4o", "--zone", "AFG", "--method", "impactree-1")
    (metals,) = [step for step in found["steps"] if step["symbol"] == "adpe_u"]
    assert (metals["min"], metals["mean"], metals["max"]) == (None, None, None)
    assert found["impacts"]["adpe"] is None


def test_resolve_is_the_commands(ask, command):
    asked = {"name": "us.anthropic.claude-haiku-4-5-20251001-v1:0", "provider": "bedrock"}
    found = ask.get("/v1/resolve", params=asked).json()
    assert found == command("resolve", asked["name"], "--provider", "bedrock")
    assert found["model"].startswith("claude-haiku-4-5")


@pytest.mark.parametrize(
    ("name", "arguments", "query"),
    [
        ("models", ("haiku", "--maker", "anthropic"), {"search": "haiku", "maker": "anthropic"}),
        ("models", ("--kind", "rerank"), {"kind": "rerank"}),
        ("zones", ("france",), {"search": "france"}),
        ("regions", ("paris",), {"search": "paris"}),
        ("providers", ("openai",), {"search": "openai"}),
        ("methods", (), {}),
    ],
)
def test_lists_are_the_commands(ask, command, name, arguments, query):
    found = ask.get(f"/v1/{name}", params=query).json()
    assert found[name] == command(name, *arguments) != []


def test_figures_of_one_s_own_stand_in_place_of_the_catalog_s(ask):
    body = {"model": "gpt-4o", "provider": "openai", "output_tokens": 400}
    plain = ask.post("/v1/estimate", json=body).json()["impacts"]
    own = {"pue": [2.4, 2.4]}  # the catalog's is 1.2
    found = ask.post("/v1/estimate", json={**body, "own": own}).json()["impacts"]
    mean = plain["energy"]["value"]["mean"]
    assert found["energy"]["value"]["mean"] == pytest.approx(2 * mean, rel=1e-12)
    told = ask.post("/v1/explain", json={**body, "own": own}).json()
    assert told["impacts"] == found
    (pue,) = [row for row in told["hypotheses"] if row["name"] == "PUE"]
    assert (pue["value"], pue["sources"]) == ("2.4", [])
    wrong = {"pue": [0.5, 2]}, {"pue": [2, 1]}, {"gwp": "much"}, {"wind": 1}
    for own, field in zip(wrong, ("own.pue.0", "own.pue", "own.gwp", "own.wind"), strict=True):
        refused = ask.post("/v1/estimate", json={**body, "own": own})
        assert refused.status_code == (409 if field == "own.pue" else 422)
        assert refused.json()["errors"][0]["field"] == field
    above = ask.post("/v1/estimate", json={**body, "own": {"active": [900, 900]}})
    assert above.status_code == 409
    assert "own.active" in above.json()["detail"]


def test_a_text_is_counted_and_neither_kept_nor_logged(ask, caplog, capfd):
    text = "tiktoken is great!"  # t|ikt|oken| is| great|!, as OpenAI's cookbook splits it
    with caplog.at_level("DEBUG"):
        found = ask.post("/v1/tokens", json={"text": text}).json()
    assert found == {"tokens": 6, "by": "cl100k_base"}
    assert text not in caplog.text + "".join(capfd.readouterr())
    assert ask.post("/v1/tokens", json={"text": ""}).json()["tokens"] == 0
    assert ask.post("/v1/tokens", json={"text": "x" * 1_000_001}).status_code == 422


def test_reports_are_the_commands(ask, command, report, tmp_path):
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    plain = ask.post("/v1/report", json={"report": report, "runs": True}).json()
    assert plain == {"report": command("report", str(file))}
    for by in (["user"], ["user", "model"]):
        asked = ask.post("/v1/report", json={"report": report, "by": by, "top": 1}).json()
        assert asked["groups"] == command("report", str(file), "--by", ",".join(by), "--top", "1")
    only = {"report": report, "run": "run of gpt-4o", "runs": True}
    shown = command("report", str(file), "--run", "run of gpt-4o")
    assert ask.post("/v1/report", json=only).json()["report"] == shown
    change = ask.post("/v1/report", json={"report": report, "diff": report}).json()["diff"]
    assert change == command("report", str(file), "--diff", str(file))
    both = ask.post("/v1/report", json={"report": report, "diff": report, "by": ["user"]}).json()
    assert both["diff"] == command("report", str(file), "--diff", str(file), "--by", "user")


def test_advice_is_the_commands(ask, command, report, tmp_path):
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report))
    found = ask.post("/v1/report", json={"report": report, "advice": True}).json()
    assert found["advice"] == command("advise", str(file))


def test_what_if_and_comparisons_are_the_reports(ask, report):
    read = Report.from_json(json.dumps(report))
    asked = {"report": report, "what_if": {"zone": "SWE"}, "runs": True}
    found = ask.post("/v1/report", json=asked).json()
    assert found["what_if"]["total"] == as_json(read.what_if(zone="SWE").to_dict()["total"])
    alternatives = [{"name": "in Sweden", "zone": "SWE"}, {"model": "gpt-4o"}]
    compared = ask.post("/v1/compare", json={"report": report, "alternatives": alternatives})
    ours = read.compare({"in Sweden": {"zone": "SWE"}, "model gpt-4o": {"model": "gpt-4o"}})
    assert compared.json() == as_json(ours.to_dict())


def test_calls_are_compared_as_a_report_of_them_is(ask):
    alternatives = [{"model": "gpt-4o"}, {"zone": "SWE"}]
    body = {"calls": [CALL], "alternatives": alternatives, "method": "impactree-1"}
    found = ask.post("/v1/compare", json=body).json()
    rows = {row["name"]: row for row in found["rows"]}
    assert rows.keys() == {"as it is", "model gpt-4o", "zone SWE"}
    base = estimate(ModelCall(**CALL), method="impactree-1")
    assert rows["as it is"]["total"] == as_json(base.to_dict())
    # A greener grid is certain to be less: all that is unknown is shared.
    assert rows["zone SWE"]["change_gwp_kgco2eq"]["max"] < 0


def test_schemas_are_published(ask):
    assert ask.get("/v1/schemas/report").json() == schema("report")


# What is wrong is named.


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        (b"{", 422, "body"),
        (b"", 422, "body"),
        (b"null", 422, "body"),
        (b"[" * 100_000, 400, "body"),
        (b'{"model": "gpt-4o", "usage_notes":' + b"[" * 100_000, 400, "body"),
        ('{"model": "é"}'.encode("latin-1"), 400, "body"),
        (json.dumps(CALL).encode("utf-16"), 400, "body"),
        (json.dumps(CALL).encode("utf-16-le"), 400, "body"),
        (json.dumps(CALL).encode("utf-32-be"), 400, "body"),
        (json.dumps(CALL).encode("utf-8-sig"), 400, "body"),
        (b'{"model": "x", "output_tokens": 1, "output_tokens": 2}', 422, "output_tokens"),
        (b'{"calls": [{"model": "x", "zone": "FRA", "zone": "SWE"}]}', 422, "zone"),
        (b'{"model": "x", "\\ud800": 1}', 422, "body"),
        (b'{"model": "x"} {"model": "y"}', 422, "body"),
        (b"\xff\xfe\x00", 400, "body"),
        (b'{"model": "x", "output_tokens": ' + b"9" * 5000 + b"}", 400, "body"),
        (b'{"model": "x", "latency_s": NaN}', 422, "latency_s"),
        (b'{"model": "x", "latency_s": Infinity}', 422, "latency_s"),
        (b'{"calls": [{"model": "x"}, {"model": "x", "output_tokens": NaN}]}', 422, "calls.1.out"),
        (b'{"model": "x", "output_tokens": "12"}', 422, "output_tokens"),
        (b'{"model": "x", "output_tokens": true}', 422, "output_tokens"),
        (b'{"model": "x", "output_tokens": 1.5}', 422, "output_tokens"),
        (b'{"model": "x", "output_tokens": -1}', 422, "output_tokens"),
        (b'{"model": "x", "output_tokens": 9007199254740993}', 422, "output_tokens"),
        (b'{"model": "\\ud800"}', 422, "model"),
        (b'{"provider": "openai"}', 422, "model"),
        (b'{"model": "x", "otput_tokens": 3}', 422, "otput_tokens"),
        (b'{"model": "x", "seconds": 3}', 422, "seconds"),
        (b'{"model": "x", "kind": "video", "resolution": "0x9"}', 422, "resolution"),
        (b'{"model": "x", "at": "2026-02-30"}', 422, "at"),
        (b'{"model": "x", "energy_kwh": {}}', 422, "energy_kwh"),
        (b'{"model": "x", "energy_kwh": 1, "energy_notes": ["nonsense"]}', 422, "energy_notes.0"),
        (b'{"model": "x", "method": "ecologits"}', 422, "method"),
        (b'{"calls": [], "zone": "FRE"}', 422, "calls"),
        (b'{"calls": [{"model": "x"}], "zone": "FRE"}', 422, "zone"),
        (b'{"calls": {"model": "x"}}', 422, "calls"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_body_is_refused_by_its_field(ask, content, status, field):
    found = ask.post("/v1/estimate", content=content, headers=JSON)
    said = found.json()
    assert found.status_code == said["status"] == status
    assert found.headers["content-type"] == "application/problem+json"
    assert said["errors"][0]["field"].startswith(field)
    assert said["detail"]
    assert said["title"]


PLAIN = json.dumps(CALL).encode()


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"content-type": "text/plain"}, "Content-Type"),
        ({"content-type": "application/x-www-form-urlencoded"}, "Content-Type"),
        ({"content-type": "application/xml"}, "Content-Type"),
        ({"content-type": "application/json; charset=latin-1"}, "Content-Type"),
        ([("content-type", "application/json"), ("content-type", "text/plain")], "Content-Type"),
        ({}, "Content-Type"),
        ({**JSON, "content-encoding": "gzip"}, "Content-Encoding"),
    ],
    ids=str,
)
def test_no_route_takes_but_plain_json(ask, headers, field):
    paths = ask.get("/openapi.json").json()["paths"]
    taking = [path for path, methods in paths.items() if "post" in methods]
    assert len(taking) >= 10
    body = gzip.compress(b" " * 10**7) if field == "Content-Encoding" else PLAIN
    for path in taking:
        found = ask.post(path, content=body, headers=headers)
        assert found.status_code == 415, path
        assert field in json.dumps(found.json().get("errors") or found.json()["detail"])


def test_utf8_may_be_said(ask):
    for kind in ("application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'):
        assert ask.post("/v1/estimate", content=PLAIN, headers={"content-type": kind}).is_success


def test_the_nearest_name_is_said(ask):
    said = ask.post("/v1/estimate", json={"model": "x", "otput_tokens": 3}).json()
    assert "output_tokens" in said["errors"][0]["message"]
    said = ask.post("/v1/explain", json={"model": "gpt-4o", "zone": "FRE"}).json()
    assert "FRA" in said["errors"][0]["message"]
    said = ask.get("/v1/models", params={"kind": "chatt"}).json()
    assert "chat" in said["errors"][0]["message"]
    assert ask.get("/v1/models", params={"serach": "x"}).json()["errors"][0]["field"] == "serach"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"report": {"runs": []}}, "report"),
        ({"merge": [{}]}, "merge.0"),
        ({"diff": {}}, "diff"),
        ({"by": ["nonsense"]}, "by"),
        ({"run": "no such run"}, "report"),
        ({"what_if": {"model": "x", "provider": "no-such-host"}}, "what_if"),
    ],
)
def test_what_contradicts_itself_is_refused_by_its_field(ask, report, body, field):
    found = ask.post("/v1/report", json={"report": report, **body})
    assert found.status_code == 409
    assert found.json()["errors"][0]["field"] == field


def test_a_broken_report_says_where(ask, report):
    report["runs"][1]["own"]["usage"]["gwp"]["value"]["min"] = "much"
    said = ask.post("/v1/report", json={"report": report}).json()
    assert "runs[1].own.gwp" in said["detail"]


def test_a_count_that_contradicts_another_is_named(ask):
    found = ask.post("/v1/estimate", json={"calls": [CALL, {**CALL, "repeated": 1300}]})
    assert found.status_code == 409
    assert found.json()["errors"][0]["field"] == "calls.1.repeated"


HARDWARE = {"deployment": {"accelerator": "H100"}}
USE = {"who": "", "model": "gpt-4o"}


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        # Hardware has no effect by ecologits-0.11, which plans with none.
        ("estimate", {**CALL, **HARDWARE}, 409, "deployment"),
        ("estimate", {"calls": [CALL], **HARDWARE}, 409, "deployment"),
        ("explain", {**CALL, **HARDWARE}, 409, "deployment"),
        ("organisation", {"uses": [USE], **HARDWARE}, 409, "deployment"),
        ("compare", {"calls": [CALL], "alternatives": [{"zone": "SWE"}], **HARDWARE}, 409, "depl"),
        ("compare", {"calls": [CALL], "alternatives": [{"zone": "SWE"}, HARDWARE]}, 409, "alt.1"),
        ("compare", {"calls": [CALL], "alternatives": [{"provider": "opnai"}]}, 409, "alt.0"),
        ("compare", {"calls": [CALL], "alternatives": [{"name": "x"}]}, 409, "alt.0"),
        ("compare", {"calls": [CALL], "alternatives": [{"zone": "SWE"}] * 2}, 409, "alt.1"),
        ("compare", {"calls": [CALL], "alternatives": [], "at": "2026-01-02"}, 422, "at"),
        ("compare", {"calls": [{**CALL, "repeated": 1300}], "alternatives": [HARDWARE]}, 409, "ca"),
        ("estimate", {**CALL, "energy_alone": False}, 409, "energy_alone"),
        ("explain", {**CALL, "own": {"total": [5, 1]}}, 409, "own.total"),
        ("explain", {**CALL, "own": {"active": [50, 90], "total": [1, 2]}}, 409, "own.active"),
        ("explain", {**CALL, "own": {"active": [5e-324, 1]}}, 422, "own.active.0"),
        ("estimate", {**CALL, "calls": [CALL]}, 422, "model"),
        ("organisation/read", {"csv": "model\n" + "x" * 200_000}, 409, "csv"),
        ("organisation/read", {"csv": 'model\n"gpt-4o'}, 409, "csv"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_named_everywhere(ask, path, body, status, field):
    found = ask.post(f"/v1/{path}", json=body)
    assert found.status_code == status
    named = [one["field"].replace("alternatives", "alt") for one in found.json()["errors"]]
    assert any(one.startswith(field) for one in named)


def test_every_argument_of_a_call_can_be_sent():
    given = {*inspect.signature(ModelCall).parameters} - {"tokens", "more"}
    given |= {*ENERGY_FIELDS} - {"energy"}
    assert {*MediaCall.model_fields} == given | {*MEDIA_FIELDS}
    assert {*TextCall.model_fields} == given


def test_too_many_calls_are_refused(ask):
    found = ask.post("/v1/estimate", json={"calls": [{"model": "x"}] * 10_001})
    assert found.status_code == 422
    assert found.json()["errors"][0]["field"] == "calls"


def test_unknown_addresses_and_ways_are_refused_alike(ask):
    for found, status, field, said in (
        (ask.get("/v1/modles"), 404, "path", "/v1/models"),
        (ask.get("/v1/models/"), 404, "path", "/v1/models"),
        (ask.put("/v1/estimate"), 405, "method", "takes POST, not PUT"),
        (ask.options("/v1/models"), 405, "method", "takes GET, not OPTIONS"),
    ):
        assert found.status_code == status
        assert found.headers["content-type"] == "application/problem+json"
        (error,) = found.json()["errors"]
        assert error["field"] == field
        assert said in error["message"]
    assert ask.put("/v1/estimate").headers["allow"] == "POST"


def test_what_can_be_got_has_a_head(ask):
    for path in ("/health", "/v1/methods", "/"):
        got, head = ask.get(path), ask.head(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == got.headers["content-length"]
    assert ask.head("/v1/estimate").status_code == 405
    assert 'method="HEAD",route="/v1/methods"' in ask.get("/metrics").text


def test_large_and_slow_bodies_are_refused():
    with serving(ServeSettings(max_body=1000, body_s=0.3)) as address:
        said = httpx.post(f"{address}/v1/estimate", json={"model": "x" * 2000})
        assert said.status_code == 413
        assert said.json()["errors"][0]["field"] == "body"

        def pieces():
            for _ in range(20):
                yield b" " * 100

        streamed = httpx.post(f"{address}/v1/estimate", content=pieces(), headers=JSON)
        assert streamed.status_code == 413
        slow = {**JSON, "content-length": "100"}
        with httpx.Client() as client:
            host, port = address.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port)), timeout=10) as raw:
                head = f"POST /v1/estimate HTTP/1.1\r\nHost: {host}:{port}\r\n"
                head += "".join(f"{k}: {v}\r\n" for k, v in slow.items())
                raw.sendall(f"{head}\r\n{{".encode())
                assert raw.recv(100).startswith(b"HTTP/1.1 408")
            assert client.get(f"{address}/health").status_code == 200


async def test_an_answer_s_body_does_not_wait_until_its_header_has_arrived():
    """Nagle's algorithm would hold it back for 40 ms, in each answer on a connection kept."""
    config = configuration(ServeSettings())
    config.load()
    made = []

    def protocol():
        made.append(config.http_protocol_class(config, ServerState(), {}))
        return made[0]

    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0))
    async with await loop.create_server(protocol, sock=listening):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        server_side = made[0].transport.get_extra_info("socket")
        assert server_side.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        writer.close()
        await writer.wait_closed()
        made[0].transport.close()


def test_whoever_says_nothing_is_left(monkeypatch):
    """Neither a connection without a request nor half a header, also after an answer, holds one."""
    monkeypatch.setattr("impactree.server.running._HEADER_S", 0.3)
    with serving(ServeSettings()) as address:
        host, port = address.removeprefix("http://").split(":")
        whole = f"GET /health HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
        for said in (b"", whole[:20], whole + whole[:20]):
            with socket.create_connection((host, int(port)), timeout=20) as raw:
                raw.sendall(said)
                answered = b"".join(iter(lambda: raw.recv(4096), b""))
            assert answered.startswith(b"HTTP/1.1 200") == (len(said) > len(whole))
        assert httpx.get(f"{address}/health").status_code == 200
