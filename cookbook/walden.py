"""A small retriever over passages of Thoreau's *Walden* (see texts/README.md)."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

TEXT = Path(__file__).parent / "texts" / "walden.txt"


class WaldenRetriever(BaseRetriever):
    """The passages that share the rarest words with the query."""

    passages: list[str]
    k: int = 2

    @classmethod
    def load(cls) -> WaldenRetriever:
        """A retriever over the shipped text: its paragraphs are the passages."""
        paragraphs = TEXT.read_text(encoding="utf-8").split("\n\n")
        return cls(passages=[" ".join(paragraph.split()) for paragraph in paragraphs])

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        words = [_words(passage) for passage in self.passages]
        seen_in = Counter(word for passage in words for word in passage)
        rarity = {word: math.log(len(words) / count) for word, count in seen_in.items()}
        wanted = _words(query)

        def score(number: int) -> float:
            return sum(rarity[word] for word in wanted & words[number])

        best = sorted(range(len(words)), key=score, reverse=True)[: self.k]
        return [Document(self.passages[n], metadata={"passage": n + 1}) for n in best]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))
