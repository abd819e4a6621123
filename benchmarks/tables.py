"""Whole tables of calls: how fast against the engine's own group-by and against loops of Python.

Every figure is summed by day and model and every sum is read, or engines leave it out.
Run: python -m benchmarks.tables [ROWS]  (10,000,000 unless told)
Memory alone: python -m benchmarks.tables memory [ROWS]  (100,000,000 unless told; 1 GB of disk)
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import ibis
from ecologits.tracers.utils import llm_impacts

from benchmarks._measure import Result, at_most, fresh, print_table, rounds, timed
from impactree import ModelCall, estimate
from impactree.catalog import load_catalog
from impactree.methods import METHODS
from impactree.tables import estimate as estimate_table

ROWS = 10_000_000
MANY = 100_000_000
ROUNDS = 3
KNOWN = 300
TUNED = 20_000
DAYS = 30
LOOPS = {"python": 20_000, "ecologits": 200}
SUMMED = ("input_tokens", "output_tokens", "cached_input_tokens", "latency_s")
GROUP_BY = {"ecologits-0.11": 3.0, "impactree-1": 4.0}
"""At most so many times the plain group-by."""


def names() -> list[str]:
    known = sorted(load_catalog().model_names())[:KNOWN]
    return known + [f"ft:gpt-4o-mini-2024-07-18:acme::{n:06x}" for n in range(TUNED)]


def make(path: Path, rows: int) -> None:
    """Calls, half of them to known names, written as Parquet."""
    database = duckdb.connect(config={"threads": 2})
    database.execute("CREATE TABLE names (n INT, model TEXT)")
    database.executemany("INSERT INTO names VALUES (?, ?)", list(enumerate(names())))
    database.execute(
        f"""COPY (SELECT 'openai' AS provider, model, DATE '2026-10-01' + (i % {DAYS})::INT AS day,
        (1 + hash(i) % 5000)::BIGINT AS input_tokens, (hash(i) % 400)::BIGINT AS output_tokens,
        (hash(i) % 2)::BIGINT AS cached_input_tokens, (hash(i) % 2000) / 100.0::DOUBLE AS latency_s
        FROM (SELECT i, CASE WHEN hash(i + 7) % 2 = 0 THEN hash(i + 3) % {KNOWN}
        ELSE {KNOWN} + hash(i + 5) % {TUNED} END AS n FROM range({rows}) r(i))
        JOIN names USING (n)) TO '{path}' (FORMAT parquet)"""
    )


def table(path: Path, method: str, out: Path) -> None:
    """All figures summed by day and model, and written."""
    database = ibis.duckdb.connect(threads=2)
    calls = database.read_parquet(path)
    estimate_table(calls, by=["day", "model"], method=method).to_parquet(out)


def plain(path: Path, out: Path) -> None:
    """The engine's own group-by of the same columns."""
    sums = ", ".join(f"sum({name}) AS {name}" for name in SUMMED)
    database = duckdb.connect(config={"threads": 2})
    query = f"SELECT day, model, {sums} FROM '{path}' GROUP BY ALL"
    database.execute(f"COPY ({query}) TO '{out}' (FORMAT parquet)")


def loop(method: str) -> float:
    """s per call of a loop that builds each ModelCall and estimates it."""
    models = names()

    def all_calls() -> None:
        for n in range(LOOPS["python"]):
            call = ModelCall(
                provider="openai",
                model=models[n % len(models)],
                input_tokens=n % 5000,
                output_tokens=n % 400,
                latency_s=n % 20 + 0.5,
            )
            estimate(call, method=method).gwp  # noqa: B018

    all_calls()  # names are read once
    return timed(all_calls) / LOOPS["python"]


def ecologits() -> float:
    """s per call of EcoLogits' own function."""

    def all_calls() -> None:
        for n in range(LOOPS["ecologits"]):
            llm_impacts("openai", "gpt-4o", n + 1, 5.0).gwp  # noqa: B018

    return timed(all_calls) / LOOPS["ecologits"]


def run(rows: int = ROWS) -> list[Result]:
    results = []
    with tempfile.TemporaryDirectory() as name:
        path, out = Path(name) / "calls.parquet", Path(name) / "out.parquet"
        make(path, rows)
        variants: dict[str, Callable[[int], float]] = {
            "plain": lambda _: timed(lambda: plain(path, out)),
        }
        for method in METHODS:
            variants[method] = lambda _, m=method: timed(lambda: table(path, m, out))  # type: ignore[misc]
        found = {key: min(several) for key, several in rounds(variants, ROUNDS).items()}
        peer = ecologits()
        for method, limit in GROUP_BY.items():
            each, one = found[method] / rows, loop(method)
            results += [
                Result(f"{method}: million rows per s", f"{1e-6 / each:.2f}"),
                at_most(f"{method}: by the group-by", found[method] / found["plain"], limit, "x"),
                Result(
                    f"{method}: a loop of Python by it",
                    f"{one / each:.0f} x",
                    ">= 20 x",
                    one / each >= 20,
                ),
            ]
            if method == "ecologits-0.11":
                times = peer / each
                results.append(
                    Result("EcoLogits' loop by it", f"{times:.0f} x", ">= 1000 x", times >= 1000)
                )
        junk = [f"nobody-knows-{n}" for n in range(TUNED)]
        calls = ibis.memtable({"model": junk, "output_tokens": [1] * TUNED})
        for method in METHODS:
            took = timed(lambda m=method: estimate_table(calls, method=m).to_pyarrow())  # type: ignore[misc]
            results.append(at_most(f"{method}: {TUNED:,} unknown names", took, 10, "s"))
    return results


def memory(rows: int = MANY) -> list[Result]:
    """The most memory that ``impactree table`` takes, in a process of its own."""
    results = []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "calls.parquet"
        make(path, rows)
        for method in METHODS:
            out = Path(name) / method
            asked = ["table", str(path), "--out", str(out), "--method", method, "--json"]
            peak = fresh(_PEAK.format(asked=asked))
            results.append(at_most(f"{method}: peak memory, {rows:,} rows", peak, 1000, "MB"))
    return results


_PEAK = """
import contextlib, io, resource
from impactree.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main({asked!r})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)
"""


if __name__ == "__main__":
    told = sys.argv[1:]
    work = memory if "memory" in told else run
    rows = [int(text) for text in told if text.isdecimal()]
    sys.exit(0 if print_table(work(*rows)) else 1)
