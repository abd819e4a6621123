"""What the frameworks' pages say is counted or unknown is said by the report too, with its cure."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.runnables import RunnableLambda
from llama_index.core import Document
from llama_index.core.callbacks import CallbackManager
from llama_index.core.extractors import TitleExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import ChatMessage, CompletionResponse, MockLLM
from llama_index.core.llms.callbacks import llm_completion_callback

from impactree import ImpactHandler, ModelCall
from impactree.llama_index import ImpactHandler as LlamaIndexHandler

COUNTED = "token-count-approximate (1 call)"
UNKNOWN = "output-tokens-unknown"
ASK = "ChatOpenAI(stream_usage=True), or stream_options={'include_usage': True}"
PROVIDER = "cancelled, timed out or never read the provider's own usage page alone tells"
MINE = {"deployments": {"GenericFakeChatModel": "openai/gpt-4o", "MockLLM": "openai/gpt-4o"}}


def flat(handler: Any) -> str:
    return " ".join(str(handler.report()).split())


def model(*answers: str) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage(answer) for answer in answers]))


# LangChain


@pytest.mark.parametrize("half", [False, True])
def test_a_stream_without_usage(half):
    handler = ImpactHandler(**MINE)
    stream = model("It rains in Ulm").stream("Rain?", {"callbacks": [handler]})
    next(stream)
    if half:
        stream.close()
    else:
        list(stream)
    assert handler.last_run.status == ("abandoned" if half else "ok")
    assert COUNTED in flat(handler)
    assert ASK in flat(handler)


class Slow(GenericFakeChatModel):
    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(9)


def test_a_call_that_is_cancelled():
    handler = ImpactHandler(**MINE)

    async def cancel() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                RunnableLambda(Slow(messages=iter([])).ainvoke).ainvoke(
                    "Hi", {"callbacks": [handler]}
                ),
                0.05,
            )

    asyncio.run(cancel())
    assert handler.total.unestimated_calls == 1
    assert UNKNOWN in flat(handler)
    assert PROVIDER in flat(handler)


def test_prompts_before_one_that_fails():
    handler = ImpactHandler(**MINE)
    asked = [[HumanMessage("a")], [HumanMessage("b")]]  # the second has no answer

    def ask(_: Any, config: Any) -> None:
        with contextlib.suppress(RuntimeError, StopIteration):
            model("yes").generate(asked, callbacks=config["callbacks"])

    RunnableLambda(ask).invoke("x", {"callbacks": [handler]})
    assert handler.total.unestimated_calls == 1
    assert UNKNOWN in flat(handler)


def test_a_client_whose_answers_name_no_model():
    """As ChatHuggingFace's with an ``endpoint_url``: the class stands for it."""
    handler = ImpactHandler()
    call = ModelCall(provider="huggingface", model="ChatHuggingFace", output_tokens=9)
    handler.tracker.record(call)
    assert "model-prior (1 call)" in flat(handler)
    assert "Cure: ImpactHandler(deployments={'ChatHuggingFace': 'PROVIDER/MODEL'})" in flat(handler)


# LlamaIndex


def test_a_stream_of_llama_index_without_usage():
    with LlamaIndexHandler(**MINE).instrument() as handler:
        list(MockLLM(max_tokens=5).stream_complete("Hi"))
    assert COUNTED in flat(handler)
    assert ASK in flat(handler)
    assert "in additional_kwargs" in flat(handler)


def test_a_stream_of_llama_index_that_nobody_reads():
    with LlamaIndexHandler(**MINE).instrument() as handler:
        MockLLM(max_tokens=5).stream_complete("Hi")
    assert UNKNOWN in flat(handler)
    assert PROVIDER in flat(handler)


class Breaking(MockLLM):
    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        def pieces() -> Any:
            yield CompletionResponse(text="It", delta="It")
            raise ConnectionError("gone")

        return pieces()


def test_a_stream_that_breaks_in_a_manager_names_the_cure():
    """What came before is not told to it."""
    handler = LlamaIndexHandler(**MINE)
    stream = Breaking(callback_manager=CallbackManager([handler])).stream_complete("Hi")
    with pytest.raises(ConnectionError):
        list(stream)
    assert handler.total.estimated_calls == 0
    assert "told-by-manager (1 run)" in flat(handler)
    assert "ImpactHandler().instrument()" in flat(handler)


class _Workers:
    """A pool of processes that takes no second to start: what works there is not seen here."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *args: Any) -> None:
        """Nothing was started."""

    def Pool(self, number: int) -> Any:  # as multiprocessing's context
        return self

    def starmap(self, work: Any, batches: Any) -> list[Any]:
        return [work(nodes, [], *rest) for nodes, _, *rest in batches]


def test_calls_of_a_model_in_the_workers_of_an_ingestion(monkeypatch):
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: _Workers())
    pipeline = IngestionPipeline(transformations=[TitleExtractor(llm=MockLLM(max_tokens=3))])
    with LlamaIndexHandler().instrument() as handler:
        pipeline.run(documents=[Document(text="Ulm"), Document(text="Bonn")], num_workers=2)
    assert "calls of TitleExtractor in worker processes were not seen" in flat(handler)
    assert "cure: num_workers=1" in flat(handler)


def test_messages_of_a_manager_and_instrumentation_are_the_same():
    """The one that tells less is not believed to have told all."""
    texts = []
    for instrumented in (False, True):
        handler = LlamaIndexHandler(**MINE)
        llm = MockLLM(max_tokens=5, callback_manager=CallbackManager([handler]))
        with handler.instrument() if instrumented else contextlib.nullcontext():
            list(llm.stream_chat([ChatMessage(content="Hi")]))
        texts.append(flat(handler))
    assert ["told-by-manager" in text for text in texts] == [True, False]
    assert all(COUNTED in text for text in texts)
