"""Budgets: a warning in time, and a stop before the next model call."""

from __future__ import annotations

import logging

import pytest
from fakes import Reporting, tool_call
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda

from impactree import (
    BudgetExceededError,
    ImpactBudget,
    ImpactHandler,
    ModelCall,
    estimate,
    track_impacts,
)
from impactree.exceptions import ConfigurationError
from impactree.runs.budget import BudgetWatch

# One call of the fake model: 40 tokens of gpt-4o-mini.
ONE = estimate(ModelCall(provider="openai", model="gpt-4o-mini", output_tokens=40))
GRAMS = ONE.gwp.value.mean * 1e3


def chain(calls):
    step = RunnableLambda(str)
    whole = Reporting(asked=[]) | step
    for _ in range(calls - 1):
        whole = whole | Reporting(asked=[]) | step
    return whole


def slow(handler):
    """The measured latency of a fake model is nearly 0 and would clamp the time it costs."""
    return {"callbacks": [handler]}


def budget(share, **more):
    # Without latency the figures are those of ONE; measured ones are lower, energy of GPUs is not.
    watt_hours = 40 * 2 * 1e-6  # far below one call
    return ImpactBudget(energy_wh=share * watt_hours, **more)


def test_raise_stops_before_the_next_call_not_within_one():
    handler = ImpactHandler(budget=budget(1, action="raise"))
    with pytest.raises(BudgetExceededError, match=r"per run spent: .* Wh"):
        chain(3).invoke("x", config=slow(handler))
    run = handler.last_run
    assert run.total.estimated_calls == 1
    assert run.status == "error"
    assert run.metadata["impact_budget"].startswith("exceeded: ")
    assert handler.tracker.problems == {}


async def test_raise_stops_async_chains_and_streams():
    handler = ImpactHandler(budget=budget(1, action="raise"))
    with pytest.raises(BudgetExceededError):
        await chain(2).ainvoke("x", config=slow(handler))
    with pytest.raises(BudgetExceededError):
        async for _ in chain(2).astream("x", config=slow(handler)):
            pass
    assert handler.total.estimated_calls == 2


def test_a_block_takes_a_budget():
    with (
        track_impacts(budget=budget(1, action="raise")) as tracker,
        pytest.raises(BudgetExceededError),
    ):
        chain(3).invoke("x")
    assert tracker.last_run.total.estimated_calls == 1
    with pytest.raises(ConfigurationError, match="unknown setting 'colour'"):
        track_impacts(colour="green")


def test_warn_lets_the_chain_finish_and_says_so_once(caplog):
    handler = ImpactHandler(budget=budget(1, action="warn"))
    with caplog.at_level(logging.WARNING, "impactree"):
        chain(4).invoke("x", config=slow(handler))
    assert handler.last_run.total.estimated_calls == 4
    assert handler.last_run.metadata["impact_budget"].startswith("exceeded: ")
    assert len(caplog.records) == 1
    assert "impact budget per run exceeded" in caplog.text


def test_a_run_has_the_budget_for_itself_a_handler_shares_it():
    per_run = ImpactHandler(budget=ImpactBudget(gwp_g=1e6, action="raise"))
    for _ in range(3):
        chain(1).invoke("x", config=slow(per_run))
    assert per_run.total.estimated_calls == 3
    shared = ImpactHandler(budget=budget(1, action="raise", per="handler"))
    chain(1).invoke("x", config=slow(shared))
    with pytest.raises(BudgetExceededError, match="per handler"):
        chain(1).invoke("x", config=slow(shared))
    assert shared.total.estimated_calls == 1


def test_spent_is_the_nearest_limit_and_says_what_is_unknown():
    limits = ImpactBudget(gwp_g=10 * GRAMS, energy_wh=ONE.energy.value.mean * 1e3 * 2)
    spent = limits.spent(ONE)
    assert spent.share == pytest.approx(0.5)
    assert spent.text.endswith(" Wh")
    unknown = estimate(ModelCall(model="gpt-4o-mini", output_tokens=None))
    assert limits.spent(unknown).share == 0
    assert "calls not estimated: 1" in limits.spent(ONE + unknown).text
    assert ImpactBudget(water_l=ONE.wcf.value.mean).spent(ONE).share == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "needs one of gwp_g, energy_wh, water_l"),
        ({"gwp_g": 0}, "gwp_g must be a number above 0"),
        ({"gwp_g": "5"}, "gwp_g"),
        ({"energy_wh": float("nan")}, "energy_wh"),
        ({"gwp_g": 5, "per": "day"}, r"per must be one of \['run', 'handler'\]"),
        ({"gwp_g": 5, "action": "stop"}, "action"),
        ({"gwp_g": 5, "warn_at": 0}, "warn_at"),
        ({"gwp_g": 5, "warn_at": "80%"}, "warn_at"),
    ],
)
def test_bad_budgets_are_refused(settings, text):
    with pytest.raises(ConfigurationError, match=text):
        ImpactBudget(**settings)


# Middleware


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


ANSWERS = [tool_call("add", a=1, b=2), tool_call("add", a=2, b=3), "6 it is"]


def agent(*middleware, answers=ANSWERS, **more):
    from langchain.agents import create_agent

    return create_agent(
        Reporting(answers=answers, asked=[]), [add], middleware=middleware, name="calc", **more
    )


QUESTION = {"messages": [("user", "1+2+3?")]}


@pytest.fixture(params=["with a handler", "without"])
def callbacks(request):
    return {"callbacks": [ImpactHandler()]} if request.param == "with a handler" else {}


def test_a_spent_budget_ends_the_agent_gracefully(callbacks):
    from impactree.langchain import ImpactMiddleware

    stop = ImpactMiddleware(budget=budget(1, action="raise"))
    result = agent(stop).invoke(QUESTION, config=callbacks)
    last = result["messages"][-1]
    assert "impact budget per run is spent" in last.text
    assert last.response_metadata["impact_budget"].startswith("exceeded: ")
    assert len([m for m in result["messages"] if m.type == "ai"]) == 2


async def test_annotations_say_what_the_run_cost(callbacks):
    from impactree.langchain import ImpactMiddleware

    for result in (
        agent(ImpactMiddleware(annotate=True)).invoke(QUESTION, config=callbacks),
        await agent(ImpactMiddleware(annotate=True)).ainvoke(QUESTION, config=callbacks),
    ):
        last = result["messages"][-1]
        assert last.text == "6 it is"
        impact = last.response_metadata["impact"]
        assert impact["calls"] == 3
        assert 0 < impact["gwp_g"]["min"] <= impact["gwp_g"]["max"]
        assert last.response_metadata["model_name"] == "gpt-4o-mini"


def test_a_cheaper_model_takes_over_when_a_share_is_spent(callbacks):
    from impactree.langchain import ImpactMiddleware

    cheaper = Reporting(model="gpt-4.1-nano", answers=["cheap"], asked=[])
    switch = ImpactMiddleware(budget=budget(1, action="raise"), switch_to=cheaper, switch_at=0.5)
    result = agent(switch).invoke(QUESTION, config=callbacks)
    assert result["messages"][-1].text == "cheap"
    assert len(cheaper.asked) == 1
    with pytest.raises(ConfigurationError, match="needs a budget"):
        ImpactMiddleware(switch_to=cheaper)


async def test_events_follow_each_model_call():
    from impactree.langchain import ImpactMiddleware

    seen = [
        event["data"]
        async for event in agent(ImpactMiddleware(events=True)).astream_events(
            QUESTION, version="v2"
        )
        if event["event"] == "on_custom_event" and event["name"] == "impact"
    ]
    assert [e["model"] for e in seen] == ["gpt-4o-mini"] * 3
    assert all(e["output_tokens"] == 40 and e["gwp_g"]["min"] > 0 for e in seen)


def test_the_handlers_tree_includes_sub_agents():
    from langchain_core.tools import tool

    from impactree.langchain import ImpactMiddleware

    inner = agent(answers=["inner"])

    @tool
    def ask(question: str) -> str:
        """Ask the other agent."""
        return inner.invoke({"messages": [("user", question)]})["messages"][-1].text

    from langchain.agents import create_agent

    model = Reporting(answers=[tool_call("ask", question="?"), "outer"], asked=[])
    outer = create_agent(model, [ask], middleware=[ImpactMiddleware(annotate=True)])
    handler = ImpactHandler()
    result = outer.invoke(QUESTION, config={"callbacks": [handler]})
    assert result["messages"][-1].response_metadata["impact"]["calls"] == 3


# What a run says of its budget


def test_the_last_call_of_a_run_may_pass_the_budget(caplog):
    handler = ImpactHandler(budget=budget(1))
    with caplog.at_level(logging.WARNING, "impactree"):
        chain(1).invoke("x", config=slow(handler))
    assert handler.last_run.metadata["impact_budget"].startswith("exceeded: ")
    assert len(caplog.records) == 1


def test_a_warning_comes_at_the_share_and_the_end_after_it(caplog):
    call = ModelCall(provider="openai", model="gpt-4o-mini", output_tokens=40)
    limit = ONE.energy.value.mean * 1e3
    for share, note in ((0.79, None), (0.81, "warned: "), (1.01, "exceeded: ")):
        caplog.clear()
        tracker = ImpactHandler().tracker
        root = tracker.start("root", name="chain")
        tracker.record(call, "root")
        BudgetWatch(ImpactBudget(energy_wh=limit / share), tracker).check(root)
        if note is None:
            assert "impact_budget" not in root.metadata
        else:
            assert root.metadata["impact_budget"].startswith(note)
            assert len(caplog.records) == 1


def test_the_final_message_says_what_the_budget_did(callbacks):
    from impactree.langchain import ImpactMiddleware

    warn = ImpactMiddleware(budget=budget(1))
    last = agent(warn).invoke(QUESTION, config=callbacks)["messages"][-1]
    assert last.text == "6 it is"
    assert last.response_metadata["impact_budget"].startswith("exceeded: ")

    cheaper = Reporting(model="gpt-4.1-nano", answers=["cheap"], asked=[])
    switch = ImpactMiddleware(budget=budget(1), switch_to=cheaper)
    last = agent(switch).invoke(QUESTION, config=callbacks)["messages"][-1]
    assert last.response_metadata["impact_switched"].startswith("to gpt-4.1-nano at ")

    within = ImpactMiddleware(budget=ImpactBudget(gwp_g=1e6))
    last = agent(within).invoke(QUESTION, config=callbacks)["messages"][-1]
    assert not {"impact", "impact_budget", "impact_switched"} & last.response_metadata.keys()


def test_a_handler_given_to_the_middleware_alone_counts_too():
    from impactree.langchain import ImpactMiddleware

    handler = ImpactHandler()
    agent(ImpactMiddleware(handler, annotate=True)).invoke(QUESTION)
    assert handler.total.estimated_calls == 3
    stop = ImpactMiddleware(ImpactHandler(), budget=budget(1, action="raise"))
    result = agent(stop).invoke(QUESTION)
    assert "is spent" in result["messages"][-1].text


def test_a_middleware_keeps_no_handler_of_a_request_that_is_over():
    import gc
    import weakref

    from impactree.langchain import ImpactMiddleware

    served = agent(ImpactMiddleware(budget=ImpactBudget(gwp_g=1e6)))
    handler = ImpactHandler()
    gone = weakref.ref(handler.tracker)
    served.invoke(QUESTION, config={"callbacks": [handler]})
    del handler
    gc.collect()
    assert gone() is None


# Middleware beside other things


@pytest.mark.parametrize("second", ["with a handler", "without"])
def test_turns_of_a_conversation_count_each_for_itself(second):
    from langgraph.checkpoint.memory import InMemorySaver

    from impactree.langchain import ImpactMiddleware

    served = agent(
        ImpactMiddleware(annotate=True), answers=ANSWERS * 2, checkpointer=InMemorySaver()
    )
    thread = {"configurable": {"thread_id": "1"}}
    served.invoke(QUESTION, config=thread)
    handler = ImpactHandler()
    more = {"callbacks": [handler]} if second == "with a handler" else {}
    last = served.invoke(QUESTION, config={**thread, **more})["messages"][-1]
    assert last.response_metadata["impact"]["calls"] == 3


def test_an_agent_resumed_in_another_process_is_counted_from_there():
    from langchain.agents.middleware import HumanInTheLoopMiddleware
    from langgraph.checkpoint.memory import InMemorySaver
    from langgraph.types import Command

    from impactree.langchain import ImpactMiddleware

    saver, thread = InMemorySaver(), {"configurable": {"thread_id": "1"}}

    def process(answers):
        ask = HumanInTheLoopMiddleware(interrupt_on={"add": True})
        return agent(ImpactMiddleware(annotate=True), ask, answers=answers, checkpointer=saver)

    assert "__interrupt__" in process(ANSWERS[:1]).invoke(QUESTION, config=thread)
    approved = Command(resume={"decisions": [{"type": "approve"}]})
    last = process(["done"]).invoke(approved, config=thread)["messages"][-1]
    assert last.response_metadata["impact"]["calls"] == 1


def test_an_answer_from_a_cache_costs_nothing(callbacks):
    from langchain.agents import create_agent
    from langchain_core.caches import InMemoryCache

    from impactree.langchain import ImpactMiddleware

    model = Reporting(answers=["cached"], asked=[], cache=InMemoryCache())
    seen = []
    for _ in range(2):
        served = create_agent(model, [], middleware=[ImpactMiddleware(annotate=True)])
        result = served.invoke({"messages": [HumanMessage("1+2?", id="1")]}, config=callbacks)
        seen.append(result["messages"][-1].response_metadata["impact"]["calls"])
    assert seen == [1, 0]


def test_an_answer_of_a_stated_structure_is_annotated_too(callbacks):
    from langchain.agents.structured_output import ToolStrategy
    from pydantic import BaseModel

    from impactree.langchain import ImpactMiddleware

    class Total(BaseModel):
        value: int

    served = agent(
        ImpactMiddleware(annotate=True),
        answers=[tool_call("Total", value=6)],
        response_format=ToolStrategy(Total),
    )
    result = served.invoke(QUESTION, config=callbacks)
    assert result["structured_response"] == Total(value=6)
    last = result["messages"][-1]
    assert (last.type, last.response_metadata["impact"]["calls"]) == ("tool", 1)


def test_a_model_that_is_chosen_at_the_call(callbacks, monkeypatch):
    from langchain.agents import create_agent
    from langchain.chat_models import base, init_chat_model

    from impactree.langchain import ImpactMiddleware

    def made(model, **more):
        return Reporting(model=model, asked=[])

    monkeypatch.setattr(base, "_init_chat_model_helper", made)
    any_model = init_chat_model()
    middleware = ImpactMiddleware(
        annotate=True, events=True, budget=budget(1), switch_to=any_model, switch_at=0.5
    )
    served = create_agent(any_model, [add], middleware=[middleware])
    config = {**callbacks, "configurable": {"model": "gpt-4o-mini"}}
    last = served.invoke(QUESTION, config=config)["messages"][-1]
    assert last.response_metadata["impact"]["calls"] == 1


FAULTS = [
    "ambient_trackers",
    "summarize",
    "read_answer",
    "current_run_id",
    "_ls_params",
    "BudgetWatch.check",
]


@pytest.mark.parametrize("name", [*FAULTS, "ImpactTracker.start", "ImpactTracker.find"])
async def test_a_fault_inside_the_middleware_changes_nothing(name, callbacks, monkeypatch):
    from impactree.langchain import ImpactMiddleware, _middleware

    hits = []

    def fail(*args, **kwargs):
        hits.append(1)
        raise RuntimeError("a fault inside")

    owner, _, attribute = name.rpartition(".")
    monkeypatch.setattr(getattr(_middleware, owner) if owner else _middleware, attribute, fail)
    cheaper = Reporting(answers=["6 it is"], asked=[])
    middleware = ImpactMiddleware(
        annotate=True, events=True, budget=budget(1), switch_to=cheaper, switch_at=0.9
    )
    for ask in (agent(middleware).invoke, agent(middleware).ainvoke):
        result = ask(QUESTION, config=callbacks)
        result = result if isinstance(result, dict) else await result
        assert result["messages"][-1].text == "6 it is"
    trackers = [handler.tracker for handler in callbacks.get("callbacks", [])]
    noted = [tracker.problems for tracker in (*trackers, middleware.tracker)]
    assert any(noted) == bool(hits)
