"""Models in this process whose answers, usage and failures a test states."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import BaseChatModel, BaseLLM
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import (
    ChatGeneration,
    ChatGenerationChunk,
    ChatResult,
    Generation,
    LLMResult,
)

if TYPE_CHECKING:
    from impactree import ImpactHandler

TEXT = "one two three four"
WORDS = ("one ", "two ", "three ", "four")


def by_length(text: str) -> int:
    """What the rule of length gives for ASCII text: 3.6 bytes a token."""
    return math.ceil(len(text) / 3.6)


class Chat(BaseChatModel):
    """Answers ``TEXT``; as a stream one word per chunk, the usage in a last one."""

    model_name: str = "gpt-4o-mini"
    given: int = 100
    written: int = 40
    usage: bool = True
    """Whether it reports usage."""
    outcomes: list[Any] = []  # noqa: RUF012  # pydantic copies it
    """For each request, the first one first: an exception to raise, or None to answer."""
    break_after: int | None = None
    """A stream raises ``ConnectionError`` after so many words."""
    pause: float = 0.0
    """Seconds before each word of an asynchronous stream, and before an answer."""

    @property
    def _llm_type(self) -> str:
        return "stated"

    def _get_ls_params(self, stop=None, **kwargs):
        return {"ls_provider": "openai", "ls_model_name": self.model_name, "ls_model_type": "chat"}

    def bind_tools(self, tools, **kwargs):
        return self

    def _next(self) -> None:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome

    def _reported(self) -> dict[str, Any]:
        if not self.usage:
            return {}
        total = self.given + self.written
        counts = {"input_tokens": self.given, "output_tokens": self.written, "total_tokens": total}
        return {"usage_metadata": counts}

    def _answer(self) -> ChatResult:
        self._next()
        message = AIMessage(
            TEXT, response_metadata={"model_name": self.model_name}, **self._reported()
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        time.sleep(self.pause)
        return self._answer()

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        await asyncio.sleep(self.pause)
        return self._answer()

    def _chunks(self):
        self._next()
        for number, word in enumerate(WORDS):
            if number == self.break_after:
                raise ConnectionError("cut off")
            yield ChatGenerationChunk(message=AIMessageChunk(word))
        meta = {"model_name": self.model_name}
        last = AIMessageChunk("", response_metadata=meta, **self._reported())
        yield ChatGenerationChunk(message=last)

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        yield from self._chunks()

    async def _astream(self, messages, stop=None, run_manager=None, **kwargs):
        for chunk in self._chunks():
            await asyncio.sleep(self.pause)
            yield chunk


class Completion(BaseLLM):
    """A completion model that answers a batch of prompts in one request."""

    llm_output: dict[str, Any] | None = None
    failure: Any = None
    pause: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "stated-completion"

    def _get_ls_params(self, stop=None, **kwargs):
        name = "gpt-3.5-turbo-instruct"
        return {"ls_provider": "openai", "ls_model_name": name, "ls_model_type": "llm"}

    def _generate(self, prompts, stop=None, run_manager=None, **kwargs):
        time.sleep(self.pause)
        if self.failure is not None:
            raise self.failure
        generations = [[Generation(text=TEXT)] for _ in prompts]
        return LLMResult(generations=generations, llm_output=self.llm_output)


def calls(handler: ImpactHandler) -> list[tuple[str, int | None, int | None, str]]:
    """Status, input and output tokens and their source of every call, in the order they began."""
    return [
        (run.status, run.call.input_tokens, run.call.output_tokens, run.call.tokens_source)
        for root in handler.runs
        for run in root.calls
    ]


def tree(run: Any) -> Any:
    """The names in a run tree, as nested pairs; a leaf is its name alone."""
    below = [tree(child) for child in run.children]
    return (run.name, below) if below else run.name


def healthy(handler: ImpactHandler) -> bool:
    """Nothing is open, nothing went wrong, and the total is the sum of the calls."""
    from impactree import Impacts

    own = [run.own for root in handler.runs for run in root.walk() if run.own is not None]
    assert handler.tracker.problems == {}
    assert handler.tracker.open_roots == []
    assert all(run.end is not None for root in handler.runs for run in root.walk())
    total, summed = handler.total, Impacts.sum(own)
    assert (total.gwp is None) == (summed.gwp is None)
    if total.gwp is not None:
        assert math.isclose(total.gwp.value.mean, summed.gwp.value.mean, rel_tol=1e-9)
    return True
