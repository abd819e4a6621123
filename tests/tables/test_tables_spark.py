"""Tables of calls on a real Spark of this machine: one for all tests."""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from made_calls import (
    ENERGY_FIELDS,
    arrow,
    by_python,
    made_rows,
    same_calls,
    same_sums,
    with_energy,
)

from impactree.cli import cli
from impactree.engine import Engine
from impactree.exceptions import MissingExtraError, TableError
from impactree.methods import METHODS
from impactree.tables import estimate
from impactree.tables._placing import fetched
from impactree.tables._spark import spark

pytest.importorskip("pyspark")  # stands in an environment of its own: make test-engines
ROWS = 2_000
SPEND = Path(__file__).parent / "logs" / "litellm_spendlogs.csv"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("a spark")


@pytest.fixture(scope="module")
def backend(folder):
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        if os.environ.get("CI") == "true":
            pytest.fail("Java is not installed: CI does not go without it")
        pytest.skip("Java is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with spark(folder) as connected:
            yield connected


@pytest.fixture(scope="module")
def calls(backend, folder):
    rows = with_energy(made_rows(ROWS))
    pq.write_table(arrow(rows, ENERGY_FIELDS), folder / "calls.parquet")
    return backend.read_parquet(folder / "calls.parquet"), rows


@pytest.mark.parametrize("method", METHODS)
def test_calls_and_sums_equal_the_python_engine(calls, method):
    table, rows = calls
    engine = Engine(method=method, include_training={"requests": 1e11})
    expected = [by_python(row, engine) for row in rows]
    settings = {"method": method, "include_training": {"requests": 1e11}}
    same_calls(fetched(estimate(table, **settings)), expected)
    same_sums(fetched(estimate(table, by=["team", "day"], **settings)), rows, expected)


def test_the_command_gives_on_spark_what_it_gives_on_duckdb(backend, tmp_path):
    def written(engine):
        out = tmp_path / engine
        asked = ["table", str(SPEND), "--out", str(out), "--engine", engine, "--json"]
        done = CliRunner().invoke(cli, asked, standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        (path,) = out.glob("day=*")
        return json.loads(done.output), pq.read_table(path).to_pylist()

    (told, ours), (expected, theirs) = written("spark"), written("duckdb")
    assert told["estimated_calls"] == expected["estimated_calls"] == 1
    assert told["errors"] == expected["errors"]
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            real = isinstance(value, float)
            assert one[name] == (pytest.approx(value, rel=1e-12, abs=0) if real else value), name


def test_a_missing_pyspark_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    asked = ["table", str(SPEND), "--out", str(tmp_path / "out"), "--engine", "spark"]
    done = CliRunner().invoke(cli, asked, standalone_mode=False)
    assert isinstance(done.exception, MissingExtraError)
    assert "pip install 'impactree[spark]'" in str(done.exception)


def listening():
    """Addresses on which this process and its children listen."""
    inodes = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            if os.getpid() in (int(process.name), parent):
                inodes |= {str(file.readlink()) for file in (process / "fd").iterdir()}
        except OSError:  # ended meanwhile
            continue
    found = set()
    for kind in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]:
            cells = line.split()
            if cells[3] == "0A" and f"socket:[{cells[9]}]" in inodes:
                words = bytes.fromhex(cells[1].partition(":")[0])
                parts = [words[at : at + 4][::-1] for at in range(0, len(words), 4)]
                found.add(ipaddress.ip_address(b"".join(parts)))
    return found


def test_it_listens_on_loopback_only_and_leaves_nothing_in_the_working_directory(calls, folder):
    addresses = listening()
    mapped = {getattr(a, "ipv4_mapped", None) or a for a in addresses}
    assert mapped
    assert all(address.is_loopback for address in mapped), mapped
    assert {path.name for path in folder.iterdir()} <= {
        *("calls.parquet", "log4j2.properties", "spill", "warehouse")
    }


def test_a_missing_java_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("pyspark.sql.SparkSession.getActiveSession", lambda: None)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(TableError, match=r"needs Java 17 or 21.*found none"), spark(tmp_path):
        pass
