"""From what a model was asked and answered to a ModelCall."""

from __future__ import annotations

import json
import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from impactree.adapters.guarding import may_have_answered
from impactree.calls import Kind, ModelCall, Tokens, TokensSource
from impactree.calls.advising import other_calls
from impactree.calls.building import Asked, build_call
from impactree.calls.chunks import are_parts
from impactree.calls.counting import count_tokens, tokens_by_length
from impactree.calls.definitions import definitions
from impactree.calls.media import media_in
from impactree.calls.pictures import (
    drawing,
    image_tool,
    pictures_in,
    response_items,
    tool_calls,
)
from impactree.calls.reconciling import Reading
from impactree.calls.repeats import asked_with
from impactree.calls.usage import MalformedUsageError, read_usage, updated
from impactree.llama_index import _names as names
from impactree.llama_index._text import (
    answer_text,
    beside_text,
    held,
    media_of,
    prompt_texts,
)

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from impactree.runs import Run, RunStatus

__all__ = [
    "GENERATING",
    "OpenBatch",
    "OpenModel",
    "OpenPrediction",
    "OpenSpan",
    "answer_text",
    "prompt_texts",
]


@dataclass(slots=True)
class OpenSpan:
    """A span that is open; gone once its run has ended."""

    instance: Any = None
    status: RunStatus = "ok"
    """What it will end as, when an event has said so before its end."""
    agent: str | None = None
    """Of a workflow: the agent that it has worked for last."""
    by_callback: bool = False
    """Whether a callback will tell of its end, not the dispatcher."""

    def produced(self) -> ModelCall | None:
        """No model was called here."""
        return None


@dataclass(slots=True)
class OpenBatch(OpenSpan):
    """A method that embeds texts in several requests, each a call of its own."""

    texts: Sequence[str] = ()
    size: int = 1
    sent: int = 0
    asked: Asked | None = None
    requests: deque[OpenModel] = field(default_factory=deque)
    """Those under way. LlamaIndex tells their ends in the order of their starts."""

    def request(self, event: Any, note: Callable[[str, BaseException], None]) -> OpenModel:
        """A request starts, with the next texts."""
        if self.asked is None:
            self.asked = names.asked(self.instance, event.model_dict)
        start = self.sent
        self.sent += self.size
        pending = OpenModel(
            self.instance,
            kind="embedding",
            asked=self.asked,
            prompt=self.texts[start : self.sent],
            event_id=event.id_,
            note=note,
        )
        self.requests.append(pending)
        return pending


@dataclass(slots=True, kw_only=True)
class OpenPrediction(OpenSpan):
    """A structured prediction: some clients call their SDK right in it, without any event."""

    note: Callable[[str, BaseException], None]
    asked: Mapping[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    since: float = field(default_factory=time.time)
    """Its start, Unix time, s."""
    run: weakref.ref[Run] | None = None
    told: bool = False
    """Whether a callback has told of a model's call in it."""
    stream: Any = None
    """Of one without a run: a weak reference to what it returned."""

    @property
    def delegates(self) -> bool:
        """Whether events have told of a model's call in it."""
        run = None if self.run is None else self.run()
        return run is not None and any(below.kind in GENERATING for below in run.walk())

    def answer(self, result: Any) -> ModelCall:
        """The call that nothing else told of, counted from what went in and came out."""
        template, values = self.asked.get("prompt"), self.asked.get("prompt_args") or {}
        model = self._model()
        if template is not None and hasattr(template, "format_messages"):
            model.prompt = template.format_messages(**values)
        return model.answer("" if result is None else json.dumps(result, default=_plain_object))

    def failed(self, error: BaseException | None) -> ModelCall | None:
        """It has raised."""
        return None if self.delegates else self._model().failed(error)

    def produced(self) -> ModelCall | None:
        """Streamed, nothing tells what came."""
        return None if self.delegates else self._model().produced()

    def _model(self) -> OpenModel:
        beside = {"response_format": self.asked.get("output_cls")}
        return OpenModel(self.instance, note=self.note, started=self.started, beside=beside)


def _plain_object(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


@dataclass(slots=True, kw_only=True)
class OpenModel(OpenSpan):
    """A model call that is open: what is needed to finish it.

    Prompt and answer are referred to until the call ends, then tokens are counted if need be.
    """

    note: Callable[[str, BaseException], None]
    """Told about usage of a wrong shape."""
    kind: Kind = "chat"
    model_dict: dict[str, Any] = field(default_factory=dict)
    asked: Asked | None = None
    """Who is asked, where it is known already."""
    prompt: Any = None
    """Messages, a prompt, or the texts to embed or rank."""
    beside: Mapping[str, Any] | None = None
    """The other arguments of the model's method: tools and schemas among them."""
    event_id: Any = None
    """The id of the event that the run stands for, where it is not a span of its own."""
    started: float = field(default_factory=time.perf_counter)
    since: float = field(default_factory=time.time)
    """Its start, Unix time, s."""
    announced: bool = False
    """Whether a start event came: a model's method may have none."""
    hits: list[bool] | None = None
    """Which of the texts a cache of embeddings holds."""
    parts: list[str] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)
    """Spans of the methods it inherits and calls: their events are its own."""
    usage: Reading | None = None
    added: int = 0
    """The output tokens of all chunks together, whatever each of them counts."""
    answered: str | None = None
    places: tuple[Any, ...] = ()
    """Where the client keeps the rest of what was answered, of a stream its last word."""
    drawn: list[ModelCall] = field(default_factory=list)
    """What the provider's image tool, or another model, has done for it."""
    run: weakref.ref[Run] | None = None
    ended: float | None = None
    """When the call was over, Unix time in s, if its run waits for the one around it."""
    final: ModelCall | None = None
    """What it then comes to."""
    sent: Sequence[object] = ()
    """What was sent and answered: see ``Repeats.noted``."""

    @property
    def delegates(self) -> bool:
        """Whether another model run under this one did its work."""
        run = None if self.run is None else self.run()
        if run is None or not run.children:
            return False
        below = run.walk()
        next(below)  # itself
        return any(inner.kind in _FAMILY[self.kind] for inner in below)

    def asking(self) -> Asked:
        """Who is asked, before there is an answer."""
        return self.asked or names.asked(self.instance, self.model_dict)

    def chunk(self, response: Any) -> None:
        """A piece of a streamed answer."""
        self.parts.append(getattr(response, "delta", None) or "")
        told = self._read(response, named=self.answered is not None)
        if told is not None:
            self.added += told.tokens.output or 0

    def answer(self, response: Any) -> ModelCall:
        """The finished chat or completion call; :attr:`drawn` has those made for it."""
        if self.prompt:
            params = {**self.model_dict, **(self.beside or {})}
            self.sent = (asked_with(params, _asked(self.prompt)),)
        media = media_of(response)
        call = self._answered(response, media)
        self.drawn = other_calls(call, self.places)
        made: list[Any] = []
        raw = held(response).get("raw")
        if raw is not None:
            items, tools = response_items(raw)
            made = [p for p in pictures_in(items) if p.by_tool]
            if made:
                self.drawn += tool_calls(call, made, image_tool(tools))
        own = 0 if made else media.count("image")
        return drawing(call, own) if own else call

    def _answered(self, response: Any, media: Sequence[str]) -> ModelCall:
        latency = time.perf_counter() - self.started
        self._read(response)
        usage = self.usage = self._summed(self.usage)
        if usage is not None and usage.tokens.output:
            return self._call(usage.tokens, "reported", latency, usage.notes)
        text = max(answer_text(response), "".join(self.parts), key=len) + beside_text(response)
        notes = () if usage is None else usage.notes
        if usage is None:
            tokens = Tokens(input=self._prompt_tokens(), output=count_tokens(text))
        elif usage.tokens.output is None or text or media:  # a zero that the answer belies
            tokens = replace(usage.tokens, output=count_tokens(text))
        else:
            return self._call(usage.tokens, "reported", latency, notes)
        if media:
            if not text:
                return self._call(replace(tokens, output=None), "unknown", latency, notes)
            notes = (*notes, "media-not-counted")
        return self._call(tokens, "counted", latency, notes)

    def _summed(self, usage: Reading | None) -> Reading | None:
        """The usage of a stream, whose chunks may each have counted their own part."""
        wrote = 0 if usage is None else usage.tokens.output or 0
        if usage is None or self.added <= wrote:
            return usage
        if not are_parts(wrote, self.added, tokens_by_length("".join(self.parts))):
            return usage
        tokens = replace(usage.tokens, output=self.added, reasoning=None)
        return Reading(tokens, (*usage.notes, "input-repeated"))

    def read(self, texts: Iterable[str]) -> ModelCall:
        """The finished embedding or rerank call; LlamaIndex hands on no usage of these."""
        latency = time.perf_counter() - self.started
        self.sent = read = tuple(texts)
        usage = Tokens(input=sum(map(count_tokens, read)), output=0)
        return self._call(usage, "counted", latency)

    def failed(self, error: BaseException | None = None) -> ModelCall:
        """A call that raised or was closed early: what it produced before."""
        if self.usage is None and not any(self.parts) and not may_have_answered(error):
            # Nothing was generated, so no time was spent generating: the latency bounds it at zero.
            return self._call(Tokens(output=0), "unknown", 0.0)
        return self._so_far()

    def produced(self) -> ModelCall | None:
        """The call so far: asked when the run is abandoned while it is open."""
        if self.ended is not None:
            return self.final
        return None if self.delegates else self._so_far()

    def _so_far(self) -> ModelCall:
        text = "".join(self.parts)
        if self.usage is not None:
            tokens = self.usage.tokens
            source: TokensSource = "reported"
            received = count_tokens(text)
            if (tokens.output or 0) < received:  # the last chunk, which says so, is missing
                tokens, source = replace(tokens, output=received, reasoning=None), "counted"
            return self._call(tokens, source, None, self.usage.notes)
        if text:
            counted = Tokens(input=self._prompt_tokens(), output=count_tokens(text))
            return self._call(counted, "counted", None)
        return self._call(Tokens(), "unknown", None)

    def _read(self, response: Any, *, named: bool = False) -> Reading | None:
        places = _places(response)
        self.places = places or self.places
        usage = None
        try:
            for place in places:
                usage = read_usage(place)
                if usage is not None:
                    self.usage = updated(self.usage, usage)
                    break
        except MalformedUsageError as wrong:
            self.note("usage of an unknown shape", wrong)
        if not named:
            self.answered = names.answered_model(held(response).get("raw")) or self.answered
        return usage

    def _prompt_tokens(self) -> int:
        read = count_tokens("\n".join(prompt_texts(self.prompt)))
        always = self.model_dict.get("additional_kwargs")
        told = definitions(self.beside, always if isinstance(always, dict) else None)
        return read + count_tokens(told)

    def _call(
        self,
        usage: Tokens,
        source: TokensSource,
        latency: float | None,
        notes: tuple[str, ...] = (),
    ) -> ModelCall:
        asked = self.asked or names.asked(self.instance, self.model_dict)
        return build_call(
            asked,
            self.kind,
            usage,
            source,
            answered=self.answered,
            latency_s=latency,
            notes=(*notes, *media_in(self.prompt, "blocks")),
        )


GENERATING: Final = frozenset({"chat", "completion"})
_FAMILY: Final[dict[Kind, frozenset[str]]] = {
    "chat": GENERATING,
    "completion": GENERATING,
    "embedding": frozenset({"embedding"}),
    "rerank": GENERATING | {"rerank"},  # some rank with an LLM
}


def _places(response: Any) -> tuple[Any, ...]:
    """Where a response carries what may be usage, nearest to the provider first."""
    fields = held(response)
    beside = getattr(fields.get("message"), "additional_kwargs", None)
    return tuple(filter(None, (fields.get("raw"), fields.get("additional_kwargs"), beside)))


def _asked(prompt: Any) -> object:
    """What tells a prompt from another one: roles and blocks, without ids of tool calls."""
    if isinstance(prompt, str):
        return prompt
    return tuple([(str(getattr(m, "role", "")), *map(_block, _blocks(m))) for m in prompt])


def _blocks(message: Any) -> Iterable[Any]:
    return held(message).get("blocks") or (answer_text(message),)


def _block(block: Any) -> object:
    fields = held(block)
    if not fields:
        return str(block)
    return tuple([item for item in fields.items() if item[0] != "tool_call_id"])
