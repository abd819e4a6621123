"""Forks writers, kills them at random moments, replays what they left, and counts.

Run as a script, so that it forks before it has threads: ``crashing.py crash FOLDER KILLS SEED``
(or ``chains``: LangChain in threads and tasks; or ``together FOLDER PROCESSES ROOTS``).
Prints JSON: how many roots' end had returned, and for each sink how many are missing or double.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impactree import ImpactTracker, ModelCall
from impactree.exporters import JSONLExporter, SQLExporter

if TYPE_CHECKING:
    from collections.abc import Sequence

CALL = ModelCall(model="gpt-4o-mini", provider="openai", input_tokens=9, output_tokens=20)


def sinks(folder: Path) -> list[Any]:
    return [
        SQLExporter(f"sqlite:///{folder / 'impacts.db'}"),
        JSONLExporter(folder / "impacts.jsonl", max_bytes=4 * 2**20, backups=100),
    ]


def write(tracker: ImpactTracker, count: int | None, acknowledge: int | None = None) -> None:
    """Roots of one call; each id goes to the file once its end callback has returned."""
    made = 0
    while count is None or made < count:
        made += 1
        root = uuid.uuid4()
        tracker.start(root, name="agent")
        tracker.record(CALL, root)
        tracker.end(root)
        if acknowledge is not None:
            os.write(acknowledge, f"{root}\n".encode())
        if made % 50 == 0:
            time.sleep(0.01)


def write_chains(exporters: Sequence[Any], acknowledge: int) -> None:
    """Roots of LangChain in four threads, two of which run tasks, through one handler."""
    from langchain_core.runnables import RunnableLambda

    from impactree import ImpactHandler

    handler = ImpactHandler(exporters=exporters)
    chain = RunnableLambda(lambda x: x) | RunnableLambda(lambda x: x)

    def config() -> Any:
        return {"callbacks": [handler], "run_id": uuid.uuid4()}

    def invoke() -> None:
        while True:
            made = config()
            chain.invoke("x", made)
            os.write(acknowledge, f"{made['run_id']}\n".encode())

    async def task() -> None:
        while True:
            made = config()
            await chain.ainvoke("x", made)
            # On a loop, a worker writes the journal: until then nothing is acknowledged.
            if await asyncio.to_thread(handler.flush, 10):
                os.write(acknowledge, f"{made['run_id']}\n".encode())

    async def tasks() -> None:
        await asyncio.gather(task(), task(), task())

    for work in (invoke, invoke, lambda: asyncio.run(tasks()), lambda: asyncio.run(tasks())):
        threading.Thread(target=work, daemon=True).start()
    time.sleep(60)


def crash(folder: Path, kills: int, seed: int, *, chains: bool = False) -> set[str]:
    """Kill writers; returns the roots whose end had returned."""
    if chains:
        import impactree.langchain  # noqa: F401
    chance = random.Random(seed)
    acknowledge = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ImpactTracker().engine.estimate(CALL)  # the catalog is loaded once
    exporters = sinks(folder)
    for _ in range(kills):
        pid = os.fork()
        if pid == 0 and chains:
            write_chains(exporters, acknowledge)
        elif pid == 0:
            write(ImpactTracker(exporters=exporters), None, acknowledge)
        if chains:
            _wait_for_more(acknowledge)
        time.sleep(chance.uniform(0.02, 0.4))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    lines = (folder / "acknowledged").read_text().splitlines(keepends=True)
    return {line.strip() for line in lines if line.endswith("\n")}


def _wait_for_more(acknowledge: int) -> None:
    size, deadline = os.fstat(acknowledge).st_size, time.monotonic() + 10
    while os.fstat(acknowledge).st_size == size and time.monotonic() < deadline:
        time.sleep(0.01)


def together(folder: Path, processes: int, roots: int) -> set[str]:
    """Writers at the same time, each flushing at its end."""
    acknowledge = os.open(folder / "acknowledged", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ImpactTracker().engine.estimate(CALL)
    exporters = sinks(folder)
    pids = []
    for _ in range(processes):
        pid = os.fork()
        if pid == 0:
            tracker = ImpactTracker(exporters=exporters)
            write(tracker, roots, acknowledge)
            os._exit(0 if tracker.flush(300) else 1)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * processes
    return set((folder / "acknowledged").read_text().split())


def count(folder: Path, expected: set[str]) -> dict[str, Any]:
    lines = [
        json.loads(line)["id"]
        for path in folder.glob("impacts.jsonl*")
        for line in path.read_text().splitlines()
    ]
    with sqlite3.connect(folder / "impacts.db") as base:
        rows = [run_id for (run_id,) in base.execute("select id from impactree_runs")]
        calls = base.execute("select count(*) from impactree_calls").fetchone()[0]
    return {
        "acknowledged": len(expected),
        "missing": {"sql": len(expected - set(rows)), "jsonl": len(expected - set(lines))},
        "double": {"sql": _double(rows), "jsonl": _double(lines)},
        "calls_per_run": calls / max(1, len(rows)),
    }


def _double(ids: Sequence[str]) -> int:
    return sum(n > 1 for n in Counter(ids).values())


def main(what: str, folder: Path, number: int, other: int) -> None:
    os.environ["IMPACTREE_SPOOL_DIR"] = str(folder / "spool")
    if what == "together":
        expected = together(folder, number, other)
    else:
        expected = crash(folder, number, other, chains=what == "chains")
    tracker = ImpactTracker(exporters=sinks(folder))
    started = time.monotonic()
    drained = tracker.flush(120)
    result = count(folder, expected)
    result |= {"drained": drained, "replay_s": round(time.monotonic() - started, 2)}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
