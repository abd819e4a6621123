"""Tables of calls on a real Spark of this machine: one for all tests."""

from __future__ import annotations

import ipaddress
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from made_calls import arrow, by_python, made_rows, same_calls, same_sums

from impactree.engine import Engine
from impactree.exceptions import TableError
from impactree.methods import METHODS
from impactree.tables import estimate
from impactree.tables._placing import fetched
from impactree.tables._spark import spark

pytest.importorskip("pyspark")  # stands in an environment of its own: make test-engines
ROWS = 2_000


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
    rows = list(made_rows(ROWS))
    pq.write_table(arrow(rows), folder / "calls.parquet")
    return backend.read_parquet(folder / "calls.parquet"), rows


@pytest.mark.parametrize("method", METHODS)
def test_calls_and_sums_equal_the_python_engine(calls, method):
    table, rows = calls
    engine = Engine(method=method, include_training={"requests": 1e11})
    expected = [by_python(row, engine) for row in rows]
    settings = {"method": method, "include_training": {"requests": 1e11}}
    same_calls(fetched(estimate(table, **settings)), expected)
    same_sums(fetched(estimate(table, by=["team", "day"], **settings)), rows, expected)


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
