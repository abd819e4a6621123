"""The same calls by another model, elsewhere, on other hardware; and alternatives compared."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from impactree import ImpactHandler, ModelCall, Report, estimate
from impactree.advice import Pair, difference
from impactree.engine import Engine
from impactree.exceptions import ConfigurationError
from impactree.report import schema

METHODS = ("ecologits-0.11", "impactree-1")
BEDROCK = {"provider": "aws-bedrock", "region": "us-east-1", "latency_s": 1.5}
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"


def two_agents(bench, **how):
    """A writer on OpenAI's gpt-4o, a reader on Bedrock's Claude."""
    made = bench(**how)
    root = made.start(name="team", kind="graph")
    writer = made.start(root, "writer", labels={"agent": "writer", "step": "1 write"})
    openai = {"provider": "openai", "requested": "gpt-4o", "latency_s": 3.5}
    made.chat(writer, "gpt-4o-2024-08-06", 5000, 300, **openai)
    made.end(writer)
    reader = made.start(root, "reader", labels={"agent": "reader", "step": "2 read"})
    made.chat(reader, HAIKU, 800, 120, **BEDROCK)
    made.chat(reader, HAIKU, 900, 0, status="error", **BEDROCK)
    made.end(reader)
    made.end(root)
    return made.report()


OWN = [
    {"model": {"gpt-4o": "gpt-4o", HAIKU: "claude-haiku-4-5"}},
    {"model": {"gpt-4o-2024-08-06": "gpt-4o-2024-08-06"}},
    {"provider": {"writer": "openai", "reader": "bedrock"}},
    {"region": "us-east-1"},
    {"method": None, "region": "us-east-1", "model": {"reader": HAIKU}},
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("own", OWN, ids=str)
def test_with_its_own_model_and_place_a_run_equals_itself(bench, method, own):
    report = two_agents(bench, method=method)
    zones = report.by("agent", "zone")
    same = report.what_if(**own)
    placed = report.what_if(zone={agent: zone for agent, zone in zones if agent})
    again = Report.from_json(report.to_json()).what_if(**own)
    for other in (same, placed, again):
        assert other.method == method
        for mine, its in zip(report.runs[0].walk(), other.runs[0].walk(), strict=True):
            assert mine.own == its.own  # every figure to the last digit, and every warning
            assert mine.total == its.total
        assert other.total.to_dict() == report.total.to_dict()


def test_a_real_run_with_its_own_model_and_place_equals_itself(scripted):
    from langchain_openai import ChatOpenAI

    handler = ImpactHandler()
    with scripted.ScriptedOpenAI(lambda *_: scripted.Turn("Yes."), first_token_s=0):
        ChatOpenAI(model="gpt-4o").invoke("Is it?", config={"callbacks": [handler]})
        ChatOpenAI(model="gpt-4o-mini").invoke("Is it?", config={"callbacks": [handler]})
    report = handler.report()
    models = dict.fromkeys(("gpt-4o", "gpt-4o-mini"))
    same = report.what_if(model={name: name for name in models}, zone="USA", provider="openai")
    assert same.total.to_dict() == report.total.to_dict()
    assert report.what_if(model="gpt-4o-mini").total != report.total


def test_another_zone_multiplies_by_its_factor(bench):
    report = two_agents(bench)
    there = report.what_if(zone="FRA")
    world = {zone: Engine().catalog.zone(zone).mix for zone in ("USA", "FRA")}
    usage, then = report.total.usage.gwp.value, there.total.usage.gwp.value
    assert then.mean == pytest.approx(usage.mean * world["FRA"].gwp / world["USA"].gwp)
    assert there.total.energy == report.total.energy
    assert there.total.embodied == report.total.embodied
    assert there.assumed == "zone FRA"
    assert "WHAT IF zone FRA: method ecologits-0.11" in str(there)


@pytest.mark.parametrize("method", METHODS)
def test_another_model_is_estimated_as_if_it_had_answered(bench, method):
    report = two_agents(bench, method=method)
    other = report.what_if(model={"writer": "gpt-4o-mini"})
    asked = ModelCall(provider="openai", model="gpt-4o-mini", input_tokens=5000, output_tokens=300)
    expected = estimate(asked, method=method)
    (writer,) = other.filter(agent="writer").find(kind="chat")
    assert writer.own.energy == expected.energy
    assert writer.call.latency_s is None  # it was gpt-4o's
    reader = "reader"
    assert other.by("agent")[reader].total == report.by("agent")[reader].total


def test_a_model_that_the_host_does_not_run_runs_at_its_maker(bench):
    other = two_agents(bench).what_if(model={"writer": "claude-haiku-4-5"})
    assert {"anthropic", "aws-bedrock"} == set(other.by("host"))
    kept = two_agents(bench).what_if(model={"reader": "claude-sonnet-4-5"})
    assert kept.by("host")["aws-bedrock"].calls == 2


def test_a_region_brings_its_electricity_and_its_data_centre(bench):
    report = two_agents(bench, method="impactree-1")
    paris = report.what_if(region="eu-west-3")
    asked = ModelCall(model=HAIKU, input_tokens=800, output_tokens=120, **BEDROCK)
    engine = Engine(method="impactree-1", region="eu-west-3")
    expected = engine.estimate(ModelCall(**{**asked.to_dict(), "region": "eu-west-3"}))
    found = paris.filter(agent="reader").find(status="ok", kind="chat")[0].own
    assert found.gwp == expected.gwp
    assert paris.by("agent")["writer"].total == report.by("agent")["writer"].total


def test_the_method_is_kept_unless_one_is_given(bench):
    report = two_agents(bench)
    assert report.what_if(zone="FRA").method == "ecologits-0.11"
    assert report.compare(["gpt-4o-mini"]).method == "ecologits-0.11"
    other = report.what_if(zone="FRA", method="impactree-1")
    assert other.method == other.total.method == "impactree-1"
    compared = report.compare(["gpt-4o-mini"], method="impactree-1")
    # The baseline is estimated anew, by the same method.
    assert compared["as it is"].total == report.what_if(method="impactree-1").total
    assert {row.total.method for row in compared.rows} == {"impactree-1"}


def test_other_hardware(bench):
    report = two_agents(bench, method="impactree-1")
    served = {"accelerator": "H100", "count": 8, "batch_size": 32}
    other = report.what_if(deployment={"openai": served})
    calls = other.filter(agent="writer").find(kind="chat")
    asked = calls[0].call
    assert calls[0].own == estimate(asked, method="impactree-1", deployment=served)
    with pytest.raises(ConfigurationError, match=r"no effect by ecologits-0\.11; .* impactree-1"):
        two_agents(bench).what_if(deployment=served)
    with pytest.raises(ConfigurationError, match="unknown accelerator 'H1000'; nearest"):
        report.what_if(deployment={"accelerator": "H1000"})


def test_embeddings_are_not_answered_by_a_chat_model(bench):
    made = bench(method="impactree-1")
    openai = {"provider": "openai"}
    made.chat(None, "gpt-4o", 100, 10, **openai)
    made.chat(None, "text-embedding-3-large", 100, None, kind="embedding", **openai)
    report = made.report()
    other = report.what_if(model="gpt-4o-mini")
    assert {*other.by("model")} == {"gpt-4o-mini", "text-embedding-3-large"}
    assert {*report.what_if(model="text-embedding-3-small").by("model")} == {
        *("gpt-4o", "text-embedding-3-small")
    }
    with pytest.raises(ValueError, match="no call is of its kind; the calls are of kind chat, emb"):
        report.what_if(model="rerank-v3.5")


def test_cached_calls_stay_zero(bench):
    made = bench()
    run = made.start(None, "ChatModel", "chat")
    call = ModelCall(provider="openai", model="gpt-4o", input_tokens=9, output_tokens=9)
    made.tracker.end(run, call=call, cached=True)
    other = made.report().what_if(zone="POL")
    assert other.total.gwp.value.mean == 0
    assert other.avoided.gwp.value.mean > made.report().avoided.gwp.value.mean


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "at least one of them"),
        ({"model": "gtp-4o-nano"}, "unknown model 'gtp-4o-nano'; nearest: gpt-4"),
        ({"zone": "FRE"}, "unknown zone 'FRE'; nearest: "),
        ({"region": "eu-west-33"}, "unknown region 'eu-west-33'; nearest: eu-west-3"),
        ({"provider": "opnai"}, "unknown provider 'opnai'; nearest: openai"),
        ({"region": "westeurope"}, "no call is at a cloud that has it; .* openai"),
        ({"model": {"critic": "gpt-4o"}}, "unknown model, step or agent 'critic'; nearest: writer"),
        ({"provider": "openai"}, f"openai does not run {HAIKU}: give model= as well"),
        ({"model": 7}, "model takes a name, or one per model, step or agent, not 7"),
        ({"zone": {"writer": ""}}, "zone takes a name"),
        ({"zone": ["FRA"]}, "zone takes a name"),
    ],
)
def test_a_wrong_question_is_answered_with_the_nearest(bench, asked, message):
    with pytest.raises(ValueError, match=message):
        two_agents(bench).what_if(**asked)


def test_an_unknown_method_is_named(bench):
    with pytest.raises(ConfigurationError, match="unknown method 'magic'"):
        two_agents(bench).what_if(method="magic")


def test_what_would_be_is_never_taken_for_what_was(bench):
    report = two_agents(bench)
    other = report.what_if(model={"gpt-4o": "gpt-4o-mini"}, zone="FRA")
    data = json.loads(other.to_json())
    Draft202012Validator(schema("report")).validate(data)
    assert data["what_if"] == "model gpt-4o-mini for gpt-4o, zone FRA"
    back = Report.from_json(other.to_json())
    assert back.assumed == data["what_if"]
    assert back.filter(agent="writer").assumed == data["what_if"]
    assert report.to_dict()["what_if"] is None
    assert {run.call.model for run in report.find(kind="chat")} == {"gpt-4o-2024-08-06", HAIKU}


# Compared


def test_shared_unknowns_cancel(bench):
    """Ranges of one model in two places overlap; which is lower is certain all the same."""
    report = two_agents(bench, method="impactree-1")
    compared = report.compare([{"zone": "FRA"}, {"zone": "DEU"}])
    (low, high) = (compared[name].total.gwp.value for name in ("zone FRA", "zone DEU"))
    assert low.max > high.min
    found = compared.difference("zone FRA", "zone DEU")
    assert found.verdict == "higher"
    # Low end with low end, high with high: the same batch, software and size.
    assert (found.min, found.mean, found.max) == pytest.approx(
        (high.min - low.min, high.mean - low.mean, high.max - low.max)
    )
    assert compared.alike == ()


def test_models_of_unknown_size_are_told_apart_only_where_sizes_allow(bench):
    """The ratio at three batches, by hand from estimates with the batch given."""
    made = bench(method="impactree-1")
    call = ModelCall(provider="openai", model="gpt-4o", input_tokens=3000, output_tokens=200)
    made.chat(None, "gpt-4o", 3000, 200, provider="openai")
    compared = made.report().compare(["gpt-4o-mini", "gpt-4.1"])
    for name in ("gpt-4o-mini", "gpt-4.1"):
        other = ModelCall(**{**call.to_dict(), "model": name})
        ends = []
        for batch in (8, 45.25, 256):
            how = {"method": "impactree-1", "deployment": {"batch_size": batch}}
            now, then = (estimate(one, **how).gwp.value for one in (call, other))
            middle = math.sqrt(then.min * then.max / (now.min * now.max))
            half = math.hypot(math.log(now.max / now.min), math.log(then.max / then.min)) / 2
            ratios = middle * math.exp(-half), middle * math.exp(half)
            ends += [cost * (ratio - 1) for cost in (now.min, now.max) for ratio in ratios]
        row = compared[f"model {name}"]
        before, after = (estimate(one, method="impactree-1").gwp.value for one in (call, other))
        assert row.change.mean == pytest.approx(after.mean - before.mean)
        # No wider than from end to end: nothing saves more than it costs.
        least, most = after.min - before.max, after.max - before.min
        assert row.change.min == pytest.approx(max(min(*ends, row.change.mean), least))
        assert row.change.max == pytest.approx(min(max(*ends, row.change.mean), most))
        assert -row.change.min <= before.max
    assert compared["model gpt-4o-mini"].change.verdict == "lower"
    assert compared["model gpt-4.1"].change.verdict == "cannot be told apart"
    assert ("model gpt-4.1", "as it is") in compared.alike
    assert "Cannot be told apart: 2 and 3." in str(compared)


def test_bounds_must_not_overlap(bench):
    """The published method's ranges are bounds, not intervals: no squares."""
    report = two_agents(bench)
    compared = report.compare([{"model": {"gpt-4o": "gpt-4.1"}}])
    assert compared.rows[0].change.verdict == "cannot be told apart"
    assert report.compare([{"model": {"gpt-4o": "gpt-4o-mini"}}]).rows[0].change.verdict == "lower"


def test_a_latency_of_one_side_decides_nothing(bench):
    """Azure's is not measured: that the time is estimated there makes it no worse."""
    made = bench()
    made.chat(None, "gpt-4o", 500, 300, provider="openai", latency_s=0.1)
    compared = made.report().compare([{"provider": "azure"}])
    azure = compared["provider azure"]
    assert azure.change.mean > 0
    assert azure.change.verdict == "cannot be told apart"


MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "claude-haiku-4-5", "mistral-large-2407")
CALLS = st.builds(
    ModelCall,
    model=st.sampled_from(MODELS),
    zone=st.sampled_from(("FRA", "USA", "POL", "WOR")),
    input_tokens=st.integers(1, 100_000),
    output_tokens=st.integers(0, 5000),
)
ENGINES = {name: Engine(method=name) for name in METHODS}


@given(CALLS, CALLS, st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_a_verdict_is_the_same_from_either_side(one, other, method):
    from impactree.runs import Run

    run, engine = Run("r", "r", "chat"), ENGINES[method]
    there = difference([Pair(run, one, other)], engine)
    back = difference([Pair(run, other, one)], engine)
    turned = {"lower": "higher", "higher": "lower"}
    assert turned.get(there.verdict, there.verdict) == back.verdict
    assert there.min <= there.mean <= there.max
    assert there.mean == pytest.approx(-back.mean)
    assert difference([Pair(run, one, one)], engine).verdict == "the same"


def test_named_alternatives_in_every_form(bench):
    report = two_agents(bench)
    compared = report.compare(
        {"small": {"model": {"writer": "gpt-4o-mini"}}, "paris": {"zone": "FRA"}}
    )
    assert [row.name for row in compared.rows][-1] == "as it is"
    for text in (str(compared), compared.to_markdown(), compared._repr_html_()):
        assert "small" in text
        assert "paris" in text
        assert "lower" in text
    data = json.loads(json.dumps(compared.to_dict()))
    small = next(row for row in data["rows"] if row["name"] == "small")
    assert small["change_gwp_kgco2eq"]["verdict"] == "lower"
    assert -1 < small["relative_change"] < 0
    for width in (60, 80, 120):
        assert all(len(line) <= width for line in compared.to_text(width).splitlines())
    rows = {row.name: row for row in compared.rows}
    assert compared["small"] is rows["small"]
    with pytest.raises(KeyError, match="no row 'big'; there are as it is, small, paris"):
        compared["big"]


def test_what_cannot_be_estimated_is_not_compared(bench):
    made = bench()
    made.chat(None, "gpt-4o", 10, 10, provider="openai")
    made.chat(None, "text-embedding-3-large", 10, None, kind="embedding", provider="openai")
    compared = made.report().compare([{"model": "text-embedding-3-small"}, {"zone": "FRA"}])
    assert compared["model text-embedding-3-small"].change.verdict == "the same"
    assert compared["zone FRA"].change.verdict == "lower"
    none = bench()
    none.chat(None, "gpt-4o", 10, None, provider="openai")
    only = none.report().compare([{"zone": "FRA"}])
    assert only["zone FRA"].change.verdict == "the same"
    assert "not estimated" in str(only)


def test_a_report_of_other_settings_says_what_is_compared(bench):
    report = two_agents(bench, provider_zones={"openai": "POL"})
    read = Report.from_json(report.to_json())
    (note,) = read.compare(["gpt-4o-mini"]).notes
    assert "by the present catalog and settings the same calls are" in note
    assert report.compare(["gpt-4o-mini"]).notes == ()


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ([], ValueError, "1 to 50 alternatives, not 0"),
        ([7], TypeError, "not 7"),
        ([{"zone": "FRA", "method": "impactree-1"}], ValueError, "one method for all"),
        ([{"color": "red"}], ValueError, "not color"),
        ([{"zone": "FRA"}, {"zone": "FRA"}], ValueError, "have the same name"),
        ("gpt-4o-mini", TypeError, "a list"),
    ],
)
def test_a_wrong_comparison_is_refused(bench, asked, error, message):
    with pytest.raises(error, match=message):
        two_agents(bench).compare(asked)


OF_ALL_KINDS = [
    {"model": "gpt-4o", "provider": "openai", "input_tokens": 5000, "output_tokens": 300},
    {
        "model": "claude-sonnet-4-5",
        "provider": "anthropic",
        "input_tokens": 9000,
        "cached_input_tokens": 7000,
        "cache_write_tokens": 1000,
        "output_tokens": 700,
        "reasoning_tokens": 400,
        "latency_s": 2.5,
        "requested": "claude-sonnet-latest",
    },
    {"model": HAIKU, "input_tokens": 800, "output_tokens": 120, **BEDROCK},
    {"model": HAIKU, "input_tokens": 80, "output_tokens": 12, **BEDROCK, "zone": "FRA"},
    {"model": "gpt-4o-mini", "provider": "azure", "region": "francecentral", "output_tokens": 9},
    {
        "model": "text-embedding-3-large",
        "provider": "openai",
        "kind": "embedding",
        "input_tokens": 900,
        "output_tokens": 0,
        "repeated": 450,
    },
    {"model": "rerank-v3.5", "provider": "cohere", "kind": "rerank", "input_tokens": 900},
    {"model": "gpt-image-1", "provider": "openai", "kind": "image", "resolution": "1024x1024"},
    {"model": "veo-3.0-generate-001", "kind": "video", "seconds": 8, "resolution": "720p"},
    {"model": "my-gateway-name", "provider": "litellm", "input_tokens": 50, "output_tokens": 5},
    {"model": "nobody-knows", "input_tokens": 50, "output_tokens": 5, "tokens_source": "counted"},
    {"model": "llama3.3:70b", "provider": "ollama", "input_tokens": 50, "output_tokens": 5},
]
SETTINGS = [
    {},
    {"zone": "POL"},
    {"deployments": {"my-gateway-name": "azure/gpt-4o"}, "provider_zones": {"openai": "SWE"}},
    {"method": "impactree-1"},
    {"method": "impactree-1", "deployment": {"accelerator": "H100", "count": 8, "batch_size": 32}},
    {"method": "impactree-1", "include_training": True},
]


def of_all_kinds(bench, **how):
    made = bench(**how)
    root = made.start(name="all", kind="graph")
    for number, fields in enumerate(OF_ALL_KINDS):
        step = made.start(root, "step", "node", labels={"step": f"{number} step"})
        run = made.start(step, "Model", fields.get("kind", "chat"))
        made.tracker.end(run, call=ModelCall(**fields))
        made.end(step)
    made.end(root)
    return made.report()


@pytest.mark.parametrize("how", SETTINGS, ids=str)
def test_calls_of_all_kinds_with_their_own_model_and_place_equal_themselves(bench, how):
    report = of_all_kinds(bench, **how)
    calls = report.find(lambda run: run.call is not None)
    read = {run: report.engine.read(run.call) for run in calls}
    own = [
        {"model": {run.call.model: run.call.model for run in calls}},
        {"model": {r.call.model: m for r in calls if (m := read[r].resolution.model)}},
        {"zone": {run.step: read[run].zone.id for run in calls}},
        {"region": {run.step: read[run].region.id for run in calls if read[run].region}},
        {"provider": {run.step: read[run].host.id for run in calls}},
    ]
    if "deployment" in how:
        own.append({"deployment": how["deployment"]})
    for asked in own:
        other = report.what_if(**asked)
        for mine, its in zip(report.runs[0].walk(), other.runs[0].walk(), strict=True):
            assert mine.own == its.own, (asked, mine.call)  # to the last digit, and every warning
            assert mine.total == its.total
        assert other.total.to_dict() == report.total.to_dict()
        row = report.compare([asked]).rows[-1]
        assert (row.change.min, row.change.mean, row.change.max) == (0, 0, 0)


def test_films_and_pictures_are_compared_by_their_own_equations(bench):
    report = of_all_kinds(bench).filter(kind=["image", "video"])
    compared = report.compare([{"zone": "FRA"}])
    before, after = (compared[name].total.gwp.value for name in ("as it is", "zone FRA"))
    change = compared["zone FRA"].change
    assert change.verdict == "lower"
    assert change.mean == pytest.approx(after.mean - before.mean)


def test_a_name_for_which_a_family_stands_in_is_said(bench):
    made = bench()
    made.chat(None, "gpt-4o", 3000, 400, provider="openai")
    report = made.report()
    asked = report.what_if(model="gpt-4o-mni")
    assert "model-family" in [w.code for w in asked.total.warnings]
    compared = report.compare([{"model": "gpt-4o-mni"}, {"model": "gpt-4o-mini"}])
    said = [note for note in compared.notes if "gpt-4o-mni" in note]
    assert len(said) == 1
    assert "'gpt-4o' stands in" in said[0]
    assert not [note for note in compared.notes if "gpt-4o-mini" in note]
