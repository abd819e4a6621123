"""What a report can be asked: groups by any keys, the dearest calls, filters, runs that match."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from impactree import Impacts, ImpactTracker, ModelCall, Report
from impactree.exceptions import ConfigurationError

DAY_S = 86_400


def gwp(impacts):
    return 0.0 if impacts.gwp is None else impacts.gwp.value.mean


@pytest.fixture
def two_users(build):
    """Ann asks an agent that searches twice, Bob a chain; the last call fails to be estimated."""
    ann = build.start(name="desk", kind="agent", metadata={"user_id": "ann", "agent_name": "res"})
    tool = build.start(ann, "search", "tool")
    build.chat(tool, "gpt-4o", 100, provider="openai")
    build.chat(tool, "gpt-4o", 200, provider="openai")
    build.end(tool)
    build.chat(ann, "gpt-5", 300, provider="openai")
    build.end(ann)
    bob = build.start(name="chain", metadata={"user_id": "bob"}, at=DAY_S)
    build.chat(bob, "gpt-4o", 50, provider="openai", at=DAY_S, until=DAY_S + 2)
    build.chat(bob, "unknown-1", 1, at=DAY_S, until=DAY_S + 1)
    build.end(bob, DAY_S + 3)
    return build.report()


@pytest.mark.parametrize(
    ("key", "outputs"),
    [
        ("user", {"ann": 600, "bob": 51}),
        ("tool", {"search": 300, None: 351}),
        ("root", {"desk": 600, "chain": 51}),
        # T0 of the fixtures, 1,800,000,000 s, is the 15th of January 2027
        ("day", {"2027-01-15": 600, "2027-01-16": 51}),
        ("provider", {"openai": 650, None: 1}),
    ],
)
def test_by_single_keys(two_users, key, outputs):
    assert {label: g.output_tokens for label, g in two_users.by(key).items()} == outputs


def test_by_several_keys_gives_tuples_that_partition(two_users):
    groups = two_users.by("user", "tool", "model")
    assert groups.by == ("user", "tool", "model")
    assert {label: g.output_tokens for label, g in groups.items()} == {
        ("ann", "search", "gpt-4o"): 300,
        ("ann", None, "gpt-5"): 300,
        ("bob", None, "gpt-4o"): 50,
        ("bob", None, "unknown-1"): 1,
    }
    assert sum(g.share or 0 for g in groups.values()) == pytest.approx(1, rel=1e-12)
    assert groups.to_dict()["groups"][0]["label"] == {
        "user": "ann",
        "tool": "search",
        "model": "gpt-4o",
    }


def test_by_a_function(two_users):
    def size(run):
        return "long" if run.call.output_tokens >= 200 else "short"

    groups = two_users.by(size, "user")
    assert groups.by == ("size", "user")
    assert groups["long", "ann"].output_tokens == 500
    with pytest.raises(TypeError, match=r"size_list\(\) gave \[1\], which cannot be a label"):
        two_users.by(size_list)
    with pytest.raises(TypeError, match="a key is a name or a function of a run, not 3"):
        two_users.by(3)
    with pytest.raises(ValueError, match="needs a key"):
        two_users.by()


def size_list(run):
    return [1]


def test_maker_host_and_zone_are_those_of_the_estimate():
    tracker = ImpactTracker(zone="FRA", deployments={"my-gpt": "openai/gpt-4o"})
    tracker.record(ModelCall(provider="azure", model="my-gpt", output_tokens=9))
    tracker.record(ModelCall(provider="mistralai", model="mistral-large-latest", output_tokens=9))
    report = tracker.report()
    assert set(report.by("maker")) == {"openai", "mistral"}
    assert set(report.by("zone")) == {"FRA"}
    assert set(ImpactTracker().report().by("zone")) == set()
    plain = ImpactTracker()
    plain.record(ModelCall(provider="mistralai", model="mistral-large-latest", output_tokens=9))
    assert set(plain.report().by("zone")) == {"SWE"}  # Mistral's by EcoLogits 0.11


def test_a_group_has_tokens_by_class_latency_phases_and_runs(build):
    root = build.start()
    run_id = build.start(root, kind="chat")
    call = ModelCall(
        model="m",
        input_tokens=100,
        cached_input_tokens=40,
        cache_write_tokens=10,
        output_tokens=50,
        reasoning_tokens=20,
    )
    build.end(run_id, 2.5, call=call)
    build.chat(root, "m", 50, cached=True, until=1)
    build.end(root)
    group = build.report().by("model")["m"]
    assert (group.input_tokens, group.cached_input_tokens, group.cache_write_tokens) == (
        100,
        40,
        10,
    )
    assert (group.output_tokens, group.reasoning_tokens) == (50, 20)
    assert group.latency_s == pytest.approx(2.5 + 1)
    assert [run.id for run in group.runs] == [run_id, "r3"]
    # 50 tokens: 1 to 3 mgCO2eq each in use, 1 mg embodied
    assert group.total.usage.gwp.value.mean == pytest.approx(100e-6)
    assert group.total.embodied.gwp.value.mean == pytest.approx(50e-6)
    data = group.to_dict()
    assert data["run_ids"] == [run_id, "r3"]
    assert data["total"]["embodied"]["gwp"]["value"]["mean"] == pytest.approx(50e-6)


def test_groups_print_as_a_table(two_users):
    rows = str(two_users.by("user", "model")).splitlines()
    assert " ".join(rows[0].split()) == "user model calls tokens in out time energy CO2eq share"
    # 300 tokens of 2 mWh and 3 mgCO2eq, of 650 that were estimated
    assert " ".join(rows[1].split()) == "ann gpt-4o 2 20 300 2.0 s 0.6 Wh 0.9 g 46%"
    assert "not estimated" in rows[4]
    assert rows[-1].strip() == "≥: at least; some calls could not be estimated."
    tags = two_users.by("tag")
    assert not tags.partition
    assert "may add up to more than 100%" in str(tags)


def test_top_groups_and_calls(two_users):
    assert list(two_users.by("model").top(1)) == ["gpt-4o"]
    dearest = two_users.top(2)
    assert [run.call.output_tokens for run in dearest.runs] == [300, 200]
    for wrong in (0, -1, 1.5, "2"):
        with pytest.raises(ValueError, match="top takes a whole number >= 1"):
            two_users.top(wrong)


def test_filter_takes_calls_and_keeps_trees_whole(two_users):
    assert [run.name for run in two_users.filter(user="ann").runs] == ["desk"]
    assert [run.name for run in two_users.filter(tool="search").runs] == ["search"]
    assert two_users.filter(model=["gpt-4o", "gpt-5"]).output_tokens == 650
    assert two_users.filter(user="ann", model="gpt-5").output_tokens == 300
    assert two_users.filter(lambda run: run.call.output_tokens > 100).output_tokens == 500
    assert two_users.filter(**{"metadata.user_id": "bob"}).calls == 2
    assert two_users.filter(user="nobody").calls == 0
    with pytest.raises(ValueError, match="the nearest is 'user'"):
        two_users.filter(usr="ann")


def test_find_gives_runs_of_any_kind(two_users):
    (tool,) = two_users.find("search")
    assert tool.kind == "tool"
    assert two_users.find(tool.id) == [tool]
    assert [run.name for run in two_users.find(kind="agent")] == ["desk"]
    assert two_users.find(lambda run: run.kind == "tool") == [tool]
    assert two_users.find("nothing") == []
    with pytest.raises(TypeError, match="find takes an id, a name or a function, not 3"):
        two_users.find(3)


@given(
    tree=st.lists(
        st.tuples(
            st.integers(0, 9),
            st.sampled_from(["a", "b", "unknown-1"]),
            st.integers(0, 500),
            st.booleans(),
            st.booleans(),
            st.sampled_from(["ann", "bob", None]),
        ),
        max_size=12,
    )
)
@settings(deadline=None)
def test_filters_and_groups_agree_on_any_tree(builder, tree):
    build = builder()
    runs = [build.start(name="root")]
    for parent, model, out, calls, cached, user in tree:
        above = runs[min(parent, len(runs) - 1)]
        runs.append(build.start(above, "x", metadata={"user_id": user} if user else None))
        call = ModelCall(model=model, output_tokens=out) if calls else None
        build.end(runs[-1], call=call, cached=cached and calls)
    build.end(runs[0])
    report = build.report()
    for key in ("user", "model", "status"):
        groups = report.by(key)
        for label, group in groups.items():
            part = report.filter(**{key: label})
            assert part.calls == group.calls
            assert gwp(part.total) == pytest.approx(gwp(group.total), rel=1e-12)
        assert sum(gwp(g.total) for g in groups.values()) == pytest.approx(
            gwp(report.total), rel=1e-12
        )


# One run, another method, and what is no longer kept


def test_a_report_of_one_run_by_itself_its_id_or_the_handler(agent, build):
    run = build.tracker.last_run
    for report in (build.tracker.report(run), build.tracker.report(run.id), run.report()):
        assert report.runs == [run]
        assert gwp(report.total) == pytest.approx(gwp(run.total), rel=1e-12)
    model = run.children[0]
    assert gwp(model.report().total) == pytest.approx(gwp(model.total))
    assert "history" not in str(build.tracker.report(run))
    with pytest.raises(LookupError, match="no run 'nothing' is kept"):
        build.tracker.report("nothing")


def test_a_run_as_data(agent, build):
    run = build.tracker.last_run
    data = run.to_dict()
    assert data["name"] == "research_agent"
    assert [entry["name"] for entry in data["runs"][:2]] == ["model", "ChatOpenAI"]
    assert data["total"] == run.total.to_dict()


def test_another_method_estimates_copies_and_keeps_settings():
    tracker = ImpactTracker(zone="FRA")
    tracker.record(ModelCall(provider="openai", model="gpt-4o", output_tokens=100))
    before = tracker.last_run.own
    same = tracker.report(method="ecologits-0.11")
    assert same.total == before
    assert tracker.engine.by("ecologits-0.11").zone == "FRA"
    with pytest.raises(ConfigurationError, match="unknown method 'magic'; known: "):
        tracker.report(method="magic")
    assert tracker.last_run.own is before


def test_running_totals_go_on_beyond_what_is_kept():
    tracker = ImpactTracker(max_runs=10, totals_by=["user", ("user", "model")])
    for n in range(30):
        tracker.start(n, name="ask", metadata={"user_id": "ann" if n % 3 else "bob"})
        tracker.record(ModelCall(provider="openai", model="gpt-4o", output_tokens=10), n)
        tracker.end(n)
    report = tracker.report()
    groups = report.by("user")
    assert {label: g.calls for label, g in groups.items()} == {"ann": 20, "bob": 10}
    assert gwp(groups.total) == pytest.approx(gwp(tracker.total), rel=1e-12)
    assert sum(g.share for g in groups.values()) == pytest.approx(1)
    assert report.by("user", "model")["ann", "gpt-4o"].calls == 20
    assert groups.older_runs == 0
    # Of other keys only what is kept is known, and they say so.
    models = report.by("model")
    assert models["gpt-4o"].calls == 10
    assert models.older_runs == 20
    assert "20 older runs no longer kept and not in these groups" in " ".join(str(models).split())
    assert "totals_by=['model']" in str(models)
    assert report.to_dict()["by_model"][0]["calls"] == 10


@pytest.mark.parametrize(
    ("keys", "told"), [("user", "several keys"), (["usr"], "'user'"), ([3], "not 3|iterable")]
)
def test_running_totals_refuse_what_is_no_key(keys, told):
    with pytest.raises(ConfigurationError, match=told):
        ImpactTracker(totals_by=keys)


def test_a_zero_report_has_no_groups():
    groups = Report([]).by("user", "agent")
    assert dict(groups) == {}
    assert groups.total == Impacts.zero()
    assert "no model was called" in str(groups)


def test_a_filter_that_nothing_matches_says_so(two_users):
    text = str(two_users.filter(user="nobody"))
    assert "no model call matches" in text
    assert "callbacks" not in text


@pytest.mark.parametrize(
    ("ask", "error", "told"),
    [
        (lambda r: r.filter("ann"), TypeError, "filter takes a function of a run, or key=label"),
        (lambda r: r.by("model", "model"), ValueError, "the key 'model' is given twice"),
        (lambda r: r.filter(modle="x"), ValueError, "there is no key 'modle'.*'model'"),
        (lambda r: r.merge([r]), TypeError, "merge takes a Report"),
        (lambda r: r.find(7), TypeError, "find takes an id, a name or a function, not 7"),
        (lambda r: ImpactTracker(totals_by=7), ConfigurationError, "must be several keys.*not 7"),
        (lambda r: ImpactTracker(totals_by=[7]), ConfigurationError, "names of keys.*not 7"),
        (lambda r: ImpactTracker(totals_by=[()]), ConfigurationError, r"names of keys.*not \(\)"),
        (lambda r: ImpactTracker(totals_by=[str]), ConfigurationError, "names of keys.*<class"),
        (lambda r: ImpactTracker(totals_by=["modle"]), ConfigurationError, "'model'"),
        (lambda r: ImpactTracker().live("x").__enter__(), TypeError, "Console, not 'x'"),
        (lambda r: r.diff(None), TypeError, "diff takes a Report, not None"),
        (lambda r: r.diff(r.runs[0]), TypeError, r"for a run give run\.report\(\)"),
        (lambda r: r.merge("a.json"), TypeError, r"merge takes .* Report\.from_json\(Path"),
        (lambda r: r.to_text(0), ValueError, "a whole number of columns, 60 to 200, not 0"),
        (lambda r: r.by("user").to_text("80"), ValueError, "60 to 200, not '80'"),
        (lambda r: r.diff(r).to_text(80.5), ValueError, r"60 to 200, not 80\.5"),
    ],
)
def test_a_wrong_argument_is_named(two_users, ask, error, told):
    with pytest.raises(error, match=told):
        ask(two_users)


def test_two_functions_of_one_name_are_two_columns(two_users):
    groups = two_users.by(lambda run: run.call.model, lambda run: run.call.provider)
    assert groups.by == ("<lambda>", "<lambda> 2")
    first = groups.to_dict()["groups"][0]["label"]
    assert set(first) == {"<lambda>", "<lambda> 2"}
    assert groups.to_csv().startswith("<lambda>,<lambda> 2,")


HOSTILE = [
    "<script>alert(1)</script>",
    "\"'`{0} %s [bold]x[/bold]",
    "a\nb\r\nc\td\u2028e",
    "\x1b[31mred\x1b[0m\x07\x1b]8;;http://x\x07",
    "\u202eevil\u2066",
    "x" * 10_000,
    "=1+1",
    "\ud800",
    "\u05e9\u05dc\u05d5\u05dd | *a* _b_",
]


def called(tracker, name, first, trees):
    """Runs whose every text is this one."""
    told = {"user_id": name, "lc_agent_name": name, "thread_id": name, name: name}
    for number in range(first, first + trees):
        tracker.start(number, name=name, kind="agent", tags=[name], metadata=told)
        call = ModelCall(provider=name, model=name, input_tokens=1, output_tokens=2)
        tracker.start((number, 1), number, name=name, kind="tool")
        tracker.record(call, (number, 1), name=name)
        tracker.end((number, 1))
        tracker.end(number)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_stay_text_whatever_is_asked(name):
    tracker = ImpactTracker(max_runs=2, totals_by=["user", "model", ("user", "agent")])
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    with tracker.live(console):
        called(tracker, name, 0, 5)
    shown = re.sub(r"\x1b\[(\?25[lh]|[12]?[AK])|\r", "", console.file.getvalue())
    report, elsewhere = tracker.report(), ImpactTracker()
    assert report.by("user")[name].calls == 5
    assert report.by("user", "agent")[name, name].calls == 5
    assert report.filter(user=name, model=name, tag=name).calls == 2
    assert len(report.find(name)) == 6
    called(elsewhere, name, 100, 1)
    merged = report.merge(elsewhere.report(), Report.from_json(report.to_json()))
    assert merged.calls == 3
    diff = report.diff(elsewhere.report(), by=["user", "tool"])
    asked = (report, merged, report.by("user", "tool"), diff, report.filter(user=f"not {name}"))
    for text in [shown, *map(str, asked)]:
        assert all(c == "\n" or c.isprintable() for c in text)
    for one in asked[:4]:
        assert "<script>" not in one._repr_html_()
    for ask in (report.by, lambda key: report.filter(**{key: 1}), report.find(name)[0].report().by):
        with pytest.raises(ValueError, match="there is no key") as raised:
            ask(name)
        assert str(raised.value).isprintable()
