"""A supervisor and two agents (langgraph-supervisor), and what each of them cost.

Offline, like agent.py. ``report().by("agent")`` is the answer to "who spent it?".
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph_supervisor import create_supervisor

from impactree import ImpactHandler
from scripted_openai import ScriptedOpenAI, Turn
from walden import WaldenRetriever

QUESTION = "By how many days did the ice of Walden Pond leave earlier in 1853 than in 1852?"


@tool
def search_walden(query: str) -> str:
    """What Thoreau's Walden says."""
    return "\n\n".join(passage.page_content for passage in WaldenRetriever.load().invoke(query))


@tool
def days_between(first: str, second: str) -> int:
    """Days from one date to another within a year, each as MM-DD."""
    dates = [dt.date.fromisoformat(f"1853-{day}") for day in (first, second)]
    return (dates[1] - dates[0]).days


def build_team() -> Any:
    small = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
    naturalist = create_agent(
        small, [search_walden], name="naturalist", system_prompt="You know Walden: look it up."
    )
    calculator = create_agent(
        small, [days_between], name="calculator", system_prompt="You count days."
    )
    supervisor = create_supervisor(
        [naturalist, calculator],
        model=ChatOpenAI(model="gpt-4o", stream_usage=True),
        prompt="Hand over to the naturalist for facts, to the calculator for dates; then answer.",
    )
    return supervisor.compile(name="team")


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    """What the stand-in answers, by who is asked and what is known so far."""
    asked, last = str(messages[0]["content"]), str(messages[-1]["content"])
    if asked.startswith("You know Walden"):
        if "'52, the 18th of April" in last:
            return Turn("Completely open on April 18 in 1852, and on March 23 in 1853.")
        return Turn(tool_calls=(("search_walden", {"query": "first completely open 1852 1853"}),))
    if asked.startswith("You count"):
        if last == "26":
            return Turn("That is 26 days.")
        return Turn(tool_calls=(("days_between", {"first": "03-23", "second": "04-18"}),))
    known = " ".join(str(message["content"]) for message in messages)
    if "26 days" in known:
        return Turn("In 1853 the ice of Walden Pond left 26 days earlier than in 1852.")
    who = "calculator" if "April 18" in known else "naturalist"
    return Turn(tool_calls=((f"transfer_to_{who}", {}),))


def main() -> None:
    handler = ImpactHandler()
    with ScriptedOpenAI(script):
        state = build_team().invoke({"messages": [("user", QUESTION)]}, {"callbacks": [handler]})
    print(f"{QUESTION}\n\n{state['messages'][-1].text}\n")
    report = handler.report()
    print(report)
    print("\nby agent")
    for agent, group in report.by("agent").items():
        print(f"  {agent}: {group.calls} calls, {group.total.gwp}, {group.share or 0:.0%}")


if __name__ == "__main__":
    main()
