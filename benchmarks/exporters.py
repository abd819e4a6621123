"""Exporters under crashes, many processes, load and outages (about five minutes).

Run with ``python -m benchmarks.exporters``; tests/exporters/test_crash.py has smaller versions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._measure import Result, at_most, fresh, print_table, ratio, rounds

KILLS, SEED = 100, 7
PROCESSES, ROOTS = 4, 10_000
SCRIPT = Path(__file__).parents[1] / "tests" / "exporters" / "crashing.py"

# A chain with five model calls of 10 ms; prints the seconds that 100 invocations took. The
# endpoints: nothing listens on port 9, and a server that takes 5 s to answer.
CHAIN = """
import logging, os, socketserver, tempfile, threading, time
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from impactree import ImpactHandler
logging.disable(logging.CRITICAL)
folder = tempfile.mkdtemp()
os.environ.update(IMPACTREE_SPOOL_DIR=folder, LANGSMITH_API_KEY="x", LANGSMITH_TRACING="false")

class Slow(socketserver.BaseRequestHandler):
    def handle(self):
        time.sleep(5)

def exporters(mode):
    if mode == "none":
        return []
    slow = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow)
    slow.daemon_threads = True
    threading.Thread(target=slow.serve_forever, daemon=True).start()
    port = 9 if mode == "down" else slow.server_address[1]
    os.environ["LANGSMITH_ENDPOINT"] = f"http://127.0.0.1:{{port}}"
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from impactree.exporters import JSONLExporter, LangSmithExporter, OTelExporter, SQLExporter
    url = f"http://127.0.0.1:{{port}}/v1/metrics"
    meters = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(url))])
    return [
        LangSmithExporter(),
        OTelExporter(meter_provider=meters, spans=False),
        SQLExporter(f"postgresql://a@127.0.0.1:{{port}}/b"),
        JSONLExporter(f"{{folder}}/missing/impacts.jsonl"),
    ]

usage = {{"input_tokens": 1200, "output_tokens": 400, "total_tokens": 1600}}
answer = AIMessage("a", usage_metadata=usage, response_metadata={{"model_name": "gpt-4o"}})
def step(text):
    for _ in range(5):
        time.sleep(0.01)
        GenericFakeChatModel(messages=iter([answer.model_copy()])).invoke(text)
    return text
chain = RunnableLambda(step)
handler = ImpactHandler(exporters=exporters("{mode}"))
for _ in range(10):
    chain.invoke("x", {{"callbacks": [handler]}})
start = time.perf_counter()
for _ in range(100):
    chain.invoke("x", {{"callbacks": [handler]}})
print(time.perf_counter() - start, flush=True)
os._exit(0)
"""

# Roots with one call, at a rate, for some seconds. Prints one of the figures below as JSON.
LOAD = """
import json, os, re, sys, tempfile, time, uuid, logging
from pathlib import Path
folder = Path(tempfile.mkdtemp())
os.environ["IMPACTREE_SPOOL_DIR"] = str(folder / "spool")
sys.path.insert(0, {tests!r})
import crashing
from impactree import ImpactTracker
logging.disable(logging.CRITICAL)

def memory():
    return int(re.search(r"VmRSS:\\s*(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024

target = folder / "out"
if {up}:
    target.mkdir()
tracker = ImpactTracker(exporters=crashing.sinks(target))
for _ in range(1000):
    crashing.write(tracker, 1)
first, start, made = memory(), time.perf_counter(), 0
while time.perf_counter() - start < {seconds}:
    due = int((time.perf_counter() - start) * {rate})
    crashing.write(tracker, due - made) if due > made else time.sleep(0.002)
    made = max(due, made)
took = time.perf_counter() - start
grown = memory() - first
target.mkdir(exist_ok=True)
flushing = time.perf_counter()
drained = tracker.flush(300)
print(json.dumps({{"made": made, "per_s": made / took, "grown_mib": grown, "drained": drained,
    "flush_s": time.perf_counter() - flushing,
    "lines": sum(p.read_bytes().count(b"\\n") for p in target.glob("impacts.jsonl*"))}}))
"""


# What a root's end costs in the chain's thread: a tree of five calls for four destinations,
# encoded and appended. Prints the median in microseconds.
TAKEN = """
import os, sys, tempfile, time
os.environ["IMPACTREE_SPOOL_DIR"] = tempfile.mkdtemp()
sys.path.insert(0, {tests!r})
import exporter_helpers as helpers
from impactree import ImpactTracker
from impactree.delivery import spool as _spool
from impactree.exporters import DeliveryRefusedError
tracker = ImpactTracker()
helpers.run_tree(tracker, *[helpers.call()] * 5)
root = tracker.last_run
sinks = [helpers.Sink(name, *[DeliveryRefusedError("no")] * 9) for name in "abcd"]
times = []
for _ in range(5000):
    start = time.perf_counter()
    _spool.spool().put(root, "m", sinks)
    times.append(time.perf_counter() - start)
print(sorted(times)[2500] * 1e6, flush=True)
os._exit(0)
"""


def script(code: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def load(*, up: bool, seconds: int, rate: int) -> dict[str, Any]:
    return script(LOAD.format(tests=str(SCRIPT.parent), up=up, seconds=seconds, rate=rate))


def exactly_once(what: str, name: str, number: int, other: int) -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, SCRIPT, what, folder, str(number), str(other)],
            capture_output=True,
            text=True,
            check=True,
        )
    found = json.loads(done.stdout)
    lost, double = (sum(found[key].values()) for key in ("missing", "double"))
    ended = f"{found['acknowledged']:,} ended"
    return [
        Result(f"{name}: lost", f"{lost} of {ended}", "0", lost == 0 and found["drained"]),
        Result(f"{name}: double", f"{double}", "0", double == 0),
    ]


def run() -> list[Result]:
    variants = {
        mode: lambda _, mode=mode: fresh(CHAIN.format(mode=mode))
        for mode in ("none", "down", "slow")
    }
    taken = rounds(variants, 3)
    results = [
        at_most(
            f"chain, endpoints {mode} / no exporters", ratio(taken[mode], taken["none"]), 1.1, "x"
        )
        for mode in ("down", "slow")
    ]
    taken_in = fresh(TAKEN.format(tests=str(SCRIPT.parent)))
    results.append(at_most("tree into the journal", taken_in, 100, "µs"))
    results += exactly_once("crash", f"kill -9 x {KILLS}", KILLS, SEED)
    results += exactly_once("chains", "kill -9 x 20, threads and tasks", 20, SEED)
    results += exactly_once("together", f"{PROCESSES} processes x {ROOTS:,}", PROCESSES, ROOTS)
    steady = load(up=True, seconds=20, rate=1000)
    all_there = steady["drained"] and steady["lines"] == steady["made"] + 1000
    ok = all_there and steady["per_s"] > 990
    rate = f"{steady['per_s']:.0f}/s, {steady['flush_s']:.1f} s to drain"
    results.append(Result("SQLite and JSONL, 20 s", rate, "1000/s, all there", ok))
    outage = load(up=False, seconds=60, rate=500)
    results.append(at_most("memory grown in 60 s outage", outage["grown_mib"], 20, "MiB"))
    all_there = outage["drained"] and outage["lines"] == outage["made"] + 1000
    results.append(Result("all there after it", f"{outage['flush_s']:.1f} s", "all", all_there))
    return results


if __name__ == "__main__":
    sys.exit(0 if print_table(run()) else 1)
