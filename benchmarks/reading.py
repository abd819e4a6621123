"""What reading a model's name costs, known or new, and what a report over many trees does."""

from __future__ import annotations

import io
import tracemalloc
from statistics import median

from benchmarks._measure import Result, at_most, rounds, seconds_each
from impactree import ImpactTracker, ModelCall, resolve
from impactree.catalog._resolve import _remembered
from impactree.report import Report
from impactree.report._keys import KEYS

ROUNDS = 7
NAMES = [
    *(f"acme/foo-{n}-llama-3.{n}-13b:q{n}_k_m" for n in range(400)),
    *(f"us.meta.llama3-{n}-70b-instruct-v1:0" for n in range(400)),
    *(f"ft:gpt-4o-mini-2024-07-18:acme::{n}" for n in range(400)),
]
TREES = 1000


def with_known_name(_: int) -> float:
    resolve("gpt-4o", "openai")
    return seconds_each(lambda number: resolve("gpt-4o", "openai"), 10_000)


def with_new_names(_: int) -> float:
    _remembered.cache_clear()
    return seconds_each(lambda number: resolve(NAMES[number], "openai"), len(NAMES))


def with_report(_: int) -> float:
    tracker = ImpactTracker()
    for tree in range(TREES):
        tracker.start(tree, name=f"tree_{tree % 7}")
        for number in range(9):
            call = ModelCall(model="gpt-4o", provider="openai", output_tokens=number)
            tracker.record(call, tree, name=f"call_{number % 3}")
        tracker.end(tree)
    return seconds_each(lambda number: str(tracker.report()), 1)


def _report(trees: int) -> Report:
    """Each tree a root and four calls."""
    tracker = ImpactTracker(max_runs=trees)
    for tree in range(trees):
        tracker.start(tree, name="ask", kind="agent", metadata={"user_id": f"u{tree % 50}"})
        for number in range(4):
            call = ModelCall(
                model="gpt-4o", provider="openai", input_tokens=tree % 97, output_tokens=number
            )
            tracker.record(call, tree)
        tracker.end(tree)
    return tracker.report()


class _Nowhere(io.StringIO):
    """A text file that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)


def _asking(report: Report, keys: tuple[str, ...]) -> float:
    return seconds_each(lambda _: report.by(*keys), 1)


def questions() -> list[Result]:
    """What it takes to ask 10,000 runs, and to write 100,000."""
    small, large = _report(2_000), _report(20_000)
    str(large.runs[0].total)
    asked = [(key,) for key in (*KEYS, "metadata.user_id")] + [("user", "agent", "model")]
    slowest = max(min(_asking(small, key) for _ in range(3)) for key in asked)
    tracemalloc.start()
    small.to_json(_Nowhere())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    written = min(seconds_each(lambda _: large.to_json(_Nowhere()), 1) for _ in range(3))
    framed = min(seconds_each(lambda _: large.to_dataframe(), 1) for _ in range(3))
    return [
        at_most("10,000 runs by any key", slowest * 1e3, 100, "ms"),
        at_most("100,000 runs to JSON", written, 3, "s"),
        at_most("10,000 runs to JSON, peak memory", peak / 1e6, 20, "MB"),
        at_most("100,000 runs to a dataframe", framed, 2, "s"),
    ]


def run() -> list[Result]:
    variants = {"known": with_known_name, "new": with_new_names, "report": with_report}
    rounds(variants, 1)  # warm up
    taken = {name: median(times) for name, times in rounds(variants, ROUNDS).items()}
    return [
        at_most("a known name", taken["known"] * 1e6, 2, "µs"),
        at_most("a new name", taken["new"] * 1e6, 300, "µs"),
        at_most("a report over 1,000 trees of ten runs", taken["report"] * 1e3, 1000, "ms"),
        *questions(),
    ]
