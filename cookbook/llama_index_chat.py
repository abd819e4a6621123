"""LlamaIndex: a chat engine that streams; the cost of each turn, once it has been read. Offline."""

from __future__ import annotations

from typing import Any

from impactree.llama_index import ImpactHandler
from llama_index_walden import openai, walden_index
from scripted_openai import ScriptedOpenAI, Turn

TURNS = ("When was the pond open in 1852?", "And in 1853?")


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    if "1853" in str(messages[-1]["content"]):
        return Turn("In 1853 it was the 23d of March.")
    return Turn("In 1852 it was the 18th of April.")


def main() -> None:
    with ScriptedOpenAI(script), ImpactHandler().instrument() as handler:
        engine = walden_index().as_chat_engine(chat_mode="context", llm=openai())
        for turn in TURNS:
            print(f"> {turn}")
            for piece in engine.stream_chat(turn).response_gen:
                print(piece, end="", flush=True)
            # The engine returned before its stream was read: the run was told again since.
            run = handler.last_run
            print(f"\n  [{run.name}: {run.total.gwp}]\n")
    print(handler.report())


if __name__ == "__main__":
    main()
