"""Whether many runs at once wait for each other in one shared handler."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import Runnable, RunnableLambda

from benchmarks._measure import Result, at_most, ratio, rounds, seconds_each
from benchmarks.handlers import FakeModel
from impactree import ImpactHandler

TASKS = 2_000
THREADS = 64
EACH = 16
ROUNDS = 5

CHAIN: Runnable[str, str] = RunnableLambda(str.strip) | FakeModel() | StrOutputParser()


class PausingModel(FakeModel):
    """Answers once all the others have asked."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return self._generate(*args, **kwargs)


PAUSING: Runnable[str, str] = RunnableLambda(str.strip) | PausingModel() | StrOutputParser()


def tasks(handlers: list[ImpactHandler], at_once: int) -> float:
    """Mean processor time of an invocation, s, so many of them open at once."""

    async def main() -> None:
        config: Any = {"callbacks": handlers}
        for _ in range(TASKS // at_once):
            await asyncio.gather(*(PAUSING.ainvoke(" What? ", config) for _ in range(at_once)))
        for handler in handlers:
            if handler.total.estimated_calls != TASKS:
                raise RuntimeError("a run was lost")

    return seconds_each(lambda _: asyncio.run(main()), 1) / TASKS


def threads(handlers: list[ImpactHandler]) -> float:
    """Elapsed per processor time of threads that share handlers: 1 where nobody ever waits."""
    config: Any = {"callbacks": handlers}
    gate = threading.Barrier(THREADS)

    def work(_: int) -> None:
        gate.wait()
        for _ in range(EACH):
            CHAIN.invoke(" What? ", config)

    with ThreadPoolExecutor(THREADS) as pool:
        elapsed, busy = time.perf_counter(), time.process_time()
        list(pool.map(work, range(THREADS)))
        return (time.perf_counter() - elapsed) / (time.process_time() - busy)


def run() -> list[Result]:
    def with_handler(measure: Callable[[list[ImpactHandler]], float]) -> Callable[[int], float]:
        return lambda _: measure([ImpactHandler(max_runs=TASKS)])

    variants: dict[str, Callable[[int], float]] = {
        "alone, without": lambda _: tasks([], 1),
        "alone": with_handler(lambda handlers: tasks(handlers, 1)),
        "at once, without": lambda _: tasks([], TASKS),
        "at once": with_handler(lambda handlers: tasks(handlers, TASKS)),
        "threads, without": lambda _: threads([]),
        "threads": with_handler(threads),
    }
    rounds(variants, 1)  # warm up
    taken = rounds(variants, ROUNDS)
    alone = [a - b for a, b in zip(taken["alone"], taken["alone, without"], strict=True)]
    at_once = [a - b for a, b in zip(taken["at once"], taken["at once, without"], strict=True)]
    waiting = ratio(taken["threads"], taken["threads, without"])
    return [
        Result("added to a run of its own", f"{median(alone) * 1e6:+,.0f} µs"),
        Result(f"added to one of {TASKS:,} runs at once", f"{median(at_once) * 1e6:+,.0f} µs"),
        at_most(f"added, {TASKS:,} at once / one", ratio(at_once, alone), 2, "x"),
        at_most(f"waiting of {THREADS} threads / without handler", waiting, 1.2, "x"),
    ]
