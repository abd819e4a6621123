"""``impactree table``: logs in, a Parquet file per day out."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from impactree import ImpactTracker, ModelCall, estimate
from impactree.cli import cli
from impactree.delivery.locks import locked_file
from impactree.exceptions import TableError

LOGS = Path(__file__).parent / "logs"
DAY = dt.date(2026, 11, 3)


def table(*arguments):
    done = CliRunner().invoke(cli, ["table", *map(str, arguments)], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.output


def rows(folder):
    return [row for path in sorted(folder.glob("day=*")) for row in pq.read_table(path).to_pylist()]


def mean(**call):
    return estimate(ModelCall(**call), at=DAY).gwp.value.mean


def test_a_langsmith_export_by_day_model_and_agent(tmp_path):
    out = tmp_path / "impacts"
    text = table(LOGS / "langsmith_bulk", "--out", out, "--by", "day,model,customer")
    assert [path.name for path in sorted(out.iterdir())] == [
        *(".lock", "_plans.arrow", "day=2026-11-03.parquet")
    ]
    found = {row["model"]: row for row in rows(out)}
    assert {*found} == {"gpt-4o-mini-2024-07-18", "claude-sonnet-4-5-20250929"}
    mini = found["gpt-4o-mini-2024-07-18"]
    assert (mini["day"], mini["customer"], mini["calls"], mini["input_tokens"]) == (
        DAY,
        "acme",
        1,
        600,
    )
    expected = mean(
        model="gpt-4o-mini-2024-07-18",
        requested="gpt-4o-mini",
        provider="openai",
        input_tokens=600,
        output_tokens=120,
        latency_s=1.9,
    )
    assert mini["gwp_kgco2eq_mean"] == pytest.approx(expected, rel=1e-12)
    assert "2 calls: 2 estimated, 0 not, 0 cached" in text
    assert "Credit:" in text
    metadata = pq.read_schema(out / "day=2026-11-03.parquet").metadata
    stamp = json.loads(metadata[b"impactree.stamp"])
    assert (stamp["method"], stamp["by"]) == ("ecologits-0.11", ["day", "model", "customer"])
    assert metadata[b"impactree.credits"]
    plans = pa.feather.read_table(out / "_plans.arrow")
    assert plans.num_rows == 2
    assert json.loads(plans.schema.metadata[b"impactree.stamp"])["method"] == "ecologits-0.11"


def test_a_dry_run_says_what_was_recognised_and_writes_nothing(tmp_path):
    text = table(LOGS / "litellm_spendlogs.csv", "--out", tmp_path / "o", "--dry-run")
    assert "LiteLLM spend logs" in text
    assert not (tmp_path / "o").exists()


def test_failures_and_cache_hits_are_counted_and_no_zero(tmp_path):
    told = json.loads(table(LOGS / "litellm_spendlogs.csv", "--out", tmp_path, "--json"))
    counts = {name: told[f"{name}_calls"] for name in ("estimated", "unestimated", "cached")}
    assert counts == {"estimated": 1, "unestimated": 1, "cached": 1}
    assert told["errors"] == {"output-tokens-unknown": 1}


def test_reports_of_sums_are_exact_by_a_linear_method_and_said_otherwise(tmp_path):
    sample = LOGS / "openai_usage_completions.json"
    told = json.loads(table(sample, "--out", tmp_path / "a", "--json"))
    call = ModelCall(model="gpt-4o-mini-2024-07-18", provider="openai", output_tokens=100)
    one = estimate(call, at=dt.date(2025, 11, 3)).gwp.value.mean
    assert told["calls"] == 5
    assert told["by_model"][0]["gwp_kgco2eq_mean"] == pytest.approx(5 * one, rel=1e-12)
    assert "requests-summed" not in told["warnings"]
    told = json.loads(table(sample, "--out", tmp_path / "b", "--json", "--method", "impactree-1"))
    assert told["warnings"]["requests-summed"] == 5
    sample = LOGS / "anthropic_usage_report.json"
    told = json.loads(table(sample, "--out", tmp_path / "c", "--json"))
    assert (told["estimated_calls"], told["warnings"]["requests-unknown"]) == (1, 1)
    told = json.loads(table(sample, "--out", tmp_path / "d", "--json", "--method", "impactree-1"))
    assert (told["estimated_calls"], told["errors"]) == (0, {"requests-unknown": 1})


def plain(path, days=3, calls=4, model="gpt-4o-mini"):
    begun = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
    data = {
        "llm": [model] * days * calls,
        "prompt": list(range(days * calls)),
        "output_tokens": [7] * days * calls,
        "started_at": [begun + dt.timedelta(days=n // calls) for n in range(days * calls)],
        "team": ["a", "b"] * (days * calls // 2),
    }
    pq.write_table(pa.table(data), path)
    return path


MAPPED = ("--map", "model=llm", "--map", "input_tokens=prompt")


def test_a_plain_table_with_a_mapping_of_its_columns(tmp_path):
    source, out = plain(tmp_path / "calls.parquet"), tmp_path / "out"
    table(source, "--out", out, *MAPPED, "--by", "team", "--since", "2026-11-02")
    found = [(row["day"].day, row["team"], row["calls"]) for row in rows(out)]
    assert sorted(found) == [(2, "a", 2), (2, "b", 2), (3, "a", 2), (3, "b", 2)]
    each = tmp_path / "each"
    table(source, "--out", each, *MAPPED, "--per-call", "--until", "2026-11-01")
    assert [row["input_tokens"] for row in rows(each)] == [0, 1, 2, 3]
    with pytest.raises(TableError, match="'llms' is missing, expected as 'model'; nearest: llm"):
        table(source, "--out", each, "--map", "model=llms")
    with pytest.raises(TableError, match=r"calls\.parquet: column 'model' is missing"):
        table(source, "--out", each)
    with pytest.raises(TableError, match="by: no record says 'teams'; nearest: team"):
        table(source, "--out", each, *MAPPED, "--by", "teams")
    csv = tmp_path / "calls.csv"
    csv.write_text("model,output_tokens,day\ngpt-4o,7,2026-11-03\ngpt-4o,-1,2026-11-03\n")
    text = table(csv, "--out", tmp_path / "csv")
    assert "rejected: 1 rows, no call can have such a output_tokens" in text
    csv.write_text("model,output_tokens,day\ngpt-4o,seven,2026-11-03\n")
    with pytest.raises(TableError, match=r"calls\.csv: column 'output_tokens' is of type string"):
        table(csv, "--out", tmp_path / "csv")


def test_a_second_run_does_only_what_is_new_or_stamped_otherwise(tmp_path):
    source, out = plain(tmp_path / "calls.parquet"), tmp_path / "out"
    table(source, "--out", out, *MAPPED)
    first = {path: path.stat().st_mtime_ns for path in out.glob("day=*")}
    assert len(first) == 3
    assert "3 days were there already" in table(source, "--out", out, *MAPPED)
    assert {path: path.stat().st_mtime_ns for path in out.glob("day=*")} == first
    more = plain(tmp_path / "calls.parquet", days=4)
    assert "3 days were there already" in table(more, "--out", out, *MAPPED)
    assert len(list(out.glob("day=*"))) == 4
    text = table(more, "--out", out, *MAPPED, "--method", "impactree-1", "--restate")
    assert "already" not in text
    assert "restated: gpt-4o-mini: " in text
    assert {row["method"] for row in rows(out) if "method" in row} <= {"impactree-1"}


def test_two_runs_at_once_one_refuses_or_waits(tmp_path):
    source, out = plain(tmp_path / "calls.parquet"), tmp_path / "out"
    out.mkdir()
    refused = pytest.raises(TableError, match="another run writes there")
    with locked_file(out / ".lock"), refused:
        table(source, "--out", out, *MAPPED)
    table(source, "--out", out, *MAPPED, "--wait", "1")


KILLED = """
import sys
from impactree.tables import _output
real = _output.pq.ParquetWriter.close
def close(self):
    real(self)
    if '2026-11-02' in str(self.where):
        print('now', flush=True)
        import time; time.sleep(60)
_output.pq.ParquetWriter.close = close
from impactree.cli import main
main(sys.argv[1:])
"""


def test_killed_in_the_middle_no_day_is_half_written_and_the_next_run_ends_the_same(tmp_path):
    source, out, whole = plain(tmp_path / "calls.parquet"), tmp_path / "out", tmp_path / "whole"
    arguments = ["table", str(source), "--out", str(out), *MAPPED]
    run = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE)
    assert run.stdout.readline() == b"now\n"
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    for path in out.glob("day=*"):
        pq.read_table(path)
    assert len(list(out.glob("day=*"))) == 1
    assert "1 days were there already" in table(source, "--out", out, *MAPPED)
    table(source, "--out", whole, *MAPPED)
    assert rows(out) == rows(whole)
    assert {p.name for p in out.iterdir()} == {p.name for p in whole.iterdir()}


def tree(tracker):
    tracker.start("root", name="support", kind="agent", labels={"agent": "support"})
    tracker.start("node", parent_id="root", name="lookup", kind="node", labels={"step": "1 lookup"})
    call = ModelCall(model="gpt-4o", provider="openai", input_tokens=5, output_tokens=7)
    tracker.start("call", parent_id="node", name="ChatOpenAI", kind="chat")
    tracker.end("call", call=call)
    tracker.end("node")
    tracker.end("root")


def test_impactrees_own_lines_rows_and_tables_give_the_same(tmp_path):
    from impactree.exporters import JSONLExporter, ParquetExporter, SQLExporter

    lines, folder = tmp_path / "impacts.jsonl", tmp_path / "parquet"
    url = f"sqlite:///{tmp_path / 'impacts.db'}"
    exporters = [JSONLExporter(lines), ParquetExporter(folder, linger_s=0), SQLExporter(url)]
    tracker = ImpactTracker(exporters=exporters)
    tree(tracker)
    assert tracker.flush(10)
    expected = tracker.last_run.total.gwp.value.mean
    report = tmp_path / "report.csv"
    tracker.report().to_csv(report)
    shutil.copy(lines, tmp_path / "again.jsonl")
    sources = {"lines": [lines], "twice": [lines, tmp_path / "again.jsonl"]}
    sources |= {"parquet": [folder], "sql": [url], "csv": [report]}
    for name, paths in sources.items():
        out = tmp_path / f"out-{name}"
        table(*paths, "--out", out, "--by", "agent,step,model")
        (row,) = rows(out)
        assert row["gwp_kgco2eq_mean"] == pytest.approx(expected, rel=1e-12), name
        assert (row["agent"], row["step"], row["calls"]) == ("support", "1 lookup", 1), name


@pytest.mark.parametrize("per", [["--by", "day,team,model"], ["--per-call"]])
def test_days_that_do_not_fit_together_into_memory_give_the_same_one_after_the_other(
    tmp_path, monkeypatch, per
):
    days = [DAY, None, DAY + dt.timedelta(1), DAY - dt.timedelta(1), DAY]
    path = tmp_path / "calls.parquet"
    said = {"model": ["gpt-4o", "gpt-4o", "o3", "gpt-4o", "o3"], "output_tokens": [1, 2, 3, 4, 5]}
    pq.write_table(pa.table(said | {"day": pa.array(days, pa.date32()), "team": ["a"] * 5}), path)
    together, apart = tmp_path / "together", tmp_path / "apart"
    told = json.loads(table(path, "--out", together, *per, "--json"))
    monkeypatch.setattr("impactree.tables._running._GROUPS", 1)
    again = json.loads(table(path, "--out", apart, *per, "--json"))
    assert again["calls"] == told["calls"] == 5
    for name in ("by_model", "by_day"):
        assert [one["calls"] for one in again[name]] == [one["calls"] for one in told[name]]

    def key(row):
        return row["model"], row["output_tokens"]

    for file in together.glob("day=*"):
        found, expected = (pq.read_table(f / file.name).to_pylist() for f in (apart, together))
        found, expected = sorted(found, key=key), sorted(expected, key=key)
        assert found == expected  # a sum has one call
    assert {p.name for p in apart.glob("day=*")} == {p.name for p in together.glob("day=*")}


def test_a_day_of_more_groups_than_memory_holds_is_cut_between_groups(tmp_path, monkeypatch):
    number = range(300)
    columns = {
        "model": [("gpt-4o", "o3", "nobody-knows")[n % 3] for n in number],
        "team": [None if n % 8 == 0 else f"team-{n % 8}" for n in number],
        "day": pa.array([DAY + dt.timedelta(n % 2) for n in number], pa.date32()),
        "output_tokens": [n % 17 for n in number],
        "latency_s": [n % 5 + 0.5 for n in number],
    }
    path = tmp_path / "calls.parquet"
    pq.write_table(pa.table(columns), path)
    found = {}
    for most in (300_000, 5):
        monkeypatch.setattr("impactree.tables._running._GROUPS", most)
        out = tmp_path / str(most)
        table(path, "--out", out, "--by", "day,team,model")
        groups = rows(out)
        found[most] = {(row["day"], row["team"], row["model"]): row for row in groups}
        assert len(found[most]) == len(groups) == 24  # 2 days, 4 teams on each, 3 models
    for key, row in found[300_000].items():
        for name, value in row.items():
            other = found[5][key][name]
            assert other == (pytest.approx(value, rel=1e-12) if type(value) is float else value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"energy_kwh": 2e-3}, True),
        ({"energy_kwh": {"measured": 2e-3, "reported": 1e-3}}, True),
        ({"energy_kwh": {"measured": 2e-3, "modelled": 1e-3}}, False),
        ({"energy_kwh": {"modelled": 2e-3}}, False),
        ({"energy_kwh": 2e-3, "energy_boundary": "facility"}, False),
        ({"energy_kwh": {}, "energy_notes": ("energy-unreadable",)}, False),
        ({}, False),
    ],
)
def test_own_lines_keep_an_energy_that_was_measured_or_reported(tmp_path, given, kept):
    from impactree.exporters import JSONLExporter

    call = {"model": "gpt-4o", "provider": "openai", "input_tokens": 5, "output_tokens": 7}
    lines, out = tmp_path / "impacts.jsonl", tmp_path / "out"
    tracker = ImpactTracker(exporters=[JSONLExporter(lines)])
    tracker.start("call", name="ChatOpenAI", kind="chat")
    tracker.end("call", call=ModelCall(**call, **given))
    assert tracker.flush(10)
    table(lines, "--out", out)
    (row,) = rows(out)
    assert row["source"] == ("reported" if kept else "estimated")
    expected = estimate(ModelCall(**call, **(given if kept else {})))
    for name, impact in (("energy_kwh", expected.energy), ("gwp_kgco2eq", expected.gwp)):
        for end in ("min", "mean", "max"):
            value = getattr(impact.value, end)
            assert row[f"{name}_{end}"] == pytest.approx(value, rel=1e-12), (name, end)


def uuid_of(number):
    return f"00000000-0000-4000-8000-{number:0>12}"


@pytest.mark.parametrize("told", ["parents", "orders", "mixed"])
def test_agents_and_steps_come_down_and_wrappers_count_once(tmp_path, told):
    """By the parents of runs, or by their dotted orders, which name all that is above."""
    orders = {None: ""}

    def run(number, parent, kind, **metadata):
        above = orders[parent] + "." if parent else ""
        orders[number] = f"{above}20261103T090000000000Z{uuid_of(number)}"
        listed = told == "orders" or (told == "mixed" and number in "35")
        return {
            "id": uuid_of(number),
            "trace_id": "t",
            "parent_run_id": None if told == "orders" or not parent else uuid_of(parent),
            "run_type": kind,
            "name": f"run {number}",
            "start_time": f"2026-11-0{3 + int(number) % 2}T09:00:00",
            "dotted_order": orders[number] if listed else "",
            "end_time": "2026-11-05T09:00:01",
            "extra": {"metadata": metadata},
            "prompt_tokens": 10,
            "completion_tokens": 4,
            "total_tokens": 14,
        }

    runs = [
        run("1", None, "chain", lc_agent_name="boss"),
        run("2", "1", "chain", langgraph_node="model", langgraph_step=3),
        run("3", "2", "llm", ls_model_name="gpt-4o", ls_provider="openai"),  # wraps the next
        run("4", "3", "llm", ls_model_name="gpt-4o", ls_provider="openai"),
        run("5", "1", "chain", lc_agent_name="clerk"),
        run("6", "5", "llm", ls_model_name="gpt-4o", ls_provider="openai"),
    ]
    path = tmp_path / "runs.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in [*runs, *runs[:4]]))
    out = tmp_path / "out"
    table(path, "--out", out, "--by", "agent,step")
    found = {(row["agent"], row["step"]): row["calls"] for row in rows(out)}
    assert found == {("boss", "3 model"): 1, ("clerk", None): 1}
    days = {str(row["day"]) for row in rows(out)}
    assert days == {"2026-11-03"}
