"""Embeddings and rerankers: LangChain gives them no callbacks, so they are wrapped."""

from __future__ import annotations

import copy
import logging
import time
import uuid
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from langchain_core.documents.compressor import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from pydantic import ConfigDict, PrivateAttr

from impactree.adapters.guarding import status_of
from impactree.calls import Kind, ModelCall, Tokens, TokensSource
from impactree.calls.building import Asked, build_call
from impactree.calls.counting import count_tokens
from impactree.calls.names import MODEL_KEYS, first_address, first_text
from impactree.langchain._askers import Share, batch_shares, model_asking
from impactree.langchain._attach import ambient_trackers
from impactree.langchain._current import current_run_id
from impactree.langchain._handler import ImpactHandler
from impactree.langchain._reported import listening, with_ears

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import Document

    from impactree.tracker import ImpactTracker

__all__ = ["Followed", "followers", "track_embeddings", "track_reranker"]

_log: Final = logging.getLogger("impactree")
_NOBODYS: Final = "an embedding of several askers at once stands outside their runs"
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


class Party(NamedTuple):
    """Whoever a request, or a part of it, is counted for."""

    trackers: list[ImpactTracker]
    parent_id: Any
    texts: list[str]
    problem: str | None = None
    """Why the call is a root of its own."""


@contextmanager
def _followed(
    model: Any,
    kind: Kind,
    texts: Iterable[str],
    tracker: ImpactTracker | ImpactHandler | None,
) -> Iterator[None]:
    """A run around one request, in every tracker that follows it."""
    followed = Followed(_parties(tracker, list(texts)), type(model).__name__, kind)
    try:
        with listening() as heard:
            yield
    except BaseException as error:
        followed.failed(error)
        raise
    tokens = None if followed.shared else heard.tokens
    followed.ended(lambda asked: _call(model, kind, asked, tokens))


class Followed:
    """The runs of one request, in every tracker that follows it."""

    def __init__(self, parties: Iterable[Party], name: str, kind: Kind) -> None:
        self._kind = kind
        self._runs = [(each, party, uuid.uuid4()) for party in parties for each in party.trackers]
        for each, party, run_id in self._runs:
            each.start(run_id, party.parent_id, name=name, kind=kind)
            if party.problem is not None:
                each.note_problem(party.problem)

    @property
    def shared(self) -> bool:
        """Whether it is counted for several, a part for each."""
        return len({id(party) for _, party, _ in self._runs}) > 1

    def failed(self, error: BaseException) -> None:
        """No answer came."""
        for each, _, run_id in self._runs:
            each.end(run_id, status=status_of(error))

    def ended(self, call: Callable[[list[str]], ModelCall]) -> None:
        """The answer came; ``call`` says what was called with a party's texts."""
        now = time.time()  # counting is no part of the request
        for each, party, run_id in self._runs:
            try:
                made = each.repeats.noted(call(party.texts), party.texts)
                each.end(run_id, call=made, end=now)
            except Exception as error:
                each.note_problem(f"{self._kind}: {type(error).__name__}", error)


def _parties(tracker: ImpactTracker | ImpactHandler | None, texts: list[str]) -> list[Party]:
    """Whose request this is: the caller's, or that of those for whom a store or a cache asks."""
    if tracker is not None:
        own = tracker.tracker if isinstance(tracker, ImpactHandler) else tracker
        return [Party([own], current_run_id(), texts)]
    shares = batch_shares(texts)
    if shares is not None:
        return _of_batch(shares)
    around = ambient_trackers()
    if around:
        return [Party(around, current_run_id(), texts)]
    manager = model_asking()
    if manager is not None:
        handlers = [h for h in manager.handlers if isinstance(h, ImpactHandler)]
        return [Party([h.tracker for h in handlers], manager.run_id, texts)]
    _say_unfollowed()
    return []


def followers(tracker: ImpactTracker | ImpactHandler | None) -> list[Party]:
    """Whose request this is that reads no texts."""
    return _parties(tracker, [])


def _of_batch(shares: list[Share]) -> list[Party]:
    found = []
    for contexts, texts in shares:
        asking = [
            context.copy().run(lambda: (ambient_trackers(), current_run_id()))
            for context in contexts
        ]
        if len(asking) == 1:
            found.append(Party(*asking[0], texts))
            continue
        # What cannot be told apart goes to the one tracker that all of them share, or to none.
        trackers = list({id(t): t for each, _ in asking for t in each}.values())
        found.append(Party(trackers if len(trackers) == 1 else [], None, texts, _NOBODYS))
    return found


@cache
def _say_unfollowed() -> None:
    _log.info(
        "impactree: an embedding or a ranking ran outside any run that is followed, and is not "
        "counted; give track_embeddings() or track_reranker() a tracker to count it"
    )


def _call(model: Any, kind: Kind, texts: Iterable[str], reported: int | None) -> ModelCall:
    tokens = sum(map(count_tokens, texts)) if reported is None else reported
    name = type(model).__name__
    asked = Asked(name, first_text(_MODEL_KEYS, model), first_address(model), None, name)
    source: TokensSource = "counted" if reported is None else "reported"
    return build_call(asked, kind, Tokens(input=tokens, output=0), source)
