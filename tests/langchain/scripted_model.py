"""A chat model in this process whose answers, and their usage, a test states."""

from __future__ import annotations

import json
from collections.abc import Callable  # noqa: TC003  # a model's field: read at run time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree import ImpactHandler

GROUPINGS = ("agent", "step", "node", "thread", "metadata.user_id", "model", "kind", "name")


class ScriptedModel(BaseChatModel):
    """Reports itself as OpenAI's gpt-4o, streams word by word, and never waits."""

    answer: Callable[[list[Any]], AIMessage]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _get_ls_params(self, stop=None, **kwargs):
        return {"ls_provider": "openai", "ls_model_name": "gpt-4o", "ls_model_type": "chat"}

    def bind_tools(self, tools, **kwargs):
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools])

    def _generate(self, messages, stop=None, run_manager=None, **kwargs) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.answer(messages))])

    def _stream(self, messages, stop=None, run_manager=None, **kwargs) -> Iterator[Any]:
        whole = self.answer(messages)
        for word in str(whole.content).split(" "):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=f"{word} "))
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
        calls = [
            {"name": c["name"], "args": json.dumps(c["args"]), "id": c["id"], "index": n}
            for n, c in enumerate(whole.tool_calls)
        ]
        last = AIMessageChunk(
            content="",
            tool_call_chunks=calls,
            usage_metadata=whole.usage_metadata,
            response_metadata=whole.response_metadata,
        )
        yield ChatGenerationChunk(message=last)


def says(text: str, given: int, written: int, *tools: tuple[str, dict[str, Any]]) -> AIMessage:
    """An answer of so many input and output tokens, perhaps with tool calls."""
    return AIMessage(
        content=text,
        usage_metadata={
            "input_tokens": given,
            "output_tokens": written,
            "total_tokens": given + written,
        },
        response_metadata={"model_name": "gpt-4o-2024-08-06"},
        tool_calls=[
            {"name": name, "args": arguments, "id": f"call_{given}_{number}"}
            for number, (name, arguments) in enumerate(tools)
        ],
    )


def always(given: int, written: int) -> ScriptedModel:
    """A model whose every answer has the same usage."""
    return ScriptedModel(answer=lambda messages: says("so be it", given, written))


def in_turn(*turns: AIMessage) -> ScriptedModel:
    """A model that gives these answers, one after the other."""
    waiting = iter(turns)
    return ScriptedModel(answer=lambda messages: next(waiting))


def groups(handler: ImpactHandler, key: str) -> dict[str | None, tuple[int, int, int]]:
    """Calls, input and output tokens of each group."""
    return {
        label: (group.calls, group.input_tokens, group.output_tokens)
        for label, group in handler.report().by(key).items()
    }


def check(handler: ImpactHandler, *, calls: int, given: int, written: int) -> None:
    """All calls are there, once, reported; every grouping sums to the total; nothing is open."""
    report = handler.report()
    assert not handler.tracker.problems
    assert not handler.tracker.open_roots
    made = [run for root in handler.runs for run in root.walk() if run.call is not None]
    assert all(run.end is not None for root in handler.runs for run in root.walk())
    assert all(run.call.tokens_source == "reported" for run in made)
    assert len(made) == calls
    assert sum(run.call.input_tokens for run in made) == given
    assert sum(run.call.output_tokens for run in made) == written
    assert handler.total.estimated_calls == calls
    near = partial(pytest.approx, rel=1e-9)
    whole = handler.total.gwp.value
    assert sum(run.own.gwp.value.mean for run in made) == near(whole.mean)
    assert sum(root.total.gwp.value.max for root in handler.runs) == near(whole.max)
    for key in GROUPINGS:
        parts = report.by(key).values()
        assert sum(part.calls for part in parts) == calls, key
        assert sum(part.input_tokens for part in parts) == given, key
        assert sum(part.output_tokens for part in parts) == written, key
        for end in ("min", "max"):
            summed = sum(getattr(part.total.gwp.value, end) for part in parts)
            assert summed == near(getattr(whole, end)), key
        if calls:
            assert sum(part.share for part in parts) == near(1), key


def find(handler: ImpactHandler, name: str, *, kind: str | None = None):
    """All runs of a name, oldest first."""
    runs = [run for root in handler.runs for run in root.walk()]
    return [run for run in runs if run.name == name and (kind is None or run.kind == kind)]
