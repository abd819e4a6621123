"""LlamaIndex: ingest a book, then ask it. Every request of both is in the report. Offline."""

from __future__ import annotations

from typing import Any

from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.llms import LLM

from impactree.llama_index import ImpactHandler
from llama_index_walden import openai, walden_index
from scripted_openai import ScriptedOpenAI, Turn

QUESTION = "When was Walden Pond first completely open in 1852?"


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    """What the stand-in answers: right, if the retrieval found the right passage."""
    if "'52, the 18th of April" in str(messages[-1]["content"]):
        return Turn("In 1852 Walden Pond was first completely open on the 18th of April.")
    return Turn("The passages do not say.")


def ask(llm: LLM, embedding: BaseEmbedding | None = None, measure: str | None = None) -> None:
    """Ingest and ask; ``make live`` does so with models on this machine, which are measured."""
    with ImpactHandler(measure=measure).instrument() as handler:
        engine = walden_index(embedding).as_query_engine(llm=llm, similarity_top_k=4)
        print(f"{QUESTION}\n\n{engine.query(QUESTION)}\n")
    print(handler.report())
    print("\nby kind")
    for kind, group in handler.report().by("kind").items():
        impact = group.total.gwp if group.total.estimated else "not covered by the method"
        print(f"  {kind}: {group.calls} calls, {group.input_tokens} tokens in, {impact}")


def main() -> None:
    with ScriptedOpenAI(script):
        ask(openai())


if __name__ == "__main__":
    main()
