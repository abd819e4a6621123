"""Rounds, medians, fresh processes and the table of results."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

__all__ = [
    "Result",
    "at_most",
    "fast",
    "fresh",
    "print_table",
    "ratio",
    "rounds",
    "seconds_each",
    "timed",
]


@dataclass(frozen=True)
class Result:
    """One line of the table. ``ok`` is None where there is no target."""

    name: str
    value: str
    target: str = ""
    ok: bool | None = None


def at_most(name: str, value: float, limit: float, unit: str) -> Result:
    """A result that passes up to a limit."""
    return Result(name, f"{value:,.3g} {unit}", f"<= {limit:g} {unit}", value <= limit)


def seconds_each(work: Callable[[int], object], times: int) -> float:
    """Mean processor time of ``work(0)``, ``work(1)``, ..., s: other programs weigh less on it."""
    gc.collect()
    start = time.process_time()
    for number in range(times):
        work(number)
    return (time.process_time() - start) / times


def rounds(variants: Mapping[str, Callable[[int], float]], count: int) -> dict[str, list[float]]:
    """Measure every variant once per round, each round starting with another one.

    Args:
        variants: By name, what measures itself; it is given the number of the round.
        count: How many rounds.
    """
    names = list(variants)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(count):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            found[name].append(variants[name](number))
    return found


def fresh(code: str, _: int = 0) -> float:
    """Run code in a fresh process of this interpreter; it prints one number.

    Raises:
        RuntimeError: the process failed.
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},  # as installed: compiled once
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout)


def ratio(above: list[float], below: list[float]) -> float:
    """The median of the ratios within each round."""
    return median(a / b for a, b in zip(above, below, strict=True))


def timed(work: Callable[[], object]) -> float:
    """Processor time of all threads, s: other programs weigh less on it."""
    start = time.process_time()
    work()
    return time.process_time() - start


def fast(times: list[float]) -> float:
    """The edge of the fastest tenth: what slows a round down comes from outside.

    For differences of short times, which a median leaves uncertain where a machine is shared.
    """
    return sorted(times)[len(times) // 10]


def print_table(results: list[Result]) -> bool:
    """Print the results; whether no target was missed."""
    verdicts = {None: "", True: "pass", False: "MISSED"}
    width = max(len(result.name) for result in results)
    print(f"{'':{width}}  {'measured':>14}  {'target':>14}")
    for result in results:
        verdict = verdicts[result.ok]
        print(f"{result.name:{width}}  {result.value:>14}  {result.target:>14}  {verdict}".rstrip())
    return all(result.ok is not False for result in results)
