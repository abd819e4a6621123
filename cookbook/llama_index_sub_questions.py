"""LlamaIndex: one question split into two, answered side by side and put together. Offline."""

from __future__ import annotations

import json
from typing import Any

from llama_index.core.query_engine import SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.tools import QueryEngineTool

from impactree.llama_index import ImpactHandler
from llama_index_walden import openai, walden_index
from scripted_openai import ScriptedOpenAI, Turn

QUESTION = "Was the pond open earlier in 1852 or in 1853?"
PARTS = ("When was the pond open in 1852?", "When was the pond open in 1853?")


def script(model: str, messages: list[dict[str, Any]]) -> Turn:
    asked = str(messages)
    if "relevant sub-questions" in asked:
        parts = [{"sub_question": part, "tool_name": "walden"} for part in PARTS]
        return Turn(json.dumps({"items": parts}))
    for part, answer in zip(PARTS, ("The 18th of April.", "The 23d of March."), strict=True):
        if f"Query: {part}" in asked:
            return Turn(answer)
    return Turn("It was open earlier in 1853.")


def main() -> None:
    with ScriptedOpenAI(script), ImpactHandler().instrument() as handler:
        llm = openai()
        engine = walden_index().as_query_engine(llm=llm, similarity_top_k=4)
        tool = QueryEngineTool.from_defaults(engine, name="walden", description="The book.")
        questions = SubQuestionQueryEngine.from_defaults(
            [tool],
            llm=llm,
            question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
            verbose=False,
        )
        print(f"{QUESTION}\n\n{questions.query(QUESTION)}\n")
    print(handler.report())


if __name__ == "__main__":
    main()
