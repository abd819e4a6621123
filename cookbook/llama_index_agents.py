"""LlamaIndex: two agents in a workflow, one hands over to the other; who cost what. Offline."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent

from impactree.llama_index import ImpactHandler
from llama_index_walden import openai, walden_index
from scripted_openai import ScriptedOpenAI, Turn

QUESTION = "How much earlier did the ice of Walden Pond leave in 1853 than in 1852?"


def days_between(first: str, second: str) -> int:
    """Days between two days of one year, given as month-day."""
    days = [date.fromisoformat(f"2025-{day}").toordinal() for day in (first, second)]
    return abs(days[0] - days[1])


def build_workflow() -> AgentWorkflow:
    engine = walden_index().as_query_engine(llm=openai(), similarity_top_k=4)

    def search_walden(question: str) -> str:
        """Ask the book."""
        return str(engine.query(question))

    naturalist = FunctionAgent(
        name="naturalist",
        description="Knows the book.",
        tools=[search_walden],
        llm=openai("gpt-4o"),
        can_handoff_to=["calculator"],
    )
    calculator = FunctionAgent(
        name="calculator", description="Counts days.", tools=[days_between], llm=openai()
    )
    return AgentWorkflow(agents=[naturalist, calculator], root_agent="naturalist")


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    """Each model's next turn, from how many tools have answered so far."""
    if "Context information is below" in str(messages):
        return Turn("It was open on the 18th of April in 1852 and on the 23d of March in 1853.")
    answered = [message["content"] for message in messages if message["role"] == "tool"]
    if not answered:
        return Turn(tool_calls=(("search_walden", {"question": QUESTION}),))
    if model == "gpt-4o":
        move = {"to_agent": "calculator", "reason": "Days have to be counted."}
        return Turn(tool_calls=(("handoff", move),))
    if answered[-1].isdigit():
        return Turn(f"It left {answered[-1]} days earlier.")
    return Turn(tool_calls=(("days_between", {"first": "04-18", "second": "03-23"}),))


async def ask(workflow: AgentWorkflow) -> None:
    print(f"{QUESTION}\n\n{await workflow.run(user_msg=QUESTION)}\n")


def main() -> None:
    with ScriptedOpenAI(script), ImpactHandler().instrument() as handler:
        asyncio.run(ask(build_workflow()))
    print(handler.report())
    print("\nby agent")
    for agent, group in handler.report().by("agent").items():
        print(f"  {agent or 'none'}: {group.calls} calls")


if __name__ == "__main__":
    main()
