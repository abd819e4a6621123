"""Run every benchmark and print one table; ends with 1 when a target was missed."""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from importlib.metadata import version

from benchmarks._measure import Result, print_table

BENCHMARKS = (
    "handlers",
    "concurrency",
    "llama_index_ingestion",
    "llama_index_queries",
    "streams",
    "engine",
    "names",
    "reading",
    "imports",
    "memory",
    "measuring",
)

PEERS = (
    "langchain-core",
    "llama-index-core",
    "agent-carbon",
    "openinference-instrumentation-langchain",
    "ecologits",
)


def main() -> int:
    print(f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in PEERS), sep=", ")
    results: list[Result] = []
    for name in BENCHMARKS:
        # One after another: each measures a process that has not loaded what later ones need.
        benchmark = import_module(f"benchmarks.{name}")
        print(f"... {benchmark.__doc__}", file=sys.stderr)
        results += benchmark.run()
    return 0 if print_table(results) else 1


if __name__ == "__main__":
    sys.exit(main())
