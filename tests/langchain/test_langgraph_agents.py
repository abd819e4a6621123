"""Agents on LangGraph: each joule hangs on the agent, the step and the tool that caused it.

Input and output tokens of the calls are chosen so that no other sum of calls gives the same.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version
from typing import Any

import pytest

pytest.importorskip("langchain.agents")

from langchain.agents import create_agent
from langchain.agents.middleware import HumanInTheLoopMiddleware
from langchain.agents.structured_output import ToolStrategy
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from packaging.version import Version
from pydantic import BaseModel
from scripted_model import ScriptedModel, always, check, find, groups, in_turn, says

from impactree import ImpactHandler

ASK = {"messages": [("user", "go")]}


def of(handler: ImpactHandler, **config: Any) -> dict[str, Any]:
    return {"callbacks": [handler], **config}


async def run(agent: Any, config: dict[str, Any], *, asynchronous: bool, asked: Any = ASK) -> Any:
    return await agent.ainvoke(asked, config) if asynchronous else agent.invoke(asked, config)


def search_with(model: ScriptedModel):
    @tool
    def search(query: str) -> str:
        """Search and condense."""
        return model.invoke(query).content

    return search


# langgraph-supervisor and -swarm stand on it.
prebuilt_inside = pytest.mark.filterwarnings("ignore::DeprecationWarning")
OLD = Version(version("langchain")) < Version("1.2.4")
marked = pytest.mark.skipif(OLD, reason="older langchain agents are known by their runs' names")
both = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@both
async def test_a_tool_that_calls_a_model_is_part_of_its_agent(asynchronous):
    handler = ImpactHandler()
    model = in_turn(says("", 10, 1, ("search", {"query": "ice"})), says("done", 200, 20))
    agent = create_agent(model, [search_with(always(3000, 300))], name="boss")
    state = await run(agent, of(handler, metadata={"user_id": "ada"}), asynchronous=asynchronous)
    # The state's messages do not know of the 3000 that the tool spent, and the tree does.
    known = [m.usage_metadata["input_tokens"] for m in state["messages"] if m.type == "ai"]
    assert known == [10, 200]
    check(handler, calls=3, given=3210, written=321)
    assert groups(handler, "agent") == {"boss": (3, 3210, 321)}
    assert groups(handler, "step") == {
        "1 model": (1, 10, 1),
        "2 tools": (1, 3000, 300),
        "3 model": (1, 200, 20),
    }
    assert groups(handler, "node") == {"model": (2, 210, 21), "tools": (1, 3000, 300)}
    assert groups(handler, "metadata.user_id") == {"ada": (3, 3210, 321)}
    root = handler.last_run
    assert (root.name, root.kind) == ("boss", "agent")
    assert [(run.name, run.kind) for run in root.children] == [
        ("model", "node"),
        ("tools", "node"),
        ("model", "node"),
    ]
    (search,) = find(handler, "search")
    assert search.kind == "tool"
    assert search.total.energy == search.calls[0].own.energy
    assert [run.call.input_tokens for run in search.calls] == [3000]


def test_two_tool_calls_of_one_turn_are_two_tools():
    handler = ImpactHandler()
    wanted = (("search", {"query": "ice"}), ("search", {"query": "water"}))
    model = in_turn(says("", 10, 1, *wanted), says("done", 200, 20))
    create_agent(model, [search_with(always(3000, 300))]).invoke(ASK, of(handler))
    check(handler, calls=4, given=6210, written=621)
    assert [len(run.calls) for run in find(handler, "search", kind="tool")] == [1, 1]
    assert groups(handler, "step")["2 tools"] == (2, 6000, 600)


def test_an_agent_without_a_name_is_an_agent_under_none():
    handler = ImpactHandler()
    create_agent(always(10, 1), []).invoke(ASK, of(handler))
    assert handler.last_run.kind == "agent"
    assert groups(handler, "agent") == {None: (1, 10, 1)}


@marked
@pytest.mark.parametrize(
    "named",
    [
        lambda agent: (agent, {"run_name": "question 7"}),
        lambda agent: (agent.with_config(run_name="question 7", tags=["demo"]), {}),
    ],
    ids=["at call", "with_config"],
)
def test_an_agent_keeps_its_name_under_another_run_name(named):
    handler = ImpactHandler()
    agent, config = named(create_agent(always(10, 1), [], name="boss"))
    agent.invoke(ASK, of(handler, **config))
    assert (handler.last_run.name, handler.last_run.kind) == ("question 7", "agent")
    assert groups(handler, "agent") == {"boss": (1, 10, 1)}


@marked
def test_an_agent_in_a_chain():
    handler = ImpactHandler()
    chain = RunnableLambda(lambda text: {"messages": [("user", text)]}) | create_agent(
        always(10, 1), [], name="boss"
    ).with_config(run_name="other")
    chain.invoke("go", of(handler))
    assert handler.last_run.kind == "chain"
    assert find(handler, "other")[0].kind == "agent"
    assert groups(handler, "agent") == {"boss": (1, 10, 1)}


def as_tool(agent: Any, *, asynchronous: bool = False):
    """A sub-agent as a tool called ``research``."""
    if asynchronous:

        @tool
        async def research(topic: str) -> str:
            """Ask the researcher."""
            state = await agent.ainvoke({"messages": [("user", topic)]})
            return state["messages"][-1].content
    else:

        @tool
        def research(topic: str) -> str:
            """Ask the researcher."""
            return agent.invoke({"messages": [("user", topic)]})["messages"][-1].content

    return research


@both
async def test_sub_agents_as_tools(asynchronous):
    handler = ImpactHandler()
    researcher = create_agent(
        in_turn(says("", 3000, 300, ("search", {"query": "ice"})), says("found", 40_000, 4000)),
        [search_with(always(500_000, 50_000))],
        name="researcher",
    )
    boss = create_agent(
        in_turn(says("", 10, 1, ("research", {"topic": "ice"})), says("done", 200, 20)),
        [as_tool(researcher, asynchronous=asynchronous)],
        name="boss",
    )
    await run(boss, of(handler), asynchronous=asynchronous)
    check(handler, calls=5, given=543_210, written=54_321)
    assert groups(handler, "agent") == {
        "researcher": (3, 543_000, 54_300),
        "boss": (2, 210, 21),
    }
    # Steps are those of the innermost graph: both agents have a "1 model" and a "3 model".
    assert groups(handler, "step") == {
        "1 model": (2, 3010, 301),
        "2 tools": (1, 500_000, 50_000),
        "3 model": (2, 40_200, 4020),
    }
    (research,) = find(handler, "research", kind="tool")
    (inner,) = find(handler, "researcher")
    assert inner.kind == "agent"
    assert inner.parent is research
    assert research.total.estimated_calls == inner.total.estimated_calls == 3


def test_an_agent_that_asks_another_of_its_name():
    handler = ImpactHandler()
    inner = create_agent(always(200, 20), [], name="boss")
    model = in_turn(says("", 10, 1, ("research", {"topic": "x"})), says("done", 3000, 300))
    create_agent(model, [as_tool(inner)], name="boss").invoke(ASK, of(handler))
    assert groups(handler, "agent") == {"boss": (3, 3210, 321)}
    assert [run.kind for run in find(handler, "boss")] == ["agent", "agent"]


def prebuilt(model: ScriptedModel, tools: list[Any], **options: Any) -> Any:
    """The agent of ``langgraph.prebuilt``: deprecated and everywhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from langgraph.prebuilt import create_react_agent

        return create_react_agent(model, tools, **options)


def test_prebuilt_agents_have_a_name_too():
    handler = ImpactHandler()
    helper = prebuilt(always(200, 20), [], name="helper")
    model = in_turn(says("", 10, 1, ("research", {"topic": "x"})), says("done", 3000, 300))
    create_agent(model, [as_tool(helper)], name="boss").invoke(ASK, of(handler))
    check(handler, calls=3, given=3210, written=321)
    # LangChain hands "boss" down to the helper's calls, which are the helper's nevertheless.
    assert groups(handler, "agent") == {"boss": (2, 3010, 301), "helper": (1, 200, 20)}
    assert find(handler, "helper")[0].kind == "agent"


def test_a_prebuilt_agent_asks_one_of_todays():
    handler = ImpactHandler()
    worker = create_agent(always(200, 20), [], name="worker")
    model = in_turn(says("", 10, 1, ("research", {"topic": "x"})), says("done", 3000, 300))
    prebuilt(model, [as_tool(worker)], name="old").invoke(ASK, of(handler))
    assert groups(handler, "agent") == {"old": (2, 3010, 301), "worker": (1, 200, 20)}


def test_an_answer_of_a_stated_structure():
    class Verdict(BaseModel):
        good: bool

    handler = ImpactHandler()
    model = in_turn(says("", 10, 1, ("Verdict", {"good": True})))
    agent = create_agent(model, [], response_format=ToolStrategy(Verdict), name="judge")
    assert agent.invoke(ASK, of(handler))["structured_response"] == Verdict(good=True)
    check(handler, calls=1, given=10, written=1)


@both
async def test_a_tool_that_waits_for_approval(asynchronous):
    handler = ImpactHandler()
    agent = create_agent(
        in_turn(says("", 10, 1, ("search", {"query": "ice"})), says("done", 200, 20)),
        [search_with(always(3000, 300))],
        middleware=[HumanInTheLoopMiddleware(interrupt_on={"search": True})],
        checkpointer=InMemorySaver(),
        name="careful",
    )
    config = of(handler, configurable={"thread_id": "t"})
    await run(agent, config, asynchronous=asynchronous)
    assert handler.last_run.status == "interrupted"
    approve = Command(resume={"decisions": [{"type": "approve"}]})
    await run(agent, config, asynchronous=asynchronous, asked=approve)
    check(handler, calls=3, given=3210, written=321)
    # The model's turn before the interrupt is not paid again.
    assert [[run.call.input_tokens for run in root.calls] for root in handler.runs] == [
        [10],
        [3000, 200],
    ]
    assert [root.status for root in handler.runs] == ["interrupted", "ok"]
    assert groups(handler, "thread") == {"t": (3, 3210, 321)}
    assert groups(handler, "agent") == {"careful": (3, 3210, 321)}


def test_tools_that_ask_a_human_run_again_after_the_answer():
    @tool
    def book(hotel: str) -> str:
        """Compare, then ask."""
        return always(3000, 300).invoke(hotel).content + interrupt(f"{hotel}?")

    handler = ImpactHandler()
    wanted = (("book", {"hotel": "Ritz"}), ("book", {"hotel": "Savoy"}))
    model = in_turn(says("", 10, 1, *wanted), says("done", 200, 20))
    agent = create_agent(model, [book], checkpointer=InMemorySaver(), name="travel")
    config = of(handler, configurable={"thread_id": "t"})
    agent.invoke(ASK, config)
    assert [run.status for run in find(handler, "book")] == ["interrupted"] * 2
    answers = {asked.id: "yes" for asked in agent.get_state(config).interrupts}
    agent.invoke(Command(resume=answers), config)
    # Both tools call their model before they ask, so twice: 10 + 4 * 3000 + 200.
    check(handler, calls=6, given=12_210, written=1221)
    assert [root.status for root in handler.runs] == ["interrupted", "ok"]
    assert groups(handler, "thread") == {"t": (6, 12_210, 1221)}
    assert groups(handler, "agent") == {"travel": (6, 12_210, 1221)}


def worker(name: str, model: ScriptedModel, tools: list[Any] | None = None) -> Any:
    return create_agent(model, tools or [], name=name)


@prebuilt_inside
@both
async def test_a_supervisor_and_its_agents(asynchronous):
    supervisor = pytest.importorskip("langgraph_supervisor")
    handler = ImpactHandler()
    manager = in_turn(
        says("", 10, 1, ("transfer_to_alpha", {})),
        says("", 200, 20, ("transfer_to_beta", {})),
        says("done", 3000, 300),
    )
    beta = in_turn(says("", 500_000, 50_000, ("search", {"query": "x"})), says("b", 6_000_000, 6))
    workers = [
        worker("alpha", always(40_000, 4000)),
        worker("beta", beta, [search_with(always(70_000_000, 7))]),
    ]
    team = supervisor.create_supervisor(workers, model=manager).compile(name="team")
    config = of(handler, configurable={"thread_id": "t"}, metadata={"user_id": "ada"})
    await run(team, config, asynchronous=asynchronous)
    check(handler, calls=7, given=76_543_210, written=54_334)
    assert groups(handler, "agent") == {
        "supervisor": (3, 3210, 321),
        "alpha": (1, 40_000, 4000),
        "beta": (3, 76_500_000, 50_013),
    }
    assert groups(handler, "thread") == {"t": (7, 76_543_210, 54_334)}
    assert groups(handler, "metadata.user_id") == {"ada": (7, 76_543_210, 54_334)}
    root = handler.last_run
    assert (root.name, root.kind) == ("team", "graph")
    nodes = "supervisor alpha supervisor beta supervisor"
    assert [run.name for run in root.children] == nodes.split()
    for name, times in {"supervisor": 3, "alpha": 1, "beta": 1}.items():
        kinds = [run.kind for run in find(handler, name)]
        assert sorted(kinds) == ["agent"] * times + ["node"] * times, name


@pytest.mark.skipif(OLD, reason="langgraph-swarm's hand-overs fail with older langchain")
@prebuilt_inside
@both
async def test_a_swarm_whose_agents_hand_over(asynchronous):
    swarm = pytest.importorskip("langgraph_swarm")
    handler = ImpactHandler()
    to_beta = swarm.create_handoff_tool(agent_name="beta")
    alpha = in_turn(says("", 10, 1, ("transfer_to_beta", {})))
    beta = in_turn(says("here", 200, 20), says("still here", 3000, 300))
    team = swarm.create_swarm(
        [worker("alpha", alpha, [to_beta]), worker("beta", beta)], default_active_agent="alpha"
    ).compile(checkpointer=InMemorySaver())
    config = of(handler, configurable={"thread_id": "t"})
    await run(team, config, asynchronous=asynchronous)
    await run(team, config, asynchronous=asynchronous)  # beta is the active one now
    check(handler, calls=3, given=3210, written=321)
    assert groups(handler, "agent") == {"alpha": (1, 10, 1), "beta": (2, 3200, 320)}
    assert groups(handler, "thread") == {"t": (3, 3210, 321)}
    assert [root.total.estimated_calls for root in handler.runs] == [2, 1]
    # A hand-over leaves alpha's graph by an exception, which is no failure.
    assert {run.status for root in handler.runs for run in root.walk()} == {"ok"}


@both
async def test_deep_agents_and_their_sub_agents(asynchronous):
    deepagents = pytest.importorskip("deepagents")
    handler = ImpactHandler()
    tasks = [
        ("task", {"description": "judge", "subagent_type": "critic"}),
        ("task", {"description": "do", "subagent_type": "general-purpose"}),
    ]
    agent = deepagents.create_deep_agent(
        model=ScriptedModel(
            answer=lambda messages: (
                says("did", 3000, 300)
                if messages[-1].content == "do"
                else says("done", 200, 20)
                if messages[-1].type == "tool"
                else says("", 10, 1, *tasks)
            )
        ),
        tools=[],
        subagents=[
            {
                "name": "critic",
                "description": "judges",
                "system_prompt": "Judge.",
                "model": always(40_000, 4000),
                "tools": [],
            }
        ],
        name="deep",
    )
    await run(agent, of(handler), asynchronous=asynchronous)
    check(handler, calls=4, given=43_210, written=4321)
    assert groups(handler, "agent") == {
        "critic": (1, 40_000, 4000),
        "general-purpose": (1, 3000, 300),
        "deep": (2, 210, 21),
    }
    assert {run.name for run in handler.last_run.walk() if run.kind == "agent"} == {
        "deep",
        "critic",
        "general-purpose",
    }
    assert [run.name for run in handler.last_run.walk() if run.kind == "tool"] == ["task", "task"]


@pytest.mark.parametrize("mode", ["values", "updates", "messages", "custom", "debug"])
@both
async def test_streams_of_agents_and_sub_agents(mode, asynchronous):
    handler = ImpactHandler()
    inner = worker("inner", in_turn(says("two words", 200, 20)))
    model = in_turn(says("", 10, 1, ("research", {"topic": "x"})), says("done now", 3000, 300))
    agent = worker("outer", model, [as_tool(inner, asynchronous=asynchronous)])
    options = {"stream_mode": mode, "subgraphs": True}
    if asynchronous:
        async for _ in agent.astream(ASK, of(handler), **options):
            pass
    else:
        for _ in agent.stream(ASK, of(handler), **options):
            pass
    check(handler, calls=3, given=3210, written=321)
    assert groups(handler, "agent") == {"outer": (2, 3010, 301), "inner": (1, 200, 20)}


def test_agents_of_many_threads_and_users():
    handler = ImpactHandler()
    agent = worker("boss", always(10, 1))
    configs = [
        of(handler, configurable={"thread_id": f"t{n % 3}"}, metadata={"user_id": f"u{n % 2}"})
        for n in range(12)
    ]
    agent.batch([ASK] * 12, configs)
    check(handler, calls=12, given=120, written=12)
    # 12 runs over three threads and two users.
    assert groups(handler, "thread") == {f"t{n}": (4, 40, 4) for n in range(3)}
    assert groups(handler, "metadata.user_id") == {f"u{n}": (6, 60, 6) for n in range(2)}
