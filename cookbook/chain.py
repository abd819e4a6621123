"""A plain chain, invoked, batched and streamed, and what it cost. Offline, like agent.py."""

from __future__ import annotations

from typing import Any

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI

from impactree import ImpactHandler
from scripted_openai import ScriptedOpenAI, Turn


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    """The same answer every time."""
    return Turn("Ice insulates: it floats, and keeps the water below from freezing.")


def main() -> None:
    prompt = ChatPromptTemplate.from_template("In one sentence: {question}")
    handler = ImpactHandler(zone="FRA")  # as if the data centre stood in France
    config: RunnableConfig = {"callbacks": [handler]}
    with ScriptedOpenAI(script):
        chain = prompt | ChatOpenAI(model="gpt-4o-mini", stream_usage=True) | StrOutputParser()
        print(chain.invoke({"question": "Why do lakes not freeze through?"}, config))
        chain.batch([{"question": f"Why is ice {colour}?"} for colour in ("blue", "white")], config)
        for piece in chain.stream({"question": "Why does ice float?"}, config):
            print(piece, end="", flush=True)
        print("\n")
    print(handler.report())
    for run in handler.runs:
        print(f"{run.name}: {run.total.energy}, {run.total.gwp}")


if __name__ == "__main__":
    main()
