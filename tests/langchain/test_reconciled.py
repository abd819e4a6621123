"""Usage that contradicts itself, through LangChain: streams, iterations, refusals, media."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk, Generation, LLMResult
from models import by_length

from impactree import ImpactHandler
from impactree.calls import counting

SORRY = "I am sorry, I cannot help with that request at all."


@pytest.fixture(autouse=True)
def _by_length(monkeypatch):
    monkeypatch.setattr(counting, "_use_vocabulary", False)


class Server(GenericFakeChatModel):
    """A client that hands on one usage with each chunk."""

    usages: list[Any]
    messages: Any = iter(())

    def _stream(self, *args: Any, run_manager: Any = None, **kwargs: Any) -> Any:
        for usage in self.usages:
            chunk = ChatGenerationChunk(message=AIMessageChunk("word ", usage_metadata=usage))
            if run_manager:
                run_manager.on_llm_new_token("word ", chunk=chunk)
            yield chunk


def usage(read: int, wrote: int, **details: Any) -> dict[str, Any]:
    return {"input_tokens": read, "output_tokens": wrote, "total_tokens": read + wrote, **details}


def streamed(*usages: Any) -> Any:
    handler = ImpactHandler()
    list(Server(usages=list(usages)).stream("Hi", {"callbacks": [handler]}))
    assert handler.tracker.problems == {}
    return handler.last_run


def counts(run: Any) -> tuple[Any, ...]:
    return (run.call.input_tokens, run.call.output_tokens, run.call.tokens_source)


def test_the_whole_so_far_in_every_chunk_is_not_summed():
    run = streamed(*(usage(10, 4 * i) for i in range(1, 6)), usage(10, 20), usage(10, 20))
    assert counts(run) == (10, 20, "reported")
    assert run.call.usage_notes == ("cumulative-chunks",)
    assert [w.code for w in run.own.warnings][-1] == "usage-reconciled"


def test_the_details_are_the_last_chunk_s_too():
    details = {
        "input_token_details": {"cache_read": 6},
        "output_token_details": {"reasoning": 3},
    }
    run = streamed(usage(10, 4, **details), usage(10, 9, **details))
    assert run.call.cached_input_tokens == 6
    assert run.call.reasoning_tokens == 3


@pytest.mark.parametrize(
    "usages",
    [
        [None, None, usage(10, 20)],  # OpenAI: once, at the end
        [usage(10, 0), usage(0, 12), usage(0, 8)],  # in parts that add up
        [usage(8, 2), usage(2, 18)],  # Google's client: what has come on top
        [usage(10, 20), usage(0, 0)],
    ],
)
def test_parts_that_add_up_are_summed(usages):
    run = streamed(*usages)
    assert counts(run) == (10, 20, "reported")
    assert run.call.usage_notes == ()


@pytest.mark.parametrize(
    "usages",
    [
        # Seven times "word " is 35 characters, 10 tokens by length: no 1 token, and no 70 read.
        [usage(10, 1)] * 7,
        [usage(10, n) for n in (2, 1, 1, 1, 1, 1)],
    ],
)
def test_parts_of_the_output_beside_the_whole_input(usages):
    """Each chunk counts what it brings, and repeats the input: by the text, the parts add up."""
    run = streamed(*usages)
    assert counts(run) == (10, 7, "reported")
    assert run.call.usage_notes == ("input-repeated",)


def test_a_last_chunk_without_output_is_no_fall():
    assert counts(streamed(usage(10, 4), usage(10, 8), usage(10, 0))) == (10, 8, "reported")


@pytest.mark.parametrize(
    "message",
    [
        AIMessage([{"type": "refusal", "refusal": SORRY}]),
        AIMessage("", additional_kwargs={"refusal": SORRY}),
    ],
)
def test_a_refusal_was_written(message):
    handler = ImpactHandler()
    GenericFakeChatModel(messages=iter([message])).invoke("Hi", {"callbacks": [handler]})
    assert counts(handler.last_run) == (1, by_length(SORRY), "counted")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (
            AIMessage([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]),
            "kind-not-covered",  # it drew, which the published method has no figures of
        ),
        (
            AIMessage("", additional_kwargs={"audio": {"id": "a", "data": "AAAA"}}),
            "output-tokens-unknown",
        ),
    ],
)
def test_an_answer_that_is_no_text_is_unknown_and_not_zero(message, reason):
    handler = ImpactHandler()
    GenericFakeChatModel(messages=iter([message])).invoke("Hi", {"callbacks": [handler]})
    assert counts(handler.last_run) == (1, None, "unknown")
    assert [e.code for e in handler.last_run.own.errors] == [reason]


@pytest.mark.parametrize(
    ("block", "note"),
    [
        ({"type": "text", "text": "Look."}, None),
        ({"type": "image_url", "image_url": {"url": "https://x.example/y.png"}}, "images"),
        ({"type": "image", "source": {"type": "url", "url": "https://x.example/y"}}, "images"),
        ({"type": "input_image", "image_url": "https://x.example/y.png"}, "images"),
        ({"image": {"format": "png", "source": {"bytes": b"0"}}}, "images"),  # Bedrock
        ({"type": "media", "mime_type": "image/png", "data": "AAAA"}, "images"),  # Gemini
        ({"type": "media", "mime_type": "video/mp4", "file_uri": "gs://x"}, "video"),
        ({"type": "input_audio", "input_audio": {"data": "A", "format": "wav"}}, "sound"),
        ({"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}, "sound"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "files"),
        ({"type": "document", "source": {"type": "base64", "data": "AAAA"}}, "files"),
        ({"type": "file", "mime_type": "application/pdf", "base64": "AAAA"}, "files"),
    ],
)
@pytest.mark.parametrize("method", ["ecologits-0.11", "impactree-1"])
def test_what_of_a_prompt_is_no_text_is_said(block, note, method):
    handler = ImpactHandler(method=method)
    prompt = [HumanMessage(["Look here.", block])]
    message = AIMessage("A cat.", usage_metadata=usage(800, 3))
    GenericFakeChatModel(messages=iter([message])).invoke(prompt, {"callbacks": [handler]})
    own = handler.last_run.own
    assert handler.last_run.call.usage_notes == (() if note is None else (note,))
    said = [w.message for w in own.warnings if w.code == "input-not-text"]
    assert len(said) == (note is not None)
    assert all("counts as the tokens that the provider reports" in text for text in said)
    assert handler.last_run.call.input_tokens == 800
    assert handler.tracker.problems == {}


def test_what_a_tool_returns_is_part_of_the_prompt():
    handler = ImpactHandler()
    image = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
    sound = {"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}
    prompt = [HumanMessage("Draw."), ToolMessage([image, image, sound], tool_call_id="1")]
    message = AIMessage("Done.", usage_metadata=usage(800, 3))
    GenericFakeChatModel(messages=iter([message])).invoke(prompt, {"callbacks": [handler]})
    assert handler.last_run.call.usage_notes == ("images", "sound")


def test_a_completion_with_usage_in_langchain_s_own_shape():
    told = usage(7, 300, output_token_details={"reasoning": 232})
    handler = ImpactHandler()
    handler.on_llm_start({}, ["Hi"], run_id=1)
    generation = Generation(text="x", generation_info={"usage_metadata": told})
    handler.on_llm_end(LLMResult(generations=[[generation]]), run_id=1)
    assert counts(handler.last_run) == (7, 300, "reported")
    assert handler.last_run.call.reasoning_tokens == 232


def test_the_provider_s_own_usage_beside_langchain_s():
    """Perplexity's reasoning is on the top level, where ``ChatOpenAI`` does not look."""
    raw = {"prompt_tokens": 108, "completion_tokens": 3256, "total_tokens": 3364}
    message = AIMessage(
        "report",
        usage_metadata=usage(108, 3256),
        response_metadata={"token_usage": {**raw, "reasoning_tokens": 73248}},
    )
    handler = ImpactHandler()
    GenericFakeChatModel(messages=iter([message])).invoke("Hi", {"callbacks": [handler]})
    assert counts(handler.last_run) == (108, 76504, "reported")
    assert handler.last_run.call.usage_notes == ("reasoning-beside-output",)


def test_a_compaction_whose_iterations_the_client_dropped():
    content = [{"type": "compaction", "content": "Summary."}, {"type": "text", "text": "Hi."}]
    handler = ImpactHandler()
    message = AIMessage(content, usage_metadata=usage(23000, 1000))
    GenericFakeChatModel(messages=iter([message])).invoke("Hi", {"callbacks": [handler]})
    assert handler.last_run.call.usage_notes == ("iterations-not-shown",)
    assert [w.code for w in handler.last_run.own.warnings][-1] == "usage-unclear"
