"""What reading a model's name costs, known or new, and what a report over many trees does."""

from __future__ import annotations

from statistics import median

from benchmarks._measure import Result, at_most, rounds, seconds_each
from impactree import ImpactTracker, ModelCall, resolve
from impactree.catalog import load_catalog

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
    load_catalog().resolutions.clear()
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


def run() -> list[Result]:
    variants = {"known": with_known_name, "new": with_new_names, "report": with_report}
    rounds(variants, 1)  # warm up
    taken = {name: median(times) for name, times in rounds(variants, ROUNDS).items()}
    return [
        at_most("a known name", taken["known"] * 1e6, 2, "µs"),
        at_most("a new name", taken["new"] * 1e6, 300, "µs"),
        at_most("a report over 1,000 trees of ten runs", taken["report"] * 1e3, 1000, "ms"),
    ]
