"""Retrieval with embeddings and a reranker, and what each request of it cost. Offline.

LangChain tells no handler about embeddings and rerankers: ``track_embeddings`` and
``track_reranker`` do. The method ``ecologits-0.11`` covers generation only, so their tokens are
shown and their impacts are named as missing, never as zero. (The vector store needs numpy.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

from impactree import ImpactHandler
from impactree.langchain import track_embeddings, track_reranker
from scripted_openai import ScriptedOpenAI, Turn
from walden import WaldenRetriever

QUESTION = "When was Walden Pond first completely open in 1852?"


class WordReranker(BaseDocumentCompressor):
    """Stands in for ``CohereRerank``: the two documents that share most words with the query."""

    model: str = "rerank-v3.5"

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        def shared(document: Document) -> int:
            return len(_words(query) & _words(document.page_content))

        return sorted(documents, key=shared, reverse=True)[:2]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def build_chain(handler: ImpactHandler) -> Runnable[str, str]:
    """Index the book, and answer from the best two of its six nearest passages."""
    # check_embedding_ctx_length counts with tiktoken, which would download its vocabulary.
    embeddings = OpenAIEmbeddings(model="text-embedding-3-small", check_embedding_ctx_length=False)
    # The index is built outside any run: the handler is named, so that it learns of it.
    store = InMemoryVectorStore(track_embeddings(embeddings, handler))
    store.add_texts(WaldenRetriever.load().passages)
    nearest = store.as_retriever(search_kwargs={"k": 6})
    reranker = track_reranker(WordReranker(), handler)

    def passages(question: str) -> str:
        best = reranker.compress_documents(nearest.invoke(question), question)
        return "\n\n".join(document.page_content for document in best)

    prompt = ChatPromptTemplate.from_template("{question}\n\nAnswer from:\n\n{passages}")
    model = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
    found = {"question": RunnableLambda(str), "passages": RunnableLambda(passages)}
    return (found | prompt | model | StrOutputParser()).with_config(run_name="rag")


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    """What the stand-in answers: right, if the retrieval found the right passage."""
    if "'52, the 18th of April" in str(messages[-1]["content"]):
        return Turn("In 1852 Walden Pond was first completely open on the 18th of April.")
    return Turn("The passages do not say.")


def main() -> None:
    handler = ImpactHandler()
    with ScriptedOpenAI(script):
        chain = build_chain(handler)
        print(f"{QUESTION}\n\n{chain.invoke(QUESTION, {'callbacks': [handler]})}\n")
    report = handler.report()
    print(report)
    print("\nby kind")
    for kind, group in report.by("kind").items():
        impact = group.total.gwp if group.total.estimated else "not covered by the method"
        print(f"  {kind}: {group.calls} calls, {group.input_tokens} tokens in, {impact}")


if __name__ == "__main__":
    main()
