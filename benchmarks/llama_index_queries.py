"""What following LlamaIndex adds to a query, and whether memory stays flat over 10,000 of them."""

from __future__ import annotations

import resource
from contextlib import nullcontext
from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import MockLLM

from benchmarks._measure import Result, at_most, fast, rounds, seconds_each
from impactree.llama_index import ImpactHandler

ROUNDS = 100
PER_ROUND = 15
QUERIES = 10_000
MAX_RUNS = 100
"""Kept trees: few, so that memory has long stopped growing with them when it is measured."""
QUESTION = "What did the author do in the summer?"
_TEXT = "The author wrote essays and programs in a house by the sea. "


def _engine() -> Any:
    documents = [Document(text=f"{number}. {_TEXT * 4}") for number in range(8)]
    index = VectorStoreIndex.from_documents(documents, embed_model=MockEmbedding(embed_dim=8))
    return index.as_query_engine(llm=MockLLM(max_tokens=20))


def _queries(engine: Any, context: Any) -> float:
    with context:
        return seconds_each(lambda _: engine.query(QUESTION), PER_ROUND)


def _memory(engine: Any) -> Result:
    """How much further the peak of resident memory rises after the first tenth of the queries."""
    peaks = []
    with ImpactHandler(max_runs=MAX_RUNS).instrument():
        for queries in (QUERIES // 10, QUERIES - QUERIES // 10):
            for _ in range(queries):
                engine.query(QUESTION)
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return at_most(f"{QUERIES:,} queries: memory rises by", peaks[1] - peaks[0], 2, "MiB")


def run() -> list[Result]:
    engine = _engine()
    variants = {
        "off": lambda _: _queries(engine, nullcontext()),
        "followed": lambda _: _queries(engine, ImpactHandler().instrument()),
    }
    rounds(variants, 1)  # warm up
    found = rounds(variants, ROUNDS)
    added = fast(found["followed"]) - fast(found["off"])
    return [at_most("a query, followed: adds", added * 1e3, 0.3, "ms"), _memory(engine)]


if __name__ == "__main__":
    from benchmarks._measure import print_table

    print_table(run())
