"""Chat models in process that report usage as real clients do."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field


class Reporting(BaseChatModel):
    """Answers each request with the next of its messages (the last one for ever)."""

    model: str = "gpt-4o-mini"
    answers: list[Any] = Field(default_factory=lambda: ["done"])
    tokens: tuple[int, int] = (100, 40)
    asked: list[Any] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "reporting"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
        return {"ls_provider": "openai", "ls_model_name": self.model, "ls_model_type": "chat"}

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        index = min(len(self.asked), len(self.answers) - 1)
        self.asked.append(len(messages))
        answer = self.answers[index]
        if isinstance(answer, Exception):
            raise answer
        message = AIMessage(answer) if isinstance(answer, str) else answer.model_copy()
        taken, given = self.tokens
        message.usage_metadata = {
            "input_tokens": taken,
            "output_tokens": given,
            "total_tokens": taken + given,
        }
        message.response_metadata = {"model_name": self.model}
        return ChatResult(generations=[ChatGeneration(message=message)])


def tool_call(name: str, **args: Any) -> AIMessage:
    """An answer that calls a tool."""
    return AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"call-{name}"}])
