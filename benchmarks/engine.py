"""One estimate, by each method, against one of EcoLogits: distinct calls, all criteria read."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from ecologits.tracers.utils import llm_impacts

from benchmarks._measure import Result, at_most, ratio, rounds, seconds_each
from impactree import ModelCall, estimate

MODEL = "gpt-4o"  # its active parameters are a range
CALLS = {"ecologits": 200, "impactree": 2000}
ROUNDS = 9


def read(impacts: Any) -> tuple[Any, ...]:
    """The ranges of all criteria, so that nothing stays undone."""
    i = impacts
    return (i.energy.value, i.gwp.value, i.adpe.value, i.pe.value, i.wcf.value)


def numbers(turn: int, number: int) -> tuple[int, float]:
    """Output tokens and latency (s) of a call that is asked once only."""
    return 1 + (turn * 2000 + number) % 20011, 0.5 + number * 0.01


def with_ecologits(turn: int) -> float:
    def one(number: int) -> object:
        tokens, latency = numbers(turn, number)
        return read(llm_impacts("openai", MODEL, tokens, latency))

    return seconds_each(one, CALLS["ecologits"])


def distinct(turn: int) -> list[ModelCall]:
    """Calls of which no two are alike."""
    return [
        ModelCall(
            provider="openai",
            model=MODEL,
            input_tokens=4 * tokens,
            cached_input_tokens=tokens,
            output_tokens=tokens,
            latency_s=latency,
        )
        for tokens, latency in (numbers(turn, number) for number in range(CALLS["impactree"]))
    ]


def with_impactree(turn: int) -> float:
    calls = distinct(turn)
    return seconds_each(lambda number: read(estimate(calls[number])), len(calls))


def with_impactree_1(turn: int) -> float:
    calls = distinct(turn)
    return seconds_each(
        lambda number: read(estimate(calls[number], method="impactree-1")), len(calls)
    )


def with_making_the_call(turn: int) -> float:
    def one(number: int) -> object:
        tokens, latency = numbers(turn, number)
        call = ModelCall(provider="openai", model=MODEL, output_tokens=tokens, latency_s=latency)
        return read(estimate(call))

    return seconds_each(one, CALLS["impactree"])


def run() -> list[Result]:
    variants: dict[str, Callable[[int], float]] = {
        "ecologits": with_ecologits,
        "impactree": with_impactree,
        "impactree-1": with_impactree_1,
        "with call": with_making_the_call,
    }
    rounds(variants, 1)  # warm up
    taken = rounds(variants, ROUNDS)
    faster = ratio(taken["ecologits"], taken["impactree"])
    slower = ratio(taken["impactree-1"], taken["impactree"])
    return [
        Result("an estimate of ecologits", f"{median(taken['ecologits']) * 1e6:,.0f} µs"),
        at_most("an estimate of impactree", median(taken["impactree"]) * 1e6, 8, "µs"),
        at_most("  by impactree-1", median(taken["impactree-1"]) * 1e6, 10, "µs"),
        at_most("  by impactree-1 / by ecologits-0.11", slower, 2.5, "x"),
        Result("  with making its ModelCall", f"{median(taken['with call']) * 1e6:.3g} µs"),
        Result("ecologits / impactree", f"{faster:,.0f} x", ">= 50 x", faster >= 50),
    ]
