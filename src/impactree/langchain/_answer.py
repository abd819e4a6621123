"""From what a model call was asked and answered to a ModelCall."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from impactree.calls import Kind, ModelCall, TokensSource
from impactree.counting import count_by_length, count_tokens
from impactree.langchain._names import answered_model
from impactree.langchain._usage import MalformedUsageError, Usage, usage_of

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Answer", "PendingCall", "read_answer"]


@dataclass(slots=True)
class Answer:
    """What a result says about its call. Holds the text only until tokens are counted."""

    usage: Usage | None = None
    model: str | None = None
    text: str = ""
    cached: bool = False
    """A response cache answered: LangChain marks it with a total cost of 0."""
    counted_elsewhere: bool = False
    """One of a batch whose first run carries the usage of all."""


def read_answer(
    response: Any, note: Callable[[str, BaseException], None], error: BaseException | None = None
) -> Answer:
    """Read an ``LLMResult``; ``note`` is told about usage of a wrong shape."""
    generations = [g for prompt in getattr(response, "generations", None) or () for g in prompt]
    llm_output = getattr(response, "llm_output", None)
    message = next((g.message for g in generations if _has_usage(g)), None)
    if message is None and generations:
        message = getattr(generations[0], "message", None)
    usage = None
    try:
        usage = usage_of(message, llm_output)
        if usage is None and error is not None:
            # A structured output that was cut off: the client's error carries the completion.
            completion = getattr(error, "completion", None)
            usage = usage_of(None, {"usage": getattr(completion, "usage", None)})
    except MalformedUsageError as wrong:
        note("usage of an unknown shape", wrong)
    info = getattr(generations[0], "generation_info", None) if generations else None
    return Answer(
        usage=usage,
        model=answered_model(message, llm_output, info),
        text="" if usage is not None else "".join(_text(g) for g in generations),
        cached=_is_cached(message),
        counted_elsewhere=isinstance(llm_output, dict) and llm_output.get("token_usage") == {},
    )


def _has_usage(generation: Any) -> bool:
    return getattr(getattr(generation, "message", None), "usage_metadata", None) is not None


def _is_cached(message: Any) -> bool:
    usage = getattr(message, "usage_metadata", None)
    return isinstance(usage, dict) and usage.get("total_cost") == 0


def _text(generation: Any) -> str:
    message = getattr(generation, "message", None)
    if message is None:
        text = getattr(generation, "text", "")
        return text if isinstance(text, str) else ""
    return message_text(message)


def message_text(message: Any) -> str:
    """All that a model reads or writes of a message: text blocks, reasoning, tool calls."""
    parts = [content_text(getattr(message, "content", message))]
    for call in getattr(message, "tool_calls", None) or ():
        if isinstance(call, dict):
            parts.append(f"{call.get('name', '')}{call.get('args', '')}")
    return "".join(parts)


def content_text(content: Any) -> str:
    """The text of a message's content: a string or a list of blocks."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = []
    for block in content:
        if isinstance(block, str):
            parts.append(block)
        elif isinstance(block, dict):
            for key in ("text", "reasoning", "thinking"):
                value = block.get(key)
                if isinstance(value, str):
                    parts.append(value)
    return "".join(parts)


@dataclass(slots=True)
class PendingCall:
    """A model call that is open: what is needed to finish it, dropped at its end."""

    kind: Kind
    class_name: str
    provider: str | None = None
    requested: str | None = None
    base_url: str | None = None
    prompt: Any = ""
    alone: bool = True
    started: float | None = None
    streamed_tokens: int = 0

    def streamed(self, token: Any, chunk: Any) -> None:
        """Count a piece of a stream by its length: one chunk is not one token."""
        text = content_text(token)
        message = getattr(chunk, "message", None)
        for call in getattr(message, "tool_call_chunks", None) or ():
            text += f"{call.get('name') or ''}{call.get('args') or ''}"
        self.streamed_tokens += count_by_length(text) if text else 0

    def call(self, answer: Answer, now: float | None) -> ModelCall:
        """The finished call."""
        usage = answer.usage
        source: TokensSource = "reported"
        if usage is None and answer.counted_elsewhere and not self.alone:
            usage = Usage(0, 0)
        elif usage is None:
            source = "counted"
            usage = Usage(self._prompt_tokens(), count_tokens(answer.text))
        latency = None
        if self.alone and now is not None and self.started is not None and not answer.cached:
            latency = now - self.started
        return self._model_call(answer.model, usage, source, latency)

    def failed_call(self, answer: Answer, now: float) -> ModelCall:
        """A call that raised: what it produced before it did."""
        if answer.usage is not None or answer.text:
            return self.call(answer, now)
        if self.streamed_tokens:
            usage = Usage(self._prompt_tokens(), self.streamed_tokens)
            return self._model_call(answer.model, usage, "counted", None)
        # Nothing was generated, so no time was spent generating: the latency bounds it at zero.
        call = self._model_call(answer.model, Usage(0, 0), "unknown", 0.0)
        return replace(call, input_tokens=None)

    def produced(self) -> ModelCall | None:
        """The call so far: asked when the run is abandoned while it is open."""
        if not self.streamed_tokens:
            return None
        usage = Usage(self._prompt_tokens(), self.streamed_tokens)
        return self._model_call(None, usage, "counted", None)

    def _prompt_tokens(self) -> int:
        if isinstance(self.prompt, str):
            return count_tokens(self.prompt)
        return count_tokens("\n".join(message_text(m) for m in self.prompt))

    def _model_call(
        self, answered: str | None, usage: Usage, source: TokensSource, latency: float | None
    ) -> ModelCall:
        return ModelCall(
            provider=self.provider,
            model=answered or self.requested or self.class_name,
            requested=self.requested,
            base_url=self.base_url,
            kind=self.kind,
            input_tokens=usage.input,
            output_tokens=usage.output,
            cached_input_tokens=usage.cached,
            cache_write_tokens=usage.written,
            reasoning_tokens=usage.reasoning,
            latency_s=latency,
            tokens_source=source,
        )
