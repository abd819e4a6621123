"""The instrumentation way: model calls by MockLLM and by events made by hand."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llama_clients import answer
from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.events import embedding as embedding_events
from llama_index.core.instrumentation.events import llm as llm_events
from llama_index.core.instrumentation.events import rerank as rerank_events
from llama_index.core.llms import ChatMessage, CustomLLM, LLMMetadata, MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.dispatcher import instrument_tags

from impactree import ImpactTracker
from impactree.calls.counting import count_tokens
from impactree.exceptions import ConfigurationError
from impactree.llama_index import ImpactHandler, attach

ASKED = [ChatMessage(role="user", content="How are you?")]


def shape(run: Any) -> Any:
    """A tree as nested tuples: kind, whether it holds a call, children."""
    return run.kind, run.call is not None, *(shape(child) for child in run.children)


def chat_events(usage: Any = None) -> tuple[Any, Any]:
    """Start and end of one chat call, as a client package would dispatch them."""
    raw = None if usage is None else {"model": "gpt-4o-mini-2024-07-18", "usage": usage}
    answer = ChatResponse(message=ChatMessage(role="assistant", content="Fine."), raw=raw)
    model = {"class_name": "openai_llm", "model": "gpt-4o-mini"}
    start = llm_events.LLMChatStartEvent(messages=ASKED, additional_kwargs={}, model_dict=model)
    return start, llm_events.LLMChatEndEvent(messages=ASKED, response=answer)


def send(*events: Any) -> None:
    for event in events:
        get_dispatcher("tests").event(event)


class TestEventsByHand:
    def test_tokens_and_names(self, handler: ImpactHandler) -> None:
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 40,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 30},
        }
        send(*chat_events(usage))
        call = handler.last_run.call
        assert (call.provider, call.model) == ("openai", "gpt-4o-mini-2024-07-18")
        assert (call.requested, call.kind) == ("gpt-4o-mini", "chat")
        assert (call.input_tokens, call.output_tokens) == (100, 40)
        assert (call.cached_input_tokens, call.reasoning_tokens) == (64, 30)
        assert call.tokens_source == "reported"
        assert handler.total.energy.value.min > 0

    @pytest.mark.parametrize(
        "usage",
        [
            {"prompt_tokens": None, "completion_tokens": None},
            {"prompt_tokens": 0, "completion_tokens": 0},
            {},
        ],
        ids=["none", "zero", "empty"],
    )
    def test_nothing_reported_is_counted(self, usage: Any, handler: ImpactHandler) -> None:
        send(*chat_events(usage))
        call = handler.last_run.call
        assert call.tokens_source == "counted"
        assert call.input_tokens == count_tokens("How are you?")
        assert call.output_tokens == count_tokens("Fine.")

    def test_malformed_usage_shows_in_the_report(self) -> None:
        with ImpactHandler().instrument() as handler:
            send(*chat_events({"prompt_tokens": -1, "completion_tokens": 5}))
        assert handler.tracker.problems == {"usage of an unknown shape": 1}
        assert handler.last_run.call.tokens_source == "counted"

    def test_exceptions_surface(self) -> None:
        """The dispatcher swallows what handlers raise, and nobody would know."""
        with ImpactHandler().instrument() as handler:
            event = chat_events()[0].model_copy(update={"model_dict": None})
            send(event)
        (problem,) = handler.tracker.problems
        assert problem.startswith("event: AttributeError")

    def test_every_event_arrives(self, handler: ImpactHandler) -> None:
        """Counted, since a handler that fails would go unnoticed."""
        nodes = [NodeWithScore(node=TextNode(text="a"))]
        for _ in range(3):
            send(*chat_events({"prompt_tokens": 1, "completion_tokens": 1}))
            model = {"class_name": "OpenAIEmbedding", "model_name": "text-embedding-3-small"}
            send(
                embedding_events.EmbeddingStartEvent(model_dict=model),
                embedding_events.EmbeddingEndEvent(chunks=["a", "b"], embeddings=[[1.0], [2.0]]),
                rerank_events.ReRankStartEvent(query="q", nodes=nodes, top_n=1, model_name="r-1"),
                rerank_events.ReRankEndEvent(nodes=nodes),
            )
        kinds = [run.call.kind for run in handler.runs]
        assert kinds == ["chat", "embedding", "rerank"] * 3
        assert handler.runs[1].call.model == "text-embedding-3-small"
        assert handler.runs[1].call.input_tokens == 2
        assert handler.runs[2].call.model == "r-1"

    def test_several_requests_in_one_span(self, handler: ImpactHandler) -> None:
        @get_dispatcher("tests").span
        def twice() -> None:
            first, last = chat_events({"prompt_tokens": 1, "completion_tokens": 2})
            send(first, last)
            first, last = chat_events({"prompt_tokens": 3, "completion_tokens": 4})
            send(first, last)

        twice()
        root = handler.last_run
        assert shape(root) == ("chain", False, ("chat", True), ("chat", True))
        assert [child.call.output_tokens for child in root.children] == [2, 4]

    def test_last_chunk_only(self, handler: ImpactHandler) -> None:
        start, _ = chat_events()
        pieces = ["Fi", "ne", "."]
        send(start)
        for number, piece in enumerate(pieces):
            raw = SimpleNamespace(usage=None, model="gpt-4o-mini")
            if number == 2:
                raw.usage = SimpleNamespace(prompt_tokens=11, completion_tokens=3)
            text = "".join(pieces[: number + 1])
            message = ChatMessage(role="assistant", content=text)
            response = ChatResponse(message=message, delta=piece, raw=raw)
            send(llm_events.LLMChatInProgressEvent(messages=ASKED, response=response))
        # The end event repeats the last chunk, here without its usage.
        send(chat_events()[1])
        call = handler.last_run.call
        assert (call.input_tokens, call.output_tokens) == (11, 3)

    @given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**6)), max_size=20))
    @settings(max_examples=25, deadline=None)
    def test_sums(self, counts: list[tuple[int, int]]) -> None:
        with ImpactHandler().instrument() as handler:
            for prompt, completion in counts:
                send(*chat_events({"prompt_tokens": prompt, "completion_tokens": completion}))
        calls = [run.call for run in handler.runs]
        assert [(c.input_tokens, c.output_tokens) for c in calls] == counts
        assert handler.total.estimated_calls == len(counts)


# MockLLM's chat is a completion: of a call and the calls that serve it, one counts.
DELEGATIONS = {
    "chat": ("chat", False, ("completion", True)),
    "achat": ("chat", False, ("chat", False, ("completion", True))),
    "stream_chat": ("chat", False, ("completion", True)),
    "astream_chat": ("chat", False, ("chat", False, ("completion", True))),
    "complete": ("completion", True),
    "acomplete": ("completion", False, ("completion", True)),
    "stream_complete": ("completion", True),
    "astream_complete": ("completion", False, ("completion", True)),
}


async def call_all_ways(llm: Any, way: str) -> None:
    asked: Any = ASKED if "chat" in way else "How are you?"
    given_back = getattr(llm, way)(asked)
    if way.startswith("a"):
        given_back = await given_back
        if way.startswith("astream"):
            _ = [piece async for piece in given_back]
    elif way.startswith("stream"):
        list(given_back)


@pytest.mark.parametrize("way", DELEGATIONS)
def test_delegation_counts_once(way: str, handler: ImpactHandler) -> None:
    asyncio.run(call_all_ways(MockLLM(max_tokens=5), way))
    (root,) = handler.runs
    assert shape(root) == DELEGATIONS[way]
    (run,) = root.calls
    assert run.call.output_tokens == count_tokens(answer(way))
    assert run.call.tokens_source == "counted"


@pytest.mark.parametrize("way", ["chat", "stream_chat", "astream_chat"])
def test_delegation_in_parallel(way: str, handler: ImpactHandler) -> None:
    """Streams of one object, read side by side in one context, and in tasks."""
    llm = MockLLM(max_tokens=3)

    async def all_at_once() -> None:
        await asyncio.gather(*(call_all_ways(llm, way) for _ in range(20)))

    asyncio.run(all_at_once())
    assert len(handler.runs) == 20
    assert {shape(run) for run in handler.runs} == {DELEGATIONS[way]}


class Reporting(CustomLLM):
    """Its chat reports usage, the completion that serves it does not."""

    inner_usage: bool = False

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="outer-model")

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        usage = {"usage": {"prompt_tokens": 5, "completion_tokens": 6}}
        return CompletionResponse(text="inner", raw=usage if self.inner_usage else None)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError

    @llm_chat_callback()
    def chat(self, messages: Any, **kwargs: Any) -> ChatResponse:
        inner = self.complete("x")
        message = ChatMessage(role="assistant", content=inner.text)
        usage = {"usage": {"prompt_tokens": 50, "completion_tokens": 60}}
        return ChatResponse(message=message, raw=usage)


@pytest.mark.parametrize(
    ("inner_usage", "expected", "tokens"),
    [
        (False, ("chat", True, ("completion", False)), 60),
        (True, ("chat", False, ("completion", True)), 6),
    ],
)
def test_innermost_with_usage_counts(
    inner_usage: bool, expected: Any, tokens: int, handler: ImpactHandler
) -> None:
    Reporting(inner_usage=inner_usage).chat(ASKED)
    assert shape(handler.last_run) == expected
    assert handler.last_run.calls[0].call.output_tokens == tokens
    assert all(run.status == "ok" and run.end for run in handler.last_run.walk())


def test_predict_and_structured_llm(handler: ImpactHandler) -> None:
    from llama_index.core import PromptTemplate

    MockLLM(max_tokens=5).predict(PromptTemplate("Hi {name}"), name="Jo")
    assert len(handler.runs) == 1
    assert len(handler.last_run.calls) == 1


def test_error_and_status(handler: ImpactHandler) -> None:
    with pytest.raises(NotImplementedError):
        Reporting().stream_complete("x")
    assert handler.last_run.status == "error"
    assert handler.last_run.call.output_tokens == 0


def test_a_reader_that_leaves(handler: ImpactHandler) -> None:
    llm = MockLLM(max_tokens=5)
    for number, _ in enumerate(llm.stream_chat(ASKED)):
        if number == 1:
            break
    root = handler.last_run
    (run,) = root.calls
    assert run.call.output_tokens == count_tokens("text text ")
    assert {r.status for r in root.walk()} == {"abandoned"}


def test_handler_added_twice_and_shared_tracker() -> None:
    tracker = ImpactTracker()
    with (
        ImpactHandler(tracker=tracker).instrument() as one,
        ImpactHandler(tracker=tracker).instrument() as other,
    ):
        one.instrument()
        list(MockLLM(max_tokens=5).stream_complete("x"))
    assert len(other.runs) == 1
    assert tracker.total.estimated_calls + tracker.total.unestimated_calls == 1


def test_blocks_of_one_handler_within_and_beside_another() -> None:
    handler = ImpactHandler()
    model = MockLLM(max_tokens=5)
    entered, left = threading.Event(), threading.Event()

    def serve() -> None:
        with handler:
            entered.set()
            left.wait(5)
            model.complete("after the others have left")

    thread = threading.Thread(target=serve)
    with handler.instrument():
        thread.start()
        entered.wait(5)
        with handler:
            pass
        model.complete("after the inner block")
    left.set()
    thread.join()
    assert len(handler.runs) == 2
    model.complete("after all")
    assert len(handler.runs) == 2


def test_two_handlers_of_their_own(handler: ImpactHandler) -> None:
    with ImpactHandler().instrument() as other:
        MockLLM(max_tokens=5).complete("x")
    MockLLM(max_tokens=5).complete("x")
    assert (len(handler.runs), len(other.runs)) == (2, 1)


def test_uninstrument_leaves_the_dispatcher_as_it_was() -> None:
    before = (list(root_dispatcher.event_handlers), list(root_dispatcher.span_handlers))
    handler = ImpactHandler().instrument()
    stream = MockLLM(max_tokens=5).stream_complete("x")
    next(stream)
    handler.uninstrument()
    handler.uninstrument()
    after = (root_dispatcher.event_handlers, root_dispatcher.span_handlers)
    assert all(
        a is b for x, y in zip(before, after, strict=True) for a, b in zip(x, y, strict=True)
    )
    # What is open is closed with what it has produced.
    assert handler.last_run.status == "abandoned"
    assert handler.last_run.call.output_tokens == count_tokens("text ")
    stream.close()
    MockLLM(max_tokens=5).complete("x")
    assert len(handler.runs) == 1


def test_nothing_without_instrument() -> None:
    handler = ImpactHandler()
    MockLLM(max_tokens=5).complete("x")
    assert handler.runs == []


def test_threads(handler: ImpactHandler) -> None:
    threads = [threading.Thread(target=MockLLM(max_tokens=2).chat, args=(ASKED,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {shape(run) for run in handler.runs} == {DELEGATIONS["chat"]}
    assert len(handler.runs) == 8


def test_one_key_alone_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"several keys, not 'team'"):
        ImpactHandler(metadata_keys="team")


def test_only_known_tags_are_kept() -> None:
    tags = {"session_id": "s1", "team": "blue", "secret": "x", "user_id": [1]}
    with ImpactHandler(metadata_keys=["team"]).instrument() as handler, instrument_tags(tags):
        MockLLM(max_tokens=2).complete("x")
    assert dict(handler.last_run.metadata) == {"session_id": "s1", "team": "blue"}


def test_no_text_is_kept(handler: ImpactHandler) -> None:
    secret = "the-password-is-swordfish"
    MockLLM().complete(secret)
    run = handler.last_run
    kept = [run.name, run.call, run.metadata, run.tags, run.pending, run.own.to_dict()]
    assert secret not in repr(kept)


def test_nothing_that_is_closed_refers_to_text() -> None:
    """A stream that was open at the end of tracking: its run lets go of the prompt."""
    handler = ImpactHandler().instrument()

    @get_dispatcher("tests").span
    def query() -> Any:
        return MockLLM(max_tokens=5).stream_complete("the-password-is-swordfish")

    stream = query()
    next(stream)
    (run,) = handler.last_run.children
    assert (run.status, run.pending is None) == ("abandoned", False)  # it may still be read
    handler.uninstrument()
    assert [run.pending for root in handler.runs for run in root.walk()] == [None, None]
    stream.close()


def test_attach_follows_only_its_blocks() -> None:
    from impactree.tracker import active_trackers

    tracker = ImpactTracker()
    detach = attach(tracker)
    try:
        MockLLM(max_tokens=2).complete("x")
        assert tracker.runs == []
        token = active_trackers.set((tracker,))
        MockLLM(max_tokens=2).complete("x")
        active_trackers.reset(token)
        assert len(tracker.runs) == 1
    finally:
        detach()
        detach()


def test_many_streams_leave_nothing_behind(handler: ImpactHandler) -> None:
    llm = MockLLM(max_tokens=2)
    for _ in range(50):
        list(llm.stream_chat(ASKED))
        llm.stream_chat(ASKED)  # never read
    assert len(handler.runs) == 100
    assert handler.tracker.open_roots == []


def test_import_is_light() -> None:
    """llama_index.core takes seconds: only who uses it pays."""
    code = (
        "import sys, impactree.llama_index\n"
        "print([m for m in sys.modules if m.startswith('llama_index.')])\n"
        "impactree.llama_index.ImpactHandler().instrument().uninstrument()\n"
        "print([m for m in sys.modules if m.startswith('llama_index.')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"], done.stderr
