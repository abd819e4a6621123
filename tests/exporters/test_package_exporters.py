"""What the package promises: names, extras, and that importing it brings nothing along."""

from __future__ import annotations

import subprocess
import sys

import pytest

from impactree import exporters


def test_every_name_is_there() -> None:
    assert exporters.__all__ == sorted(exporters.__all__)
    assert set(exporters.__all__) == set(exporters._HOMES) <= set(dir(exporters))
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        exporters.Nope  # noqa: B018


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("SQLExporter", "sqlalchemy", "sql"),
        ("LangSmithExporter", "langsmith", "langsmith"),
        ("OTelExporter", "opentelemetry", "otel"),
        ("ParquetExporter", "pyarrow", "parquet"),
    ],
)
def test_a_missing_extra_is_named(name: str, module: str, extra: str) -> None:
    code = f"""
import sys
sys.modules[{module!r}] = None
from impactree.exporters import {name}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"pip install 'impactree[{extra}]'" in done.stderr.splitlines()[-1]


def test_importing_brings_nothing_along() -> None:
    code = """
import sys, impactree, impactree.exporters
from impactree import ImpactTracker
ImpactTracker(exporters=[])
heavy = {"sqlalchemy", "langsmith", "opentelemetry", "pyarrow", "tenacity", "platformdirs"}
print(sorted(heavy & set(sys.modules)), "impactree.delivery.spool" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False"
