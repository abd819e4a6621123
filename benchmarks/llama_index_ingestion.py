"""What following LlamaIndex adds to an ingestion of 10,000 nodes, and what counting costs."""

from __future__ import annotations

import random
from contextlib import nullcontext
from statistics import median
from typing import Any
from unittest.mock import patch

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import MockEmbedding

from benchmarks._measure import Result, at_most, ratio, rounds, seconds_each
from impactree.calls import counting
from impactree.llama_index import ImpactHandler

NODES = 10_000
ROUNDS = 7
WORDS = ("retrieval", "augmented", "generation", "of", "answers", "from", "the", "documents", "is")
_COUNTED = "impactree.llama_index._models.count_tokens"


class NoEmbedding(MockEmbedding):
    """Embeds nothing, one request per batch, as the client packages do."""

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [[0.0]] * len(texts)


def _text(number: int) -> str:
    chosen = random.Random(number)  # words, not secrets
    return " ".join(chosen.choices(WORDS, k=60))


def _ingest(embedding: Any, context: Any) -> float:
    """Split, embed and index one document per node."""
    documents = [Document(text=_text(number % 100)) for number in range(NODES)]
    with context:
        return seconds_each(
            lambda _: VectorStoreIndex.from_documents(documents, embed_model=embedding), 1
        )


def _variants(embedding: Any) -> dict[str, Any]:
    def followed(_: int) -> float:
        with ImpactHandler().instrument():
            return _ingest(embedding, patch(_COUNTED, lambda text: 1))

    return {"off": lambda _: _ingest(embedding, nullcontext()), "followed": followed}


def _counting() -> list[Result]:
    text = "".join(_text(number) for number in range(100))
    thousands = len(text) / 1000
    results = []
    for name, use in (("the vocabulary", True), ("the rule of length", False)):
        counting.set_vocabulary(use)
        counting.count_tokens(text)  # the first time loads the vocabulary
        each = median(
            seconds_each(lambda _: counting.count_tokens(text), 5) / thousands for _ in range(5)
        )
        results.append(Result(f"counting by {name}, per 1,000 characters", f"{each * 1e6:.3g} µs"))
    counting.set_vocabulary(True)
    return results


def run() -> list[Result]:
    results = []
    for name, embedding in (
        ("in batches", NoEmbedding(embed_dim=1)),
        ("text by text", MockEmbedding(embed_dim=1)),
    ):
        found = rounds(_variants(embedding), ROUNDS)
        added = 100 * (ratio(found["followed"], found["off"]) - 1)
        results.append(at_most(f"ingestion {name}: tracking adds", added, 5, "%"))
    return results + _counting()


if __name__ == "__main__":
    from benchmarks._measure import print_table

    print_table(run())
