"""A stream belongs to the run that made it, wherever it is read, and is never a silent zero."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("llama_index.core")

from hypothesis import given, settings
from hypothesis import strategies as st
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
)
from llama_index.core.llms import CustomLLM, MockLLM

from impactree import track_impacts
from impactree.calls.counting import count_tokens
from impactree.llama_index import ImpactHandler

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

WORDS = 20
# Old versions of the mock end in another space.
TOKENS = count_tokens("".join(c.delta for c in MockLLM(max_tokens=WORDS).stream_complete("x")))
READERS = ("here", "thread", "context", "task", "half", "never", "late")


class Undecorated(CustomLLM):
    """A model whose methods tell of no event."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="gpt-4o-mini")

    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise asyncio.CancelledError

    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        def words() -> Iterator[CompletionResponse]:
            for count in range(1, WORDS):
                yield CompletionResponse(text="x " * count, delta="x ")

        return words()

    async def astream_chat(self, messages: Any, **_: Any) -> Any:
        async def words() -> AsyncIterator[ChatResponse]:
            for count in range(1, WORDS):
                message = ChatMessage(role="assistant", content="x " * count)
                yield ChatResponse(message=message, delta="x ")

        return words()


@pytest.fixture(scope="module")
def index() -> VectorStoreIndex:
    embedding = MockEmbedding(embed_dim=4)
    return VectorStoreIndex.from_documents([Document(text="alpha")], embed_model=embedding)


def read(stream: Iterator[Any], reader: str) -> None:
    """Read a stream in one of the ways that applications do."""
    if reader == "thread":
        thread = threading.Thread(target=list, args=(stream,))
        thread.start()
        thread.join()
    elif reader == "context":
        Context().run(list, stream)
    elif reader == "task":
        asyncio.run(asyncio.to_thread(list, stream))
    elif reader == "half":
        next(stream)
    elif reader != "never":
        list(stream)


@settings(max_examples=15, deadline=None)
@given(readers=st.lists(st.sampled_from(READERS), min_size=1, max_size=4))
def test_one_tree_for_each_query(index: VectorStoreIndex, readers: list[str]) -> None:
    engine = index.as_query_engine(llm=MockLLM(max_tokens=WORDS), streaming=True)
    with ImpactHandler().instrument() as handler:
        streams = [engine.query(f"q{number}").response_gen for number in range(len(readers))]
        for stream, reader in zip(streams, readers, strict=True):
            if reader != "late":
                read(stream, reader)
    for stream, reader in zip(streams, readers, strict=True):
        if reader == "late":
            read(stream, reader)
    streams.clear()
    del stream
    assert len(handler.runs) == len(readers)
    assert handler.tracker.open_roots == []
    for root, reader in zip(handler.runs, readers, strict=True):
        assert all(run.end is not None for run in root.walk())
        written = [run.call.output_tokens for run in root.calls if run.kind == "completion"]
        if reader == "never":
            # New versions call the model when the stream is read, old ones tell of it unread.
            assert written in ([], [None])
        elif reader == "half":
            assert [0 < count < TOKENS for count in written] == [True]
        else:
            assert written == [TOKENS]


def test_the_call_hangs_under_its_synthesis(index: VectorStoreIndex) -> None:
    engine = index.as_query_engine(llm=MockLLM(max_tokens=WORDS), streaming=True)
    with ImpactHandler().instrument() as handler:
        list(engine.query("q").response_gen)
    (root,) = handler.runs
    (call,) = [run for run in root.calls if run.kind == "completion"]
    assert call.parent.name == "CompactAndRefine.synthesize"


# The chat engine's memory leaves its database connection to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("own", [False, True])
def test_a_chat_engines_own_stream(index: VectorStoreIndex, own: bool) -> None:
    async def chat() -> None:
        llm = MockLLM(max_tokens=WORDS)
        engine = index.as_chat_engine(chat_mode="condense_plus_context", llm=llm)
        answer = await engine.astream_chat("q")
        async for _ in answer.achat_stream if own else answer.async_response_gen():
            pass

    with ImpactHandler().instrument() as handler:
        asyncio.run(chat())
    (root,) = handler.runs
    assert [r.call.output_tokens for r in root.calls if r.kind != "embedding"] == [TOKENS]
    gc.collect()


def _complete(llm: Undecorated) -> None:
    list(llm.stream_complete("hello"))


def _chat(llm: Undecorated) -> None:
    async def chat() -> None:
        async for _ in await llm.astream_chat([ChatMessage(role="user", content="hello")]):
            pass

    asyncio.run(chat())


def _cancelled(llm: Undecorated) -> None:
    with pytest.raises(asyncio.CancelledError):
        llm.complete("hello")


@pytest.mark.parametrize("ask", [_complete, _chat, _cancelled])
def test_unknown_is_not_zero(ask: Callable[[Undecorated], None]) -> None:
    with track_impacts() as tracker:
        ask(Undecorated())
    (root,) = tracker.runs
    assert (root.total.estimated_calls, root.total.unestimated_calls) == (0, 1)
    assert (root.call.output_tokens, root.call.tokens_source) == (None, "unknown")


def test_a_stream_read_after_its_block_replaces_what_was_unknown() -> None:
    with track_impacts() as tracker:
        stream = MockLLM(max_tokens=WORDS).stream_complete("hello")
    assert tracker.total.unestimated_calls == 1
    MockLLM(max_tokens=1).complete("of nobody's block")
    list(stream)
    assert [run.call.output_tokens for run in tracker.runs] == [TOKENS]
    assert (tracker.total.estimated_calls, tracker.total.unestimated_calls) == (1, 0)
