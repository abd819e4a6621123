"""From what a model call was asked and answered to a ModelCall."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from langchain_core.globals import get_llm_cache

from impactree.calls import Kind, ModelCall, Tokens, TokensSource
from impactree.calls.advising import other_calls
from impactree.calls.building import Asked, build_call
from impactree.calls.chunks import ChunkUsage
from impactree.calls.counting import count_tokens, tokens_by_length
from impactree.calls.definitions import definitions
from impactree.calls.pictures import Picture, drawing, image_tool, pictures_in, tool_calls
from impactree.calls.usage import (
    MalformedUsageError,
    noted,
    read_langchain_usage,
)
from impactree.langchain import _names as names
from impactree.langchain._batches import Batch, Batches
from impactree.langchain._sent import asked_of
from impactree.langchain._text import content_text, is_hidden, message_text, thoughts
from impactree.langchain._usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.calls.reconciling import Reading
    from impactree.calls.repeats import Repeats

__all__ = ["Answer", "Batches", "PendingCall", "read_answer"]

# What clients do with the usage of streams; of ChatLiteLLM its router, too.
_OWN_WAYS: Final = {"ChatLiteLLM": "counted-by-client", "ChatCohere": "billed-tokens"}


@dataclass(slots=True, eq=False, repr=False)
class Answer:
    """What a result says about its call. Holds the text only until tokens are counted."""

    usage: Reading | None = None
    model: str | None = None
    text: str = ""
    is_hidden: bool = False
    """Whether something was generated whose tokens are in no text: a picture, a sound, a thought
    that is encrypted."""
    cached: bool = False
    """A response cache answered: LangChain marks it with a total cost of 0."""
    is_bare: bool = False
    """A message that LangChain has not given its run's id, as it gives to all that a model made."""
    usage_removed: bool = False
    """LangChain took the usage out: the first run of the batch carries that of all."""
    pictures: tuple[Picture, ...] = ()
    """What the answer holds of pictures."""
    places: tuple[Any, ...] = ()
    """Where the client keeps the rest of what was answered."""


def read_answer(
    response: Any, note: Callable[[str, BaseException], None], error: BaseException | None = None
) -> Answer:
    """Read an ``LLMResult``; ``note`` is told about usage of a wrong shape."""
    generations = _generations(response)
    llm_output = getattr(response, "llm_output", None)
    first = generations[0] if generations else None
    message = getattr(first, "message", None)
    if len(generations) > 1 and getattr(message, "usage_metadata", None) is None:
        message = next((g.message for g in generations if _has_usage(g)), message)
    info = getattr(first, "generation_info", None)
    usage = None
    try:
        usage = usage_of(message, info, llm_output)
        if usage is None and error is not None:
            # A structured output that was cut off: the client's error carries the completion.
            completion = getattr(error, "completion", None)
            usage = usage_of(None, None, {"usage": getattr(completion, "usage", None)})
    except MalformedUsageError as wrong:
        note("usage of an unknown shape", wrong)
    text, hidden = "", False
    if usage is None or not usage.tokens.output:
        text = "".join(_text(g) for g in generations)
        hidden = any(map(is_hidden, generations))
        usage = usage and _without_zeros(usage, bool(text) or hidden)
    told = getattr(message, "usage_metadata", None)
    bare = usage is None and error is None and _is_bare(message, llm_output)
    cached = isinstance(told, dict) and told.get("total_cost") == 0
    return Answer(
        usage,
        names.answered_model(message, llm_output, info),
        text,
        hidden,
        cached or (bare and get_llm_cache() is not None),
        bare,
        isinstance(llm_output, dict) and llm_output.get("token_usage") == {},
        () if message is None else _pictures(message),
        (getattr(message, "response_metadata", None), llm_output, info),
    )


def _generations(response: Any) -> Any:
    found: Any = getattr(response, "generations", None) or ()
    if len(found) == 1:  # LangChain hands each run its own
        return found[0]
    return [g for prompt in found for g in prompt]


def _is_bare(message: Any, llm_output: Any) -> bool:
    """Whether it is as a cache's entry is that another program wrote without its message."""
    bare = message is not None and getattr(message, "id", "") is None
    return bare and not llm_output and not getattr(message, "response_metadata", None)


def _pictures(message: Any) -> tuple[Picture, ...]:
    """Those of the content; with ``output_version="v0"`` a tool's stand beside it."""
    found = pictures_in(getattr(message, "content", None))
    beside = getattr(message, "additional_kwargs", None)
    return found + pictures_in(beside.get("tool_outputs")) if beside else found


def _has_usage(generation: Any) -> bool:
    return getattr(getattr(generation, "message", None), "usage_metadata", None) is not None


def _text(generation: Any) -> str:
    message = getattr(generation, "message", None)
    if message is None:
        text = getattr(generation, "text", "")
        return text if isinstance(text, str) else ""
    return message_text(message) + thoughts(message)


def _without_zeros(usage: Reading, wrote: bool) -> Reading | None:
    """Usage without a zero that says nothing: some clients put it where nothing was reported."""
    tokens = usage.tokens
    if not tokens.input and not usage.notes:  # whoever answers has read something
        return None if wrote else usage._replace(tokens=replace(tokens, input=None))
    return usage._replace(tokens=replace(tokens, output=None)) if wrote else usage


@dataclass(slots=True, eq=False, repr=False)
class PendingCall:
    """A model call that is open: what is needed to finish it, dropped at its end.

    An abandoned one, which may still end late, keeps counts and names only.
    """

    kind: Kind
    class_name: str
    serialized: Any = None
    metadata: dict[str, Any] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    prompt: Any = ""
    batch: Batch | None = None
    """None: sent alone. In a batch every run lasts as long as the batch."""
    started: float | None = None
    streamed_tokens: float = 0.0
    chunks: ChunkUsage | None = None
    """The usage that came with the chunks of a stream, if any did."""
    events: bool = False
    """Whether the stream shows as events, whose usage the framework has summed up."""
    prompt_tokens: int | None = None
    """Counted already, the prompt itself being gone."""
    asked: Asked | None = None
    """Read already, what tells it being gone."""
    media: tuple[str, ...] = ()
    """Codes of what in the prompt is not text."""
    places: tuple[Any, ...] = ()
    """Of the answer; see :class:`Answer`."""
    repeats: Repeats | None = None
    """Told what was sent, once it is answered."""
    owner: Any = None
    """Tells when LangChain lets go of the run without having ended it."""

    def streamed(self, token: Any, chunk: Any) -> None:
        """Count a piece of a stream by its length: one chunk is not one token."""
        text = content_text(token)
        message = getattr(chunk, "message", None)
        for call in getattr(message, "tool_call_chunks", None) or ():
            text += f"{call.get('name') or ''}{call.get('args') or ''}"
        text += thoughts(message)
        usage = getattr(message, "usage_metadata", None)
        if usage:
            if self.chunks is None:
                self.chunks = ChunkUsage()
            self.chunks.add(usage)
        if text:
            self.streamed_tokens += tokens_by_length(text)

    def streamed_event(self, event: Any) -> None:
        """As :meth:`streamed`, of the events of ``stream_events(version="v3")``."""
        self.events = True
        delta = event.get("delta") if isinstance(event, dict) else None
        if isinstance(delta, dict):
            for key in ("text", "reasoning", "args"):
                value = delta.get(key)
                if isinstance(value, str):
                    self.streamed_tokens += tokens_by_length(value)

    def asking(self) -> Asked:
        """Who is asked, before there is an answer."""
        self.asked = asked = self._asked()
        if "HuggingFacePipeline(" in str(self.serialized):  # within ChatHuggingFace
            return asked._replace(class_name="HuggingFacePipeline")
        return asked

    def beside(self, answer: Answer, chat: ModelCall) -> list[ModelCall]:
        """The calls that the provider made for this one: of its image tool, of other models."""
        if answer.cached:
            return []
        tool = image_tool(self.params.get("tools"))
        made = [p for p in answer.pictures if p.by_tool or tool is not None]
        return [
            *(tool_calls(chat, made, tool) if made else ()),
            *other_calls(chat, answer.places),
        ]

    def call(self, answer: Answer, now: float | None) -> ModelCall:
        """The finished call."""
        prompt = self.prompt
        call = self._answered(answer, now)
        alone = self.batch is None or self.kind == "chat"  # else its usage is that of several
        if self.repeats is not None and prompt and alone:
            asked = asked_of(prompt, self.params)
            cached, repeats = answer.cached, self.repeats
            call = repeats.paid(call, asked) if cached else repeats.noted(call, (asked,))
        if not answer.pictures:
            return call
        own = [picture for picture in answer.pictures if not picture.by_tool]
        if own and image_tool(self.params.get("tools")) is None:
            return drawing(call, len(own))
        return call

    def _answered(self, answer: Answer, now: float | None) -> ModelCall:
        reading = self._reading(answer.usage)
        source: TokensSource = "reported"
        batch = self.batch
        if batch is not None:
            batch.ended = True
            batch.reported |= reading is not None
        usage, notes = reading or (Tokens(), ())
        if usage.output is not None:
            pass
        elif answer.usage_removed and batch is not None and batch.reported:
            usage = Tokens(input=0, output=0)
        else:
            if reading is None:
                usage = Tokens(input=self._prompt_tokens())
            if answer.is_hidden and not answer.text:
                source = "unknown"
            else:
                source = "counted"
                usage = replace(usage, output=count_tokens(answer.text))
                notes = (*notes, "media-not-counted") if answer.is_hidden else notes
            if answer.is_bare and not answer.cached:
                notes = (*notes, "perhaps-cached")
        self.prompt, self.places = "", answer.places
        latency = None
        if batch is None and now is not None and self.started is not None and not answer.cached:
            latency = now - self.started
        return self._model_call(answer.model, usage, source, latency, notes)

    def _reading(self, told: Reading | None) -> Reading | None:
        """The usage of the result, or of a stream whose chunks say that the result's is wrong."""
        found = None if self.chunks is None else self.chunks.whole(self.streamed_tokens)
        if found is not None:
            whole, note = found
            reading = read_langchain_usage(whole)
            if told is None or reading.tokens != told.tokens:
                return noted(reading, note)
        elif told is not None and self.events and self._asked().base_url is not None:
            return noted(told, "sum-of-chunks")
        if told is not None and self.streamed_tokens:
            own = _OWN_WAYS.get(self.class_name.removesuffix("Router"))
            return noted(told, own) if own else told
        return told

    def failed_call(self, answer: Answer, error: BaseException, now: float) -> ModelCall:
        """A call that raised: what it produced before it did."""
        try:
            return self._failed(answer, error, now)
        finally:
            self.prompt = ""

    def _failed(self, answer: Answer, error: BaseException, now: float) -> ModelCall:
        if self.batch is not None:
            self.batch.ended = True
        reading = self._reading(answer.usage)
        usage = None if reading is None else reading.tokens
        received = math.ceil(self.streamed_tokens)
        if usage is not None and (usage.output or 0) < received:
            # Cut off before its last chunk: what came first said what was read, not yet written.
            usage = replace(usage, output=received, reasoning=None)
            return self._model_call(answer.model, usage, "counted", None)
        if usage is not None or answer.text:
            self.repeats = None  # whoever asks again has a reason
            return self.call(answer, now)
        if received:
            return self._model_call(answer.model, self._so_far(), "counted", None)
        lineage = " ".join(cls.__name__ for cls in type(error).__mro__)
        stopped = not isinstance(error, Exception)  # from the keyboard, by the consumer, at exit
        if stopped or "CancelledError" in lineage or "Timeout" in lineage:
            return self._unknown_call()  # a model may have answered all the same
        # Nothing was generated, so no time was spent generating: the latency bounds it at zero.
        return self._model_call(answer.model, Tokens(output=0), "unknown", 0.0)

    def produced(self) -> ModelCall:
        """The call so far: asked when the run is abandoned while it is open."""
        self.forget()
        if not self.streamed_tokens:
            return self._unknown_call()
        return self._model_call(None, self._so_far(), "counted", None)

    def forget(self) -> None:
        """Keep counts and names, and nothing of the prompt or of the client."""
        if self.prompt_tokens is None:
            self.prompt_tokens = self._prompt_tokens()
        self.prompt = ""
        self.asked = self._asked()
        self.serialized, self.metadata, self.params = None, {}, {}

    def _asked(self) -> Asked:
        if self.asked is not None:
            return self.asked
        return names.asked(self.metadata, self.params, self.serialized, self.class_name)

    def _so_far(self) -> Tokens:
        return Tokens(input=self._prompt_tokens(), output=math.ceil(self.streamed_tokens))

    def _unknown_call(self) -> ModelCall:
        return self._model_call(None, Tokens(), "unknown", None)

    def _prompt_tokens(self) -> int:
        if self.prompt_tokens is not None:
            return self.prompt_tokens
        beside = count_tokens(definitions(self.params))
        if isinstance(self.prompt, str):
            return count_tokens(self.prompt) + beside
        return count_tokens("\n".join(message_text(m) for m in self.prompt)) + beside

    def _model_call(
        self,
        answered: str | None,
        usage: Tokens,
        source: TokensSource,
        latency: float | None,
        notes: tuple[str, ...] = (),
    ) -> ModelCall:
        return build_call(
            self._asked(),
            self.kind,
            usage,
            source,
            answered=answered,
            latency_s=latency,
            notes=(*notes, *self.media) if self.media else notes,
        )
