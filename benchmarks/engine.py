"""One estimate against one of EcoLogits, on distinct calls, all five criteria read."""

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


def with_impactree(turn: int) -> float:
    count = CALLS["impactree"]
    calls = [
        ModelCall(provider="openai", model=MODEL, output_tokens=tokens, latency_s=latency)
        for tokens, latency in (numbers(turn, number) for number in range(count))
    ]
    return seconds_each(lambda number: read(estimate(calls[number])), count)


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
        "with call": with_making_the_call,
    }
    rounds(variants, 1)  # warm up
    taken = rounds(variants, ROUNDS)
    faster = ratio(taken["ecologits"], taken["impactree"])
    return [
        Result("an estimate of ecologits", f"{median(taken['ecologits']) * 1e6:,.0f} µs"),
        at_most("an estimate of impactree", median(taken["impactree"]) * 1e6, 8, "µs"),
        Result("  with making its ModelCall", f"{median(taken['with call']) * 1e6:.3g} µs"),
        Result("ecologits / impactree", f"{faster:,.0f} x", ">= 50 x", faster >= 50),
    ]
