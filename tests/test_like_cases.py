"""Cases like those that once failed: other clients, fields, orders and ways to run, over HTTP.

Each states what the server sent; the handler must have every call once, under its own root.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import operator
import threading
from typing import Annotated, Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import (
    ConfigurableField,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.runnables.config import ContextThreadPoolExecutor
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_deepseek import ChatDeepSeek
from langchain_groq import ChatGroq
from langchain_mistralai import ChatMistralAI
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_xai import ChatXAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Command, Send, interrupt
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

from impactree import ImpactHandler, track_impacts
from impactree.langchain import track_embeddings
from impactree.llama_index import ImpactHandler as LlamaIndexHandler
from raw_server import openai, serving, usage

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*beta.*")

ONE = (10, 5, "reported")
FAILED = (None, 0, "unknown")
HI = {"messages": [("user", "Hi")]}


@pytest.fixture(scope="module")
def url():
    with serving(openai(usage(10, 5))) as address:
        yield address


@pytest.fixture(scope="module")
def broken():
    with serving(lambda body: 500) as address:
        yield address


def chat(url: str, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(
        base_url=f"{url}/v1",
        model="gpt-4o-mini",
        api_key="k",
        max_retries=0,
        stream_usage=True,
        **more,
    )


def calls(*handlers: Any) -> list[tuple[Any, ...]]:
    """Of all trees; nothing is open, and nothing went wrong inside."""
    found = []
    for handler in handlers:
        assert getattr(handler, "tracker", handler).problems == {}
        for root in handler.runs:
            assert all(run.end is not None for run in root.walk())
            found += [
                (r.call.input_tokens, r.call.output_tokens, r.call.tokens_source)
                for r in root.calls
            ]
    return sorted(found, key=str)


def config(handler: Any, **more: Any) -> Any:
    return {"callbacks": [handler], **more}


async def read(stream: Any) -> None:
    async for _ in stream:
        pass


# Usage in chunks, by whatever client and way: kinds 1 and 2


def so_far(pieces, base):
    """The whole so far in every chunk, and once more at the end."""
    told = [{**piece, "usage": usage(10, 4 * n)} for n, piece in enumerate(pieces, 1)]
    return [*told, {**base, "choices": [], "usage": usage(10, 20)}]


def twice(pieces, base):
    last = {**pieces[-1], "usage": usage(10, 20)}
    return [*pieces[:-1], last, {**base, "choices": [], "usage": usage(10, 20)}]


def only_the_total_grows(pieces, base):
    """Gemini's thoughts at its compatible endpoint."""
    return [{**piece, "usage": usage(9, n, 9 + n + 300)} for n, piece in enumerate(pieces, 1)]


def zeros_first(pieces, base):
    told = [{**piece, "usage": usage(0, 0)} for piece in pieces]
    return [*told, {**base, "choices": [], "usage": usage(10, 20)}]


def prompt_first(pieces, base):
    told = [{**piece, "usage": usage(10, 0)} for piece in pieces]
    return [*told, {**base, "choices": [], "usage": usage(10, 20)}]


def parts(pieces, base):
    return [{**piece, "usage": usage(10, 1)} for piece in pieces]


def at_groq(pieces, base):
    done = {"index": 0, "delta": {}, "finish_reason": "stop"}
    told = {"id": "r", "usage": usage(10, 20)}
    return [*pieces, {**base, "choices": [done], "x_groq": told}]


def thought_beside(pieces, base):
    told = usage(10, 6, 30, completion_tokens_details={"reasoning_tokens": 14})
    return [*pieces, {**base, "choices": [], "usage": told}]


STREAMED = {
    "so far": (so_far, (10, 20)),
    "twice": (twice, (10, 20)),
    "only the total grows": (only_the_total_grows, (9, 305)),
    "zeros first": (zeros_first, (10, 20)),
    "the prompt first": (prompt_first, (10, 20)),
    "parts": (parts, (10, 5)),
    "thoughts beside": (thought_beside, (10, 20)),
}
WAYS = {
    "stream": lambda model, to: list(model.stream("Hi", to)),
    "astream": lambda model, to: asyncio.run(read(model.astream("Hi", to))),
    "events v2": lambda model, to: asyncio.run(read(model.astream_events("Hi", to, version="v2"))),
    "a chain": lambda model, to: list(
        (RunnableLambda(lambda text: text) | model | RunnableLambda(lambda m: m)).stream("Hi", to)
    ),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", STREAMED)
def test_a_stream_s_usage(shape, way):
    chunks, expected = STREAMED[shape]
    handler = ImpactHandler()
    with serving(openai(chunks=chunks)) as url:
        WAYS[way](chat(url), config(handler))
    assert calls(handler) == [(*expected, "reported")]


CLIENTS = {
    "mistral": (lambda url: ChatMistralAI(base_url=f"{url}/v1", api_key="k"), so_far),
    "groq": (
        lambda url: ChatGroq(base_url=url, model="m", api_key="k", max_retries=0),
        at_groq,
    ),
    "xai": (
        lambda url: ChatXAI(base_url=f"{url}/v1", model="m", api_key="k", max_retries=0),
        thought_beside,
    ),
    "deepseek": (
        lambda url: ChatDeepSeek(api_base=f"{url}/v1", model="m", api_key="k", max_retries=0),
        so_far,
    ),
}


@pytest.mark.parametrize("client", CLIENTS)
def test_other_clients(client):
    make, chunks = CLIENTS[client]
    handler = ImpactHandler()
    with serving(openai(chunks=chunks)) as url:
        list(make(url).stream("Hi", config(handler)))
    assert calls(handler) == [(10, 20, "reported")]


NO_CACHE = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
CACHED = {"cache_creation_input_tokens": 50, "cache_read_input_tokens": 100}


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        # Today's: the whole at the end, too.
        ({"input_tokens": 25, **NO_CACHE}, {"input_tokens": 25, **NO_CACHE}, (25, 15)),
        # A search has made the input grow.
        ({"input_tokens": 2679, **NO_CACHE}, {"input_tokens": 10682, **NO_CACHE}, (10682, 15)),
        # Beside the caches: 3 + 50 + 100.
        ({"input_tokens": 3, **CACHED}, {"input_tokens": 3, **CACHED}, (153, 15)),
        # A gateway that knows at the end alone.
        ({"input_tokens": 0}, {"input_tokens": 25}, (25, 15)),
        # Of yesterday's, which told the input at the start alone, ChatAnthropic drops it.
        ({"input_tokens": 25}, {}, (None, 15)),
    ],
)
def test_anthropic_s_two_usages(first, last, expected):
    started = {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-4-5"}
    started |= {"content": [], "stop_reason": None, "stop_sequence": None}
    events = [
        {"type": "message_start", "message": {**started, "usage": {**first, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "It rains."},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {**last, "output_tokens": 15},
        },
        {"type": "message_stop"},
    ]
    handler = ImpactHandler()
    with serving(lambda body: [(event["type"], event) for event in events]) as url:
        model = ChatAnthropic(model="claude-haiku-4-5", base_url=url, api_key="k", max_retries=0)
        list(model.stream("Hi", config(handler)))
    assert calls(handler) == [(*expected, "reported")]


class Answer(BaseModel):
    rains: bool


@pytest.mark.parametrize(
    ("message", "method"),
    [
        ({"role": "assistant", "content": None, "refusal": "Sorry."}, "json_schema"),
        ({"role": "assistant", "content": '{"rains": "perha'}, "json_schema"),
        ({"role": "assistant", "content": '{"rains": "perha'}, "json_mode"),
        ({"role": "assistant", "content": "no call"}, "function_calling"),
    ],
)
@pytest.mark.parametrize("include_raw", [True, False])
def test_a_structured_output_that_is_none(message, method, include_raw):
    handler = ImpactHandler()
    with serving(openai(usage(10, 5), message=message)) as url:
        model = chat(url).with_structured_output(Answer, method=method, include_raw=include_raw)
        try:
            model.invoke("In JSON, please", config(handler))
        except Exception:
            assert handler.last_run.status == "error"
    assert calls(handler) == [ONE]


# Ways to run: kinds 2, 6 and 7


class Items(TypedDict):
    items: list[str]
    out: Annotated[list[str], operator.add]


class Item(TypedDict):
    item: str
    out: Annotated[list[str], operator.add]


def one_node(node: Any, **more: Any) -> Any:
    graph = StateGraph(MessagesState)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    return graph.compile(**more)


def in_threads(model: Any, start: Any) -> Any:
    def node(state: Any) -> Any:
        return {"messages": start(model, ["a", "b"])}

    return one_node(node)


def with_copied_contexts(model: Any, texts: list[str]) -> list[Any]:
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(contextvars.copy_context().run, model.invoke, t) for t in texts]
        return [future.result() for future in asked]


def with_langchain_s_pool(model: Any, texts: list[str]) -> list[Any]:
    with ContextThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(model.invoke, texts))


def map_reduce(model: Any) -> Any:
    sub = StateGraph(Item)
    sub.add_node("ask", lambda state: {"out": [model.invoke(state["item"]).content]})
    sub.add_edge(START, "ask")
    graph = StateGraph(Items)
    graph.add_node("sub", sub.compile(name="sub"))
    graph.add_conditional_edges(
        START, lambda state: [Send("sub", {"item": item}) for item in state["items"]], ["sub"]
    )
    return graph.compile()


def functional(model: Any) -> Any:
    @task
    def ask(text: str) -> str:
        return str(model.invoke(text).content)

    @entrypoint()
    def flow(texts: list[str]) -> list[str]:
        return [future.result() for future in [ask(text) for text in texts]]

    return flow


ITEMS = {"items": ["a", "b", "c"], "out": []}
PROMPT = ChatPromptTemplate.from_template("{q}")
RUNS = {
    "parallel": (lambda m, to: list(RunnableParallel(a=m, b=m).stream("Hi", to)), 2, 1),
    "parallel, async": (
        lambda m, to: asyncio.run(read(RunnableParallel(a=m, b=m).astream("Hi", to))),
        *(2, 1),
    ),
    "assign": (
        lambda m, to: (
            RunnablePassthrough.assign(a=PROMPT | m) | RunnablePassthrough.assign(b=PROMPT | m)
        ).invoke({"q": "Hi"}, to),
        *(2, 1),
    ),
    "configurable": (
        lambda m, to: (
            m.configurable_fields(temperature=ConfigurableField(id="t"))
            .with_config(configurable={"t": 0.5})
            .invoke("Hi", to)
        ),
        *(1, 1),
    ),
    "batch as completed": (
        lambda m, to: list((PROMPT | m).batch_as_completed([{"q": "a"}, {"q": "b"}], to)),
        *(2, 2),
    ),
    "copied contexts": (
        lambda m, to: in_threads(m, with_copied_contexts).invoke(HI, to),
        *(2, 1),
    ),
    "LangChain's pool": (
        lambda m, to: in_threads(m, with_langchain_s_pool).invoke(HI, to),
        *(2, 1),
    ),
    "map and reduce": (lambda m, to: map_reduce(m).invoke(ITEMS, to), 3, 1),
    "map and reduce, streamed": (
        lambda m, to: list(
            map_reduce(m).stream(ITEMS, to, stream_mode=["messages", "updates"], subgraphs=True)
        ),
        *(3, 1),
    ),
    "functional": (lambda m, to: functional(m).invoke(["a", "b", "c"], to), 3, 1),
}


@pytest.mark.parametrize("name", RUNS)
def test_every_call_once_under_its_root(name, url):
    run, asked, roots = RUNS[name]
    handler = ImpactHandler()
    run(chat(url), config(handler))
    assert calls(handler) == [ONE] * asked
    assert len(handler.runs) == roots


def test_an_interrupt_within_a_node_asks_its_model_again(url):
    model = chat(url)

    def node(state: Any) -> Any:
        model.invoke("first")
        return {"messages": [model.invoke(interrupt("And?"))]}

    handler = ImpactHandler()
    graph = one_node(node, checkpointer=InMemorySaver())
    to = config(handler, configurable={"thread_id": "t"})
    graph.invoke(HI, to)
    graph.invoke(Command(resume="then"), to)
    assert calls(handler) == [ONE] * 3
    assert [root.status for root in handler.runs] == ["interrupted", "ok"]


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_model_inside_a_tool_inside_an_agent(asynchronous):
    @tool
    def inner(text: str) -> str:
        """Ask."""
        return str(model.invoke(text).content)

    wanted = {"id": "1", "type": "function"}
    wanted["function"] = {"name": "inner", "arguments": '{"text": "a"}'}

    def reply(body: Any) -> Any:
        asks = body.get("tools") and body["messages"][-1]["role"] == "user"
        message = {"role": "assistant", "content": None, "tool_calls": [wanted]}
        return openai(usage(15, 7), message)(body) if asks else openai(usage(10, 5))(body)

    handler = ImpactHandler()
    with serving(reply) as url:
        model = chat(url)
        agent = create_agent(model, [inner], name="agent")
        if asynchronous:
            asyncio.run(agent.ainvoke(HI, config(handler)))
        else:
            agent.invoke(HI, config(handler))
    assert calls(handler) == [ONE, ONE, (15, 7, "reported")]
    assert [run.kind for run in handler.runs] == ["agent"]


def test_attempts_before_a_fallback(url, broken):
    handler = ImpactHandler()
    failing = chat(broken).with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    failing.with_fallbacks([chat(url)]).invoke("Hi", config(handler))
    assert calls(handler) == sorted([ONE, FAILED, FAILED], key=str)
    assert len(handler.runs) == 1


def test_a_batch_of_failures(broken):
    handler = ImpactHandler()
    chain = chat(broken) | RunnableLambda(lambda message: message)
    chain.batch(["a", "b"], config(handler), return_exceptions=True)
    assert calls(handler) == [FAILED] * 2


# Blocks, threads and streams read elsewhere: kinds 2 and 7


def test_a_block_follows_threads_of_asyncio_and_tasks(url):
    async def work():
        async with track_impacts() as tracker:
            model = chat(url)
            threads = (asyncio.to_thread(model.invoke, "Hi") for _ in range(3))
            await asyncio.gather(*threads, model.ainvoke("Hi"))
        return tracker

    assert calls(asyncio.run(work())) == [ONE] * 4


def test_a_block_follows_a_stream_that_was_begun_inside(url):
    with track_impacts() as tracker:
        in_thread, after = chat(url).stream("Hi"), chat(url).stream("Hi")
        next(in_thread), next(after)
        thread = threading.Thread(target=lambda: list(in_thread))
        thread.start()
        thread.join()
    list(after)
    assert calls(tracker) == [ONE] * 2


def test_a_stream_whose_first_piece_somebody_waited_for(url):
    async def work():
        async with track_impacts() as tracker:
            stream = chat(url).astream("Hi")
            await asyncio.wait_for(anext(stream), 30)
            await read(stream)
        return tracker

    assert calls(asyncio.run(work())) == [ONE]


def test_a_whole_process_follows_pools_and_says_what_it_lost(url):
    def with_a_plain_pool(model: Any, texts: list[str]) -> list[Any]:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            return list(pool.map(model.invoke, texts))

    with track_impacts(everywhere=True) as tracker:
        in_threads(chat(url), with_a_plain_pool).invoke(HI)
    assert len([run for root in tracker.runs for run in root.calls]) == 2
    assert "context-lost (2 calls)" in " ".join(str(tracker.report()).split())


# Embeddings of several users: kind 4


def test_embeddings_of_users_who_share_a_model():
    def reply(body: Any) -> Any:
        data = [
            {"object": "embedding", "index": i, "embedding": [0.1, 0.2]}
            for i in range(len(body["input"]))
        ]
        told = {"prompt_tokens": 7 * len(data), "total_tokens": 7 * len(data)}
        return {"object": "list", "model": "text-embedding-3-small", "data": data, "usage": told}

    with serving(reply) as url:
        embeddings = OpenAIEmbeddings(
            base_url=f"{url}/v1", api_key="k", max_retries=0, check_embedding_ctx_length=False
        )
        store = InMemoryVectorStore(track_embeddings(embeddings))

        async def user(handler: Any, searches: int) -> None:
            for _ in range(searches):
                await store.as_retriever().ainvoke("Hi", config(handler))

        async def work() -> None:
            await asyncio.gather(user(ada, 3), user(bob, 2))

        ada, bob = ImpactHandler(), ImpactHandler()
        asyncio.run(work())
    assert calls(ada) == [(7, 0, "reported")] * 3
    assert calls(bob) == [(7, 0, "reported")] * 2


# LlamaIndex


def llama(url: str, cls: Any = OpenAI, **more: Any) -> Any:
    asking = {"stream_options": {"include_usage": True}}
    return cls(
        model="gpt-4o-mini",
        api_base=f"{url}/v1",
        api_key="k",
        max_retries=0,
        additional_kwargs=asking,
        **more,
    )


ASKED = [ChatMessage(content="Hi")]


async def aread(model: Any) -> None:
    await read(await model.astream_chat(ASKED))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("shape", STREAMED)
def test_a_stream_s_usage_in_llama_index(shape, asynchronous):
    chunks, expected = STREAMED[shape]
    with serving(openai(chunks=chunks)) as url, LlamaIndexHandler().instrument() as handler:
        model = llama(url, OpenAILike, is_chat_model=True)
        if asynchronous:
            asyncio.run(aread(model))
        else:
            list(model.stream_chat(ASKED))
    assert calls(handler) == [(*expected, "reported")]


def test_llama_index_s_agent_and_its_tools():
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    wanted = {"index": 0, "id": "1", "type": "function"}
    wanted["function"] = {"name": "add", "arguments": '{"a": 1, "b": 2}'}

    def reply(body: Any) -> Any:
        if body["messages"][-1]["role"] == "tool":
            return openai(usage(10, 5))(body)
        delta = {"role": "assistant", "tool_calls": [wanted]}

        def chunks(pieces, base):
            choice = {"index": 0, "delta": delta, "finish_reason": "tool_calls"}
            last = {**base, "choices": [], "usage": usage(15, 7)}
            return [{**base, "choices": [choice]}, last]

        return openai(chunks=chunks)(body)

    async def work() -> None:
        await FunctionAgent(tools=[add], llm=llama(url)).run("1 + 2?")

    with serving(reply) as url, LlamaIndexHandler().instrument() as handler:
        asyncio.run(work())
    assert calls(handler) == [ONE, (15, 7, "reported")]
    assert [run.kind for run in handler.runs] == ["agent"]


def test_llama_index_s_stream_read_in_a_task_after_its_block(url):
    async def work():
        async with track_impacts() as tracker:
            stream = await llama(url).astream_chat(ASKED)
        await asyncio.create_task(read(stream))
        return tracker

    assert calls(asyncio.run(work())) == [ONE]


def test_llama_index_s_call_that_nobody_waited_for():
    """Neither a zero nor forgotten: a model may have answered."""
    reply = openai(usage(10, 5))
    go = threading.Event()

    def slow(body: Any) -> Any:
        go.wait(30)
        return reply(body)

    async def work():
        async with track_impacts() as tracker:
            asked = asyncio.create_task(llama(url).achat(ASKED))
            await asyncio.sleep(0.2)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        go.set()
        return tracker

    with serving(slow) as url:
        tracker = asyncio.run(work())
    assert calls(tracker) == [(None, None, "unknown")]
    assert tracker.total.unestimated_calls == 1
