"""Forks at the worst moments: what another thread held, neither parent nor child waits for.

Each runs in a process of its own, whose last line says how it went. Its hooks put the fork where it
hurts: :data:`PLANTED` lets a thread of ours go on only once the fork has begun.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

HERE = Path(__file__).parent
PLANTED = """
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
sys.path.insert(0, sys.argv[1])
inside, begun = threading.Event(), threading.Event()

def in_the_midst():
    inside.set()
    begun.wait(60)
"""
TRACKED = """
from exporter_helpers import run_tree
from impactree import ImpactTracker
from impactree.exporters import {exporter}

tracker = ImpactTracker(exporters=[{made}])

def fork_and_flush():
    inside.wait(60)
    os.register_at_fork(before=begun.set)
    child = os.fork()
    if child == 0:
        run_tree(tracker)
        os._exit(0 if tracker.flush(30) else 3)
    flushed = tracker.flush(30)
    print(flushed, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)
"""


def said(code: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PLANTED + code, HERE, folder],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"IMPACTREE_SPOOL_DIR": str(folder / "spool")},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_thread_of_ours_that_logs_is_waited_for(tmp_path: Path) -> None:
    """Hooks run in reverse: were ours before logging's, a fork would take the loggers' lock first,
    and then wait for a thread that wants it (10 s, after which the child inherits its work)."""
    code = """
from impactree.delivery import forks
os.register_at_fork(before=begun.set)
import logging
out = []

def work():
    with forks.held_off():
        in_the_midst()
        logging.getLogger("impactree.new")
        out.append("out")

thread = threading.Thread(target=work)
thread.start()
inside.wait(60)
child = os.fork()
if child == 0:
    os._exit(0)
print(*out)
"""
    assert said(code, tmp_path) == ["out"]


def test_a_fork_does_not_fall_into_a_sqlite_transaction(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    made = 'SQLExporter(f"sqlite:///{sys.argv[2]}/impacts.db")'
    code = """
import sqlalchemy as sa

@sa.event.listens_for(sa.Engine, "commit")
def committing(connection):
    if not inside.is_set():
        in_the_midst()

run_tree(tracker)
fork_and_flush()
"""
    script = TRACKED.format(exporter="SQLExporter", made=made) + code
    assert said(script, tmp_path) == ["True", "0"]


def test_a_fork_does_not_fall_into_the_catalogs_first_load(tmp_path: Path) -> None:
    made = 'JSONLExporter(f"{sys.argv[2]}/i.jsonl")'
    code = """
def hook(event, args):
    if event == "open" and str(args[0]).endswith("compiled.jsonl") and not inside.is_set():
        in_the_midst()

sys.addaudithook(hook)
thread = threading.Thread(target=run_tree, args=(tracker,))
thread.start()
fork_and_flush()
"""
    script = TRACKED.format(exporter="JSONLExporter", made=made) + code
    assert said(script, tmp_path) == ["True", "0"]


def test_totals_of_older_runs_are_not_locked_in_a_child(tmp_path: Path) -> None:
    """A root that is no longer kept is added to them, in the chain's thread."""
    code = """
from exporter_helpers import run_tree
from impactree import ImpactTracker
from impactree.report import RunningTotals

tracker = ImpactTracker(max_runs=1, totals_by=["model"])
tracker.older._lock.acquire()
child = os.fork()
if child == 0:
    run_tree(tracker)
    run_tree(tracker)
    os._exit(len(tracker.runs))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert said(code, tmp_path) == ["1"]


def test_a_clients_connection_is_not_shared_with_a_child(tmp_path: Path) -> None:
    """Of a client that was given as well: what both write to one is nobody's request."""
    pytest.importorskip("langsmith")
    code = """
import langsmith
from exporter_helpers import run_tree
from langsmith_server import KEY, serve
from impactree import ImpactTracker
from impactree.exporters import LangSmithExporter

with serve() as service:
    client = langsmith.Client(api_url=service.url, api_key=KEY, auto_batch_tracing=False)
    tracker = ImpactTracker(exporters=[LangSmithExporter(client=client)])
    run_tree(tracker)
    flushed, before = tracker.flush(30), len(service.ports)
    child = os.fork()
    if child == 0:
        run_tree(tracker)
        os._exit(0 if tracker.flush(30) else 3)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(flushed, code, before, len(service.ports), len(service.by_key()), flush=True)
    os._exit(0)
"""
    assert said(code, tmp_path) == ["True", "0", "1", "2", "2"]


KINDS: dict[str, Any] = {
    "sqlite": "sqlalchemy",
    "jsonl": "json",
    "parquet": "pyarrow",
    "csv": "csv",
    "langsmith": "langsmith",
    "otlp": "opentelemetry.exporter.otlp.proto.http",
    "prometheus": "opentelemetry.exporter.prometheus",
}


@pytest.mark.parametrize("kind", KINDS)
def test_forked_under_load_every_root_arrives_once(kind: str) -> None:
    """A small version of ``faults.py``, which the docs' table comes from."""
    pytest.importorskip(KINDS[kind])
    import faults  # type: ignore[import-not-found]

    row = faults.one(kind, "forks", {"roots": 120, "forks": 4})
    assert row["ok"], row
