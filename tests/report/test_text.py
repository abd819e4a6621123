"""The report as text: readable, at most 100 columns, plain without a terminal."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from impactree import ImpactTracker, ModelCall, Report
from impactree.calls import MAX_TOKENS

AGENT = """\
impactree  1 run, 2 calls
          method flat-1, zone of each host, catalog 2026-11-24

run             kind, model             tokens in  out    time  energy   CO2eq  share
research_agent  agent                       2,700  200   4.0 s  0.4 Wh   0.6 g   100%
├ model         node                          800   50   1.0 s  0.1 Wh  0.15 g    25%
│ └ ChatOpenAI  chat gpt-4o-2024-08-06        800   50  900 ms  0.1 Wh  0.15 g    25%
├ tools         node                                     1.0 s
│ └ search      tool                                    200 ms
├ tools         node                                     1.0 s
│ └ weather     tool error                              200 ms
└ model         node                        1,900  150   1.0 s  0.3 Wh  0.45 g    75%
  └ ChatOpenAI  chat gpt-4o-2024-08-06      1,900  150  900 ms  0.3 Wh  0.45 g    75%

by model           calls, how resolved
gpt-4o-2024-08-06  2 calls, exact           2,700  200          0.4 Wh   0.6 g   100%

total             mean and range           usage       embodied
  energy          0.4 (0.2 to 0.6) Wh      0.4 Wh
  GHG             0.6 (0.4 to 0.8) gCO2eq  0.4 gCO2eq  0.2 gCO2eq
  ADPe            0.4 gSbeq                0.2 gSbeq   0.2 gSbeq
  primary energy  0.4 kJ                   0.2 kJ      0.2 kJ
  water           0.2 mL                   0.2 mL

everyday  GHG as 4.2 m by car (France, 2025), energy as 2.4 minutes of a 10 W LED lamp, water as 4
          drops
energy    output 100%
advice    of 0.42 (0.081 to 1.2) gCO2eq by impactree-1, times left out; see report.advice()
          Try gpt-4o-mini for res in place of gpt-4o-2024-08-06: saves 0.39 (0.028 to 1.2) gCO2eq,
          93%. 2 answers of 50 to 150 tokens: short ones.

coverage  2 of 2 calls estimated
          token counts: 2 reported
          model names: 2 exact

warnings  model-arch-not-released (2 calls): The maker has not released the model's architecture;
          its parameters are an estimate."""


def lines(report):
    return str(report).splitlines()


def line(report, start):
    """The one line that starts with a text, guides and spaces aside, its cells by two spaces."""
    found = [row for row in lines(report) if row.lstrip("│├└ ").startswith(start)]
    assert len(found) == 1, found
    return re.split(r" {2,}", found[0].lstrip("│├└ "))


def rendered(report, width=100, **settings):
    console = Console(file=io.StringIO(), width=width, **settings)
    console.print(report)
    return console.file.getvalue()


def test_an_agent_run_reads_like_this(agent):
    assert str(agent) == AGENT


def test_rich_renders_the_same_text_and_colours_it_in_a_terminal(agent):
    plain = rendered(agent)
    assert [row.rstrip() for row in plain.splitlines()] == AGENT.splitlines()
    assert rendered(agent, 200).split() == plain.split()
    coloured = rendered(agent, force_terminal=True, color_system="truecolor")
    assert "\x1b[1;31m error\x1b[0m" in coloured
    assert "\x1b" not in str(agent)


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80])
def test_narrow_terminals_get_narrow_lines(agent, width):
    for report in (agent, Report([])):
        assert max(cell_len(row) for row in rendered(report, width).splitlines()) <= width


def test_an_empty_report_says_what_to_do(build):
    text = str(build.report())
    assert "no runs yet" in text
    assert '"callbacks": [handler]' in text
    assert max(map(len, text.splitlines())) <= 100


def test_an_empty_report_still_shows_problems(build):
    build.tracker.note_problem("unreadable start")
    assert "1 × unreadable start" in str(build.report())


def test_runs_without_a_call_total_zero(build):
    build.end(build.start(name="parser"))
    report = build.report()
    assert "total     zero: no model was called." in lines(report)
    assert line(report, "parser") == ["parser", "chain", "1.0 s"]


def test_nothing_estimated_says_why(build):
    build.chat(model="unknown-1", name="step")
    report = build.report()
    assert line(report, "step") == [
        "step",
        "chat unknown-1",
        "10",
        "100",
        "1.0 s",
        "not estimated",
    ]
    assert "total     not estimated: model-not-registered" in lines(report)
    assert "not estimated: model-not-registered (1 call): The model is not in the catalog." in str(
        report
    )


def test_lower_bounds_are_marked(build):
    root = build.start(name="top")
    build.chat(root, out=100)
    build.chat(root, model="unknown-1", out=None)
    build.end(root)
    report = build.report()
    assert line(report, "top")[2:] == ["20", "≥100", "1.0 s", "≥0.2 Wh", "≥0.3 g", "100%"]
    assert "total, at least" in str(report)
    assert "≥: at least" in str(report)


def test_token_counts_tell_where_they_come_from(build):
    root = build.start(name="top")
    build.chat(root, name="counted", tokens_source="counted")
    build.chat(root, name="unknown", out=None, input_tokens=None, tokens_source="unknown")
    build.end(root)
    report = build.report()
    assert line(report, "counted")[2:4] == ["~10", "~100"]
    assert line(report, "unknown")[2:4] == ["?", "?"]
    assert line(report, "top")[2:4] == ["≥10", "≥100"]
    assert "token counts: 1 counted locally, 1 unknown" in str(report)


def test_cached_calls_are_zero_and_their_avoided_impacts_told(build):
    build.chat(out=100, name="asked")
    build.chat(out=100, name="again", cached=True)
    report = build.report()
    assert line(report, "again")[1:] == ["chat gpt-4o cached", "1.0 s", "0 Wh", "0 g", "0%"]
    assert "coverage  1 of 2 calls estimated, 1 from a cache (avoided 0.3 gCO2eq)" in str(report)
    assert line(report, "gpt-4o")[1] == "2 calls, exact, 1 cached"


@pytest.mark.parametrize("status", ["error", "cancelled", "interrupted", "abandoned"])
def test_statuses_are_named(build, status):
    build.end(build.start(name="step"), status=status)
    assert line(build.report(), "step")[1] == f"chain {status}"


def test_runs_that_go_on_are_named(build):
    build.start(name="step")
    report = Report(build.tracker.open_roots)
    assert line(report, "step") == ["step", "chain running"]


def test_each_warning_once_with_its_number_of_calls(build):
    for _ in range(3):
        build.chat()
    build.chat(tokens_source="counted")
    text = str(build.report())
    assert text.count("model-arch-not-released (4 calls)") == 1
    assert text.count("token-count-approximate (1 call)") == 1


def test_reasons_of_many_models_are_a_few_sentences(build):
    for n in range(9):
        build.chat(model=f"unknown-{n}")
    text = " ".join(str(build.report()).split())
    assert text.count("not estimated: model-not-registered (9 calls)") == 1
    assert text.count("Asked for") == 3
    assert "And 6 more like it." in text
    assert text.count("The model is not in the catalog.") == 1


def test_a_warning_does_not_name_one_model_for_many():
    tracker = ImpactTracker()
    for n in range(5):
        tracker.record(ModelCall(model=f"unheard-of-{n}", output_tokens=10))
    text = " ".join(str(tracker.report()).split())
    warning = text[text.index("model-prior (5 calls)") :]
    assert warning.count("The size of the model is not known") == 1
    assert warning.count("Asked for 'unheard-of-") == 3
    assert "And 2 more like it." in warning


def test_older_runs_and_the_total_ever(builder):
    build = builder(max_runs=2)
    for _ in range(5):
        build.chat(out=100)
    text = " ".join(str(build.report()).split())
    # five calls of 100 tokens: 5 * 100 * 2 mWh
    assert "history 3 older runs are no longer kept and not in the figures above." in text
    assert "Total of every call so far: 1 (0.5 to 1.5) Wh" in text


# Repetition and size


def test_repeated_siblings_are_one_line(build):
    root = build.start(name="map")
    for n in range(12):
        build.chat(root, out=100, name="summarise", until=1 + n)
    build.chat(root, name="other")
    build.end(root)
    # mean time: 1 + 5.5 s; energy: 12 * 100 * 2 mWh
    assert line(build.report(), "summarise × 12")[2:] == [
        "120",
        "1,200",
        "ø6.5 s",
        "2.4 Wh",
        "3.6 g",
        "92%",
    ]


def test_repeated_trees_are_one_tree(build):
    for _ in range(12):
        root = build.start(name="answer")
        step = build.start(root, name="step")
        build.chat(step, name="draft")
        build.chat(step, name="draft")
        build.end(step)
        build.end(root)
    report = build.report()
    rows = [row.split("  ")[0] for row in lines(report)]
    assert "answer × 12" in rows
    assert "└ step × 12" in rows
    assert "  └ draft × 24" in str(report)


@pytest.mark.parametrize(
    "odd",
    [{"model": "other"}, {"status": "error"}, {"cached": True}, {"name": "else"}, {"out": None}],
)
def test_what_differs_stands_alone(build, odd):
    root = build.start(name="top")
    build.chat(root)
    build.chat(root)
    build.chat(root, **odd)
    build.end(root)
    text = str(build.report())
    assert "ChatOpenAI × 2" in text
    assert "× 3" not in text


def test_a_deep_tree_is_cut_with_a_count(build):
    parent, opened = None, []
    for level in range(10_000):
        parent = build.start(parent, name=f"level_{level}")
        opened.append(parent)
    build.chat(parent, out=100)
    for run_id in reversed(opened):
        build.end(run_id)
    report = build.report()
    assert len(lines(report)) < 40
    # levels 0 to 8 are shown; 9,991 levels and the call are not, but count
    assert line(report, "level_8 +9,992")[-3:] == ["0.2 Wh", "0.3 g", "100%"]
    assert "+n: n runs below are not shown" in str(report)


def test_a_wide_tree_sums_up_what_it_does_not_show(build):
    root = build.start(name="top")
    for n in range(10_000):
        build.chat(root, out=1, name=f"call_{n}")
    build.end(root)
    report = build.report()
    assert len(lines(report)) < 60
    # 23 shown, one line for the others, of 2 mWh and 3 mgCO2eq each
    assert line(report, "… 9,977 more")[1:] == [
        "9,977 calls",
        "99,770",
        "9,977",
        "20 Wh",
        "30 g",
        "100%",
    ]


def test_a_bushy_tree_stays_readable_and_complete_at_the_top(build):
    root = build.start(name="top")
    for a in range(10):
        here = build.start(root, name=f"branch_{a}")
        for b in range(20):
            leaf = build.start(here, name=f"twig_{a}_{b}")
            build.chat(leaf)
            build.end(leaf)
        build.end(here)
    build.end(root)
    rows = lines(build.report())
    assert len(rows) <= 60
    for a in range(10):
        assert sum(f"branch_{a} " in row for row in rows) == 1


def test_a_narrow_report_gives_up_evidence_before_it_grows():
    tracker = ImpactTracker()
    tracker.start("agent", name="research_agent", kind="agent")
    for n in range(15):
        step, chat = f"step {n}", f"chat {n}"
        tracker.start(step, "agent", name="model", kind="node")
        tracker.start(chat, step, name="ChatOpenAI", kind="chat")
        call = {"model": "gpt-4o-mini", "provider": "openai", "output_tokens": 90}
        tracker.end(chat, call=ModelCall(input_tokens=500 + 300 * n, **call))
        tracker.end(step)
        tracker.start(f"tools {n}", "agent", name="tools", kind="node")
        tracker.end(f"tools {n}")
    tracker.end("agent")
    report = tracker.report()
    for width in range(60, 201, 10):
        assert len(report.to_text(width).splitlines()) <= 60
        assert "Let a prompt cache serve" in report.to_text(width)
    assert "calls of 15 sent" in " ".join(report.to_text(200).split())
    assert "calls of 15 sent" not in " ".join(report.to_text(60).split())


def test_of_many_runs_the_newest_are_shown(build):
    for n in range(1000):
        build.chat(out=1, name=f"question_{n}")
    report = str(build.report())
    assert len(lines(report)) <= 60
    assert line(report, "question_999")
    rows = [row for row in lines(report) if row.startswith("question_")]
    older = 1000 - len(rows)
    assert len(rows) >= 30
    assert line(report, f"… {older} earlier runs")[1:4] == [
        f"{older} calls",
        f"{older * 10:,}",
        str(older),
    ]
    assert f"question_{older - 1} " not in report
    assert report.index("question_998 ") < report.index("question_999 ")


def test_many_models_are_summed_up(build):
    for n in range(50):
        build.chat(model=f"model-{n}", out=100 - n)
    assert line(build.report(), "… 31 more models")[1] == "31 calls, exact"


# Any content


def test_names_are_shown_as_they_are(build):
    build.chat(name="[red]x[/red] :smile:", model="[/]\x1b[31m\n\u202e")
    for text in (str(build.report()), rendered(build.report())):
        assert "[red]x[/red] :smile:" in text
        assert r"[/]\x1b[31m\n\u202e" in text


def test_long_names_are_cut_and_their_marks_kept(build):
    build.chat(name="name" * 50, model="model" * 50, cached=True)
    build.chat(name="name" * 50, model="model" * 50, cached=True)
    (row,) = (row for row in lines(build.report()) if "× 2" in row)
    assert re.match(r"(name)+[nam]*… × 2  chat (model)+[mode]*… cached ", row)


def test_long_names_leave_the_model_readable(build):
    build.chat(name="name" * 50, model="gpt-4o-2024-08-06")
    (row,) = (row for row in lines(build.report()) if row.startswith("namename"))
    assert "…  chat gpt-4o-2024-08-06 " in row


def test_a_word_longer_than_a_line_is_broken_not_lost(build):
    build.tracker.note_problem("x" * 300)
    text = str(build.report())
    assert text.count("x") == 300
    assert max(map(len, text.splitlines())) <= 100


def test_what_has_no_name_says_so(build):
    build.chat(name="", model="")
    assert re.search(r"^\(no name\) +chat \(no name\)", str(build.report()), re.MULTILINE)


@pytest.mark.parametrize(("width", "phases"), [(65, 2), (55, 1), (45, 0)])
def test_totals_are_whole_at_any_width(build, width, phases):
    build.chat()
    rows = rendered(build.report(), width=width).splitlines()
    start = next(i for i, row in enumerate(rows) if row.startswith("total"))
    titles, *figures = ([c for c in re.split(r" {2,}", row) if c] for row in rows[start:][:6])
    assert titles == ["total", "mean and range", "usage", "embodied"][: 2 + phases]
    assert "…" not in str(figures)
    assert all(cells[1].endswith(("Wh", "eq", "J", "L")) for cells in figures)


def test_numbers_are_never_cut(build):
    # Each of the calls: 2^53, or 9 × 10^15, tokens of 2 mWh and 3 mgCO2eq.
    for _ in range(100):
        build.chat(name="step", out=MAX_TOKENS)
    shown = line(build.report(), "step × 100")[3:]
    assert shown == [">999T", "ø1.0 s", "1.8e+15 Wh", "2.7e+15 g", "100%"]


def test_paths_and_arns_are_known_by_their_last_part(build):
    build.chat(model="/models/gguf/gemma-3-270m.gguf", name="local")
    assert line(build.report(), "local")[1] == "chat gemma-3-270m.gguf"


names = st.text(max_size=60) | st.sampled_from(
    ["名前" * 30, "\x00\x1b[2J", "👩‍💻" * 20, "e\u0301" * 60, "\ud800", "", " ", "\u3000" * 9]
)


@given(
    tree=st.lists(
        st.tuples(
            st.integers(0, 12),
            names,
            names,
            st.none() | st.integers(0, MAX_TOKENS),
            st.sampled_from(["ok", "error", "interrupted", "abandoned"]),
            st.floats(0, 1e9),
        ),
        min_size=1,
        max_size=15,
    ),
    width=st.integers(60, 100),
)
@settings(deadline=None)
def test_it_fits_at_any_content(builder, tree, width):
    build = builder()
    runs = [build.start(name="root")]
    for parent, name, model, tokens, status, seconds in tree:
        above = runs[min(parent, len(runs) - 1)]
        runs.append(build.start(above, name, "chat"))
        call = ModelCall(model=model, output_tokens=tokens, input_tokens=tokens)
        build.end(runs[-1], seconds, status=status, call=None if parent == 0 else call)
    build.end(runs[0])
    build.tracker.problems["odd " + tree[0][1]] = 3
    for text, limit in ((str(build.report()), 100), (rendered(build.report(), width), width)):
        assert all(cell_len(row) <= limit for row in text.split("\n"))
        assert all(char == "\n" or char.isprintable() for char in text)
        text.encode()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "<1 ms"),
        (0.412, "412 ms"),
        (0.9999, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (754, "754 s"),
        (1000, "17 min"),
        (7200, "2.0 h"),
        (86400 * 30, "30 d"),
        (1e12, "9999 d"),
    ],
)
def test_times_take_six_characters(build, seconds, text):
    build.end(build.start(name="step"), seconds)
    assert line(build.report(), "step")[-1] == text


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (0, "0"),
        (99_999, "99,999"),
        (100_000, "100k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (12_345_678, "12.3M"),
        (10**9, "1.0G"),
        (10**15, ">999T"),
        (MAX_TOKENS, ">999T"),
    ],
)
def test_token_counts_take_six_characters(build, tokens, text):
    build.chat(name="step", out=1, input_tokens=tokens)
    assert line(build.report(), "step")[2] == text


def test_the_default_method_says_what_it_leaves_out_and_what_the_other_says():
    """1,601 of 1,742 tokens are input: 92 %."""
    handler = ImpactTracker()
    handler.start("r", name="agent")
    handler.record(
        ModelCall(model="gpt-4o", provider="openai", input_tokens=1601, output_tokens=141), "r"
    )
    handler.end("r")
    text = " ".join(str(handler.report()).split())
    other = handler.report(method="impactree-1").total
    assert "92% of the tokens are input, which ecologits-0.11 does not count" in text
    assert f"impactree-1, which does, says {other.energy}, {other.gwp}" in text
    assert re.search(r"energy output \d\d%, host \d+%, overhead 17%", text)
    assert "does not count" not in str(handler.report(method="impactree-1"))
    assert "energy    input " in str(handler.report(method="impactree-1"))
