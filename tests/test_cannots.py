"""What the frameworks' pages say cannot be seen is said by the report too, with its cure."""

from __future__ import annotations

import pickle
import threading

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk, Generation
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, ImageBlock, TextBlock
from llama_index.core.callbacks import CallbackManager
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.storage.kvstore.types import BaseKVStore

from impactree import ImpactBudget, ImpactHandler, ModelCall, track_impacts
from impactree.langchain import track_embeddings, track_reranker
from impactree.llama_index import ImpactHandler as LlamaIndexHandler


def flat(handler):
    return " ".join(str(handler.report()).split())


# LangChain


def _search(embeddings):
    store = InMemoryVectorStore(embeddings)
    store.add_documents([Document("Ulm lies on the Danube.")])
    handler = ImpactHandler()
    store.as_retriever().invoke("Where is Ulm?", {"callbacks": [handler]})
    return handler


def test_embeddings_that_langchain_does_not_show():
    text = flat(_search(DeterministicFakeEmbedding(size=4)))
    assert "embedding-not-seen (1 retriever)" in text
    assert "Cure: track_embeddings(...) of impactree.langchain" in text


def test_embeddings_that_are_wrapped_are_not_said_to_be_unseen():
    assert "not-seen" not in flat(_search(track_embeddings(DeterministicFakeEmbedding(size=4))))


class ContextualCompressionRetriever(BaseRetriever):
    """As langchain-classic's: it asks another retriever, and a compressor sorts what was found."""

    base: BaseRetriever
    compressor: BaseDocumentCompressor

    def _get_relevant_documents(self, query, *, run_manager):
        found = self.base.invoke(query, {"callbacks": run_manager.get_child()})
        return self.compressor.compress_documents(found, query, run_manager.get_child())


class CohereRerank(BaseDocumentCompressor):
    def compress_documents(self, documents, query, callbacks=None):
        return documents[::-1]


@pytest.mark.parametrize(("wrap", "unseen"), [(lambda it: it, True), (track_reranker, False)])
def test_a_reranker_that_langchain_does_not_show(wrap, unseen):
    """Beside embeddings that are seen, too: those are the asked retriever's."""
    store = InMemoryVectorStore(track_embeddings(DeterministicFakeEmbedding(size=4)))
    store.add_documents([Document("Ulm lies on the Danube.")])
    handler = ImpactHandler()
    reranked = ContextualCompressionRetriever(
        base=store.as_retriever(), compressor=wrap(CohereRerank())
    )
    reranked.invoke("Where is Ulm?", {"callbacks": [handler]})
    text = flat(handler)
    assert ("reranker-not-seen (1 retriever)" in text) is unseen
    assert ("Cure: track_reranker(...) of impactree.langchain" in text) is unseen
    assert "embedding-not-seen" not in text


def test_a_plain_thread_loses_its_run():
    def answer(_):
        model = GenericFakeChatModel(messages=iter([AIMessage("yes")]))
        thread = threading.Thread(target=model.invoke, args=("Hi",))
        thread.start()
        thread.join()

    with track_impacts(everywhere=True) as tracker:
        RunnableLambda(answer).invoke("Hi")
    text = " ".join(str(tracker.report()).split())
    assert "context-lost (1 call)" in text
    assert "contextvars.copy_context().run" in text


class ChatLiteLLM(GenericFakeChatModel):
    """As langchain-litellm's: its last chunk's usage may be LiteLLM's own count."""

    def _stream(self, messages, stop=None, run_manager=None, **kwargs):
        for text, usage in (("It ", None), ("rains.", (8, 3))):
            message = AIMessageChunk(text)
            if usage is not None:
                read, wrote = usage
                message.usage_metadata = {
                    "input_tokens": read,
                    "output_tokens": wrote,
                    "total_tokens": read + wrote,
                }
            chunk = ChatGenerationChunk(message=message)
            if run_manager is not None:
                run_manager.on_llm_new_token(text, chunk=chunk)
            yield chunk


def test_litellm_may_have_made_the_usage_of_a_stream_up():
    handler = ImpactHandler(deployments={"ChatLiteLLM": "openai/gpt-4o-mini"})
    model = ChatLiteLLM(messages=iter([]))
    list(model.stream("Rain?", {"callbacks": [handler]}))
    call = handler.last_run.call
    assert (call.input_tokens, call.output_tokens, call.tokens_source) == (8, 3, "reported")
    assert call.usage_notes == ("counted-by-client",)
    text = flat(handler)
    assert "usage-unclear" in text
    assert "ask with invoke" in text


class ChatCohere(ChatLiteLLM):
    """As langchain-cohere's: a stream's usage is that of billed tokens."""


def test_cohere_hands_on_billed_tokens_of_a_stream():
    handler = ImpactHandler(deployments={"ChatCohere": "cohere/command-a-03-2025"})
    list(ChatCohere(messages=iter([])).stream("Rain?", {"callbacks": [handler]}))
    assert handler.last_run.call.usage_notes == ("billed-tokens",)
    text = flat(handler)
    assert "usage-unclear" in text
    assert "leave out special tokens that were read. Cure: ask with invoke" in text


class _Bare(InMemoryCache):
    """Filled by another program, which kept texts alone."""

    def lookup(self, prompt, llm_string):
        return [Generation(text="It rains.")]


def _from_cache(everywhere):
    cache = _Bare()
    model = GenericFakeChatModel(messages=iter([]), cache=True if everywhere else cache)
    handler = ImpactHandler()
    set_llm_cache(cache if everywhere else None)
    try:
        model.invoke("Rain?", {"callbacks": [handler]})
    finally:
        set_llm_cache(None)
    return handler


def test_a_text_alone_from_langchain_s_cache_is_no_call():
    """LangChain gives its run's id to every message that a model made, and none to that one."""
    run = _from_cache(everywhere=True).last_run
    assert run.cached
    assert run.total.energy.value.max == 0


def test_a_text_alone_from_a_model_s_own_cache_may_be_no_call():
    """Of a cache that a model has for itself, no event tells."""
    handler = _from_cache(everywhere=False)
    assert not handler.last_run.cached
    assert handler.last_run.call.usage_notes == ("perhaps-cached",)
    text = flat(handler)
    assert "it may have been no call. Cure: fill the cache by calls of LangChain's chat" in text


def _reports(provider, model, read, **counts):
    handler = ImpactHandler()
    call = ModelCall(provider=provider, model=model, input_tokens=read, output_tokens=9, **counts)
    handler.tracker.record(call)
    return flat(handler)


@pytest.mark.parametrize("provider", ["ollama", "mistralai", "cohere", "huggingface"])
def test_input_from_a_cache_that_a_format_does_not_tell(provider):
    """Of prompts that are long enough for one."""
    assert "cached-input-not-told (1 call)" in _reports(provider, "x", 2000)
    assert "counts as read anew, which is at most too much. Cure:" in _reports(provider, "x", 2000)
    assert "cached-input" not in _reports(provider, "x", 200)
    assert "cached-input" not in _reports(provider, "x", 2000, cached_input_tokens=0)
    assert "cached-input" not in _reports("openai", "x", 2000)


def test_an_alias_that_no_answer_explains():
    text = _reports("mistralai", "mistral-small-latest", 9)
    assert "alias-not-answered (mistral-small-latest)" in text
    assert "Cure: the dated name" in text
    assert "alias-not-answered" not in _reports("mistralai", "mistral-small-2506", 9)


# LlamaIndex


class _Elsewhere(BaseKVStore):
    """A cache in another process."""

    def get(self, *args, **kwargs):
        return None

    put = delete = get_all = aget = aput = adelete = aget_all = get


def test_an_embeddings_cache_elsewhere_is_not_asked():
    model = MockEmbedding(embed_dim=2, embeddings_cache=_Elsewhere())
    with LlamaIndexHandler().instrument() as handler:
        model.get_text_embedding_batch(["Ulm"])
    text = flat(handler)
    assert "its hits count as computed" in text
    assert "cure: embeddings_cache=SimpleKVStore()" in text


def _spend(handler, **settings):
    model = MockLLM(max_tokens=50, **settings)
    for _ in range(3):
        model.chat([ChatMessage(content="Hi")])


@pytest.fixture
def spent_at_once():
    return {
        "budget": ImpactBudget(gwp_g=1e-9, per="handler", action="raise"),
        "deployments": {"MockLLM": "openai/gpt-4o-mini"},
    }


def test_a_spent_budget_that_could_not_stop_says_so(spent_at_once):
    with LlamaIndexHandler(**spent_at_once).instrument() as handler:
        _spend(handler)
    text = flat(handler)
    assert "a spent budget did not stop a call" in text
    assert "cure: the handler in the model's CallbackManager as well" in text


@pytest.mark.parametrize("instrumented", [False, True])
def test_what_a_manager_alone_told_of(instrumented):
    """It tells nothing of agents and workflows."""
    handler = LlamaIndexHandler()
    model = MockLLM(max_tokens=5, callback_manager=CallbackManager([handler]))
    if instrumented:
        with handler.instrument():
            model.chat([ChatMessage(content="Hi")])
    else:
        model.chat([ChatMessage(content="Hi")])
    (root,) = handler.runs  # its ``chat`` calls its ``complete``, which serves it
    assert len(root.calls) == 1
    text = flat(handler)
    assert ("told-by-manager (1 run)" in text) is not instrumented
    assert ("Cure: ImpactHandler().instrument() of impactree.llama_index" in text) is (
        not instrumented
    )


def test_a_stream_that_a_manager_tells_nothing_of_names_the_cure():
    handler = LlamaIndexHandler()
    model = MockLLM(max_tokens=5, callback_manager=CallbackManager([handler]))
    stream = model.stream_chat([ChatMessage(content="Hi")])
    next(stream)
    stream.close()
    text = flat(handler)
    assert "output-tokens-unknown" in text
    assert "ImpactHandler().instrument()" in text


# Answers that are no text


def _is_no_zero(call, text):
    assert call.input_tokens > 0
    if text:  # what is read of it counts, and what is missing is said
        assert call.output_tokens > 0
        assert call.usage_notes == ("media-not-counted",)
    else:
        assert (call.output_tokens, call.tokens_source) == (None, "unknown")


@pytest.mark.parametrize("text", ["", "Here is your picture:"])
def test_a_picture_among_an_answer_is_no_zero_in_langchain(text):
    handler = ImpactHandler()
    blocks = [{"type": "text", "text": text}, {"type": "image", "base64": "iVBORw0KGgo="}]
    model = GenericFakeChatModel(messages=iter([AIMessage(blocks)]))
    model.invoke("Draw a cat", {"callbacks": [handler]})
    call = handler.last_run.call
    _is_no_zero(call, text)
    # The picture is a call of its own kind, which the published method does not cover.
    assert handler.total.unestimated_calls == 1
    assert "kind-not-covered" in flat(handler)


@pytest.mark.parametrize("text", ["", "Here is your picture:"])
@pytest.mark.parametrize("way", ["instrument", "manager"])
def test_a_picture_among_an_answer_is_no_zero_in_llama_index(text, way):
    blocks = [TextBlock(text=text), ImageBlock(image=b"iVBORw0KGgo=")]

    class Painter(MockLLM):
        @llm_chat_callback()
        def chat(self, messages, **kwargs):
            return ChatResponse(message=ChatMessage(role="assistant", blocks=blocks))

    handler = LlamaIndexHandler()
    if way == "instrument":
        with handler.instrument():
            Painter().chat([ChatMessage(content="Draw a cat")])
    else:
        model = Painter(callback_manager=CallbackManager([handler]))
        model.chat([ChatMessage(content="Draw a cat")])
    call = next(run.call for root in handler.runs for run in root.calls)
    _is_no_zero(call, text)
    assert handler.total.unestimated_calls == 1  # the picture


# Small ones


@pytest.mark.parametrize("cls", [ImpactHandler, LlamaIndexHandler])
def test_a_handler_sends_its_settings_to_another_process(cls):
    budget = ImpactBudget(gwp_g=5)
    handler = cls(
        zone="FRA",
        max_runs=7,
        metadata_keys=["team"],
        totals_by=["model"],
        budget=budget,
        deployments={"mine": "openai/gpt-4o-mini"},
    )
    there = pickle.loads(pickle.dumps(handler))
    assert there.tracker is not handler.tracker
    settings = there.tracker.engine.settings
    assert (settings.zone, settings.deployments) == ("FRA", {"mine": "openai/gpt-4o-mini"})
    assert there._given == handler._given
    assert not handler.tracker.problems


def test_a_handler_that_leaves_its_exporters_behind_says_so():
    handler = ImpactHandler(exporters=[_Nowhere()])
    assert not pickle.loads(pickle.dumps(handler)).tracker.exporters
    assert "without its exporters; cure: make a handler there" in flat(handler)


class _Nowhere:
    def export(self, root):
        """Nothing is sent."""

    def flush(self, timeout=None):
        return True


def test_an_empty_report_gives_the_advice_of_its_framework():
    assert "invoke(" in flat(ImpactHandler())
    text = flat(LlamaIndexHandler())
    assert "instrument()" in text
    assert "LangChain" not in text
    assert "instrument()" in LlamaIndexHandler().report().to_markdown()
