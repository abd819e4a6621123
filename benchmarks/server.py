"""What the server does in a request of 10,000 calls, and with 50 clients at once for a minute.

By itself: python -m benchmarks.server [SECONDS].
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median, quantiles

import httpx

from benchmarks._measure import Result, at_most, print_table
from impactree.methods import METHODS

CLIENTS = 50
ROUNDS = 5
_SERVE = "from impactree.cli import main; main(['serve', '--port', '0'])"
_CALL = {"model": "gpt-4o", "provider": "openai", "input_tokens": 900}


def resident_mib(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def processor_s(process: int) -> float:
    """What a process has computed so far, s: other programs weigh less on it."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def many_calls(address: str, process: int) -> list[Result]:
    calls = [{**_CALL, "output_tokens": 1 + number} for number in range(10_000)]
    taken, computed = [], []
    for _ in range(ROUNDS):
        begun, before = time.perf_counter(), processor_s(process)
        answer = httpx.post(f"{address}v1/estimate", json={"calls": calls}, timeout=60)
        taken.append(time.perf_counter() - begun)
        computed.append(processor_s(process) - before)
        assert answer.status_code == 200
    assert len(answer.json()["results"]) == len(calls)
    return [
        at_most("10,000 calls in one request", median(taken), 2, "s"),
        Result("10,000 calls in one request: processor", f"{median(computed):.3g} s"),
        *(unknown_names(address, process, method) for method in METHODS),
    ]


def unknown_names(address: str, process: int, method: str) -> Result:
    """Each of its own, so that nothing is kept from the call before."""
    calls = [
        {**_CALL, "model": f"acme/Zephyrine-{method}-{number * 7919 % 99991:x}"}
        for number in range(10_000)
    ]
    before = processor_s(process)
    body = {"calls": calls, "method": method}
    answer = httpx.post(f"{address}v1/estimate", json=body, timeout=90)
    assert answer.status_code == 200
    computed = processor_s(process) - before
    return Result(f"10,000 unknown names by {method}: processor", f"{computed:.3g} s")


def clients(address: str, process: int, seconds: float) -> list[Result]:
    times: list[float] = []
    errors: list[object] = []
    end = time.perf_counter() + seconds

    def ask(number: int) -> None:
        body = {**_CALL, "output_tokens": 100 + number}
        with httpx.Client(base_url=address, timeout=30) as client:
            while (begun := time.perf_counter()) < end:
                try:
                    answer = client.post("/v1/estimate", json=body)
                    if answer.status_code != 200:
                        errors.append(answer.status_code)
                except httpx.HTTPError as error:
                    errors.append(error)
                times.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 4)
    before = resident_mib(process)
    for thread in threads:
        thread.join()
    grown = resident_mib(process) - before
    name = f"{CLIENTS} clients for {seconds:g} s"
    print(f"{name}: {len(times):,} requests, median {median(times):.3f} s", file=sys.stderr)
    slow = quantiles(times, n=100)[-1]
    return [
        at_most(f"{name}: errors", len(errors), 0, ""),
        at_most(f"{name}: memory after the first quarter", grown, 16, "MiB"),
        Result(f"{name}: 99th percentile", f"{slow:.3g} s"),
    ]


def run(seconds: float = 60) -> list[Result]:
    with subprocess.Popen([sys.executable, "-c", _SERVE], stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        found = re.search(r"http://\S+", one.stdout.readline())
        assert found is not None
        try:
            for _ in range(200):
                try:
                    httpx.get(f"{found[0]}health")
                    break
                except httpx.ConnectError:
                    time.sleep(0.05)
            return [*many_calls(found[0], one.pid), *clients(found[0], one.pid, seconds)]
        finally:
            one.terminate()


if __name__ == "__main__":
    sys.exit(0 if print_table(run(*map(float, sys.argv[1:]))) else 1)
