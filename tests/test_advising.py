"""Another model that works for an answer is a call of its own: Anthropic's advisors, fallbacks."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.llms.callbacks import llm_completion_callback

from impactree import ImpactHandler
from impactree.llama_index import ImpactHandler as LlamaIndexHandler
from raw_server import serving
from usage_objects import CASES

BETAS = ["advisor-tool-2026-03-01", "server-side-fallback-2026-06-01"]
ADVISED, DECLINED = (CASES[f"anthropic-{name}"].answer["usage"] for name in ("advisor", "fallback"))
ADVICE = {
    "type": "advisor_tool_result",
    "tool_use_id": "t",
    "content": {"type": "advisor_result", "text": "Be brief."},
}
EXPECTED = {
    # https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool
    "advised": (ADVISED, "claude-haiku-4-5", (412, 531), ("claude-opus-4-6", 823, 1612)),
    "declined": (DECLINED, "claude-opus-4-8", (210, 150), ("claude-fable-5", 200, 3)),
}
each = pytest.mark.parametrize(
    ("usage", "model", "own", "other"), EXPECTED.values(), ids=list(EXPECTED)
)


def seen(handler: Any) -> list[tuple[Any, ...]]:
    return [
        (run.call.model, run.call.input_tokens, run.call.output_tokens, run.call.tokens_source)
        for run in handler.last_run.calls
    ]


@each
def test_through_langchain_over_http(usage, model, own, other):
    message = {
        "id": "m",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [ADVICE, {"type": "text", "text": "Hi."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    handler = ImpactHandler()
    with serving(lambda body: message) as url:
        client = ChatAnthropic(model=model, base_url=url, api_key="k", betas=BETAS)
        client.invoke("Hi", {"callbacks": [handler]})
    assert sorted(seen(handler)) == sorted(
        [(model, *own, "reported"), (*other, "reported")],
    )
    assert {run.call.base_url for run in handler.last_run.calls} == {url}
    assert handler.tracker.problems == {}


@each
def test_through_llama_index(usage, model, own, other):
    class Model(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name=model)

        @llm_completion_callback()
        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            return CompletionResponse(text="Hi.", raw={"model": model, "usage": usage})

        @llm_completion_callback()
        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            raise NotImplementedError

    with LlamaIndexHandler().instrument() as handler:
        Model().complete("Hi")
    assert sorted(seen(handler)) == sorted([(model, *own, "reported"), (*other, "reported")])


def test_advice_whose_usage_a_stream_dropped_is_said_to_be_missing():
    usage = {"input_tokens": 412, "output_tokens": 531, "total_tokens": 943}
    message = AIMessage([ADVICE, {"type": "text", "text": "Hi."}], usage_metadata=usage)
    handler = ImpactHandler()
    GenericFakeChatModel(messages=iter([message])).invoke("Hi", {"callbacks": [handler]})
    assert handler.last_run.call.usage_notes == ("iterations-not-shown",)
    text = " ".join(str(handler.report()).split())
    assert "the tokens of a compaction or an advisor are missing. Cure: ask with invoke" in text
