"""A LangGraph agent with two tools and a retriever, and what each of its steps cost.

Without arguments it runs offline: the real client talks to a scripted stand-in for OpenAI on this
machine. ``--real`` asks OpenAI itself, with your key and at your expense (well below a cent).
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
from contextlib import nullcontext
from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from impactree import ImpactHandler
from scripted_openai import ScriptedOpenAI, Turn
from walden import WaldenRetriever

QUESTION = "By how many days did the ice of Walden Pond leave earlier in 1853 than in 1852?"


@tool
def days_between(first: str, second: str) -> int:
    """Days from one date to another within a year, each as MM-DD."""
    dates = [dt.date.fromisoformat(f"1853-{day}") for day in (first, second)]
    return (dates[1] - dates[0]).days


def build_agent(model: BaseChatModel, reader: BaseChatModel, **options: Any) -> Any:
    """An agent on ``model`` whose search has ``reader`` condense what the retriever finds."""
    retriever = WaldenRetriever.load()
    condense = reader | StrOutputParser()

    @tool
    def search_walden(query: str) -> str:
        """What Thoreau's Walden says about the ice of the pond."""
        passages = "\n\n".join(document.page_content for document in retriever.invoke(query))
        return condense.invoke(f"In one sentence, what do these say about: {query}?\n\n{passages}")

    return create_agent(
        model,
        tools=[search_walden, days_between],
        system_prompt="Answer from the book. Search first, then calculate.",
        name="naturalist",
        **options,
    )


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    """What the stand-in answers: the agent's three turns, and the reader's sentences."""
    if model == "gpt-4o-mini":
        if "1852" in str(messages[-1]["content"]):
            return Turn("In 1852 the pond was first completely open on the 18th of April.")
        return Turn("In 1853 the pond was first completely open on the 23rd of March.")
    turns_so_far = sum(message["role"] == "assistant" for message in messages)
    return (
        Turn(
            tool_calls=(
                ("search_walden", {"query": "pond first completely open in 1852"}),
                ("search_walden", {"query": "pond first completely open in 1853"}),
            )
        ),
        Turn(tool_calls=(("days_between", {"first": "03-23", "second": "04-18"}),)),
        Turn(
            "Thoreau notes that Walden Pond was first completely open on the 18th of April in "
            "1852 and on the 23rd of March in 1853, so the ice left 26 days earlier in 1853."
        ),
    )[turns_so_far]


def ask(agent: Any, question: str, handler: ImpactHandler) -> None:
    """Stream the agent's answer to the terminal."""
    print(f"{question}\n")
    asked = {"messages": [("user", question)]}
    config = {"callbacks": [handler]}
    for part, about in agent.stream(asked, config=config, stream_mode="messages"):
        if isinstance(part, AIMessageChunk) and about["langgraph_node"] == "model":
            print(part.text, end="", flush=True)
    print("\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", action="store_true", help="ask OpenAI itself; needs a key")
    real = parser.parse_args().real
    has_key = bool(os.environ.get("OPENAI_API_KEY"))
    if real and not has_key:
        print("--real needs a key in OPENAI_API_KEY", file=sys.stderr)
        return 2

    handler = ImpactHandler()
    with nullcontext() if real else ScriptedOpenAI(script):
        model = ChatOpenAI(model="gpt-4o", stream_usage=True)
        reader = ChatOpenAI(model="gpt-4o-mini", stream_usage=True)
        ask(build_agent(model, reader), QUESTION, handler)
    print(handler.report())
    if has_key and not real:
        print("\nOPENAI_API_KEY is set: `make demo REAL=1` asks OpenAI itself, at your expense.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
