"""Training as a third phase: shared out by an assumption, and in no criterion."""

from __future__ import annotations

import json
import math
import pickle
import sqlite3
import statistics
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from impactree import Impacts, ImpactTracker, ModelCall, Report, estimate, explain
from impactree.catalog import load_catalog
from impactree.exceptions import ConfigurationError
from impactree.exporters import JSONLExporter, ParquetExporter, SQLExporter
from impactree.exporters._langsmith_api import feedback, feedback_values
from impactree.exporters._otel import metric_values
from impactree.exporters._otel_names import impact_attributes
from impactree.report import schema
from impactree.values.training import TRAINING_COLUMNS, TrainingPhase

LLAMA = ModelCall(
    model="meta-llama/Meta-Llama-3-70B-Instruct",
    provider="together",
    input_tokens=800,
    output_tokens=400,
)
FINAL = {"requests": 100e9, "development": 1}
METHODS = ("ecologits-0.11", "impactree-1")


@pytest.mark.parametrize("method", METHODS)
def test_1900_tonnes_over_100_billion_requests_are_19_milligrams(method):
    """Meta's card of Llama 3 70B: 1,900 tCO2eq; EcoLogits' FAQ shares it out over 10^11."""
    impacts = estimate(LLAMA, method=method, include_training=FINAL)
    assert impacts.training.gwp.value.min == pytest.approx(1900e6 / 100e9 / 1e3)  # kg
    assert impacts.training.gwp.value.max == impacts.training.gwp.value.min
    assert str(impacts.training.gwp) == "19 mgCO2eq"


@pytest.mark.parametrize("method", METHODS)
def test_no_criterion_holds_training(method):
    plain = estimate(LLAMA, method=method)
    asked = estimate(LLAMA, method=method, include_training=True)
    assert plain.training is None
    assert asked.training is not None
    assert asked.figures == plain.figures
    assert asked.usage == plain.usage
    assert asked.embodied == plain.embodied
    assert {w.code for w in asked.warnings} - {w.code for w in plain.warnings} == {
        "training-shared"
    }


def test_energy_follows_from_hours():
    """6.4 million hours at 700 W; load 0.6 to 1, host 1.21 to 1.74, PUE 1.08 to 1.2."""
    energy = estimate(LLAMA, include_training=FINAL).training.energy.value
    rated = 6.4e6 * 0.7 / 100e9
    assert energy.min == pytest.approx(rated * 0.6 * 1.21 * 1.08)
    assert energy.max == pytest.approx(rated * 1.0 * 1.74 * 1.2)


def test_what_is_expected_of_an_unknown_denominator():
    """Log-uniform from a to b: the mean of 1/N is (1/a - 1/b) / ln(b/a)."""
    phase = estimate(LLAMA, include_training={"requests": [1e10, 1e12], "development": 1}).training
    gwp = phase.gwp.value
    assert gwp.min == pytest.approx(1900e3 / 1e12)
    assert gwp.max == pytest.approx(1900e3 / 1e10)
    assert gwp.mean == pytest.approx(1900e3 * (1e-10 - 1e-12) / math.log(100))


def test_development_multiplies_the_final_run():
    alone = estimate(LLAMA, include_training=FINAL).training.gwp.value
    whole = estimate(LLAMA, include_training={"requests": 100e9}).training.gwp.value
    assert (whole.min, whole.max) == pytest.approx((1.5 * alone.min, 6.3 * alone.max))
    assert whole.mean == pytest.approx(2.685 * alone.mean)


def test_over_output_tokens():
    phase = estimate(LLAMA, include_training={"output_tokens": 1e14, "development": 1}).training
    assert phase.gwp.value.mean == pytest.approx(1900e3 * 400 / 1e14)
    unknown = ModelCall(model=LLAMA.model, provider="together")
    assert estimate(unknown, include_training={"output_tokens": 1e14}).training is None
    assert estimate(unknown, include_training={"requests": 1e11}).training is not None


def test_a_stage_stands_on_its_base():
    """DeepSeek-R1: 147,000 hours on top of 2,788,000 of V3, H800 at 700 W."""
    v3, r1 = (
        estimate(
            ModelCall(model=name, provider="deepseek", output_tokens=1), include_training=FINAL
        ).training.energy.value
        for name in ("deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-R1")
    )
    assert r1.mean / v3.mean == pytest.approx((2_788_000 + 147_000) / 2_788_000)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("mistral-large-2407", "mistral"),  # its maker's figure has 18 months of use in it
        ("meta-llama/Llama-3.3-70B-Instruct", "together"),  # its card contradicts itself
        ("allenai/OLMo-2-1124-13B-Instruct", "together"),  # two papers, two figures
    ],
)
def test_mixed_and_contradictory_figures_are_not_taken(model, provider):
    """The rule stands in: 6 x parameters x tokens, which is a range and no point."""
    call = ModelCall(model=model, provider=provider, output_tokens=1)
    assert load_catalog().record(model).training is not None
    gwp = estimate(call, include_training=FINAL).training.gwp.value
    assert gwp.min < gwp.mean < gwp.max


def test_the_rule_holds_for_what_is_published():
    """6 P D over hours x power: of most models within the rule's range, and never far from it."""
    low, _, high = load_catalog().rules.training["flop_per_joule"]
    found = []
    for record in load_catalog().records():
        facts = record.training or {}
        if record.active and {"hours", "power_w", "tokens"} <= facts.keys() - {"base"}:
            flop = 6e21 * record.active.mean * facts["tokens"]
            found.append(flop / (facts["hours"] * facts["power_w"] * 3600))
    assert len(found) > 40
    assert sum(low <= one <= high for one in found) >= 0.9 * len(found)
    assert low / 2 < min(found) < max(found) < high


def test_the_rule_s_constants_follow_from_what_is_published():
    """The script's own check, and the efficiency once more, by hand from the file."""
    root = Path(__file__).parents[1]
    script = [sys.executable, root / "research" / "training_rule.py", "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "37 models" in done.stdout
    catalog = load_catalog()
    sizes = {
        r.training["name"]: r.active.mean for r in catalog.records() if r.training and r.active
    }
    entries = tomllib.loads((root / "data" / "training.toml").read_text("utf-8"))["trainings"]
    logs = []
    for e in entries:
        size = e.get("active") or sizes.get(e["name"])
        final = e["scope"] == "final" and e["year"] >= 2023 and "conflict" not in e
        measured = e.get("counts") == "accelerators"
        kwh = 1e3 * e["energy_mwh"] if measured else e.get("hours", 0) * e.get("power_w", 0) / 1e3
        if size and final and kwh and "tokens" in e:
            logs.append(math.log(6 * size * 1e9 * e["tokens"] * 1e12 / (kwh * 3.6e6)))
    mu, sd = statistics.mean(logs), statistics.stdev(logs)
    ends = [mu - 1.645 * sd, mu - sd * sd / 2, mu + 1.645 * sd]
    rule = catalog.rules.training
    assert rule["flop_per_joule"] == pytest.approx([math.exp(end) for end in ends], rel=5e-3)
    developed = [(459 + 913) / 913, 1163.088 / 433.196, 12300 / 1947.33]
    assert rule["development"] == pytest.approx(developed, rel=5e-3)


def test_the_page_says_which_figures_were_read_where():
    root = Path(__file__).parents[1]
    page = " ".join((root / "docs" / "training.md").read_text("utf-8").split())
    entries = tomllib.loads((root / "data" / "training.toml").read_text("utf-8"))["trainings"]
    read = sum(entry["status"] == "maker" for entry in entries)
    assert f"has {len(entries)} published trainings" in page
    assert f"{read} of them were read on the maker's own page" in page
    assert f'The other {len(entries) - read} (`status = "quoted"`)' in page


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (ModelCall(model="who-knows-9", provider="openai", output_tokens=5), "size"),
        (
            ModelCall(
                model="text-embedding-3-small", provider="openai", kind="embedding", input_tokens=5
            ),
            "embedding",
        ),
    ],
)
def test_what_is_not_known_is_none_and_says_why(call, why):
    impacts = estimate(call, method="impactree-1", include_training=True)
    assert impacts.estimated
    assert impacts.training is None
    (said,) = (w.message for w in impacts.warnings if w.code == "training-unknown")
    assert why in said


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"request": 1e9}, "unknown key 'request'; did you mean requests?"),
        ({"requests": 0}, r"requests must be a number from 1 on, or \[low, high\], not 0"),
        ({"requests": [1e12, 1e9]}, "requests must be"),
        ({"requests": "many"}, "requests must be .* not 'many'"),
        ({"requests": True}, "requests must be .* not True"),
        ({"requests": math.nan}, "requests must be"),
        ({"development": 0.5}, "development must be a number from 1 on"),
        ({"requests": 1, "output_tokens": 1}, "not over both"),
        ("yes please", "include_training"),
        ([1], "include_training"),
    ],
)
def test_wrong_settings_name_key_and_value(said, expected):
    with pytest.raises(ConfigurationError, match=expected):
        estimate(LLAMA, include_training=said)


def test_the_environment_and_files_ask_for_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPACTREE_INCLUDE_TRAINING", "true")
    assert estimate(LLAMA).training.shared_over == (
        "1e+10 to 1e+12 requests in each model's life (assumed)",
    )
    monkeypatch.setenv("IMPACTREE_INCLUDE_TRAINING", '{"requests": 5e10}')
    assert estimate(LLAMA).training.shared_over == ("5e+10 requests in each model's life (as set)",)
    assert estimate(LLAMA, include_training=False).training is None
    monkeypatch.delenv("IMPACTREE_INCLUDE_TRAINING")
    (tmp_path / "impactree.toml").write_text("[include_training]\noutput_tokens = 1e15\n")
    assert "output tokens" in estimate(LLAMA).training.shared_over[0]


# Sums


TRIPLES = st.floats(0, 1e6).map(lambda x: (x, 2 * x, 3 * x))
PHASES = st.builds(
    TrainingPhase,
    st.tuples(*[st.none() | TRIPLES] * 5),
    st.integers(1, 9),
    st.sampled_from([("a",), ("b",), ("a", "b")]),
)


@given(st.lists(st.none() | PHASES, max_size=6))
def test_sums_add_up_and_know_what_they_lack(phases):
    items = [Impacts.not_estimated() + Impacts.zero() for _ in phases]
    items = [
        Impacts(None, training=phase, grade=item.grade)
        for item, phase in zip(items, phases, strict=True)
    ]
    total, known = Impacts.sum(items).training, [p for p in phases if p is not None]
    assert (total is None) == (not known)
    if total is not None:
        assert total.calls == sum(p.calls for p in known)
        for place, key in enumerate(("energy", "gwp", "adpe", "pe", "wcf")):
            triples = [p.values[place] for p in known]
            impact = getattr(total, key)
            assert (impact is None) == (None in triples)
            if impact is not None:
                assert impact.value.max == pytest.approx(sum(t[2] for t in triples))
        assert set(total.shared_over) == {text for p in known for text in p.shared_over}
    assert pickle.loads(pickle.dumps(Impacts.sum(items))) == Impacts.sum(items)


@pytest.fixture
def report():
    tracker = ImpactTracker(include_training=True, method="impactree-1")
    tracker.start("root", name="root")
    tracker.record(LLAMA, "root")
    tracker.record(ModelCall(model="gpt-4o", provider="openai", output_tokens=50), "root")
    tracker.record(ModelCall(model="who-knows-9", provider="openai", output_tokens=50), "root")
    tracker.end("root")
    return tracker.report()


def test_a_report_says_it_in_a_line_of_its_own(report):
    phase = report.total.training
    assert phase.calls == 2
    (line,) = (part for part in str(report).split("\n\n") if "training the models" in part)
    line = " ".join(line.split())
    assert "in no figure above; shared out over 1e+10 to 1e+12 requests" in line
    assert "Of 2 of 3 calls." in line
    for text in (report.to_markdown(), report._repr_html_()):
        assert "training the models, in no figure above" in text


def test_data_holds_it_and_comes_back(report):
    data = report.to_dict()
    Draft202012Validator(schema("report")).validate(data)
    assert json.loads(report.to_json()) == json.loads(json.dumps(data))
    back = Report.from_json(report.to_json())
    assert back.total == report.total
    assert back.total.training == report.total.training
    assert [run.own.training for run in back.runs[0].walk() if run.call] == [
        run.own.training for run in report.runs[0].walk() if run.call
    ]


def test_tables_hold_it(report):
    frame = report.to_dataframe(backend="pandas", per="call")
    assert {*TRAINING_COLUMNS} <= {*frame.columns}
    assert frame["training_gwp_kgco2eq_mean"].sum() == pytest.approx(
        report.total.training.gwp.value.mean
    )
    assert frame["training_calls"].sum() == 2
    assert frame["training_shared_over"].notna().sum() == 2
    header, *_ = report.to_csv().splitlines()
    assert "training_energy_kwh_max" in header.split(",")


def test_the_page_has_the_example_s_figures():
    page = (Path(__file__).parents[1] / "docs" / "training.md").read_text("utf-8")
    for method in METHODS:
        impacts = estimate(LLAMA, method=method, include_training=FINAL)
        assert f"| `{method}` | {impacts.gwp} | {impacts.training.gwp} |" in page
    assert f"| | {estimate(LLAMA, include_training=True).training.gwp} |" in page


def test_explain_shows_every_hypothesis():
    found = explain("deepseek-ai/DeepSeek-R1", "deepseek", include_training=True)
    shown = {h.name: h for h in found.hypotheses}
    assert "147,000" in shown["training of DeepSeek-R1 (RL on V3)"].value
    assert shown["training of DeepSeek-V3"].sources
    assert shown["N, requests in the model's life"].value == "1e+10 to 1e+12"
    assert shown["development over final run"].value == "1.5 to 6.3"
    steps = {step.symbol: step for step in found.steps}
    for end in ("min", "mean", "max"):
        share = getattr(steps["E_train"], end) * getattr(steps["1/N"], end)
        whole = share * getattr(steps["dev"], end)
        assert getattr(found.impacts.training.energy.value, end) == pytest.approx(whole)
    assert "Training: Global Warming Potential" in str(found)
    assert "Training: " not in str(explain("deepseek-ai/DeepSeek-R1", "deepseek"))


def test_exporters_carry_it(tmp_path, monkeypatch):
    monkeypatch.setenv("IMPACTREE_SPOOL_DIR", str(tmp_path / "spool"))
    url, lines = f"sqlite:///{tmp_path / 'i.db'}", tmp_path / "i.jsonl"
    sinks = [SQLExporter(url), JSONLExporter(lines), ParquetExporter(tmp_path / "p")]
    tracker = ImpactTracker(include_training=FINAL, exporters=sinks)
    tracker.record(LLAMA)
    assert tracker.flush(30)
    phase = tracker.total.training
    with closing(sqlite3.connect(tmp_path / "i.db")) as base:
        for table in ("runs", "calls"):
            (row,) = base.execute(
                "select training_gwp_kgco2eq_mean, training_adpe_kgsbeq_max, training_calls, "
                f"training_shared_over from impactree_{table}"
            )
            assert row == (phase.gwp.value.mean, None, 1, phase.shared_over[0])
    line = json.loads(lines.read_text("utf-8"))
    assert line["total"]["training"] == line["runs"][0]["impacts"]["training"] == phase.to_dict()
    (file,) = (tmp_path / "p").glob("*.parquet")
    (row,) = pq.read_table(file).to_pylist()
    assert row["training_energy_kwh_max"] == phase.energy.value.max
    assert row["training_shared_over"] == phase.shared_over[0]


def test_spans_counters_and_feedback_carry_it():
    tracker = ImpactTracker(include_training=FINAL)
    run = tracker.record(LLAMA)
    phase, attributes = run.own.training, impact_attributes(run.own)
    assert attributes["impactree.training.gwp.max"] == phase.gwp.value.max
    assert attributes["impactree.training.shared_over"] == phase.shared_over[0]
    assert metric_values(run, ())["impactree.training.gwp"] == phase.gwp.value.mean
    assert not any("training" in name for name in impact_attributes(estimate(LLAMA)))
    values = feedback_values(run.own)
    assert values["impact_training_gwp_ug"]["mean"] == pytest.approx(19_000)
    assert not any("training" in name for name in feedback_values(estimate(LLAMA)))
    (item, *_) = feedback("r", "t", "s", run.own, method="m", start=1.0, credits=())
    assert "training shared out over 1e+11 requests" in item["comment"]
