"""Parquet and CodeCarbon's emissions.csv."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import call, run_tree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.exporters import CodeCarbonExporter, JSONLExporter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# The header of a file that codecarbon 3.3.2 wrote.
HEADER = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,"
    "gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,"
    "country_name,country_iso_code,region,cloud_provider,cloud_region,os,python_version,"
    "codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,"
    "ram_total_size,tracking_mode,cpu_utilization_percent,gpu_utilization_percent,"
    "ram_utilization_percent,ram_used_gb,on_cloud,pue,wue"
)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_emissions_csv_has_codecarbons_columns_and_usage_figures(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(path, project_name="shop")])
    root = run_tree(tracker, call(zone="FRA"), call(zone="FRA"))
    run_tree(tracker, call(kind="embedding", model="text-embedding-3-small"))
    assert tracker.flush(5)
    assert path.read_text().splitlines()[0] == HEADER
    (row,) = rows(path)  # the second root could not be estimated
    one = tracker.engine.estimate(call(zone="FRA")).usage
    assert one is not None
    assert float(row["emissions"]) == pytest.approx(2 * one.gwp.value.mean)
    assert float(row["energy_consumed"]) == pytest.approx(2 * one.energy.value.mean)
    assert (row["run_id"], row["project_name"]) == (str(root), "shop")
    assert (row["country_iso_code"], row["cloud_provider"]) == ("FRA", "openai")


@pytest.mark.parametrize(("zone", "country"), [("SWE", "SWE"), ("WOR", ""), (None, "USA")])
def test_the_country_is_that_of_the_zone_in_use(
    zone: str | None, country: str, tmp_path: Path
) -> None:
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(tmp_path / "e.csv")], zone=zone)
    run_tree(tracker)
    assert tracker.flush(5)
    assert [row["country_iso_code"] for row in rows(tmp_path / "e.csv")] == [country]


def test_an_existing_file_keeps_its_columns_and_rows(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.write_text("run_id,emissions,timestamp\nlocal,0.5,2026-01-01T00:00:00\n")
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(path)])
    root = run_tree(tracker)
    assert tracker.flush(5)
    assert [list(row) for row in rows(path)] == [["run_id", "emissions", "timestamp"]] * 2
    assert [row["run_id"] for row in rows(path)] == ["local", str(root)]


def test_a_late_end_replaces_its_row(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(path)])
    tracker.start("r", name="r")
    tracker.start("late", "r", name="late", kind="chat")
    tracker.record(call(), "r")
    tracker.end("r")
    assert tracker.flush(5)
    first = float(rows(path)[0]["emissions"])
    tracker.end("late", call=call())
    assert tracker.flush(5)
    (row,) = rows(path)
    assert float(row["emissions"]) == pytest.approx(2 * first)


def test_a_replay_adds_no_row_and_knows_the_project(
    tmp_path: Path, dies: Callable[[], None]
) -> None:
    path = tmp_path / "emissions.csv"
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(path, project_name="shop")])
    run_tree(tracker)
    assert tracker.flush(5)
    for done in (tmp_path / "spool").glob("*/*.done"):
        done.unlink()
    run_tree(tracker)
    dies()
    assert ImpactTracker(exporters=[CodeCarbonExporter(path)]).flush(5)  # as ``spool replay`` does
    assert [row["project_name"] for row in rows(path)] == ["shop"] * 2


def test_a_long_file_is_not_read_for_each_batch(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    rest = ("x," * 37 + "x\n").encode() * 20_000
    path.write_bytes(HEADER.encode() + b"\n" + rest + b"\xff\n")  # reading that far would fail
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(path)])
    for _ in range(2):
        run_tree(tracker)
        assert tracker.flush(10)
    assert len(path.read_bytes().splitlines()) == 20_004


def test_parquet_reads_back_and_a_replay_adds_nothing(
    tmp_path: Path, dies: Callable[[], None]
) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    from impactree.exporters import ParquetExporter

    folder = tmp_path / "calls"
    tracker = ImpactTracker(exporters=[ParquetExporter(folder)])
    root = run_tree(tracker, call(), call(output_tokens=40), name="qa")
    assert tracker.flush(5)
    for done in (tmp_path / "spool").glob("*/*.done"):
        done.unlink()
    dies()
    assert ImpactTracker(exporters=[ParquetExporter(folder)]).flush(5)
    table: Any = pq.read_table(folder).to_pylist()
    assert [row["output_tokens"] for row in table] == [20, 40]
    assert {(row["run_id"], row["run_name"], row["revision"]) for row in table} == {
        (str(root), "qa", 0)
    }
    estimate = tracker.engine.estimate(call(output_tokens=40))
    assert estimate.adpe is not None
    assert table[1]["adpe_kgsbeq_max"] == estimate.adpe.value.max


@pytest.mark.parametrize("kind", ["codecarbon", "jsonl", "parquet"])
def test_an_id_that_is_used_again_is_another_run(
    kind: str, tmp_path: Path, dies: Callable[[], None]
) -> None:
    def exporter() -> Any:
        if kind == "codecarbon":
            return CodeCarbonExporter(tmp_path / "e.csv")
        if kind == "jsonl":
            return JSONLExporter(tmp_path / "i.jsonl")
        pytest.importorskip("pyarrow.parquet")
        from impactree.exporters import ParquetExporter

        return ParquetExporter(tmp_path / "calls")

    tracker = ImpactTracker(exporters=[exporter()])
    for start in (1_000_000.0, 2_000_000.0, 3_000_000.0):
        tracker.start("r", name="r", start=start)
        tracker.start("late", "r", name="late", kind="chat", start=start)
        tracker.start("model", "r", name="model", kind="chat", start=start)
        tracker.end("model", call=call(), end=start + 1)
        tracker.end("r", end=start + 2)
    tracker.end("late", call=call())  # of the last run: its row is replaced, no other's
    assert len(tracker.runs) == 3
    assert tracker.flush(10)
    for done in (tmp_path / "spool").glob("*/*.done"):
        done.unlink()
    dies()
    assert ImpactTracker(exporters=[exporter()]).flush(10)  # adds nothing
    if kind == "codecarbon":
        ends = [row["timestamp"][8:10] for row in rows(tmp_path / "e.csv")]
        assert len(ends) == len(set(ends)) == 3
    elif kind == "jsonl":
        lines = [json.loads(line) for line in (tmp_path / "i.jsonl").read_text().splitlines()]
        keys = [(line["start"], line["revision"]) for line in lines]
        assert keys == [(1e6, 0), (2e6, 0), (3e6, 0), (3e6, 1)]
    else:
        import pyarrow.parquet as pq

        table = pq.read_table(tmp_path / "calls").to_pylist()
        keys = {(row["run_started_at"].timestamp(), row["revision"]) for row in table}
        assert keys == {(1e6, 0), (2e6, 0), (3e6, 0), (3e6, 1)}
        assert len(table) == 5


def test_credits_of_the_factors_stand_beside_the_figures(tmp_path: Path) -> None:
    """A table keeps its shape: they are in a file beside it, and in Parquet's metadata."""
    pq = pytest.importorskip("pyarrow.parquet")
    from impactree.exporters import ParquetExporter

    path = tmp_path / "emissions.csv"
    lines = tmp_path / "impacts.jsonl"
    exporters = [
        CodeCarbonExporter(path),
        ParquetExporter(tmp_path / "calls"),
        JSONLExporter(lines),
    ]
    tracker = ImpactTracker(exporters=exporters)
    for _ in range(2):
        run_tree(tracker, call(zone="FRA"))
        assert tracker.flush(5)
    told = (tmp_path / "emissions.csv.credits.txt").read_text().splitlines()
    assert told == list(tracker.engine.credits_for([call(zone="FRA")]))
    assert any("CC BY 4.0" in credit for credit in told)
    file = next((tmp_path / "calls").glob("*.parquet"))
    metadata = pq.read_schema(file).metadata
    assert metadata[b"impactree.credits"].decode().splitlines() == told
    assert [json.loads(line)["credits"] for line in lines.read_text().splitlines()] == [told] * 2


def test_credits_are_those_of_the_year_of_the_call(tmp_path: Path) -> None:
    """Georgia's factor of 2023 is Ember's own; Our World in Data has a later year alone."""
    path = tmp_path / "impacts.jsonl"
    tracker = ImpactTracker(method="impactree-1", exporters=[JSONLExporter(path)])
    for day in (1_800_000_000.0, 1_690_000_000.0):  # in 2027, and in 2023
        tracker.start(day, name="run", kind="chat", start=day)
        tracker.end(day, call=call(zone="GEO"), end=day + 1)
    assert tracker.flush(5)
    now, then = (json.loads(line)["credits"] for line in path.read_text().splitlines())
    assert now[0] != then[0]
    assert set(tracker.report().credits) == {*now, *then}


def test_the_country_of_a_part_of_it(tmp_path: Path) -> None:
    from impactree.exporters._codecarbon import _country

    assert (_country("US-VA"), _country("FRA"), _country("WOR")) == ("USA", "FRA", None)
