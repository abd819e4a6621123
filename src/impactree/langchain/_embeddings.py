"""Embeddings and rerankers: LangChain gives them no callbacks, so they are wrapped."""

from __future__ import annotations

import copy
import time
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, PrivateAttr

from impactree.adapters.guarding import status_of
from impactree.calls import Kind, ModelCall, Tokens, TokensSource
from impactree.calls.building import Asked, build_call
from impactree.calls.counting import count_tokens
from impactree.calls.names import MODEL_KEYS, first_address, first_text
from impactree.langchain._attach import ambient_trackers
from impactree.langchain._current import current_run_id
from impactree.langchain._handler import ImpactHandler
from impactree.langchain._reported import listening, with_ears

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import Document

    from impactree.tracker import ImpactTracker

__all__ = ["track_embeddings", "track_reranker"]

_MODEL_KEYS: Final = (*MODEL_KEYS, "deployment", "repo_id", "name")


def track_embeddings(
    embeddings: Embeddings, tracker: ImpactTracker | ImpactHandler | None = None
) -> Embeddings:
    """Wrap any LangChain embeddings so that each request shows as a model call.

    The call hangs on the run that caused it. Without ``tracker`` it goes to the handlers of that
    run and to the ``track_impacts()`` blocks around it. LangChain's interface returns no usage:
    it is read from what OpenAI's, Azure's, Cohere's and Ollama's clients answer to their LangChain
    classes; of others, tokens are counted locally. Of a ``CacheBackedEmbeddings`` the models
    behind the cache are wrapped: hits cost nothing.

    Args:
        embeddings: What to wrap; vector stores and retrievers work unchanged on the result.
        tracker: Where the calls go, also outside any run.

    Raises:
        TypeError: ``embeddings`` is not an ``Embeddings``.
    """
    if not isinstance(embeddings, Embeddings):
        raise TypeError(f"expected a LangChain Embeddings, not {type(embeddings).__name__}")
    if hasattr(embeddings, "underlying_embeddings"):
        cached = copy.copy(embeddings)
        cached.underlying_embeddings = track_embeddings(embeddings.underlying_embeddings, tracker)
        return cached
    if isinstance(embeddings, _TrackedEmbeddings) and embeddings._tracker is tracker:
        return embeddings  # else each request would count twice
    return _TrackedEmbeddings(embeddings, tracker)


class _TrackedEmbeddings(Embeddings):
    def __init__(
        self, embeddings: Embeddings, tracker: ImpactTracker | ImpactHandler | None
    ) -> None:
        self._embeddings = with_ears(embeddings)
        self._tracker = tracker

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_embeddings":
            raise AttributeError(name)  # copying asks before there is anything to delegate to
        return getattr(self._embeddings, name)

    def __repr__(self) -> str:
        return f"track_embeddings({type(self._embeddings).__name__})"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with _followed(self._embeddings, "embedding", texts, self._tracker):
            return self._embeddings.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        with _followed(self._embeddings, "embedding", [text], self._tracker):
            return self._embeddings.embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        with _followed(self._embeddings, "embedding", texts, self._tracker):
            return await self._embeddings.aembed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        with _followed(self._embeddings, "embedding", [text], self._tracker):
            return await self._embeddings.aembed_query(text)


def track_reranker(
    reranker: BaseDocumentCompressor, tracker: ImpactTracker | ImpactHandler | None = None
) -> BaseDocumentCompressor:
    """Wrap any document compressor or reranker so that each request shows as a rerank call.

    A reranker reads the query once per document; tokens are counted locally on that rule.

    Args:
        reranker: What to wrap, for instance a ``CohereRerank``.
        tracker: Where the calls go, as for :func:`track_embeddings`.

    Raises:
        TypeError: ``reranker`` is not a ``BaseDocumentCompressor``.
    """
    if not isinstance(reranker, BaseDocumentCompressor):
        raise TypeError(
            f"expected a LangChain BaseDocumentCompressor, not {type(reranker).__name__}"
        )
    if isinstance(reranker, _TrackedReranker) and reranker._tracker is tracker:
        return reranker
    tracked = _TrackedReranker(reranker=reranker)
    tracked._tracker = tracker
    return tracked


class _TrackedReranker(BaseDocumentCompressor):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    reranker: BaseDocumentCompressor
    _tracker: Any = PrivateAttr(default=None)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        with _followed(self.reranker, "rerank", _pairs(documents, query), self._tracker):
            return self.reranker.compress_documents(documents, query, callbacks)

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        with _followed(self.reranker, "rerank", _pairs(documents, query), self._tracker):
            return await self.reranker.acompress_documents(documents, query, callbacks)


def _pairs(documents: Sequence[Document], query: str) -> list[str]:
    return [f"{query}\n{document.page_content}" for document in documents]


@contextmanager
def _followed(
    model: Any,
    kind: Kind,
    texts: Iterable[str],
    tracker: ImpactTracker | ImpactHandler | None,
) -> Iterator[None]:
    """A run around one request, in every tracker that follows it."""
    trackers = _trackers(tracker)
    if not trackers:
        yield
        return
    run_id, parent_id = uuid.uuid4(), current_run_id()
    for each in trackers:
        each.start(run_id, parent_id, name=type(model).__name__, kind=kind)
    try:
        with listening() as heard:
            yield
    except BaseException as error:
        for each in trackers:
            each.end(run_id, status=status_of(error))
        raise
    now = time.time()  # counting is no part of the request
    for each in trackers:
        try:
            each.end(run_id, call=_call(model, kind, texts, heard.tokens), end=now)
        except Exception as error:
            each.note_problem(f"{kind}: {type(error).__name__}", error)


def _trackers(tracker: ImpactTracker | ImpactHandler | None) -> list[ImpactTracker]:
    if tracker is None:
        return ambient_trackers()
    return [tracker.tracker if isinstance(tracker, ImpactHandler) else tracker]


def _call(model: Any, kind: Kind, texts: Iterable[str], reported: int | None) -> ModelCall:
    tokens = sum(map(count_tokens, texts)) if reported is None else reported
    name = type(model).__name__
    asked = Asked(name, first_text(_MODEL_KEYS, model), first_address(model), None, name)
    source: TokensSource = "counted" if reported is None else "reported"
    return build_call(asked, kind, Tokens(input=tokens, output=0), source)
