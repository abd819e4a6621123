"""Wherever a stream is got, read, left or closed: one tree, every token once, nothing left open."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextlib import nullcontext
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("llama_index.core")

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import RunnableLambda
from llama_index.core.base.llms.types import ChatMessage, CompletionResponse, LLMMetadata
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.tools import FunctionTool
from pydantic import Field

from impactree import ImpactHandler, track_impacts
from impactree.calls.counting import count_tokens
from impactree.llama_index import ImpactHandler as LlamaIndexHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

PIECES = ["word "] * 12
ASKED = [ChatMessage(role="user", content="x")]
READERS = (
    *("here", "thread", "context", "task", "handed over", "half", "half closed", "dropped"),
    *("late", "late half", "late thread"),
)
WHOLE = frozenset({"here", "thread", "context", "task", "handed over", "late", "late thread"})
ENDLESS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class LlamaIndexModel(CustomLLM):
    """Its other methods call this one, each an event of its own."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="gpt-4o-mini")

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **_: Any) -> CompletionResponse:
        raise NotImplementedError

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **_: Any) -> Any:
        def pieces() -> Iterator[CompletionResponse]:
            for count, piece in enumerate(PIECES, 1):
                yield CompletionResponse(text="".join(PIECES[:count]), delta=piece)

        return pieces()


class LangChainModel(GenericFakeChatModel):
    """What it gave is written down: LangChain reads some streams to their ends itself."""

    gave: list[list[str]] = Field(default_factory=list)

    def _stream(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        given: list[str] = []
        self.gave.append(given)
        for chunk in super()._stream(*args, **kwargs):
            given.append(str(chunk.message.content))
            yield chunk


def langchain_model(answers: int) -> LangChainModel:
    return LangChainModel(messages=iter([AIMessage("".join(PIECES))] * answers))


def in_thread(work: Callable[..., Any], *arguments: Any) -> None:
    thread = threading.Thread(target=work, args=arguments)
    thread.start()
    thread.join()


def read(stream: Any, reader: str) -> None:
    """Read a stream in one of the ways that applications do."""
    reader = reader.removeprefix("late ")
    if reader == "thread":
        in_thread(list, stream)
    elif reader == "context":
        Context().run(list, stream)
    elif reader == "task":
        asyncio.run(asyncio.to_thread(list, stream))
    elif reader == "handed over":
        next(stream)
        in_thread(list, stream)
    elif reader.startswith("half"):
        next(stream)
        if reader == "half closed":
            stream.close()
    elif reader != "dropped":
        list(stream)


def aread(stream: Any, reader: str) -> None:
    """As :func:`read`; whoever reads has a loop and tasks of their own."""
    reader = reader.removeprefix("late ")

    async def whole() -> None:
        async for _ in stream:
            pass

    async def tasks() -> None:
        await asyncio.create_task(stream.__anext__())
        await asyncio.create_task(whole())

    async def half() -> None:
        await stream.__anext__()
        if reader == "half closed":
            await asyncio.create_task(stream.aclose())

    do = {"task": tasks, "handed over": tasks, "half": half, "half closed": half}.get(reader, whole)
    if reader == "thread":
        in_thread(lambda: asyncio.run(do()))
    elif reader == "context":
        Context().run(lambda: asyncio.run(do()))
    elif reader != "dropped":
        asyncio.run(do())


def read_all(got: list[tuple[Any, str]], *, late: bool) -> None:
    for stream, reader in got:
        if reader.startswith("late") == late:
            (aread if hasattr(stream, "__anext__") else read)(stream, reader)


def ended(tracker: ImpactTracker) -> list[Run]:
    """Its roots in the order of their starts, after nothing was left open."""
    gc.collect()
    runs = sorted(tracker.runs, key=lambda run: run.start)
    assert tracker.open_roots == []
    assert tracker.problems == {}
    assert all(run.end is not None for root in runs for run in root.walk())
    return runs


def written(root: Run) -> int | None:
    (call,) = [run.call for run in root.calls]
    return call.output_tokens


async def _awaited(awaitable: Any) -> Any:
    return await awaitable


LLAMA_INDEX: dict[str, Callable[[Any], Any]] = {
    "complete": lambda llm: llm.stream_complete("x"),
    "chat": lambda llm: llm.stream_chat(ASKED),
    "acomplete": lambda llm: asyncio.run(_awaited(llm.astream_complete("x"))),
    "achat": lambda llm: asyncio.run(_awaited(llm.astream_chat(ASKED))),
}


def wanted(ways: dict[str, Any]) -> Any:
    pair = st.tuples(st.sampled_from([*ways]), st.sampled_from(READERS))
    return st.lists(pair, min_size=1, max_size=4)


def expected(reader: str) -> int | None:
    """What was written, by the pieces that were read."""
    if reader == "dropped":
        return None
    return count_tokens("".join(PIECES if reader in WHOLE else PIECES[:1]))


@ENDLESS
@pytest.mark.parametrize("way_in", ["instrumentation", "callbacks"])
def test_llama_index(way_in: str) -> None:
    @settings(max_examples=25, deadline=None)
    @given(streams=wanted(LLAMA_INDEX))
    def check(streams: list[tuple[str, str]]) -> None:
        handler = LlamaIndexHandler()
        managed = CallbackManager([handler] if way_in == "callbacks" else [])
        llm = LlamaIndexModel(callback_manager=managed)
        with nullcontext() if way_in == "callbacks" else handler:
            got = [(LLAMA_INDEX[way](llm), reader) for way, reader in streams]
            read_all(got, late=False)
        read_all(got, late=True)
        got.clear()
        for root, (_, reader) in zip(ended(handler.tracker), streams, strict=True):
            left = way_in == "callbacks" and reader not in WHOLE  # they tell no pieces
            assert written(root) == (None if left else expected(reader)), reader

    check()


def _told(model: LangChainModel) -> Any:
    def told(text: str) -> Iterator[Any]:
        yield from model.stream(text)

    return RunnableLambda(told)


LANGCHAIN: dict[str, Callable[[LangChainModel, Any], Any]] = {
    "model": lambda model, config: model.stream("x", config),
    "chain": lambda model, config: (RunnableLambda(str) | model | StrOutputParser()).stream(
        "x", config
    ),
    "function": lambda model, config: _told(model).stream("x", config),
    "amodel": lambda model, config: model.astream("x", config),
    "achain": lambda model, config: (RunnableLambda(str) | model | StrOutputParser()).astream(
        "x", config
    ),
}


@ENDLESS
@settings(max_examples=25, deadline=None)
@given(streams=wanted(LANGCHAIN))
def test_langchain(streams: list[tuple[str, str]]) -> None:
    handler, model = ImpactHandler(), langchain_model(len(streams))
    got = [(LANGCHAIN[way](model, {"callbacks": [handler]}), reader) for way, reader in streams]
    read_all(got, late=False)
    read_all(got, late=True)
    got.clear()
    runs = ended(handler.tracker)
    # A stream that nobody begins to read asks no model.
    assert len(runs) == len(model.gave) == sum(reader != "dropped" for _, reader in streams)
    assert [written(run) for run in runs] == [count_tokens("".join(given)) for given in model.gave]


@ENDLESS
@settings(max_examples=15, deadline=None)
@given(streams=wanted(LLAMA_INDEX))
def test_a_stream_of_llama_index_that_a_langchain_run_made(streams: list[tuple[str, str]]) -> None:
    llm = LlamaIndexModel()
    with track_impacts() as tracker:
        got = [
            (RunnableLambda(lambda _, way=way: LLAMA_INDEX[way](llm)).invoke("x"), reader)
            for way, reader in streams
        ]
        read_all(got, late=False)
    read_all(got, late=True)
    got.clear()
    for root, (_, reader) in zip(ended(tracker), streams, strict=True):
        assert root.name == "RunnableLambda"
        assert written(root) == expected(reader), reader


@settings(max_examples=15, deadline=None)
@given(readers=st.lists(st.sampled_from(READERS), min_size=1, max_size=4))
def test_a_stream_of_langchain_that_a_llama_index_tool_made(readers: list[str]) -> None:
    model = langchain_model(len(readers))
    tool = FunctionTool.from_defaults(lambda: model.stream("x"), name="ask")
    with track_impacts(everywhere=True) as tracker:
        got = [(tool().raw_output, reader) for reader in readers]
        read_all(got, late=False)
        read_all(got, late=True)
        got.clear()
        gc.collect()
    runs = ended(tracker)
    assert [root.name for root in runs] == ["ask"] * len(readers)
    begun = [root for root, reader in zip(runs, readers, strict=True) if reader != "dropped"]
    assert sorted(written(root) or 0 for root in begun) == sorted(
        count_tokens("".join(given)) for given in model.gave
    )
