"""Reports side by side and as one; hints with cures; folding; the live view; the command."""

from __future__ import annotations

import io
import json
import random
import re

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from impactree import ImpactTracker, ModelCall, Report
from impactree.cli import cli


def gwp(impacts):
    return impacts.gwp.value.mean


def flat(text):
    return " ".join(str(text).split())


@pytest.fixture
def yesterday(builder):
    build = builder()
    build._next = 100  # other ids than today's
    root = build.start(name="agent")
    for _ in range(2):
        build.chat(root, "gpt-4o", 100, name="model", input_tokens=800)
    build.chat(root, "small", 10, name="judge")
    build.end(root)
    return build.report()


# Comparing


@pytest.mark.parametrize(
    ("now", "cause", "by"),
    [
        # 3 mgCO2eq per output token (mean)
        ([("gpt-4o", 100, 800)] * 5, "more calls: 2 → 5", (900e-6, 0, 0)),
        ([("gpt-4o", 100, 800)], "fewer calls: 2 → 1", (-300e-6, 0, 0)),
        ([("gpt-4o", 150, 800)] * 2, "longer answers: 100 → 150 tokens a call", (0, 0, 300e-6)),
        ([("gpt-4o", 100, 1900)] * 2, "longer context: 800 → 1,900 tokens a call", (0, 0, 0)),
        ([("gpt-5", 200, 800)] * 2, "another model: gpt-4o → gpt-5", (0, 0, 600e-6)),
        ([("gpt-4o", 100, 800), ("gpt-5", 100, 800)], "also by gpt-5", (0, 0, 0)),
        ([], "gone", (-600e-6, 0, 0)),
    ],
)
def test_a_difference_names_its_cause(builder, yesterday, now, cause, by):
    build = builder()
    root = build.start(name="agent")
    for model, out, read in now:
        build.chat(root, model, out, name="model", input_tokens=read)
    build.chat(root, "small", 10, name="judge")
    build.end(root)
    diff = build.report().diff(yesterday)
    change = next(c for c in diff.changes if c.path == ("agent", "model"))
    assert cause in change.causes
    if "another model" in cause:  # a new model counts at its own cost: the change is its doing
        by = (0, 0, 600e-6)
        assert change.by_model + change.by_size == pytest.approx(600e-6)
    else:
        assert (change.by_calls, change.by_model, change.by_size) == pytest.approx(by, abs=1e-15)
    assert change.by_calls + change.by_model + change.by_size == pytest.approx(change.change)
    same = next(c for c in diff.changes if c.path == ("agent", "judge"))
    assert same.change == 0
    assert not same.causes
    assert cause in flat(diff)
    assert diff.change == pytest.approx(sum(c.change for c in diff.changes), abs=1e-15)


def test_a_diff_prints_with_what_did_not_change(builder, yesterday):
    build = builder()
    build.chat(name="other", out=100)
    diff = build.report().diff(yesterday)
    text = flat(diff)
    # 300 mg now; 2 * 300 + 30 mg before
    assert "all 3 → 1 0.63 g 0.3 g -0.33 g -52%" in text
    assert "new" in text
    assert "gone" in text
    assert diff.to_dict()["change_kgco2eq"] == pytest.approx(-330e-6)
    assert "| all |" in diff.to_markdown()
    assert "<table" in diff._repr_html_()


def test_two_methods_neither_compare_nor_add(yesterday):
    other = ImpactTracker()
    other.record(ModelCall(provider="openai", model="gpt-4o", output_tokens=9))
    with pytest.raises(ValueError, match="do not compare"):
        other.report().diff(yesterday)
    with pytest.raises(ValueError, match="do not add up"):
        other.report().merge(yesterday)


@pytest.fixture
def today(builder):
    """As ``yesterday``: the agent asks a third time and another judge; somebody new asks, too."""
    build = builder()
    root = build.start(name="agent", metadata={"user_id": "ann"}, tags=["beta", "eu"])
    for _ in range(3):
        build.chat(root, "gpt-4o", 100, name="model", input_tokens=800)
    build.chat(root, "large", 30, name="judge")
    build.end(root)
    return build.report()


def test_a_diff_by_groups_matches_their_labels(today, yesterday):
    diff = today.diff(yesterday, by="model")
    # 3 mgCO2eq per output token: 630 mg before, 990 mg now
    found = {change.label["model"]: (change.change, change.causes) for change in diff.changes}
    assert found == {
        "gpt-4o": (pytest.approx(300e-6), ["more calls: 2 → 3"]),
        "large": (pytest.approx(90e-6), ["new"]),
        "small": (pytest.approx(-30e-6), ["gone"]),
    }
    assert [change.label["model"] for change in diff.changes] == ["gpt-4o", "large", "small"]
    assert all(change.path == () for change in diff.changes)
    assert "model calls before after change" in flat(diff)
    assert "all 3 → 4 0.63 g 0.99 g +0.36 g +57%" in flat(diff)
    data = diff.to_dict()
    assert data["by"] == ["model"]
    assert data["changes"][0]["label"] == {"model": "gpt-4o"}
    for form in (diff.to_markdown(), diff._repr_html_()):
        assert "large" in form


def test_a_diff_by_several_keys_names_each(today, yesterday):
    diff = today.diff(yesterday, by=["user", "model"])
    assert {tuple(change.label.values()) for change in diff.changes} == {
        ("ann", "gpt-4o"),
        ("ann", "large"),
        (None, "gpt-4o"),
        (None, "small"),
    }
    assert "user / model" in str(diff)
    assert "ann / large" in str(diff)
    assert "\u2013 / small" in str(diff)
    assert diff.change == pytest.approx(sum(c.change for c in diff.changes), rel=1e-12)


def test_a_diff_by_tag_counts_all_once_and_says_that_groups_overlap(today, yesterday):
    diff = today.diff(yesterday, by="tag")
    assert diff.change == pytest.approx(360e-6)
    assert {c.label["tag"]: c.after.calls for c in diff.changes} == {"beta": 4, "eu": 4, None: 0}
    assert diff.after.calls == 4
    assert "changes may not add up to all" in flat(diff)
    assert not diff.to_dict()["partition"]


def test_a_diff_by_a_function_and_of_what_is_no_key(today, yesterday):
    diff = today.diff(yesterday, by=lambda run: run.call.output_tokens >= 100)
    assert {c.label["<lambda>"]: c.after.calls for c in diff.changes} == {True: 3, False: 1}
    with pytest.raises(ValueError, match="the nearest is 'model'"):
        today.diff(yesterday, by="modle")
    with pytest.raises(TypeError, match="a key is a name"):
        today.diff(yesterday, by=["model", 7])
    with pytest.raises(ValueError, match="needs a key"):
        today.diff(yesterday, by=[])


def test_a_diff_has_what_was_summed_of_runs_no_longer_kept(builder, yesterday):
    engine = builder().tracker.engine
    tracker = ImpactTracker(engine=engine, max_runs=2, totals_by=["model", "tag"])
    for _ in range(5):
        tracker.record(ModelCall(model="gpt-4o", input_tokens=800, output_tokens=200))
    for key in ("model", "tag"):
        diff = tracker.report().diff(yesterday, by=key)
        assert diff.after.calls == 5
        assert gwp(diff.after.total) == pytest.approx(3000e-6)
        assert not diff.older_runs
    diff = tracker.report().diff(yesterday, by="model")
    more = diff.changes[0]
    # 2 calls of 300 mg before, 5 of 600 mg now, of three only the sums
    assert more.causes == ["longer answers: 100 → 200 tokens a call", "more calls: 2 → 5"]
    assert (more.by_calls, more.by_model, more.by_size) == pytest.approx((900e-6, 0, 1500e-6))
    for diff in (tracker.report().diff(yesterday), tracker.report().diff(yesterday, by="user")):
        assert diff.after.calls == 2
        assert "3 older runs no longer kept and not in these figures; cure:" in flat(diff)
        assert diff.to_dict()["older_runs"] == 3


@pytest.mark.parametrize("width", [60, 61, 80, 100, 200])
@pytest.mark.parametrize("by", [None, "model", ["model", "name"]])
def test_a_diff_of_anything_fits_60_lines_and_accounts_for_all(builder, width, by):
    chance = random.Random(width)
    reports = []
    for side in range(2):
        build = builder()
        root = build.start(name="agent")
        for n in range(400):
            name = f"call {chance.randrange(150)} \u540d\u524d{'x' * (n % 90)}"
            model = f"model-{chance.randrange(90)}-{'y' * (n % 70)}"
            out = chance.randrange(200) if n % 9 else 100
            build.chat(root, model, out, name=name, input_tokens=chance.randrange(1000 + side))
        build.chat(root, "unknown-1", name="unknown")
        for n in range(3):
            build.chat(root, f"steady {n}", name="steady")
        build.end(root)
        reports.append(build.report())
    diff = reports[1].diff(reports[0], by=by)
    lines = diff.to_text(width).splitlines()
    assert 40 < len(lines) <= 60
    assert max(map(cell_len, lines)) <= width
    assert "with smaller changes" in flat(diff)
    assert "without a change" in flat(diff)
    assert "Some calls could not be estimated" in flat(diff)
    rows = [row.split(" | ") for row in diff.to_markdown().splitlines() if row.startswith("|")]
    for column in (2, 3):
        _, _, total, *parts = (grams(row[column]) for row in rows)
        assert sum(parts) == pytest.approx(total, rel=0.1)  # of two digits
    assert diff.change == pytest.approx(sum(c.change for c in diff.changes), abs=1e-12)


def grams(cell):
    number, _, unit = cell.removeprefix("not estimated").strip("≥ ").partition(" ")
    return float(number) * {"mg": 1e-3, "g": 1, "kg": 1e3}[unit] if unit else 0.0


costs = st.lists(
    st.tuples(st.sampled_from(["m", "n", "unknown-1"]), st.integers(0, 900)), max_size=8
)


@given(before=costs, after=costs)
@settings(deadline=None)
def test_causes_always_add_up_to_the_change(builder, before, after):
    reports = []
    for calls in (before, after):
        build = builder()
        for model, out in calls:
            build.chat(model=model, out=out, name="x")
        reports.append(build.report())
    for change in reports[1].diff(reports[0]).changes:
        parts = change.by_calls + change.by_model + change.by_size
        assert parts == pytest.approx(change.change, abs=1e-12)


# Merging


def test_machines_merge_and_the_same_run_counts_once(builder, yesterday):
    build = builder()
    build.tracker.start("other", name="elsewhere", kind="chat")
    build.tracker.end("other", call=ModelCall(model="gpt-4o", output_tokens=50))
    copy = Report.from_json(yesterday.to_json())
    merged = yesterday.merge(copy, build.report())
    assert merged.calls == 4
    assert gwp(merged.total) == pytest.approx(gwp(yesterday.total) + 150e-6, rel=1e-12)
    assert merged.method == "flat-1"


def test_of_two_revisions_the_later_counts(builder):
    build = builder()
    root = build.start(name="top")
    model = build.start(root, kind="chat")
    build.end(root)
    early = Report.from_json(build.report().to_json())
    build.end(model, call=ModelCall(model="gpt-4o", output_tokens=5))
    late = build.report()
    for merged in (early.merge(late), late.merge(early)):
        assert gwp(merged.total) == pytest.approx(15e-6)


# Folding and fitting


def loop(build, rounds, name="loop"):
    """``model -> tools`` again and again, the context growing, tools changing and once failing."""
    root = build.start(name=name, kind="agent")
    for n in range(rounds):
        model = build.start(root, "model", "node")
        build.chat(model, out=10 + n)
        build.end(model)
        for _ in range(1 + n % 2):
            tools = build.start(root, "tools", "node")
            tool = build.start(tools, ("search", "weather")[n % 2], "tool")
            build.end(tool, status="error" if n == 7 else "ok")
            build.end(tools)
    last = build.start(root, "model", "node")
    build.chat(last, out=1000)
    build.end(last)
    build.end(root)
    return build.report()


def test_a_loop_of_400_rounds_folds_with_its_first_median_last_and_dearest(build):
    text = str(loop(build, 400))
    assert len(text.splitlines()) <= 40
    assert "model → tools × 400" in text
    # 10 to 409 tokens of 3 mgCO2eq
    assert "each: first 30 mg, median 0.63 g, last 1.2 g, dearest 1.2 g (no. 400)" in text
    assert "a → b × n: these in turn" in flat(text)
    assert "tool 2 error" in text
    assert " more" not in text


def rows_of(text):
    """Depth, name and CO2eq share cells of the tree's lines."""
    lines = text.split("\n\n")[1].splitlines()[1:]
    return [line for line in lines if not line.lstrip("│├└ ").startswith("each:")]


def share_of(row):
    """The last cell of a line in percent; of a line without one, or with less than 0.1%: 0."""
    cell = row.rsplit(None, 1)[-1]
    return float(cell[:-1]) if re.fullmatch(r"[\d.]+%", cell) else 0


@pytest.mark.parametrize("shape", ["bushy", "wide", "deep", "loop", "many"])
def test_100_000_runs_print_in_60_lines_that_account_for_all(builder, shape):
    build = builder(max_runs=100_000)
    chance = random.Random(0)
    total = 100_000
    if shape == "loop":
        report = loop(build, total // 5)
        assert sum(1 for _ in report.runs[0].walk()) > 100_000
    elif shape == "many":
        for n in range(total):
            build.chat(name=f"question {n % 977}", out=1 + n % 7)
        report = build.report()
    else:
        opened = [build.start(name="top")]
        for n in range(total):
            at = {"wide": 0, "deep": -1}.get(shape, chance.randrange(len(opened)))
            if n % 3 or shape == "wide":
                build.chat(opened[at], name=f"call {n % 4001}", out=1 + n % 7)
            else:
                opened.append(build.start(opened[at], name=f"step {n % 97}"))
        for run_id in reversed(opened):
            build.end(run_id)
        report = build.report()
    text = str(report)
    assert len(text.splitlines()) <= 60
    tops = [row for row in rows_of(text) if row[0] not in "│├└ "]
    assert sum(map(share_of, tops)) == pytest.approx(100, abs=3)
    inner = [row for row in rows_of(text) if re.match("[├└]", row)]
    if inner:
        assert sum(map(share_of, inner)) == pytest.approx(100, abs=3)


def test_warnings_and_credits_take_their_lines_from_the_tree():
    tracker = ImpactTracker()
    tracker.start("root", name="map")
    for n in range(2000):
        tracker.start(n, "root", name=f"item {n}")
        tracker.record(
            ModelCall(provider="openai", model="gpt-4o", input_tokens=9, output_tokens=n), n
        )
        tracker.end(n)
    tracker.end("root")
    text = str(tracker.report())
    assert 50 <= len(text.splitlines()) <= 60
    shown = len(re.findall(r"^[├└] item", text, re.MULTILINE))
    assert f"… {2000 - shown:,} more" in text


def test_narrow_reports_keep_to_60_lines_and_tell_warnings_by_code_and_cure():
    tracker = ImpactTracker()
    tracker.start("root", name="loop")
    for n in range(60):
        call = ModelCall(
            provider="openai", model="gpt-4o", output_tokens=9, tokens_source="counted"
        )
        tracker.start(n, "root", name=f"step {n % 40}", kind="node")
        tracker.record(call, n)
        tracker.end(n)
    tracker.end("root")
    report = tracker.report()
    wide, narrow = report.to_text(200), report.to_text(60)
    assert len(narrow.splitlines()) <= 60
    meant = "The maker has not released the model's architecture"
    assert meant in flat(wide)
    assert meant not in flat(narrow)
    for text in (wide, narrow):
        assert "model-arch-not-released (60 calls)" in flat(text)
        assert "'include_usage': True" in flat(text)
        assert "EcoLogits 0.11.3, GenAI Impact, MPL-2.0" in flat(text)
    assert "report.disclosures" in flat(narrow)


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_reports_and_groups_fit_any_width(build, width):
    for n in range(9):
        root = build.start(name="\u05e9\u05dc\u05d5\u05dd " * n + "\u540d\u524d" * n)
        build.chat(root, "a-model-with-a-long-name-" + "x" * 20 * n, 10**n)
        build.end(root)
    report = build.report()
    for text in (report.to_text(width), report.by("root", "model").to_text(width)):
        assert max(map(cell_len, text.splitlines())) <= width
        assert "CO2eq" in text
        assert "share" in text
        assert all(c == "\n" or c.isprintable() for c in text)


def test_after_a_right_to_left_name_numbers_stay_where_they_are(build):
    build.chat(name="\u05e9\u05dc\u05d5\u05dd")
    # a braille blank: bidirectional class L, which ends the right-to-left run
    assert "\u05e9\u05dc\u05d5\u05dd\u2800" in str(build.report())


def test_the_terminals_width_is_taken(agent, monkeypatch):
    for columns, width in (("60", 60), ("200", 200), ("20", 60), ("900", 200)):
        monkeypatch.setenv("COLUMNS", columns)
        assert str(agent) == agent.to_text(width)


def test_no_colour_where_none_is_wanted(agent, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    console.print(agent)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", console.file.getvalue())


# Warnings with their cure


def test_a_stream_without_usage_is_told_how_to_ask_for_it(build):
    build.chat(tokens_source="counted")
    assert "ChatOpenAI(stream_usage=True)" in flat(build.report())
    assert "'include_usage': True" in flat(build.report())


def test_a_gateways_own_name_is_told_to_be_a_deployment():
    tracker = ImpactTracker()
    tracker.record(ModelCall(provider="openai", model="prod-assistant-7", output_tokens=9))
    assert "deployments={'prod-assistant-7': 'PROVIDER/MODEL'}" in flat(tracker.report())


def test_calls_that_lost_their_run_are_told_how_to_keep_it(build):
    build.chat("somebody else's run")
    assert "parent-unknown (1 call)" in flat(build.report())
    root = build.start(name="top", at=0)
    build.chat(name="in a thread", at=1, until=2)
    build.end(root, 5)
    assert "contextvars.copy_context().run" in flat(build.report())


def test_usage_that_contradicts_itself_is_told(build):
    run_id = build.start(kind="chat")
    call = ModelCall(model="m", input_tokens=10, cached_input_tokens=40, output_tokens=5)
    build.end(run_id, call=call)
    assert "usage-contradicts-itself (1 call)" in flat(build.report())


# Live


def test_a_live_report_ends_as_the_printed_one(build):
    console = Console(file=io.StringIO(), width=100)
    build.chat(name="before")
    with build.tracker.live(console):
        root = build.start(name="inside")
        build.chat(root, out=100)
        build.end(root)
    text = console.file.getvalue()
    assert "inside" in text
    assert "before" not in text
    assert "0.3 g" in text


def test_a_live_report_shows_what_runs(build):
    from impactree.report.live import _Current

    shown = _Current(build.tracker)
    root = build.start(name="going on")
    build.chat(root, out=100)
    console = Console(file=io.StringIO(), width=100)
    console.print(shown)
    assert "chain running" in console.file.getvalue()


# The command


@pytest.fixture
def files(agent, yesterday, tmp_path):
    agent.to_json(tmp_path / "now.json")
    yesterday.to_json(tmp_path / "then.json")
    return tmp_path / "now.json", tmp_path / "then.json"


def command(*arguments, **more):
    return CliRunner().invoke(cli, ["report", *map(str, arguments)], **more)


def test_the_command_prints_asks_compares_and_converts(files, agent, yesterday):
    now, then = files
    assert flat(command(now).output) == flat(agent)
    assert command(now, "--by", "model,kind").output == f"{agent.by('model', 'kind')}\n"
    assert flat(command(now, "--diff", then).output) == flat(agent.diff(yesterday))
    for keys in (["model"], ["model", "kind"]):
        asked = command(now, "--diff", then, "--by", ",".join(keys))
        assert flat(asked.output) == flat(agent.diff(yesterday, by=keys))
    assert json.loads(command(now, "--json").output) == agent.to_dict()
    assert command(now, "--csv").output.startswith("id,root_id,")
    assert "| run |" in command(now, "--markdown").output
    assert "5 calls" in command(now, "--merge", then).output
    assert "1 run, 1 call" in command(now, "--top", "1").output
    assert "search" in command(now, "--run", "search").output
    assert command("-", input=now.read_text()).output == command(now).output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--by", "modle"], "'model'"),
        (["--diff", __file__, "--top", "3"], "--diff shows the largest changes"),
        (["--run", "nothing"], "no run 'nothing' is in the report"),
        (["--top", "0"], "0 is not in the range"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(files, arguments, told):
    done = command(files[0], *arguments)
    assert done.exit_code
    assert told in done.output or told in str(done.exception)


def test_the_command_names_the_file_that_is_no_report(tmp_path):
    (tmp_path / "x.json").write_text("{")
    done = command(tmp_path / "x.json")
    assert "x.json: the report is cut off" in str(done.exception)
