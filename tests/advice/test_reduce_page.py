"""What docs/reduce.md shows of the cookbook is what the cookbook's runs give."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from impactree import ImpactHandler

PAGE = Path(__file__).parents[2] / "docs" / "reduce.md"
SHOWN = dict(
    re.findall(r"### `cookbook/(\w+)\.py`\n.*?```text\n(.*?)```", PAGE.read_text("utf-8"), re.S)
)


def agent(scripted, handler):
    from langchain_openai import ChatOpenAI

    import agent as example

    with scripted.ScriptedOpenAI(example.script, first_token_s=0, tokens_per_s=1e6):
        models = (ChatOpenAI(model=name, stream_usage=True) for name in ("gpt-4o", "gpt-4o-mini"))
        asked = {"messages": [("user", example.QUESTION)]}
        example.build_agent(*models).invoke(asked, {"callbacks": [handler]})


def rag(scripted, handler):
    import rag as example

    with scripted.ScriptedOpenAI(example.script, first_token_s=0, tokens_per_s=1e6):
        example.build_chain(handler).invoke(example.QUESTION, {"callbacks": [handler]})


def supervisor(scripted, handler):
    import supervisor as example

    with scripted.ScriptedOpenAI(example.script, first_token_s=0, tokens_per_s=1e6):
        asked = {"messages": [("user", example.QUESTION)]}
        example.build_team().invoke(asked, {"callbacks": [handler]})


@pytest.mark.filterwarnings("ignore:create_react_agent")  # langgraph-supervisor's own
@pytest.mark.parametrize("example", [agent, rag, supervisor], ids=lambda run: run.__name__)
def test_the_advice_of_the_cookbook_is_as_shown(scripted, example):
    handler = ImpactHandler()
    example(scripted, handler)
    found = handler.report().advice().to_text(100)
    assert SHOWN[example.__name__] == f"{found}\n"
