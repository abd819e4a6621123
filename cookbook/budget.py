"""Budgets: stop an agent that goes round in circles, end it gracefully, or switch its model.

Offline, like agent.py. The large model of this script never stops searching; the small one answers.
"""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from impactree import BudgetExceededError, ImpactBudget, ImpactHandler
from impactree.langchain import ImpactMiddleware
from scripted_openai import ScriptedOpenAI, Turn
from walden import WaldenRetriever

QUESTION: Any = {"messages": [("user", "When did the ice leave in 1852?")]}
BUDGET = ImpactBudget(gwp_g=0.05, per="run", action="raise")


@tool
def search_walden(query: str) -> str:
    """What Thoreau's Walden says."""
    return WaldenRetriever.load().invoke(query)[0].page_content


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    """The large model searches for ever."""
    if model == "gpt-4o-mini":
        return Turn("On the 18th of April.")
    return Turn(tool_calls=(("search_walden", {"query": "first completely open in 1852"}),))


def stop_with_an_error() -> None:
    """A budget of the handler works with every chain: the next model call is refused."""
    handler = ImpactHandler(budget=BUDGET)
    agent = create_agent(ChatOpenAI(model="gpt-4o", stream_usage=True), [search_walden])
    try:
        agent.invoke(QUESTION, {"callbacks": [handler]})
    except BudgetExceededError as error:
        print(f"error: {error}")
    print(f"{handler.total.estimated_calls} calls, {handler.total.gwp}\n")


def end_with_a_message() -> None:
    """A budget of the middleware ends the agent with a message instead."""
    handler = ImpactHandler()
    agent = create_agent(
        ChatOpenAI(model="gpt-4o", stream_usage=True),
        [search_walden],
        middleware=[ImpactMiddleware(handler, budget=BUDGET)],
    )
    state = agent.invoke(QUESTION, {"callbacks": [handler]})
    print(f"message: {state['messages'][-1].text}")
    print(f"{handler.total.estimated_calls} calls, {handler.total.gwp}\n")


def switch_to_a_smaller_model() -> ImpactHandler:
    """Once half of the budget is spent, a smaller model takes over."""
    handler = ImpactHandler()
    smaller = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
    switch = ImpactMiddleware(
        handler, budget=ImpactBudget(gwp_g=0.05), switch_to=smaller, switch_at=0.5
    )
    agent = create_agent(
        ChatOpenAI(model="gpt-4o", stream_usage=True), [search_walden], middleware=[switch]
    )
    state = agent.invoke(QUESTION, {"callbacks": [handler]})
    print(f"switched: {state['messages'][-1].text}\n")
    return handler


def main() -> None:
    with ScriptedOpenAI(script):
        stop_with_an_error()
        end_with_a_message()
        handler = switch_to_a_smaller_model()
    print(handler.report())


if __name__ == "__main__":
    main()
