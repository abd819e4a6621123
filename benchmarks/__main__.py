"""Run every benchmark and print one table; ends with 1 when a target was missed."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version

from benchmarks import concurrency, engine, handlers, imports, llama_index_ingestion, memory
from benchmarks._measure import Result, print_table

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
    for benchmark in (handlers, concurrency, llama_index_ingestion, engine, imports, memory):
        print(f"... {benchmark.__doc__}", file=sys.stderr)
        results += benchmark.run()
    return 0 if print_table(results) else 1


if __name__ == "__main__":
    sys.exit(main())
