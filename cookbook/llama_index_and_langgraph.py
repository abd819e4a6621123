"""A LangGraph agent whose tool is a LlamaIndex engine: both frameworks in one tree. Offline."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

from impactree import track_impacts
from llama_index_walden import openai, walden_index
from scripted_openai import ScriptedOpenAI, Turn

QUESTION = "When was Walden Pond first completely open in 1852?"


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    if "Context information is below" in str(messages):
        return Turn("On the 18th of April.")
    if messages[-1]["role"] == "tool":
        return Turn(f"According to Thoreau: {messages[-1]['content']}")
    return Turn(tool_calls=(("search_walden", {"question": QUESTION}),))


def main() -> None:
    with ScriptedOpenAI(script):
        engine = walden_index().as_query_engine(llm=openai(), similarity_top_k=4)

        @tool
        def search_walden(question: str) -> str:
            """Ask the book."""
            return str(engine.query(question))

        agent = create_agent(ChatOpenAI(model="gpt-4o"), [search_walden], name="naturalist")
        with track_impacts() as tracker:
            answer = agent.invoke({"messages": [("user", QUESTION)]})
    print(f"{QUESTION}\n\n{answer['messages'][-1].content}\n")
    print(tracker.report())


if __name__ == "__main__":
    main()
