"""Prometheus in several worker processes: one answer for all, or a line with the recipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from impactree.exceptions import ConfigurationError

pytest.importorskip("opentelemetry.exporter.prometheus")

from prometheus_client.parser import text_string_to_metric_families

from impactree.exporters import OTelExporter

WORKERS = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)
sys.path.insert(0, sys.argv[1])
from exporter_helpers import run_tree
from impactree import ImpactTracker
from impactree.exporters import OTelExporter

tracker = ImpactTracker(exporters=[OTelExporter.prometheus(port=0)])
ImpactTracker(exporters=[OTelExporter.prometheus(port=0)])
for _ in range(3):
    child = os.fork()
    if child == 0:
        run_tree(tracker)
        os._exit(0 if tracker.flush(30) else 1)
    assert os.waitpid(child, 0)[1] == 0
run_tree(tracker)
assert tracker.flush(30)
import prometheus_client
registry = prometheus_client.REGISTRY
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    from prometheus_client import multiprocess
    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
print(prometheus_client.generate_latest(registry).decode(), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_prometheus_counts_for_all_workers_in_its_multi_process_mode(tmp_path: Path) -> None:
    counted: list[dict[str, float]] = []
    said: list[str] = []
    for environment in ({}, {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}):
        done = subprocess.run(
            [sys.executable, "-c", WORKERS, str(Path(__file__).parent)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | environment,
        )
        counted.append(
            {
                sample.name: sample.value
                for family in text_string_to_metric_families(done.stdout)
                for sample in family.samples
                if "impactree" in sample.name and "delivery" not in sample.name
            }
        )
        said.append(done.stderr)
    alone, shared = counted
    assert alone["impactree_calls_total"] == 1  # the parent's own
    assert shared["impactree_calls_total"] == 4
    assert "set PROMETHEUS_MULTIPROC_DIR to an empty folder" in said[0]
    assert said[1] == ""
    names = {name for name in alone if not name.endswith("_created")}
    assert names == {name for name in shared if not name.endswith("_created")}


def test_a_folder_of_prometheus_that_is_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="existing folder"):
        OTelExporter.prometheus(port=0)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with pytest.raises(ConfigurationError, match="before prometheus_client is imported"):
        OTelExporter.prometheus(port=0)
