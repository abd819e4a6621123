"""The older way in: a handler in a CallbackManager; and both ways at once."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
from llama_clients import KEY
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.callbacks import CallbackManager
from llama_index.core.callbacks.base_handler import BaseCallbackHandler
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import ChatMessage, MockLLM

from impactree import ImpactBudget
from impactree.calls.counting import count_tokens
from impactree.exceptions import BudgetExceededError
from impactree.llama_index import ImpactHandler

if TYPE_CHECKING:
    from wire.server import WireServer

ASKED = [ChatMessage(role="user", content="How are you?")]
ANSWER = "text text text text text"


@pytest.fixture
def handler() -> Any:
    handler = ImpactHandler()
    yield handler
    assert handler.tracker.problems == {}
    assert handler.tracker.open_roots == []


def llm(handler: ImpactHandler, **settings: Any) -> MockLLM:
    return MockLLM(max_tokens=5, callback_manager=CallbackManager([handler]), **settings)


def calls(handler: ImpactHandler) -> list[Any]:
    return [run.call for root in handler.runs for run in root.calls]


async def use(model: Any, way: str) -> None:
    asked: Any = ASKED if "chat" in way else "How are you?"
    given = getattr(model, way)(asked)
    if way.startswith("a"):
        given = await given
        if way.startswith("astream"):
            _ = [piece async for piece in given]
    elif way.startswith("stream"):
        list(given)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(
    "way",
    [
        "chat",
        "achat",
        "stream_chat",
        "astream_chat",
        "complete",
        "acomplete",
        "stream_complete",
        "astream_complete",
    ],
)
def test_counts_once(way: str, both: bool, handler: ImpactHandler) -> None:
    """MockLLM's chat calls its completion; both events look alike to a callback handler."""
    if both:
        handler.instrument()
    asyncio.run(use(llm(handler), way))
    handler.uninstrument()
    (call,) = calls(handler)
    # A stream's last event holds its last piece only, and MockLLM's leaves out the last word.
    assert abs(call.output_tokens - count_tokens(ANSWER)) <= 1
    assert call.input_tokens >= count_tokens("How are you?")


def test_it_is_a_callback_handler() -> None:
    assert isinstance(ImpactHandler(), BaseCallbackHandler)


def test_streams_in_turns(handler: ImpactHandler) -> None:
    """Calls that overlap and get the same answer, without serving one another."""
    model = llm(handler)
    one, other = model.stream_complete("aye"), model.stream_complete("b c d e f")
    next(one)
    list(other)
    list(one)
    model.complete("x")
    assert [call.input_tokens for call in calls(handler)] == [
        count_tokens(asked) for asked in ("b c d e f", "aye", "x")
    ]


def test_query(handler: ImpactHandler) -> None:
    Settings.callback_manager = CallbackManager([handler])
    try:
        model = MockEmbedding(embed_dim=4)
        index = VectorStoreIndex.from_documents([Document(text="Facts.")], embed_model=model)
        index.as_query_engine(llm=MockLLM(max_tokens=5)).query("What?")
    finally:
        Settings.callback_manager = CallbackManager([])
    root = handler.last_run
    assert root.kind == "chain"
    assert [run.kind for run in root.walk()] == [
        "chain",  # query
        "retriever",
        "embedding",
        "chain",  # synthesis
        "completion",
    ]
    assert len(handler.runs) == 2


def test_error(handler: ImpactHandler) -> None:
    class Failing(MockLLM):
        def _generate_text(self, length: int) -> str:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        Failing(max_tokens=5, callback_manager=CallbackManager([handler])).complete("x")
    assert handler.last_run.status == "error"
    assert handler.last_run.call.output_tokens == 0


@pytest.mark.parametrize("way", ["chat", "achat", "stream_chat"])
def test_an_error_of_the_model_that_another_asks_counts_once(
    way: str, handler: ImpactHandler
) -> None:
    class Failing(MockLLM):
        def _generate_text(self, length: int) -> str:
            raise RuntimeError("no")

    model = Failing(max_tokens=5, callback_manager=CallbackManager([handler]))
    with pytest.raises(RuntimeError):
        asyncio.run(use(model, way))
    assert len(calls(handler)) == 1


def test_a_reader_that_leaves(handler: ImpactHandler) -> None:
    """Callbacks tell nothing of the pieces: not estimated, never zero."""
    stream = llm(handler).stream_complete("x")
    next(stream)
    stream.close()
    assert handler.last_run.status == "abandoned"
    assert handler.last_run.call.output_tokens is None
    assert handler.total.energy is None


def test_a_failure_inside_never_reaches_the_user() -> None:
    """A CallbackManager hands exceptions of its handlers on."""
    handler = ImpactHandler()
    handler.on_event_start("llm", {"serialized": 3}, event_id="1")
    handler.on_event_end("llm", {"response": object()}, event_id="1")
    assert list(handler.tracker.problems) == ["started: AttributeError"]


def test_reported_usage(wire_server: WireServer, handler: ImpactHandler) -> None:
    package = pytest.importorskip("llama_index.llms.openai")
    model = package.OpenAI(
        model="gpt-4o-mini",
        api_base=f"{wire_server.url}/openai/v1",
        api_key=KEY,
        callback_manager=CallbackManager([handler]),
    )
    model.chat(ASKED)
    (call,), (sent,) = calls(handler), wire_server.sent
    assert (call.input_tokens, call.output_tokens) == (sent.input, sent.output)
    assert (call.provider, call.model) == ("openai", sent.model)


def test_budget_stops_before_the_next_call(wire_server: WireServer) -> None:
    """The dispatcher swallows exceptions; the model's callback manager does not."""
    package = pytest.importorskip("llama_index.llms.openai")
    budget = ImpactBudget(gwp_g=1e-9, per="handler", action="raise")
    with ImpactHandler(budget=budget).instrument() as handler:
        model = package.OpenAI(
            model="gpt-4o-mini",
            api_base=f"{wire_server.url}/openai/v1",
            api_key=KEY,
            callback_manager=CallbackManager([handler]),
        )
        model.chat(ASKED)
        with pytest.raises(BudgetExceededError):
            model.chat(ASKED)
    assert len(wire_server.requests) == 1


def test_copies_and_processes(handler: ImpactHandler) -> None:
    model = llm(handler)
    copy.deepcopy(model).complete("x")
    assert len(calls(handler)) == 1
    assert isinstance(pickle.loads(pickle.dumps(handler)), ImpactHandler)
    pipeline = IngestionPipeline(transformations=[MockEmbedding(embed_dim=4)])
    pipeline.transformations[0].callback_manager = CallbackManager([handler])
    assert copy.deepcopy(pipeline)


@pytest.mark.parametrize("where", ["here", "thread", "task"])
def test_a_streamed_query_hangs_under_its_synthesis(
    handler: ImpactHandler, wire_server: WireServer, where: str
) -> None:
    openai = pytest.importorskip("llama_index.llms.openai")
    manager = CallbackManager([handler])
    model = openai.OpenAI(
        model="gpt-4o-mini",
        api_base=wire_server.base("openai") + "/v1",
        api_key=KEY,
        max_retries=0,
        callback_manager=manager,
        additional_kwargs={"stream_options": {"include_usage": True}},
    )
    index = VectorStoreIndex.from_documents(
        [Document(text="Ulm")],
        embed_model=MockEmbedding(embed_dim=2, callback_manager=manager),
        callback_manager=manager,
    )
    known = len(handler.runs)
    engine = index.as_query_engine(streaming=True, llm=model)
    engine.callback_manager = engine.retriever.callback_manager = manager
    engine._response_synthesizer.callback_manager = manager
    answer = engine.query("Where?")
    if where == "here":
        list(answer.response_gen)
    elif where == "thread":
        reader = threading.Thread(target=list, args=(answer.response_gen,))
        reader.start()
        reader.join()
    else:

        async def read() -> None:
            list(answer.response_gen)

        asyncio.run(read())
    (root,) = handler.runs[known:]
    (asked,) = [run for run in root.walk() if run.kind == "chat"]
    assert [run.name for run in asked.ancestors()] == ["synthesize", "query"]
    (sent,) = wire_server.sent
    assert asked.call.tokens_source == "reported"
    assert asked.call.output_tokens == sent.output
    assert root.revision == 1  # it had ended before
