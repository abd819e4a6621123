"""A chat, an embedding, a film, a picture and a share of training: the same sums everywhere."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sqlalchemy")
pytest.importorskip("langsmith")
metrics = pytest.importorskip("opentelemetry.sdk.metrics")
pq = pytest.importorskip("pyarrow.parquet")
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

from impactree import ModelCall  # noqa: E402
from impactree.calls import MEDIA_FIELDS  # noqa: E402
from impactree.exporters import (  # noqa: E402
    CodeCarbonExporter,
    JSONLExporter,
    LangSmithExporter,
    OTelExporter,
    ParquetExporter,
    SQLExporter,
)
from impactree.store.queries import sums  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from langsmith_server import LangSmith  # type: ignore[import-not-found]

FILM = ("1280x720", 4, None, False, None, None, None)


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-9)


def test_in_sql(mixed: Any, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'i.db'}"
    tracker = mixed("impactree-1", [SQLExporter(url)])
    assert tracker.flush(30)
    total = tracker.total
    expected = near(total.gwp.value.mean), near(total.training.gwp.value.mean), 1
    with closing(sqlite3.connect(tmp_path / "i.db")) as base:
        for table in ("runs", "calls"):
            (row,) = base.execute(
                "select sum(gwp_kgco2eq_mean), sum(training_gwp_kgco2eq_mean), sum(training_calls)"
                f" from impactree_{table}"
            )
            assert row == expected
        columns = ", ".join(f'"{name}"' for name in MEDIA_FIELDS)
        rows = base.execute(f"select kind, {columns} from impactree_calls").fetchall()
    made = {kind: rest for kind, *rest in rows}
    assert tuple(made["video"]) == FILM
    assert made["image"] == [None, None, None, None, 2, None, None]
    assert made["chat"] == made["embedding"] == [None] * 7
    groups = sums(url, by="kind")
    for place, key in enumerate(("energy", "gwp", "adpe", "pe", "wcf")):
        impacts = [group.impacts[place] for group in groups]
        whole = getattr(total, key)
        if whole is None:
            assert None in impacts
        else:
            assert sum(impact.value.max for impact in impacts) == near(whole.value.max)
    (phase,) = [group.training for group in groups if group.training]
    assert phase == tracker.total.training


def test_where_the_energy_is_from_adds_up(mixed: Any, tmp_path: Path) -> None:
    local = ModelCall(
        model="llama3.2:1b",
        provider="ollama",
        input_tokens=20,
        output_tokens=80,
        energy_kwh={"measured": 3e-4, "modelled": 1e-5},
    )
    url, reader = f"sqlite:///{tmp_path / 'i.db'}", InMemoryMetricReader()
    meters = metrics.MeterProvider([reader])
    sinks = [SQLExporter(url), ParquetExporter(tmp_path / "p"), OTelExporter(meter_provider=meters)]
    sinks.append(JSONLExporter(tmp_path / "i.jsonl"))
    tracker = mixed("impactree-1", sinks, [local])
    assert tracker.flush(30)
    told = tracker.total.energy_by_source
    assert told == {"measured": 3e-4, "modelled": 1e-5, "estimated": told["estimated"]}
    assert sum(told.values()) == near(tracker.total.energy.value.mean)
    report = tracker.report()
    rows = pq.read_table(tmp_path / "p").to_pylist()
    frame = report.to_dataframe(backend="pyarrow")
    line = json.loads((tmp_path / "i.jsonl").read_text("utf-8"))
    own = [run["impacts"] for run in line["runs"] if run.get("call")]
    for source, kwh in told.items():
        column = f"energy_{source}_kwh"
        assert sum(row[column] or 0 for row in rows) == near(kwh)
        assert sum(v or 0 for v in frame[column].to_pylist()) == near(kwh)
        assert sum(one["energy_by_source"].get(source, 0) for one in own) == near(kwh)
        assert sum(g.energy_by_source.get(source, 0) for g in sums(url, by="kind")) == near(kwh)
        groups = report.by("kind").values()
        assert sum(g.total.energy_by_source.get(source, 0) for g in groups) == near(kwh)
    points = {
        point.attributes["impactree.source"]: []
        for _, point in _points(reader, "impactree.energy.by_source")
    }
    for value, point in _points(reader, "impactree.energy.by_source"):
        points[point.attributes["impactree.source"]].append(value)
    assert {source: near(sum(values)) for source, values in points.items()} == told
    meters.shutdown()


def _points(reader: InMemoryMetricReader, name: str) -> list[tuple[float, Any]]:
    found = reader.get_metrics_data()
    return [
        (point.value, point)
        for resource in (found.resource_metrics if found else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
    ]


def test_in_json_lines(mixed: Any, tmp_path: Path) -> None:
    tracker = mixed("impactree-1", [JSONLExporter(tmp_path / "i.jsonl")])
    assert tracker.flush(30)
    line = json.loads((tmp_path / "i.jsonl").read_text("utf-8"))
    assert line["total"] == json.loads(json.dumps(tracker.last_run.total.to_dict()))
    own = [run["impacts"] for run in line["runs"] if run.get("call")]
    assert sum(one["gwp"]["value"]["mean"] for one in own) == near(tracker.total.gwp.value.mean)
    (made,) = [run["call"] for run in line["runs"] if run.get("call", {}).get("kind") == "video"]
    assert (made["resolution"], made["seconds"], made["sound"]) == ("1280x720", 4, False)


def test_in_parquet(mixed: Any, tmp_path: Path) -> None:
    tracker = mixed("impactree-1", [ParquetExporter(tmp_path / "p")])
    assert tracker.flush(30)
    (file,) = (tmp_path / "p").glob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    total = tracker.total
    assert sum(row["gwp_kgco2eq_mean"] for row in rows) == near(total.gwp.value.mean)
    shared = [row["training_gwp_kgco2eq_mean"] for row in rows]
    assert sum(filter(None, shared)) == near(total.training.gwp.value.mean)
    (film,) = [row for row in rows if row["kind"] == "video"]
    assert tuple(film[name] for name in MEDIA_FIELDS) == FILM


def test_in_codecarbon_s_csv(mixed: Any, tmp_path: Path) -> None:
    """Its columns are of use alone: neither embodied impacts nor training."""
    tracker = mixed("impactree-1", [CodeCarbonExporter(tmp_path / "e.csv")])
    assert tracker.flush(30)
    with (tmp_path / "e.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert float(row["emissions"]) == near(tracker.total.usage.gwp.value.mean)
    assert float(row["energy_consumed"]) == near(tracker.total.energy.value.mean)


def test_in_opentelemetry(mixed: Any) -> None:
    reader, spans = InMemoryMetricReader(), InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    meters = metrics.MeterProvider([reader])
    sink = OTelExporter(meter_provider=meters, tracer_provider=provider)
    tracker = mixed("impactree-1", [sink])
    assert tracker.flush(30)
    total = tracker.total
    expected = {
        "impactree.gwp": near(total.gwp.value.mean),
        "impactree.training.gwp": near(total.training.gwp.value.mean),
    }
    assert {
        metric.name: sum(point.value for point in metric.data.data_points)
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name in expected
    } == expected
    calls = [run.name for run in tracker.last_run.walk() if run.call]
    assert len(calls) == 4
    for name, value in expected.items():
        found = [s.attributes.get(f"{name}.mean") for s in spans.get_finished_spans() if _call(s)]
        assert sum(filter(None, found)) == value
    provider.shutdown()
    meters.shutdown()


def _call(span: Any) -> bool:
    return "gen_ai.request.model" in span.attributes


def test_in_langsmith(mixed: Any, service: LangSmith) -> None:
    """The root's feedback is the sum of what each call's metadata say, training apart."""
    tracker = mixed("impactree-1", [LangSmithExporter()])
    assert tracker.flush(30)
    total = tracker.total
    (scores,) = service.by_key().values()
    expected = {
        "impact_energy_mwh": total.energy.value.mean * 1e6,
        "impact_gwp_mg": total.gwp.value.mean * 1e6,
        "impact_water_ul": total.wcf.value.mean * 1e6,
        "impact_training_energy_uwh": total.training.energy.value.mean * 1e9,
        "impact_training_gwp_ug": total.training.gwp.value.mean * 1e9,
    }
    everything = [run["extra"]["metadata"] for run in service.runs.values()]
    calls = [metadata for metadata in everything if "ls_model_name" in metadata]
    assert len(calls) == 4
    for key, value in expected.items():
        assert scores[key] == pytest.approx(value, abs=1e-4)
        assert sum(metadata.get(key, 0) for metadata in calls) == near(value)
    assert service.configs.keys() == scores.keys()
    assert service.problems == []
