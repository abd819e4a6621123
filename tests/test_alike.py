"""Cases like those that users reported: streams read elsewhere, embeddings of several users at
once, and the same call seen by both of LlamaIndex's ways in."""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("langgraph")
pytest.importorskip("llama_index.core")

from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from llama_index.core import Document, MockEmbedding, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage, CompletionResponse, LLMMetadata
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import CustomLLM, MockLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.query_engine import CustomQueryEngine
from pydantic import BaseModel

from impactree import track_impacts
from impactree.calls.counting import count_tokens
from impactree.langchain import track_embeddings
from impactree.llama_index import ImpactHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impactree.calls import ModelCall
    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

WORDS = 9
# By its pieces, since old versions of the mock end in another space.
TOKENS = count_tokens("".join(c.delta for c in MockLLM(max_tokens=WORDS).stream_complete("x")))
ASKED = [ChatMessage(role="user", content="What is it?")]


@pytest.fixture(scope="module")
def index() -> VectorStoreIndex:
    embedding = MockEmbedding(embed_dim=4)
    return VectorStoreIndex.from_documents([Document(text="alpha")], embed_model=embedding)


def answered(root: Run) -> list[int | None]:
    return [run.call.output_tokens for run in root.calls if run.kind in ("chat", "completion")]


def embedded(tracker: ImpactTracker) -> int:
    calls = [run.call for root in tracker.runs for run in root.calls]
    return sum(call.input_tokens or 0 for call in calls if call.kind == "embedding")


def test_each_piece_is_read_by_another_thread(index: VectorStoreIndex) -> None:
    """As a ``def`` endpoint of FastAPI streams: each piece by a worker without a context."""
    engine = index.as_query_engine(llm=MockLLM(max_tokens=WORDS), streaming=True)
    with ImpactHandler().instrument() as handler:
        stream = engine.query("q").response_gen
    with ThreadPoolExecutor(3) as pool:
        while pool.submit(Context().run, next, stream, None).result() is not None:
            pass
    (root,) = handler.runs
    assert answered(root) == [TOKENS]


def test_each_piece_is_waited_for_by_a_task_of_its_own() -> None:
    async def read() -> None:
        stream = await MockLLM(max_tokens=WORDS).astream_chat(ASKED)
        while await asyncio.wait_for(anext(stream, None), 60) is not None:  # type: ignore[call-overload]
            pass

    with track_impacts() as tracker:
        asyncio.run(read())
    (root,) = tracker.runs
    assert answered(root) == [TOKENS]


def test_a_stream_of_one_block_that_is_read_in_another() -> None:
    with track_impacts() as one:
        stream = MockLLM(max_tokens=WORDS).stream_chat(ASKED)
    with track_impacts() as other:
        list(stream)
        MockLLM(max_tokens=1).complete("x")
    assert [answered(root) for root in one.runs] == [[TOKENS]]
    assert [answered(root) for root in other.runs] == [[1]]


def test_streams_that_a_graphs_node_hands_to_a_worker() -> None:
    """The graph has ended when they are read, by turns."""
    waiting: queue.Queue[Any] = queue.Queue()

    def node(_: Any) -> dict[str, Any]:
        model = MockLLM(max_tokens=WORDS)
        waiting.put(pair := [model.stream_complete("x"), model.stream_chat(ASKED)])
        return {"messages": [str(len(pair))]}

    graph = StateGraph(MessagesState)
    graph.add_node("ask", node)
    graph.add_edge(START, "ask")
    with track_impacts() as tracker:
        graph.compile(name="graph").invoke({"messages": []})
    one, other = waiting.get()
    next(one)
    reader = threading.Thread(target=list, args=(other,))
    reader.start()
    reader.join()
    list(one)
    (root,) = tracker.runs
    assert root.name == "graph"
    assert answered(root) == [TOKENS, TOKENS]
    assert {run.node for run in root.calls} == {"ask"}


def test_a_stream_within_a_generator_of_the_users_own(index: VectorStoreIndex) -> None:
    """What they call between two pieces is no part of it."""
    other = MockLLM(max_tokens=1)

    def shouted(pieces: Iterator[Any]) -> Iterator[str]:
        for piece in pieces:
            other.complete("between")
            yield str(piece).upper()

    engine = index.as_query_engine(llm=MockLLM(max_tokens=WORDS), streaming=True)
    with ImpactHandler().instrument() as handler:
        for _ in zip(range(3), shouted(engine.query("q").response_gen), strict=False):
            pass
    query = next(run for run in handler.runs if run.kind == "chain")
    between = [run for run in handler.runs if run.kind == "completion"]
    assert [answered(run) for run in between] == [[1]] * len(between)
    assert len(between) >= 3
    assert [0 < (count or 0) < TOKENS for count in answered(query)] == [True]


async def _for_each(users: dict[str, str], ask: Callable[[str], Any]) -> dict[str, int]:
    """What is embedded for each user, in a task and a block of their own, all at once."""
    start = asyncio.Barrier(len(users))

    async def work(text: str) -> int:
        async with track_impacts() as tracker:
            await start.wait()
            await ask(text)
        return embedded(tracker)

    found = await asyncio.gather(*map(work, users.values()))
    return dict(zip(users, found, strict=True))


USERS = {"ada": "likes boats", "bob": "likes very long walks in the rain, and cats"}


@pytest.mark.parametrize("way", ["llama_index", "in batches", "langchain", "in a thread"])
def test_users_who_embed_at_once_are_charged_for_their_own(way: str) -> None:
    shared = MockEmbedding(embed_dim=4, embed_batch_size=1)
    followed = track_embeddings(DeterministicFakeEmbedding(size=4))
    ask: dict[str, Callable[[str], Any]] = {
        "llama_index": shared.aget_text_embedding,
        "in batches": lambda text: shared.aget_text_embedding_batch([text, text]),
        "langchain": followed.aembed_query,
        "in a thread": lambda text: asyncio.to_thread(shared.get_query_embedding, text),
    }
    times = 2 if way == "in batches" else 1
    expected = {user: times * count_tokens(text) for user, text in USERS.items()}
    assert asyncio.run(_for_each(USERS, ask[way])) == expected


def test_an_embedding_of_llama_index_in_a_langchain_run_hangs_under_it() -> None:
    model = MockEmbedding(embed_dim=4)
    lookup = RunnableLambda(model.get_query_embedding)
    with track_impacts() as tracker, ThreadPoolExecutor(1) as pool:
        pool.submit(copy_context().run, lookup.invoke, "likes boats").result()
        model.get_text_embedding("of nobody's run")
    nested, alone = tracker.runs
    assert [run.kind for run in nested.walk()] == ["chain", "embedding"]
    assert alone.kind == "embedding"


class City(BaseModel):
    """What a structured answer holds."""

    name: str


class Answering(CustomLLM):
    """Answers in JSON, whole and in pieces; its chats ask its completions."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="gpt-4o-mini")

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        return CompletionResponse(text='{"name": "Ulm"}')

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        def pieces() -> Iterator[CompletionResponse]:
            yield CompletionResponse(text='{"name": ', delta='{"name": ')
            yield CompletionResponse(text='{"name": "Ulm"}', delta='"Ulm"}')

        return pieces()


def _engine(llm: Answering) -> Any:
    class Engine(CustomQueryEngine):
        def custom_query(self, query_str: str) -> str:
            return str(llm.chat([ChatMessage(role="user", content=query_str)]))

    return Engine(callback_manager=llm.callback_manager)


SAME: dict[str, Callable[[Answering], Any]] = {
    "chat": lambda llm: llm.chat(ASKED),
    "complete": lambda llm: llm.complete("What is it?"),
    "achat": lambda llm: asyncio.run(llm.achat(ASKED)),
    "stream": lambda llm: list(llm.stream_complete("What is it?")),
    "in an engine": lambda llm: _engine(llm).query("What is it?"),
    "structured": lambda llm: llm.as_structured_llm(City).chat(ASKED),
    "stream in a thread": lambda llm: _in_thread(llm.stream_chat(ASKED)),
}


def _in_thread(stream: Any) -> None:
    reader = threading.Thread(target=list, args=(stream,))
    reader.start()
    reader.join()


@pytest.mark.parametrize("way", SAME)
def test_the_same_call_is_the_same_figure_both_ways_in(way: str) -> None:
    found: list[list[ModelCall]] = []
    for managed in (False, True):
        handler = ImpactHandler()
        manager = CallbackManager([handler] if managed else [])
        llm = Answering(callback_manager=manager)
        if not managed:
            handler.instrument()
        try:
            SAME[way](llm)
        finally:
            handler.uninstrument()
        (root,) = handler.runs
        found.append([run.call for run in root.calls])
    (told,), (called,) = found
    for name in ("model", "provider", "requested", "base_url", "tokens", "tokens_source"):
        assert getattr(told, name) == getattr(called, name), name
