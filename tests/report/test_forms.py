"""A report goes anywhere and comes back: JSON, dataframes, CSV, Parquet, Markdown, HTML."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impactree import ImpactTracker, ModelCall, Report
from impactree.exceptions import ReportFormatError
from impactree.values.criteria import FLAT_COLUMNS

HOSTILE = [
    "<script>alert(1)</script>",
    "\"quotes' & more",
    "two\nlines\rand\r\nmore",
    "\x1b[2J\x1b]0;title\x07",
    "\u202egpj.exe",
    "\u05e9\u05dc\u05d5\u05dd",
    "x" * 10_000,
    '=HYPERLINK("http://h")',
    "+1",
    "-1",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "| cell | `code` [a](javascript:x) ![i](http://h/i.png)",
    "\ud800",
    "",
]


def gwp(impacts):
    return impacts.gwp.value.mean


@pytest.fixture
def hostile(build):
    for name in HOSTILE:
        root = build.start(name=name, tags=[name], metadata={"user_id": name})
        build.chat(root, name, name=name)
        build.end(root)
    return build.report()


# JSON, there and back


def test_streamed_json_is_the_same_data(hostile, tmp_path):
    for report in (hostile, Report([])):
        out = io.StringIO()
        assert report.to_json(out) is None
        assert json.loads(out.getvalue()) == report.to_dict()
        report.to_json(tmp_path / "r.json")
        assert json.loads((tmp_path / "r.json").read_text("utf-8")) == report.to_dict()
        assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_a_name_that_is_no_text_is_written_as_it_is():
    tracker = ImpactTracker()
    tracker.start("run", name=5, kind="agent")
    tracker.end("run")
    report = tracker.report()
    assert json.loads(report.to_json()) == report.to_dict()
    assert report.to_dict()["runs"][0]["name"] == 5


def test_a_file_that_cannot_be_written_is_left_as_it_was(agent, tmp_path):
    path = tmp_path / "r.json"
    path.write_text("before")
    agent.runs[0].children[0].tags = (object(),)  # no JSON
    with pytest.raises(TypeError):
        agent.to_json(path)
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_json_comes_back_as_the_same_report(hostile, build):
    build.chat(cached=True)
    build.chat(model="unknown-1", out=None, tokens_source="unknown")
    for report in (hostile, build.report()):
        again = Report.from_json(report.to_json())
        assert again.to_dict() == report.to_dict()
        assert str(again) == str(report)
        assert again.by("user", "model").to_dict() == report.by("user", "model").to_dict()


@pytest.mark.parametrize("wrap", [str, str.encode, io.StringIO, "path"])
def test_json_is_read_from_text_bytes_files_and_paths(agent, tmp_path, wrap):
    text = agent.to_json()
    if wrap == "path":
        (tmp_path / "r.json").write_text(text)
        source = tmp_path / "r.json"
    else:
        source = wrap(text)
    assert Report.from_json(source).calls == 2


def as_format_1(value):
    """No means, no method on impacts, no labels and no format, as the first version wrote it."""
    if isinstance(value, dict):
        new = ("mean", "energy_parts", "format", "user", "tool", "agent", "node", "step", "thread")
        kept = {k: as_format_1(v) for k, v in value.items() if k not in new}
        if "lower_bound" in kept:
            kept.pop("method", None)
        return kept
    return [*map(as_format_1, value)] if isinstance(value, list) else value


def test_format_1_is_read_with_means_in_the_middle(agent):
    old = Report.from_json(json.dumps(as_format_1(agent.to_dict())))
    # 200 tokens, 2 to 4 mgCO2eq each
    assert gwp(old.total) == pytest.approx(600e-6)
    assert old.total.energy_parts is None
    assert old.calls == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"format": 2, "runs": [', "cut off: it ends at line 1, column 24"),
        ("", "not JSON at line 1, column 1"),
        (b"", "it is empty"),
        ('{"format": ' + "9" * 5000 + "}", "no report: Exceeds the limit"),
        ('{"a": 1} and more', r"not JSON at line 1, column 10 \(Extra data\)$"),
        ('{"a": [1 2]}', r"not JSON at line 1, column 10 .*delimiter\)$"),
        ("run.json", "for a file give Path"),
        ("[1]", r"an object was expected, not \[1\]"),
        ('{"a": 1}', "no report of impactree: it lacks method, runs, total, coverage; it has a"),
        (b"\xff\xfe", "byte 0 is not UTF-8"),
    ],
)
def test_what_is_no_report_gets_one_clear_error(text, told):
    with pytest.raises(ReportFormatError, match=told) as caught:
        Report.from_json(text)
    assert len(str(caught.value).splitlines()) == 1


def test_a_newer_format_says_to_update(agent):
    with pytest.raises(ReportFormatError, match=r"format 7, which is newer .* \(2\): update"):
        Report.from_json(json.dumps(agent.to_dict() | {"format": 7}))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("runs", 2, "kind"), "magic", r"runs\[2\]: expected kind to be one of"),
        (("runs", 2, "call", "input_tokens"), -1, r"runs\[2\]\.call: input_tokens must be"),
        (("runs", 2, "own", "usage", "gwp", "value"), {}, r"runs\[2\]\.own\.gwp: it lacks 'min'"),
        (("runs", 1, "start"), "noon", r"runs\[1\]: expected start to be a time in s, not 'noon'"),
        (("runs", 1), 5, r"runs\[1\]: expected an object, not 5"),
        (("runs",), {}, "runs: expected a list"),
        (("method",), ["x"], "method: expected text or null"),
        (("finished_runs",), "many", "finished_runs: expected a whole number"),
        (
            ("runs", 2, "own", "usage", "gwp", "value", "min"),
            float("nan"),
            r"own\.gwp: expected a nu",
        ),
        (("runs", 2, "own", "usage", "gwp", "value", "min"), True, r"own\.gwp: expected a number"),
    ],
)
def test_a_broken_report_says_what_and_where(agent, path, value, told):
    data = agent.to_dict()
    inner = data
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(ReportFormatError, match=told):
        Report.from_json(json.dumps(data))


@given(cut=st.integers(0, 4000))
@settings(max_examples=30, deadline=None)
def test_any_truncation_is_told(builder, cut):
    build = builder()
    build.chat()
    text = build.report().to_json()
    with pytest.raises(ReportFormatError, match="cut off" if cut % len(text) else "it is empty"):
        Report.from_json(text[: cut % len(text)])


def test_wherever_a_report_is_cut_it_says_so(builder):
    build = builder()
    build.chat(model='quo"te\u00e9\n')
    text = json.dumps(json.loads(build.report().to_json()) | {"x": [True, None, -1.5e-07, 1e22]})
    for end in range(1, len(text)):
        with pytest.raises(ReportFormatError, match="the report is cut off: it ends at line 1"):
            Report.from_json(text[:end])


# Rows


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_a_dataframe_has_a_row_per_call_that_sums_to_the_total(agent, build, backend):
    pytest.importorskip(backend)
    build.chat(model="unknown-1", out=None)
    report = build.report()
    frame = report.to_dataframe(backend=backend)
    assert type(frame).__module__.split(".")[0] == backend
    columns = frame.column_names if backend == "pyarrow" else list(frame.columns)
    assert set(FLAT_COLUMNS) <= set(columns)
    column = frame["gwp_kgco2eq_mean"]
    values = column.to_pylist() if backend == "pyarrow" else list(column)
    known = [v for v in values if v is not None and v == v]
    assert len(values) == 3
    assert sum(known) == pytest.approx(gwp(report.total), rel=1e-12)
    for per, rows in (("run", 10), ("root", 2)):
        assert len(report.to_dataframe(per, backend=backend)) == rows


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_hostile_names_are_text_in_frames(hostile, backend, tmp_path):
    pytest.importorskip(backend)
    assert len(hostile.to_dataframe(backend=backend)) == len(HOSTILE)
    assert len(hostile.by("user", "tag").to_dataframe(backend=backend)) == len(HOSTILE)


def test_unknown_frames_and_rows_are_refused(agent):
    with pytest.raises(ValueError, match="per must be 'call', 'run' or 'root', not 'day'"):
        agent.to_dataframe("day")
    with pytest.raises(ValueError, match="backend must be one of pandas, polars, pyarrow"):
        agent.to_dataframe(backend="dask")


def test_an_empty_report_has_the_same_columns():
    pl = pytest.importorskip("polars")
    empty, one = Report([]), ImpactTracker()
    one.record(ModelCall(provider="openai", model="gpt-4o", output_tokens=9))
    frames = [r.to_dataframe(backend="polars") for r in (empty, one.report())]
    assert pl.concat(frames).height == 1


def test_csv_holds_no_formula_and_no_lone_return(hostile, tmp_path):
    text = hostile.to_csv()
    assert "\r" not in text.replace("\r\n", "")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len(rows) == len(HOSTILE)
    for row in rows:
        for key in ("name", "model", "user", "tags"):
            assert not row[key].startswith(("=", "+", "-", "@", "\t", "\r")), row[key]
    assert rows[7]["name"] == """'=HYPERLINK("http://h")"""
    assert sum(float(row["gwp_kgco2eq_mean"]) for row in rows) == pytest.approx(
        gwp(hostile.total), rel=1e-12
    )
    hostile.to_csv(tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_bytes().decode() == text


@pytest.mark.parametrize("sign", ["\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_csv_holds_no_formula_in_wide_letters(sign):
    tracker = ImpactTracker()
    tracker.record(ModelCall(provider="openai", model=f"{sign}1+1", output_tokens=9))
    (row,) = csv.DictReader(io.StringIO(tracker.report().to_csv(), newline=""))
    assert row["model"] == f"'{sign}1+1"


def test_parquet_reads_back(agent, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    agent.to_parquet(tmp_path / "r.parquet")
    table = pq.read_table(tmp_path / "r.parquet")
    assert table.num_rows == 2
    assert sum(table["gwp_kgco2eq_mean"].to_pylist()) == pytest.approx(gwp(agent.total), rel=1e-12)
    assert table["output_tokens"].to_pylist() == [50, 150]


# Pages


class Tags(HTMLParser):
    """What a fragment is made of."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text.append(data)


def test_html_has_no_script_no_stylesheet_and_only_text_of_others(hostile):
    for page in (hostile._repr_html_(), hostile.by("user", "model")._repr_html_()):
        found = Tags()
        found.feed(page)
        assert found.tags <= {
            *("div", "b", "span", "br", "bdi"),
            *("table", "thead", "tr", "th", "td"),
        }
        assert found.attributes <= {"style", "colspan"}
        assert "<script>alert(1)</script>" in "".join(found.text)
        assert "\x1b" not in page
        assert "\u202e" not in page


def test_a_notebook_gets_both_forms(agent):
    bundle = agent._repr_mimebundle_()
    assert bundle == {"text/plain": str(agent), "text/html": agent._repr_html_()}
    for part in (agent.by("model"), agent.diff(agent)):
        assert part._repr_mimebundle_() == {
            "text/plain": str(part),
            "text/html": part._repr_html_(),
        }


def test_markdown_keeps_its_tables_whatever_names_are(hostile):
    for text in (hostile.to_markdown(), hostile.by("user").to_markdown()):
        rows = [line for line in text.splitlines() if line.startswith("|")]
        cells = {len(re.split(r"(?<!\\)\|", row)) for row in rows}
        assert cells <= {10, 9, 6, 11}
        assert "<" not in text
        assert not re.search(r"(?<!\\)\[a", text)


def test_totals_print_alike_everywhere(agent):
    shown = str(agent.total.gwp)
    for text in (str(agent), agent.to_markdown(), agent._repr_html_()):
        assert shown in text


def test_what_nobody_publishes_is_null_everywhere_and_comes_back(tmp_path):
    """By impactree-1 the world has no ADPe: not a number is no JSON, and no figure in a table."""
    tracker = ImpactTracker(method="impactree-1")
    for zone in ("WOR", "USA"):
        tracker.record(ModelCall(model="gpt-4o", provider="openai", output_tokens=9, zone=zone))
    report = tracker.report()
    world, usa = report.runs
    assert world.total.adpe is None
    assert usa.total.adpe is not None
    assert report.total.adpe is None
    text = report.to_json()
    assert "NaN" not in text
    assert json.loads(text) == report.to_dict()
    again = Report.from_json(text)
    assert again.to_dict() == report.to_dict()
    rows = list(csv.DictReader(io.StringIO(report.to_csv(), newline="")))
    assert [bool(row["adpe_kgsbeq_mean"]) for row in rows] == [False, True]
    pq = pytest.importorskip("pyarrow.parquet")
    report.to_parquet(tmp_path / "r.parquet")
    assert pq.read_table(tmp_path / "r.parquet")["adpe_kgsbeq_mean"].null_count == 1


CALLS = st.tuples(
    st.integers(0, 30),  # which of the open runs it hangs under
    st.integers(0, 10**6),
    st.sampled_from(["gpt-4o", "gpt-4o-mini", "unknown-1"]),
    st.booleans(),
)


@given(calls=st.lists(CALLS, min_size=1, max_size=20))
@settings(deadline=None)
def test_totals_of_random_trees_are_the_same_in_every_view(builder, calls):
    build = builder()
    opened = [build.start(name="root", kind="agent")]
    for place, (above, out, model, cached) in enumerate(calls):
        parent = opened[above % len(opened)]
        opened.append(
            build.start(parent, name=f"step {place % 4}", metadata={"user_id": place % 3})
        )
        build.chat(opened[-1], model, out, cached=cached)
    for run_id in reversed(opened):
        build.end(run_id)
    report = build.report()
    (root,) = report.runs
    if not root.total.estimated:
        assert root.total.estimated_calls == 0
        return
    whole = gwp(root.total)
    rows = list(csv.DictReader(io.StringIO(report.to_csv(), newline="")))
    again = Report.from_json(report.to_json())
    sums = {
        "total": gwp(report.total),
        "calls": math.fsum(gwp(run.own) for run in root.calls if run.own.estimated),
        "data": report.to_dict()["total"]["gwp"]["value"]["mean"],
        "read back": gwp(again.total),
        "rows": math.fsum(float(row["gwp_kgco2eq_mean"] or 0) for row in rows),
        "roots": float(next(csv.DictReader(io.StringIO(report.to_csv(per="root"))))[GWP]),
    }
    for keys in (("model",), ("name",), ("user", "status"), ("day",)):
        groups = report.by(*keys)
        sums[keys] = math.fsum(gwp(g.total) for g in groups.values() if g.total.estimated)
        assert whole == 0 or sum(g.share or 0 for g in groups.values()) == pytest.approx(1)
    for view, found in sums.items():
        assert found == pytest.approx(whole, rel=1e-12), view
    shown = str(report.total.gwp)
    for text in (str(report), report.to_markdown(), report._repr_html_(), str(again)):
        assert shown in text


GWP = "gwp_kgco2eq_mean"
