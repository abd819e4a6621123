"""LangGraph: graphs, branches, interrupts, caches and streams, with the numbers they must give.

Input and output tokens of the calls are chosen so that no other sum of calls gives the same.
"""

from __future__ import annotations

import asyncio
import operator
from collections import Counter
from typing import Annotated, Any, TypedDict

import pytest

pytest.importorskip("langgraph")

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableLambda
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphRecursionError
from langgraph.func import entrypoint, task
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.pregel import Pregel
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, interrupt
from scripted_model import ScriptedModel, always, check, find, groups, in_turn, says

from impactree import ImpactHandler


class Words(TypedDict, total=False):
    words: Annotated[list[str], operator.add]
    topic: str


def of(handler: ImpactHandler, **config: Any) -> dict[str, Any]:
    return {"callbacks": [handler], **config}


def write_with(model: ScriptedModel):
    return lambda state: {"messages": [model.invoke(state["messages"])]}


def looping(model: ScriptedModel, turns: int, **options: Any):
    """A graph that writes, checks, and writes again until it has written so many turns."""
    graph = StateGraph(MessagesState)
    graph.add_node("write", write_with(model))
    graph.add_node("check", lambda state: {})
    graph.add_edge(START, "write")
    graph.add_edge("write", "check")
    graph.add_conditional_edges(
        "check",
        lambda state: "write" if sum(m.type == "ai" for m in state["messages"]) < turns else END,
        ["write", END],
    )
    return graph.compile(**options)


def kinds(handler: ImpactHandler) -> Counter[str]:
    return Counter(run.kind for root in handler.runs for run in root.walk())


# Shapes of graphs


def test_a_cycle_counts_every_pass_and_no_message_of_the_state_again():
    handler = ImpactHandler()
    model = in_turn(says("a", 10, 1), says("b", 200, 20), says("c", 3000, 300))
    state = looping(model, 3).invoke({"messages": [("user", "go")]}, of(handler))
    # Each pass sees the earlier answers, usage and all, among its messages: 10 + 200 + 3000 only.
    assert sum(m.usage_metadata is not None for m in state["messages"] if m.type == "ai") == 3
    check(handler, calls=3, given=3210, written=321)
    assert groups(handler, "step") == {
        "1 write": (1, 10, 1),
        "3 write": (1, 200, 20),
        "5 write": (1, 3000, 300),
    }
    assert groups(handler, "node") == {"write": (3, 3210, 321)}
    assert groups(handler, "agent") == {None: (3, 3210, 321)}
    root = handler.last_run
    assert (root.kind, root.name, root.status) == ("graph", "LangGraph", "ok")
    assert [run.name for run in root.children] == ["write", "check"] * 3
    assert {run.kind for run in root.children} == {"node"}
    assert root.children[1].total.gwp.value.max == 0
    assert root.children[0].total.gwp == root.children[0].children[0].own.gwp


def test_a_cycle_that_never_ends_fails_with_what_it_has_cost():
    handler = ImpactHandler()
    with pytest.raises(GraphRecursionError):
        looping(always(10, 1), 99).invoke({"messages": []}, of(handler, recursion_limit=6))
    # Six supersteps: write and check, three times.
    check(handler, calls=3, given=30, written=3)
    assert handler.last_run.status == "error"


def nested(inner):
    graph = StateGraph(MessagesState)
    graph.add_node("as_node", inner)
    graph.add_node("called", lambda state: {"messages": inner.invoke({"messages": []})["messages"]})
    graph.add_edge(START, "as_node")
    graph.add_edge("as_node", "called")
    return graph.compile(name="outer")


def test_subgraphs_hang_under_the_node_that_runs_them():
    handler = ImpactHandler()
    model = in_turn(says("a", 10, 1), says("b", 200, 20), says("c", 3000, 300))
    nested(looping(model, 1, name="inner")).invoke({"messages": []}, of(handler))
    check(handler, calls=2, given=210, written=21)
    root = handler.last_run
    assert (root.name, root.kind) == ("outer", "graph")
    assert [(run.name, run.kind) for run in root.children] == [
        ("as_node", "node"),
        ("called", "node"),
    ]
    for node, tokens in zip(root.children, (10, 200), strict=True):
        (inner,) = node.children
        assert (inner.name, inner.kind) == ("inner", "graph")
        assert [run.call.input_tokens for run in inner.calls] == [tokens]
        assert node.total.energy == inner.total.energy == inner.calls[0].own.energy
    # The innermost node and step: both passes of the inner graph's first step.
    assert groups(handler, "step") == {"1 write": (2, 210, 21)}


def test_a_subgraph_named_like_its_node_is_a_graph():
    handler = ImpactHandler()
    graph = StateGraph(MessagesState)
    graph.add_node("same", looping(always(10, 1), 1, name="same"))
    graph.add_edge(START, "same")
    graph.compile().invoke({"messages": []}, of(handler))
    assert [run.kind for run in find(handler, "same")] == ["node", "graph"]


def test_a_graph_inside_a_chain_is_a_graph():
    handler = ImpactHandler()
    graph = looping(always(10, 1), 1, name="inside")
    chain = RunnableLambda(lambda text: {"messages": [("user", text)]}) | graph
    chain.invoke("go", of(handler))
    check(handler, calls=1, given=10, written=1)
    assert handler.last_run.kind == "chain"
    assert [run.kind for run in find(handler, "inside")] == ["graph"]


def fan_out(branches: int, *, asynchronous: bool = False):
    """Branch n reads n tokens and writes one; one call reduces."""

    def read(state: dict[str, int]) -> dict[str, Any]:
        return {"words": [always(state["n"], 1).invoke("read").content]}

    async def aread(state: dict[str, int]) -> dict[str, Any]:
        return {"words": [(await always(state["n"], 1).ainvoke("read")).content]}

    graph = StateGraph(Words)
    graph.add_node("plan", lambda state: {})
    graph.add_node("read", aread if asynchronous else read)
    graph.add_node("reduce", lambda state: {"topic": always(7, 5).invoke("reduce").content})
    graph.add_edge(START, "plan")
    sends = [Send("read", {"n": n}) for n in range(1, branches + 1)]
    graph.add_conditional_edges("plan", lambda state: sends, ["read"])
    graph.add_edge("read", "reduce")
    return graph.compile()


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_map_reduce_over_500_branches(asynchronous):
    handler = ImpactHandler()
    graph = fan_out(500, asynchronous=asynchronous)
    if asynchronous:
        state = await graph.ainvoke({}, of(handler))
    else:
        state = graph.invoke({}, of(handler))
    assert len(state["words"]) == 500
    # 1 + 2 + ... + 500 = 500 * 501 / 2 = 125250, and 7 more for the reduction.
    check(handler, calls=501, given=125_257, written=505)
    assert groups(handler, "step") == {"2 read": (500, 125_250, 500), "3 reduce": (1, 7, 5)}
    assert groups(handler, "node") == {"read": (500, 125_250, 500), "reduce": (1, 7, 5)}
    assert sorted(run.calls[0].call.input_tokens for run in find(handler, "read")) == [
        *range(1, 501)
    ]
    assert kinds(handler)["node"] == 502


def parallel(**nodes: Any):
    graph = StateGraph(Words)
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(START, name)
    return graph.compile()


def calling(model: ScriptedModel, then: Exception | None = None):
    def node(state: Any) -> dict[str, Any]:
        words = [model.invoke("say").content]
        if then is not None:
            raise then
        return {"words": words}

    return node


def test_nodes_of_one_superstep():
    handler = ImpactHandler()
    parallel(
        a=calling(always(10, 1)), b=calling(always(200, 20)), c=calling(always(3000, 300))
    ).invoke({}, of(handler))
    check(handler, calls=3, given=3210, written=321)
    assert groups(handler, "step") == {
        "1 a": (1, 10, 1),
        "1 b": (1, 200, 20),
        "1 c": (1, 3000, 300),
    }


async def test_a_failing_node_cancels_its_neighbours_and_all_of_them_count():
    handler = ImpactHandler()
    answered = asyncio.Event()

    async def waits(state: Any) -> Any:
        await always(200, 20).ainvoke("say")
        answered.set()
        await asyncio.sleep(60)

    async def fails(state: Any) -> Any:
        await answered.wait()
        await always(10, 1).ainvoke("say")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await parallel(waits=waits, fails=fails).ainvoke({}, of(handler))
    check(handler, calls=2, given=210, written=21)
    assert find(handler, "fails")[0].status == "error"
    assert find(handler, "waits")[0].status == "cancelled"
    assert handler.last_run.status == "error"


# The functional API


def essay(model: ScriptedModel, **options: Any):
    @task
    def paragraph(number: int) -> str:
        return model.invoke(f"paragraph {number}").content

    @entrypoint(**options)
    def write(numbers: int) -> list[str]:
        futures = [paragraph(number) for number in range(numbers)]
        return [future.result() for future in futures]

    return write


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_the_functional_api(asynchronous):
    handler = ImpactHandler()
    model = in_turn(says("a", 10, 1), says("b", 200, 20), says("c", 3000, 300))
    if asynchronous:

        @task
        async def paragraph(number: int) -> str:
            return (await model.ainvoke(f"paragraph {number}")).content

        @entrypoint()
        async def write(numbers: int) -> list[str]:
            return await asyncio.gather(*(paragraph(number) for number in range(numbers)))

        await write.ainvoke(3, of(handler))
    else:
        essay(model).invoke(3, of(handler))
    check(handler, calls=3, given=3210, written=321)
    root = handler.last_run
    (flow,) = root.children
    assert (root.kind, flow.kind, flow.name) == ("graph", "node", "write")
    assert [(run.name, run.kind) for run in flow.children] == [("paragraph", "node")] * 3
    assert groups(handler, "node") == {"paragraph": (3, 3210, 321)}


def test_tasks_that_are_done_cost_nothing_after_a_resume():
    handler = ImpactHandler()
    model = in_turn(says("draft", 10, 1), says("final", 200, 20))

    @task
    def draft() -> str:
        return model.invoke("draft").content

    @entrypoint(checkpointer=InMemorySaver())
    def flow(topic: str) -> str:
        text = draft().result()
        verdict = interrupt(text)
        return model.invoke(f"{text} {verdict}").content

    config = of(handler, configurable={"thread_id": "essay"})
    flow.invoke("ice", config)
    assert handler.last_run.status == "interrupted"
    assert flow.invoke(Command(resume="good"), config) == "final"
    check(handler, calls=2, given=210, written=21)
    assert [len(root.calls) for root in handler.runs] == [1, 1]
    assert groups(handler, "thread") == {"essay": (2, 210, 21)}


# Interrupts, threads


def asking(model: ScriptedModel):
    """A graph whose first node calls a model, asks a human, and then goes on."""

    def ask(state: Any) -> dict[str, Any]:
        draft = model.invoke("draft").content
        return {"words": [draft, interrupt("good?")]}

    graph = StateGraph(Words)
    graph.add_node("ask", ask)
    graph.add_node("finish", calling(model))
    graph.add_edge(START, "ask")
    graph.add_edge("ask", "finish")
    return graph


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_interrupt_and_resume_are_one_logical_run_of_a_thread(asynchronous):
    handler = ImpactHandler()
    turns = (says("draft", 10, 1), says("draft again", 200, 20), says("finished", 3000, 300))
    graph = asking(in_turn(*turns)).compile(checkpointer=InMemorySaver())
    other = asking(always(50_000, 5000)).compile(checkpointer=InMemorySaver())
    config = of(handler, configurable={"thread_id": "one"}, metadata={"user_id": "ada"})
    asked: tuple[Any, ...] = ({"words": []}, Command(resume="yes"))
    for given_ in asked:
        await graph.ainvoke(given_, config) if asynchronous else graph.invoke(given_, config)
    other.invoke({"words": []}, of(handler, configurable={"thread_id": "two"}))

    # Resuming runs the interrupted node again, so its call is paid twice: 10 + 200, then 3000.
    check(handler, calls=4, given=53_210, written=5321)
    assert [root.status for root in handler.runs] == ["interrupted", "ok", "interrupted"]
    assert [run.status for run in find(handler, "ask")] == ["interrupted", "ok", "interrupted"]
    assert groups(handler, "thread") == {"one": (3, 3210, 321), "two": (1, 50_000, 5000)}
    assert groups(handler, "metadata.user_id") == {"ada": (3, 3210, 321), None: (1, 50_000, 5000)}
    first, second, _ = handler.runs
    thread = handler.report().by("thread")["one"].total
    assert thread.energy.value.mean == pytest.approx(
        first.total.energy.value.mean + second.total.energy.value.mean
    )


def test_an_interrupt_in_a_subgraph_interrupts_all_above_it():
    handler = ImpactHandler()
    graph = StateGraph(Words)
    graph.add_node("inner", asking(always(10, 1)).compile(name="asking"))
    graph.add_edge(START, "inner")
    app = graph.compile(checkpointer=InMemorySaver())
    config = of(handler, configurable={"thread_id": "t"})
    app.invoke({"words": []}, config)
    assert {run.status for run in handler.last_run.walk() if run.call is None} == {"interrupted"}
    app.invoke(Command(resume="yes"), config)
    assert {run.status for run in handler.last_run.walk()} == {"ok"}
    check(handler, calls=3, given=30, written=3)


def test_a_breakpoint_between_nodes_costs_nothing():
    handler = ImpactHandler()
    graph = looping(always(10, 1), 1, checkpointer=InMemorySaver(), interrupt_before=["check"])
    config = of(handler, configurable={"thread_id": "t"})
    graph.invoke({"messages": [("user", "go")]}, config)
    graph.invoke(None, config)
    check(handler, calls=1, given=10, written=1)
    assert [len(root.calls) for root in handler.runs] == [1, 0]


def test_a_conversation_of_several_invocations_counts_earlier_messages_once():
    handler = ImpactHandler()
    turns = (says("a", 10, 1), says("b", 200, 20), says("c", 3000, 300))
    graph = StateGraph(MessagesState)
    graph.add_node("write", write_with(in_turn(*turns)))
    graph.add_edge(START, "write")
    app = graph.compile(checkpointer=InMemorySaver())
    for number in range(3):
        config = of(handler, configurable={"thread_id": "chat"})
        app.invoke({"messages": [("user", f"question {number}")]}, config)
    assert [root.calls[0].call.input_tokens for root in handler.runs] == [10, 200, 3000]
    check(handler, calls=3, given=3210, written=321)
    assert groups(handler, "thread") == {"chat": (3, 3210, 321)}


# Retries and caches


def test_every_attempt_of_a_retried_node_counts():
    handler = ImpactHandler()
    attempts = iter((ValueError("1"), ValueError("2"), None))
    model = in_turn(says("a", 10, 1), says("b", 200, 20), says("c", 3000, 300))
    policy = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError)
    graph = StateGraph(Words)

    def flaky(state: Any) -> dict[str, Any]:
        return calling(model, next(attempts))(state)

    graph.add_node("flaky", flaky, retry_policy=policy)
    graph.add_edge(START, "flaky")
    graph.compile().invoke({}, of(handler))
    check(handler, calls=3, given=3210, written=321)
    assert [run.status for run in find(handler, "flaky", kind="node")] == ["error", "error", "ok"]
    assert handler.last_run.status == "ok"
    assert groups(handler, "step") == {"1 flaky": (3, 3210, 321)}


def test_a_node_from_the_cache_costs_nothing():
    handler = ImpactHandler()
    model = in_turn(says("a", 10, 1), says("b", 200, 20))
    graph = StateGraph(Words)
    graph.add_node("write", calling(model), cache_policy=CachePolicy())
    graph.add_edge(START, "write")
    app = graph.compile(cache=InMemoryCache())
    for topic in ("ice", "ice", "water"):
        app.invoke({"topic": topic}, of(handler))
    assert [len(root.calls) for root in handler.runs] == [1, 0, 1]
    cached = handler.runs[1]
    assert (cached.kind, cached.status, cached.total.gwp.value.max) == ("graph", "ok", 0)
    check(handler, calls=2, given=210, written=21)


# Streams

MODES = ["values", "updates", "messages", "custom", "debug", "tasks", "checkpoints"]
MODES = [*MODES, ["values", "updates", "messages", "custom", "debug"]]


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("mode", MODES, ids=str)
async def test_every_stream_mode_counts_the_same(mode, asynchronous):
    handler = ImpactHandler()
    model = in_turn(says("one two three", 10, 1), says("four", 200, 20), says("five", 3000, 300))
    graph = looping(model, 3, checkpointer=InMemorySaver())
    config = of(handler, configurable={"thread_id": "t"}, metadata={"user_id": "ada"})
    stream = {"stream_mode": mode, "subgraphs": True}
    if asynchronous:
        parts = [part async for part in graph.astream({"messages": []}, config, **stream)]
    else:
        parts = list(graph.stream({"messages": []}, config, **stream))
    assert bool(parts) == (mode != "custom")
    check(handler, calls=3, given=3210, written=321)
    assert groups(handler, "step") == {
        "1 write": (1, 10, 1),
        "3 write": (1, 200, 20),
        "5 write": (1, 3000, 300),
    }
    assert groups(handler, "metadata.user_id") == {"ada": (3, 3210, 321)}
    assert handler.last_run.status == "ok"


async def test_events_count_the_same():
    handler = ImpactHandler()
    graph = looping(in_turn(says("one two", 10, 1), says("three", 200, 20)), 2)
    events = [e async for e in graph.astream_events({"messages": []}, of(handler), version="v2")]
    assert sum(event["event"] == "on_chat_model_end" for event in events) == 2
    check(handler, calls=2, given=210, written=21)


@pytest.mark.skipif(not hasattr(Pregel, "stream_events"), reason="langgraph has no v3 events")
@pytest.mark.filterwarnings("ignore:The v3 streaming protocol")
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_events_of_version_3_count_the_same(asynchronous):
    handler = ImpactHandler()
    graph = looping(in_turn(says("one two", 10, 1), says("three", 200, 20)), 2)
    if asynchronous:
        run = await graph.astream_events({"messages": []}, of(handler), version="v3")
        assert [event async for event in run]
    else:
        run = graph.stream_events({"messages": []}, of(handler), version="v3")
        assert [str(message.text) for message in run.messages] == ["one two ", "three "]
    check(handler, calls=2, given=210, written=21)
    assert groups(handler, "step") == {"1 write": (1, 10, 1), "3 write": (1, 200, 20)}


async def _leave(graph: Any, config: Any, mode: str, after: int, *, asynchronous: bool) -> None:
    """Take so many parts of a stream, and no more."""
    if asynchronous:
        parts = graph.astream({"messages": []}, config, stream_mode=mode)
        for _ in range(after):
            await anext(parts)
        await parts.aclose()
    else:
        stream = graph.stream({"messages": []}, config, stream_mode=mode)
        for _ in range(after):
            next(stream)
        stream.close()


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_stream_that_is_left_ends_with_what_it_has_cost(asynchronous):
    handler = ImpactHandler()
    graph = looping(always(10, 1), 9)
    await _leave(graph, of(handler), "updates", 3, asynchronous=asynchronous)
    # write, check, write: the third pass never began.
    check(handler, calls=2, given=20, written=2)
    assert handler.last_run.status == "abandoned"


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_a_stream_that_is_left_within_an_answer_takes_its_late_usage(asynchronous):
    handler = ImpactHandler()
    graph = looping(always(10, 1), 9)
    await _leave(graph, of(handler), "messages", 1, asynchronous=asynchronous)
    for _ in range(100):  # under asyncio the model's thread runs on for a moment
        if handler.last_run.calls[0].call.tokens_source == "reported":
            break
        await asyncio.sleep(0.01)
    check(handler, calls=1, given=10, written=1)
    assert handler.last_run.status == "abandoned"


async def test_a_cancelled_graph_counts_what_it_has_called():
    handler = ImpactHandler()
    called = asyncio.Event()

    async def slow(state: Any) -> None:
        await always(10, 1).ainvoke("say")
        called.set()
        await asyncio.sleep(60)

    running = asyncio.create_task(parallel(slow=slow).ainvoke({}, of(handler)))
    await called.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    check(handler, calls=1, given=10, written=1)
    assert handler.last_run.status == find(handler, "slow")[0].status == "cancelled"


def test_a_handler_on_the_graph_and_at_the_call_counts_once():
    handler, other = ImpactHandler(), ImpactHandler()
    graph = looping(always(10, 1), 1).with_config(callbacks=[handler])
    graph.invoke({"messages": []}, {"callbacks": [handler, other]})
    for each in (handler, other):
        check(each, calls=1, given=10, written=1)


# Any shape


@st.composite
def trees(draw, depth=3):
    """Nested graphs: a layer of nodes; a node calls models of so many tokens, or is a graph."""
    node = st.lists(st.integers(1, 10_000), max_size=3)
    if depth:
        node = st.one_of(node, st.builds(dict, inner=trees(depth=depth - 1)))
    return draw(st.lists(node, min_size=1, max_size=3))


def build(tree: list[Any], sequential: bool):
    graph = StateGraph(Words)
    before = START
    for number, node in enumerate(tree):
        name = f"node_{number}"
        graph.add_node(
            name, build(node["inner"], sequential) if isinstance(node, dict) else _calls(node)
        )
        graph.add_edge(before, name)
        before = name if sequential else START
    return graph.compile()


def _calls(inputs: list[int]):
    def node(state: Any) -> dict[str, Any]:
        for tokens in inputs:
            always(tokens, 1).invoke("say")
        return {"words": []}

    return node


def _tokens(tree: list[Any]) -> list[int]:
    return [
        tokens
        for node in tree
        for tokens in (_tokens(node["inner"]) if isinstance(node, dict) else node)
    ]


@settings(max_examples=25, deadline=None)
@given(tree=trees(), sequential=st.booleans())
def test_whatever_the_shape_the_total_is_the_sum_of_the_calls(tree, sequential):
    handler = ImpactHandler()
    build(tree, sequential).invoke({"words": []}, of(handler))
    expected = _tokens(tree)
    check(handler, calls=len(expected), given=sum(expected), written=len(expected))
    assert sorted(r.call.input_tokens for r in handler.last_run.calls) == sorted(expected)
    assert handler.last_run.total.estimated_calls == len(expected)
