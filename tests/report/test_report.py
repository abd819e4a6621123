"""Report: totals, groups and coverage are those of the runs' model calls."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impactree import Impacts, ImpactTracker, ModelCall, Report, Run
from impactree.report import Coverage


def gwp(impacts):
    return impacts.gwp.value.mean


def test_a_report_sums_the_calls_of_its_runs(build):
    root = build.start()
    build.chat(root, out=100, input_tokens=30)
    inner = build.start(root)
    build.chat(inner, out=300, input_tokens=70)
    build.end(inner)
    build.end(root)
    build.chat(out=1, input_tokens=None)

    report = build.report()
    assert report.calls == 3
    assert report.output_tokens == 100 + 300 + 1
    assert report.input_tokens == 30 + 70
    # 401 tokens at 1 to 3 mWh, and at 2 to 4 mgCO2eq
    assert report.total.energy.value.min == pytest.approx(401e-6)
    assert report.total.energy.value.max == pytest.approx(3 * 401e-6)
    assert gwp(report.total) == pytest.approx(3 * 401e-6)
    assert gwp(report.total) == pytest.approx(sum(gwp(run.total) for run in report.runs))


def test_of_fixes_the_runs_and_tells_what_is_no_longer_kept(builder):
    build = builder(max_runs=2)
    for _ in range(5):
        build.chat(out=10)
    build.tracker.note_problem("odd usage")
    report = Report.of(build.tracker)
    build.chat(out=10)

    assert len(report.runs) == 2
    assert report.finished_runs == 5
    assert gwp(report.total_ever) == pytest.approx(5 * 10 * 3e-6)
    assert gwp(report.total) == pytest.approx(2 * 10 * 3e-6)
    assert (report.method, report.zone, report.catalog_version) == ("flat-1", None, "2026-11-24")
    assert report.problems == {"odd usage": 1}


def test_of_names_method_zone_and_catalog_of_the_real_engine():
    report = ImpactTracker(zone="FRA").report()
    assert report.method == "ecologits-0.11"
    assert report.zone == "FRA"
    assert report.catalog_version


def test_a_late_end_shows_in_a_report_made_before_it(build):
    root = build.start()
    model = build.start(root, kind="chat")
    build.end(root)
    report = build.report()
    assert report.calls == 0
    build.end(model, call=ModelCall(model="gpt-4o", output_tokens=5))
    assert gwp(report.total) == pytest.approx(15e-6)


def test_runs_can_be_given_and_count_once(build):
    build.chat(out=10)
    build.chat(out=20)
    first, second = build.tracker.runs
    assert Report([second]).output_tokens == 20
    assert Report(iter([first, second, first])).output_tokens == 30
    assert Report([]).total == Impacts.zero()


def test_what_is_no_run_is_refused_at_once(build):
    with pytest.raises(TypeError, match=r"Run, not of str.*Report\.of"):
        Report("abc")


# Groups


def test_by_model_largest_first_with_tokens_and_shares(build):
    build.chat(model="small", out=100)
    build.chat(model="large", out=200)
    build.chat(model="large", out=100)
    groups = build.report().by("model")
    assert list(groups) == ["large", "small"]
    large = groups["large"]
    assert (large.calls, large.cached, large.input_tokens, large.output_tokens) == (2, 0, 20, 300)
    assert gwp(large.total) == pytest.approx(900e-6)
    assert large.share == pytest.approx(0.75)
    assert groups["small"].share == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("key", "outputs"),
    [
        ("model", {"gpt-4o-2024-08-06": 200}),
        ("kind", {"chat": 200}),
        ("name", {"ChatOpenAI": 200}),
        ("provider", {None: 200}),
        ("status", {"ok": 200}),
        ("step", {"3 model": 150, "1 model": 50}),
        ("node", {"model": 200}),
        ("agent", {"res": 200}),
        ("thread", {None: 200}),
        ("tag", {None: 200}),
        ("metadata.langgraph_step", {"3": 150, "1": 50}),
        ("metadata.user_id", {None: 200}),
    ],
)
def test_by_every_key(agent, key, outputs):
    assert {name: g.output_tokens for name, g in agent.by(key).items()} == outputs


def test_attributes_come_from_the_call_or_its_nearest_ancestor(build):
    root = build.start(metadata={"lc_agent_name": "outer", "thread_id": "t1", "tier": "gold"})
    build.chat(root, out=1)
    inner = build.start(root, metadata={"agent_name": "inner"})
    tool = build.start(inner)
    build.chat(tool, out=2)
    build.chat(tool, out=4, metadata={"lc_agent_name": "own", "tier": 3})
    for run_id in (tool, inner, root):
        build.end(run_id)
    build.chat(out=8)

    report = build.report()
    by = {key: report.by(key) for key in ("agent", "thread", "metadata.tier")}
    assert {k: g.output_tokens for k, g in by["agent"].items()} == {
        None: 8,
        "own": 4,
        "inner": 2,
        "outer": 1,
    }
    assert by["thread"]["t1"].output_tokens == 7
    assert by["metadata.tier"]["gold"].output_tokens == 3
    assert by["metadata.tier"]["3"].output_tokens == 4


def test_a_part_of_a_tree_still_knows_its_ancestors(build):
    root = build.start(metadata={"thread_id": "t1"})
    inner = build.start(root)
    build.chat(inner)
    build.end(inner)
    build.end(root)
    part = build.tracker.last_run.children[0]
    assert list(Report([part]).by("thread")) == ["t1"]


def test_a_call_with_two_tags_stands_in_both_groups(build):
    root = build.start(tags=["nightly"])
    build.chat(root, out=100, tags=["seq:step:1", "draft", "beta", "draft"])
    build.chat(root, out=100, tags=["seq:step:2"])
    build.end(root)
    groups = build.report().by("tag")
    assert {tag: g.output_tokens for tag, g in groups.items()} == {
        "draft": 100,
        "beta": 100,
        "nightly": 100,
    }
    assert sum(g.share for g in groups.values()) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("modle", "'model'"),
        ("Agent", "'agent'"),
        ("metadata.", "metadata.KEY"),
        ("user_id", "use one of model, kind, name"),
        ("x" * 10_000, "metadata.KEY"),
    ],
)
def test_an_unknown_key_is_told_the_allowed_ones(agent, key, told):
    with pytest.raises(ValueError, match="there is no key") as caught:
        agent.by(key)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 400


# What could not be estimated, and caches


def test_shares_are_none_when_nothing_could_be_estimated(build):
    build.chat(model="unknown-1")
    report = build.report()
    group = report.by("model")["unknown-1"]
    assert group.share is None
    assert group.total.gwp is None
    assert report.total.gwp is None


def test_a_group_without_estimates_has_no_share_beside_one_that_has(build):
    build.chat(model="unknown-1")
    build.chat(model="gpt-4o")
    report = build.report()
    groups = report.by("model")
    assert list(groups) == ["gpt-4o", "unknown-1"]
    assert groups["gpt-4o"].share == 1.0
    assert groups["unknown-1"].share is None
    assert report.total.lower_bound


def test_cached_calls_cost_nothing_and_are_counted_apart(build):
    build.chat(out=100, input_tokens=40)
    build.chat(out=700, input_tokens=90, cached=True)
    report = build.report()
    assert gwp(report.total) == pytest.approx(300e-6)
    assert gwp(report.avoided) == pytest.approx(2100e-6)
    assert (report.calls, report.input_tokens, report.output_tokens) == (2, 40, 100)
    group = report.by("model")["gpt-4o"]
    assert (group.calls, group.cached, group.output_tokens) == (2, 1, 100)


def test_with_cached_calls_only_the_total_is_zero(build):
    build.chat(cached=True)
    report = build.report()
    assert report.total.estimated
    assert gwp(report.total) == 0
    assert report.output_tokens == 0
    assert report.by("kind")["chat"].share is None


def test_unknown_counts_are_no_zeros(build):
    build.chat(out=None, input_tokens=None, tokens_source="unknown")
    report = build.report()
    assert report.input_tokens is None
    assert report.output_tokens is None


def test_embeddings_have_no_output_tokens_to_miss(build):
    build.chat(model="text-embedding-3-small", out=None, kind="embedding", input_tokens=12)
    report = build.report()
    assert (report.input_tokens, report.output_tokens) == (12, 0)


def test_coverage_places_every_call(build):
    build.chat()
    build.chat(tokens_source="counted")
    build.chat(model="unknown-1")
    build.chat(model="unknown-2")
    build.chat(out=None, tokens_source="unknown")
    build.chat(model="unknown-3", cached=True)
    assert build.report().coverage == Coverage(
        calls=6,
        estimated=2,
        not_estimated=3,
        cached=1,
        reasons={"model-not-registered": 2, "output-tokens-unknown": 1},
        tokens_reported=3,
        tokens_counted=1,
        tokens_unknown=1,
        grades={"exact": 3, "unknown": 2},
    )


def test_a_call_that_nobody_estimated_is_not_estimated():
    run = Run("r", name="chat", kind="chat")
    run.call = ModelCall(model="gpt-4o", output_tokens=1)
    report = Report([run])
    assert not report.total.estimated
    assert report.coverage.reasons == {"unknown": 1}


# Invariants

calls = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["a", "b", "unknown-1"]),
        "out": st.none() | st.integers(0, 5000),
        "cached": st.booleans(),
        "provider": st.sampled_from([None, "openai"]),
        "metadata": st.sampled_from([None, {"langgraph_step": 1}, {"thread_id": "t", "k": "v"}]),
    }
)


@given(trees=st.lists(st.lists(calls, max_size=6), max_size=4), chained=st.booleans())
@settings(deadline=None)
def test_groups_partition_the_calls(builder, trees, chained):
    build = builder()
    for tree in trees:
        open_runs = [build.start(metadata={"lc_agent_name": "a"})]
        for call in tree:
            build.chat(open_runs[-1], **call)
            if chained:
                open_runs.append(build.start(open_runs[-1]))
        for run_id in reversed(open_runs):
            build.end(run_id)
    report = build.report()
    total, coverage = report.total, report.coverage
    assert coverage.calls == coverage.estimated + coverage.not_estimated + coverage.cached
    assert coverage.calls == report.calls == sum(map(len, trees))
    assert coverage.estimated == total.estimated_calls
    assert coverage.not_estimated == total.unestimated_calls == sum(coverage.reasons.values())
    for key in ("model", "kind", "name", "provider", "status", "step", "agent", "metadata.k"):
        groups = report.by(key).values()
        assert sum(g.calls for g in groups) == report.calls
        assert sum(g.output_tokens or 0 for g in groups) == (report.output_tokens or 0)
        summed = Impacts.sum(g.total for g in groups)
        assert summed.estimated_calls == total.estimated_calls
        if total.estimated:
            assert gwp(summed) == pytest.approx(gwp(total), rel=1e-12)
        shares = [g.share for g in groups if g.share is not None]
        assert not shares or math.isclose(sum(shares), 1)


def test_deep_trees_are_grouped_in_one_pass(build):
    parent = None
    opened = []
    for level in range(10_000):
        parent = build.start(parent)
        opened.append(parent)
        if level % 2:
            build.chat(parent, out=1)
    for run_id in reversed(opened):
        build.end(run_id)
    groups = build.report().by("agent")
    assert groups[None].calls == 5000
