"""A cloud model, local ones, an embedding, a film and training in one tree: whose figure is whose.

The energies of the local calls are given by hand, so that every view and exporter can be added up.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langsmith")
pytest.importorskip("opentelemetry.sdk.trace")
pq = pytest.importorskip("pyarrow.parquet")
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

from impactree import ModelCall, Report  # noqa: E402
from impactree.exporters import CodeCarbonExporter, LangSmithExporter, OTelExporter  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from langsmith_server import LangSmith  # type: ignore[import-not-found]

GIVEN = {"measured": 0.3, "modelled": 0.01, "reported": 0.2}
"""kWh: as much as the film, so that no share rounds to nothing."""
LOCAL = [
    ModelCall(
        model="llama3.2:1b",
        provider="ollama",
        input_tokens=20,
        output_tokens=80,
        energy_kwh={"measured": 0.3, "modelled": 0.01},
    ),
    ModelCall(
        model="qwen2.5-7b-instruct",
        provider="lmstudio",
        input_tokens=20,
        output_tokens=80,
        energy_kwh=0.2,
    ),
]
SOURCES = (*GIVEN, "estimated")


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-9)


@pytest.fixture
def tree(mixed: Any) -> Any:
    """What it cost, by source: what is given, and the rest."""

    def made(exporters: Any = (), method: str = "impactree-1") -> tuple[Any, dict[str, float]]:
        tracker = mixed(method, exporters, LOCAL)
        assert tracker.flush(30)
        rest = [run.own.energy for run in tracker.last_run.calls if run.own.source == "estimated"]
        estimated = math.fsum(energy.value.mean for energy in rest if energy is not None)
        assert estimated > 0.1  # the film's
        return tracker, {**GIVEN, "estimated": estimated}

    return made


def added(parts: Any) -> dict[str, float]:
    """Mappings by source, summed."""
    parts = [part for part in parts if part]
    return {source: math.fsum(part.get(source) or 0 for part in parts) for source in SOURCES}


def cells(rows: Any) -> dict[str, float]:
    """Columns by source, summed over rows."""
    return {
        source: math.fsum(float(row[f"energy_{source}_kwh"] or 0) for row in rows)
        for source in SOURCES
    }


@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_a_total_holds_each_source_once(tree: Any, method: str) -> None:
    tracker, expected = tree(method=method)
    total = tracker.report().total
    assert total.energy_by_source == near(expected)
    assert total.source == "mixed"
    assert total.training is not None  # beside, in no source
    if method == "impactree-1":  # by the other, the embedding is a lower bound
        assert total.energy.value.mean == near(math.fsum(expected.values()))
    own = [run.own for run in tracker.last_run.calls]
    assert added(one.energy_by_source for one in own) == near(expected)
    by_kind = tracker.report().by("kind").values()
    assert added(group.total.energy_by_source for group in by_kind) == near(expected)


def test_in_text_markdown_and_html(tree: Any, tmp_path: Path) -> None:
    """Shares by hand: part over whole, in whole percents."""
    tracker, expected = tree()
    report = tracker.report()
    whole = math.fsum(expected.values())
    line = ", ".join(f"{name} {part / whole:.0%}" for name, part in expected.items())
    assert f"energy: {line}" in " ".join(str(report).split())
    markdown = report.to_markdown()
    assert f"energy: {line}" in markdown
    assert re.search(r"llama3\.2:1b \| chat llama3\.2:1b mixed ", markdown)
    assert re.search(r"qwen2\.5-7b-instruct \| chat qwen2\.5-7b-instruct reported ", markdown)
    report.to_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text("utf-8")
    assert f"energy: {line}" in page


def test_a_little_is_not_nothing_and_nearly_all_is_not_all(mixed: Any) -> None:
    """0.2 Wh beside a film of 0.2 kWh and more."""
    few = ModelCall(model="llama3.2:1b", provider="ollama", output_tokens=80, energy_kwh=2e-4)
    report = mixed("impactree-1", (), [few]).report()
    assert "energy: reported <1%, estimated >99%" in " ".join(str(report).split())


def test_in_json_and_back(tree: Any) -> None:
    tracker, expected = tree()
    report = tracker.report()
    data = json.loads(report.to_json())
    assert data["total"]["energy_by_source"] == near(expected)
    assert data["total"]["source"] == "mixed"
    again = Report.from_json(report.to_json())
    assert again.total == report.total
    assert again.total.energy_by_source == near(expected)
    assert [run.own.source for run in again.runs[0].calls] == [
        run.own.source for run in tracker.last_run.calls
    ]


def test_in_frames_csv_and_parquet(tree: Any, tmp_path: Path) -> None:
    tracker, expected = tree()
    report = tracker.report()
    for per in ("call", "root"):
        rows = report.to_dataframe(per=per, backend="pyarrow").to_pylist()
        assert cells(rows) == near(expected)
    assert {row["source"] for row in rows} == {"mixed"}  # of the root
    text = report.to_csv()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert cells(rows) == near(expected)
    assert sorted(row["source"] for row in rows) == [
        *("estimated",) * 4,
        *("mixed", "reported"),
    ]
    report.to_parquet(tmp_path / "r.parquet")
    assert cells(pq.read_table(tmp_path / "r.parquet").to_pylist()) == near(expected)


def test_in_langsmith(tree: Any, service: LangSmith) -> None:
    """Each run says its own; the root's feedback says the shares."""
    _, expected = tree([LangSmithExporter()])
    everything = [run["extra"]["metadata"] for run in service.runs.values()]
    calls = [metadata for metadata in everything if "ls_model_name" in metadata]
    assert added(metadata["impacts"]["energy_by_source"] for metadata in calls) == near(expected)
    assert sorted(metadata["impact_source"] for metadata in calls) == [
        *("estimated",) * 4,
        *("mixed", "reported"),
    ]
    (root,) = [m for m in everything if near(expected) == m["impacts"]["energy_by_source"]]
    assert root["impact_source"] == "mixed"
    whole = math.fsum(expected.values())
    line = ", ".join(f"{name} {part / whole:.0%}" for name, part in expected.items())
    comments = {item["comment"] for item in service.feedback.values()}
    assert comments
    assert all(f"energy {line}" in comment for comment in comments)
    assert service.problems == []


def test_in_the_spans_of_opentelemetry(tree: Any) -> None:
    spans, provider, meters = InMemorySpanExporter(), TracerProvider(), MeterProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tree([OTelExporter(meter_provider=meters, tracer_provider=provider)])
    _, expected = tree()
    made = [dict(span.attributes or {}) for span in spans.get_finished_spans()]
    calls = [attributes for attributes in made if "gen_ai.request.model" in attributes]
    told = [
        {source: attributes.get(f"impactree.energy.{source}") for source in SOURCES}
        for attributes in calls
    ]
    assert added(told) == near(expected)
    by_model = {a["gen_ai.response.model"]: a["impactree.source"] for a in calls}
    assert by_model["llama3.2:1b"] == "mixed"
    assert by_model["qwen2.5-7b-instruct"] == "reported"
    assert by_model["sora-2-pro"] == "estimated"
    (root,) = [a for a in made if a["impactree.run.kind"] == "agent"]
    assert {source: root[f"impactree.energy.{source}"] for source in SOURCES} == near(expected)
    provider.shutdown()
    meters.shutdown()


def test_beside_codecarbon_the_machine_counts_once(tree: Any, tmp_path: Path) -> None:
    """Its tracker reads the machine, so that its file holds what others used; or all, if asked."""
    paths = {flag: tmp_path / f"{flag}.csv" for flag in (False, True)}
    sinks = [CodeCarbonExporter(path, measured=flag) for flag, path in paths.items()]
    _, expected = tree(sinks)
    read = expected["measured"] + expected["modelled"]
    whole = math.fsum(expected.values())
    for flag, path in paths.items():
        (row,) = csv.DictReader(path.read_text("utf-8").splitlines())
        assert float(row["energy_consumed"]) == near(whole if flag else whole - read)
