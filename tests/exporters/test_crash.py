"""Killed writers and many writers: every root that ended arrives, and none twice.

Smaller versions of ``benchmarks/exporters.py``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from impactree.delivery.locks import locked_file

pytest.importorskip("sqlalchemy")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

SCRIPT = Path(__file__).with_name("crashing.py")


def result(*arguments: object) -> Any:
    done = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], check=True, capture_output=True, timeout=120
    )
    return json.loads(done.stdout)


def test_killed_at_random_moments(tmp_path: Path) -> None:
    found = result("crash", tmp_path, 12, 1)
    assert found["acknowledged"] > 100
    assert found["drained"]
    assert found["missing"] == {"sql": 0, "jsonl": 0}
    assert found["double"] == {"sql": 0, "jsonl": 0}
    assert found["calls_per_run"] == 1
    assert list((tmp_path / "spool").iterdir()) == []


def test_killed_in_the_midst_of_threads_and_tasks(tmp_path: Path) -> None:
    pytest.importorskip("langchain_core")
    found = result("chains", tmp_path, 8, 2)
    assert found["acknowledged"] > 20
    assert found["drained"]
    assert found["missing"] == {"sql": 0, "jsonl": 0}
    assert found["double"] == {"sql": 0, "jsonl": 0}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_keeps_no_lock_of_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked_file(path):  # a delivery is under way when a server forks its workers
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
    try:
        with locked_file(path, timeout_s=5):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_four_processes_write_one_file(tmp_path: Path) -> None:
    found = result("together", tmp_path, 4, 400)
    assert found["acknowledged"] == 1600
    assert found["missing"] == {"sql": 0, "jsonl": 0}
    assert found["double"] == {"sql": 0, "jsonl": 0}
