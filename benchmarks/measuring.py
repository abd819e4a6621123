"""What measuring this machine's energy adds to a chain that runs a model here."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from langchain_core.language_models.llms import LLM
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda

from benchmarks._measure import Result, at_most, rounds
from impactree import ImpactHandler

INVOCATIONS = 40
ROUNDS = 15
TAKES_S = 0.05


class HuggingFacePipeline(LLM):
    """A model in this process that answers after a while."""

    takes_s: float = TAKES_S

    @property
    def _llm_type(self) -> str:
        return "huggingface_pipeline"

    def _call(self, prompt: str, *_: Any, **kwargs: Any) -> str:
        time.sleep(self.takes_s)
        return "Forty-two."


def invocations(handler: ImpactHandler, takes_s: float, clock: Callable[[], float]) -> float:
    """Mean time of one invocation by a clock, s."""
    chain = RunnableLambda(str.strip) | HuggingFacePipeline(takes_s=takes_s) | StrOutputParser()
    config: Any = {"callbacks": [handler]}
    start = clock()
    for _ in range(INVOCATIONS):
        chain.invoke(" What? ", config)
    return (clock() - start) / INVOCATIONS


def both(takes_s: float, clock: Callable[[], float]) -> tuple[list[float], list[float]]:
    """By rounds: with a handler that does not measure, and with one that does."""
    plain, measuring = ImpactHandler(max_runs=10), ImpactHandler(max_runs=10, measure="local")
    found = rounds(
        {
            "plain": lambda _: invocations(plain, takes_s, clock),
            "measuring": lambda _: invocations(measuring, takes_s, clock),
        },
        ROUNDS,
    )
    return found["plain"], found["measuring"]


def run() -> list[Result]:
    """The chain with a handler that measures, against one that does not."""
    ratios = [b / a for a, b in zip(*both(TAKES_S, time.perf_counter), strict=True)]
    plain, measuring = both(0.0, time.process_time)
    added = median(measuring) - median(plain)
    return [
        at_most(f"chain with a local model of {TAKES_S * 1e3:g} ms", median(ratios), 1.05, "times"),
        at_most("measuring, processor time per call", added * 1e3, 1.0, "ms"),
    ]
