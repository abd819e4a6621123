"""Exporters under crashes, many processes, load and outages (about fifteen minutes).

Run with ``python -m benchmarks.exporters [chains | sustained]``. tests/exporters/test_crash.py has
smaller versions of what is counted, tests/exporters/faults.py larger ones.
"""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._exported_load import SINKS
from benchmarks._measure import Result, at_most, fresh, print_table, ratio, rounds

KILLS, SEED = 100, 7
PROCESSES, ROOTS = 4, 10_000
SCRIPT = Path(__file__).parents[1] / "tests" / "exporters" / "crashing.py"

# Model calls per root, their ms, and invocations: about three seconds each.
SHAPES = ((5, 10, 60), (1, 0, 1500), (5, 50, 12), (50, 10, 6))
ROUNDS = 5

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


def load(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks._exported_load", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def chain(mode: str, calls: int, wait_ms: int, times: int, _: int = 0) -> float:
    """Seconds a root takes."""
    command = [sys.executable, "-m", "benchmarks._exported_chain"]
    numbers = map(str, (calls, wait_ms, times))
    done = subprocess.run([*command, mode, *numbers], capture_output=True, text=True, check=True)
    return float(done.stdout) / times


def chains() -> list[Result]:
    """What a handler with every exporter adds to a chain, while no endpoint takes anything."""
    results = []
    for calls, wait_ms, times in SHAPES:
        planted = ("planted",) if (calls, wait_ms) == (5, 10) else ()
        variants = {
            mode: functools.partial(chain, mode, calls, wait_ms, times)
            for mode in ("none", "down", "trickle", *planted)
        }
        taken = rounds(variants, ROUNDS)
        for mode in ("down", "trickle"):
            name = f"{calls} calls of {wait_ms} ms, endpoints {mode}"
            if wait_ms:
                added = ratio(taken[mode], taken["none"])
                results.append(at_most(f"{name} / no handler", added, 1.05, "x"))
            else:  # no call is so quick: what a root costs, with one call
                pairs = zip(taken[mode], taken["none"], strict=True)
                added = median(with_ - without for with_, without in pairs) * 1000
                results.append(at_most(f"{name}, added a root", added, 2, "ms"))
        if planted:
            shown = ratio(taken["planted"], taken["none"])
            name = "a planted 3 ms a root, as above: must miss"
            results.append(Result(name, f"{shown:.3g} x", "> 1.05 x", shown > 1.05))
    return results


@contextlib.contextmanager
def langsmith() -> Iterator[str]:
    """Its URL; in a process of its own, as a service is."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from langsmith_server import serve\n"
        "with serve() as service: print(service.url, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, SCRIPT.parent],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.communicate("")


def sustained() -> list[Result]:
    steady = load("steady", 20, 1000, 1)
    faults = [] if steady["all"] else ["not all there"]
    faults += [] if steady["drained"] else ["not drained"]
    ok = not faults and steady["per_s"] > 980
    rate = f"{steady['per_s']:.0f}/s, {steady['cpu_us']:.0f} µs of processor a root"
    rate = ", ".join((rate, *faults))
    results = [Result("SQLite and JSONL, 20 s, until drained", rate, "1000/s, all there", ok)]
    with langsmith() as url:
        alone = {name: load("own", name, 1000, url)["per_s"] for name in SINKS}
        slowest = min(alone, key=lambda name: alone[name])
        # By turns: what else the machine does changes both.
        pairs = [(load("five", 500, url), load("own", slowest, 500, url)) for _ in range(3)]
    shares = [together["per_s"] / own["per_s"] for together, own in pairs]
    share, every = median(shares), all(together["all"] for together, _ in pairs)
    said = f"{share:.0%} ({min(shares):.0%} to {max(shares):.0%})"
    name = f"five exporters / {slowest}'s own client alone, at {pairs[0][1]['per_s']:.0f}/s"
    results.append(Result(name, said, ">= 70 %, all there", share >= 0.7 and every))
    outage = load("steady", 60, 500, 0)
    results.append(at_most("memory grown in 60 s outage", outage["grown_mib"], 20, "MiB"))
    ok = outage["all"] and outage["drained"]
    results.append(Result("all there after it", f"{outage['flush_s']:.1f} s", "all", ok))
    return results


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
    results = chains()
    taken_in = fresh(TAKEN.format(tests=str(SCRIPT.parent)))
    results.append(at_most("tree into the journal", taken_in, 100, "µs"))
    results += exactly_once("crash", f"kill -9 x {KILLS}", KILLS, SEED)
    results += exactly_once("chains", "kill -9 x 20, threads and tasks", 20, SEED)
    results += exactly_once("together", f"{PROCESSES} processes x {ROOTS:,}", PROCESSES, ROOTS)
    return results + sustained()


PARTS = {"chains": chains, "sustained": sustained, "all": run}

if __name__ == "__main__":
    part = PARTS[sys.argv[1] if len(sys.argv) > 1 else "all"]
    sys.exit(0 if print_table(part()) else 1)
