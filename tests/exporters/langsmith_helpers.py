"""What the LangSmith tests share: a chain whose model LangSmith takes for OpenAI's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langsmith import run_trees

from impactree.exporters._langsmith_api import feedback_values

if TYPE_CHECKING:
    from langsmith_server import LangSmith  # type: ignore[import-not-found]


class FakeModel(GenericFakeChatModel):
    def _get_ls_params(self, stop: Any = None, **kwargs: Any) -> Any:
        return {"ls_provider": "openai", "ls_model_name": "gpt-4o-mini", "ls_model_type": "chat"}


def model(count: int = 9) -> Any:
    usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    answered = {"model_name": "gpt-4o-mini", "model_provider": "openai"}
    answer = AIMessage("planted-answer", usage_metadata=usage, response_metadata=answered)
    return FakeModel(messages=iter([answer.model_copy() for _ in range(count)]))


def chain(calls: int = 2) -> Any:
    llm = model()

    def step(text: str) -> str:
        for _ in range(calls):
            llm.invoke(text)
        return "done"

    return (RunnableLambda(step) | RunnableLambda(lambda x: x)).with_config(run_name="agent")


def scores(impacts: Any) -> dict[str, float]:
    return {key: round(value["mean"], 4) for key, value in feedback_values(impacts).items()}


def settle(handler: Any, service: LangSmith) -> None:
    if run_trees._CLIENT is not None:
        run_trees._CLIENT.flush()
    assert handler.flush(10)
    if run_trees._CLIENT is not None:
        run_trees._CLIENT.flush()
        # What its thread has taken from the queue and is sending, it does not wait for.
        seen = -1
        while seen != (seen := len(service.runs)):
            time.sleep(0.1)
