"""track_embeddings and track_reranker: calls that LangChain itself shows to nobody."""

from __future__ import annotations

import asyncio
import copy
import logging

import pytest
from langchain_core.caches import BaseCache
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from langchain_core.language_models import FakeListChatModel
from langchain_core.runnables import RunnableLambda
from langchain_core.vectorstores import InMemoryVectorStore
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.store.base.batch import AsyncBatchedBaseStore
from langgraph.store.memory import InMemoryStore

from impactree import ImpactHandler, track_impacts
from impactree.calls.counting import count_tokens
from impactree.langchain import _embeddings, track_embeddings, track_reranker
from wire.server import Answer, Usage

TEXTS = ["the pond in winter", "economy", "higher laws"]


class Model(DeterministicFakeEmbedding):
    """Says its name as real clients do."""

    model: str = "text-embedding-3-small"
    fails: bool = False

    def embed_query(self, text):
        if self.fails:
            raise RuntimeError("down")
        return super().embed_query(text)


def calls(run):
    return [(r.kind, r.call.model, r.call.input_tokens, r.parent.name) for r in run.calls]


@pytest.fixture
def store():
    store = InMemoryVectorStore(track_embeddings(Model(size=8)))
    store.add_texts(TEXTS)  # outside any run and block: nobody follows it
    return store


def test_a_retriever_in_a_chain_shows_its_query_embedding(store):
    handler = ImpactHandler()
    chain = RunnableLambda(lambda q: q) | store.as_retriever()
    documents = chain.invoke("pond", config={"callbacks": [handler]})
    assert len(documents) == 3
    tokens = count_tokens("pond")
    assert calls(handler.last_run) == [
        ("embedding", "text-embedding-3-small", tokens, "VectorStoreRetriever")
    ]
    (run,) = handler.last_run.calls
    assert run.call.tokens_source == "counted"
    assert [e.code for e in run.own.errors] == ["kind-not-covered"]
    assert run.own.gwp is None
    assert handler.total.gwp is None  # not covered is not zero


async def test_async_embeddings_hang_on_their_run(store):
    handler = ImpactHandler()
    await store.as_retriever().ainvoke("pond", config={"callbacks": [handler]})
    assert [c[0] for c in calls(handler.last_run)] == ["embedding"]


def test_outside_any_run_the_given_tracker_gets_a_root():
    handler = ImpactHandler()
    vectors = track_embeddings(Model(size=8), handler).embed_documents(TEXTS)
    assert len(vectors) == 3
    (run,) = handler.runs
    assert (run.kind, run.name, run.parent) == ("embedding", "Model", None)
    assert run.call.input_tokens == sum(count_tokens(text) for text in TEXTS)


def test_a_block_follows_embeddings_too():
    embeddings = track_embeddings(Model(size=8))
    with track_impacts() as tracker:
        embeddings.embed_query("pond")
    embeddings.embed_query("not followed")
    assert len(tracker.runs) == 1


def test_a_failure_is_shown_and_raised():
    handler = ImpactHandler()
    with pytest.raises(RuntimeError, match="down"):
        track_embeddings(Model(size=8, fails=True), handler).embed_query("pond")
    assert handler.last_run.status == "error"
    assert handler.last_run.call is None


class Cache(Embeddings):
    """The shape of CacheBackedEmbeddings: a store in front of underlying embeddings."""

    def __init__(self, underlying):
        self.underlying_embeddings = underlying
        self.store = {}

    def embed_documents(self, texts):
        missing = [t for t in texts if t not in self.store]
        if missing:
            vectors = self.underlying_embeddings.embed_documents(missing)
            self.store.update(zip(missing, vectors, strict=True))
        return [self.store[t] for t in texts]

    def embed_query(self, text):
        return self.underlying_embeddings.embed_query(text)


def test_cache_hits_cost_nothing():
    handler = ImpactHandler()
    cached = track_embeddings(Cache(Model(size=8)), handler)
    first = cached.embed_documents(TEXTS)
    again = cached.embed_documents(TEXTS)
    assert first == again
    assert len(handler.runs) == 1


def test_the_wrapper_is_transparent():
    inner = Model(size=8)
    tracked = track_embeddings(inner)
    assert tracked.embed_query("x") == inner.embed_query("x")
    assert tracked.model == inner.model
    assert isinstance(tracked, Embeddings)
    assert copy.copy(tracked).size == 8
    assert "Model" in repr(tracked)
    with pytest.raises(AttributeError):
        _ = tracked.nonsense
    with pytest.raises(TypeError, match="str"):
        track_embeddings("text-embedding-3-small")


def test_what_is_wrapped_already_counts_once():
    handler = ImpactHandler()
    twice = track_embeddings(track_embeddings(Model(size=8), handler), handler)
    twice.embed_query("pond")
    reranker = track_reranker(track_reranker(Reranker(), handler), handler)
    reranker.compress_documents(DOCUMENTS, "pond")
    assert [run.kind for run in handler.runs] == ["embedding", "rerank"]
    track_embeddings(twice, ImpactHandler()).embed_query("pond")  # another's counts for itself
    assert [run.name for run in handler.runs][2:] == ["Model"]


class Reranker(BaseDocumentCompressor):
    model: str = "rerank-v3.5"

    def compress_documents(self, documents, query, callbacks=None):
        return list(documents)[:1]


DOCUMENTS = [Document("the pond in winter"), Document("economy")]


def test_a_reranker_reads_the_query_once_per_document():
    handler = ImpactHandler()
    reranker = track_reranker(Reranker(), handler)
    assert reranker.compress_documents(DOCUMENTS, "pond") == DOCUMENTS[:1]
    (run,) = handler.runs
    expected = sum(count_tokens(f"pond\n{d.page_content}") for d in DOCUMENTS)
    assert (run.kind, run.call.model, run.call.input_tokens) == ("rerank", "rerank-v3.5", expected)
    assert [e.code for e in run.own.errors] == ["kind-not-covered"]


async def test_a_reranker_hangs_on_its_run():
    handler = ImpactHandler()
    reranker = track_reranker(Reranker())

    async def rank(query):
        return await reranker.acompress_documents(DOCUMENTS, query)

    await RunnableLambda(rank).ainvoke("pond", config={"callbacks": [handler]})
    assert [c[0] for c in calls(handler.last_run)] == ["rerank"]
    with pytest.raises(TypeError, match="BaseDocumentCompressor"):
        track_reranker(Model(size=8))


# Real clients


def openai(url):
    module = pytest.importorskip("langchain_openai")
    return module.OpenAIEmbeddings(
        base_url=f"{url}/openai/v1", api_key="k", check_embedding_ctx_length=False
    )


def azure(url):
    module = pytest.importorskip("langchain_openai")
    return module.AzureOpenAIEmbeddings(
        azure_endpoint=f"{url}/azure",
        api_key="k",
        api_version="2024-10-21",
        azure_deployment="ours",
        check_embedding_ctx_length=False,
    )


def cohere(url):
    module = pytest.importorskip("langchain_cohere")
    return module.CohereEmbeddings(model="embed-v4.0", cohere_api_key="k", base_url=f"{url}/cohere")


def ollama(url):
    module = pytest.importorskip("langchain_ollama")
    return module.OllamaEmbeddings(model="nomic-embed-text", base_url=f"{url}/ollama")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("let_go")
@pytest.mark.parametrize("make", [openai, azure, cohere, ollama])
@pytest.mark.parametrize("way", ["documents", "query", "async documents", "async query"])
def test_tokens_that_the_provider_reports(make, way, wire_server):
    wire_server.respond(lambda request: Answer(usage=Usage(input=71)))
    inner = make(wire_server.url)
    before = dict(vars(inner))
    handler = ImpactHandler()
    tracked = track_embeddings(inner, handler)
    found = {
        "documents": lambda: tracked.embed_documents(TEXTS),
        "query": lambda: tracked.embed_query("pond"),
        "async documents": lambda: asyncio.run(tracked.aembed_documents(TEXTS)),
        "async query": lambda: asyncio.run(tracked.aembed_query("pond")),
    }[way]()
    assert found
    assert vars(inner) == before  # the caller's own object is left alone
    (run,) = handler.runs
    assert (run.call.input_tokens, run.call.tokens_source) == (71, "reported")
    assert handler.tracker.problems == {}


def test_what_not_every_request_reports_is_counted():
    class Client:
        counts = [3, None]  # noqa: RUF012

        def embed(self, texts):
            return {"prompt_eval_count": self.counts.pop(0), "embeddings": [[0.0] for _ in texts]}

    class Halves(Embeddings):
        def __init__(self):
            self._client = Client()

        def embed_documents(self, texts):
            return [self._client.embed([text])["embeddings"][0] for text in texts]

        def embed_query(self, text):
            return self.embed_documents([text])[0]

    handler = ImpactHandler()
    track_embeddings(Halves(), handler).embed_documents(["a", "b"])
    assert (handler.last_run.call.input_tokens, handler.last_run.call.tokens_source) == (
        count_tokens("a") + count_tokens("b"),
        "counted",
    )


def test_the_real_cache():
    classic = pytest.importorskip("langchain_classic.embeddings")
    stores = pytest.importorskip("langchain_core.stores")
    handler = ImpactHandler()
    cached = classic.CacheBackedEmbeddings.from_bytes_store(
        Model(size=8),
        stores.InMemoryByteStore(),
        namespace="pond",
        query_embedding_cache=True,
        key_encoder="sha256",
    )
    tracked = track_embeddings(cached, handler)
    first = tracked.embed_documents(TEXTS[:2])
    assert tracked.embed_documents(TEXTS[:2]) == first
    tracked.embed_documents(TEXTS)  # one is new
    assert tracked.embed_query("pond") == tracked.embed_query("pond")
    asked = [run.call.input_tokens for run in handler.runs]
    assert asked == [
        sum(count_tokens(text) for text in TEXTS[:2]),
        count_tokens(TEXTS[2]),
        count_tokens("pond"),
    ]


class SemanticCache(BaseCache):
    """Embeds each question, sync and async, and finds nothing."""

    def __init__(self):
        self.embeddings = track_embeddings(DeterministicFakeEmbedding(size=8))

    def lookup(self, prompt, llm_string):
        self.embeddings.embed_query("What is asked?")

    async def alookup(self, prompt, llm_string):
        await self.embeddings.aembed_query("What is asked?")

    def update(self, prompt, llm_string, return_val):
        pass

    async def aupdate(self, prompt, llm_string, return_val):
        pass

    def clear(self):
        pass


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_what_a_cache_embeds_hangs_under_the_model_that_was_called_directly(kind):
    handler = ImpactHandler()
    model = FakeListChatModel(responses=["hello"], cache=SemanticCache())
    if kind == "sync":
        model.invoke("hi", {"callbacks": [handler]})
    else:
        await model.ainvoke("hi", {"callbacks": [handler]})
    (root,) = handler.runs
    assert [run.kind for run in root.walk()] == ["chat", "embedding"]
    assert root.calls[-1].call.input_tokens > 0


class BatchedStore(AsyncBatchedBaseStore):
    """What LangGraph's PostgreSQL and SQLite stores are: one background task for all."""

    def __init__(self):
        super().__init__()
        embed = track_embeddings(DeterministicFakeEmbedding(size=8))
        self.inner = InMemoryStore(index={"dims": 8, "embed": embed, "fields": ["text"]})
        self.ready = asyncio.Event()

    def batch(self, ops):
        return self.inner.batch(ops)

    async def abatch(self, ops):
        await self.ready.wait()
        return await self.inner.abatch(ops)

    async def take_together(self, *runs):
        """While one operation keeps the store busy, those of the runs queue up: one batch."""
        busy = asyncio.create_task(self.aget(("m",), "nothing"))
        await asyncio.sleep(0)
        tasks = [asyncio.create_task(run) for run in runs]
        while self._aqueue.qsize() < len(runs):
            await asyncio.sleep(0.01)
        self.ready.set()
        await asyncio.gather(busy, *tasks)


def remembering(store, handler, texts):
    async def node(state, config):
        user = config["metadata"]["user_id"]
        await store.aput(("m", user), "k", {"text": texts[user]})
        return {"messages": []}

    graph = StateGraph(MessagesState)
    graph.add_node("remember", node)
    graph.add_edge(START, "remember")
    compiled = graph.compile()

    def run(user):
        config = {"callbacks": [handler[user]], "metadata": {"user_id": user}}
        return compiled.ainvoke({"messages": [("user", "x")]}, config)

    return run


def embedded(handler):
    return sum(r.call.input_tokens for root in handler.runs for r in root.calls)


@pytest.mark.newest
async def test_a_store_for_all_embeds_for_whoever_asked():
    """Both in one batch of the background task: each is charged for their own text."""
    handlers = {user: ImpactHandler() for user in ("ada", "bob")}
    texts = {"ada": "likes boats", "bob": "likes very long walks in the rain, and cats"}
    store = BatchedStore()
    run = remembering(store, handlers, texts)
    await store.take_together(run("ada"), run("bob"))
    for user, handler in handlers.items():
        assert embedded(handler) == count_tokens(texts[user])
        (root,) = handler.runs
        (call,) = root.calls
        assert call.node == "remember"
        assert handler.tracker.problems == {}


# Of a part of a document, only some words tell whose it is: here they tell nothing.
ALIKE = {"ada": {"likes": "boats", "age": 36}, "bob": {"likes": "boats", "age": 63}}


@pytest.mark.newest
async def test_a_text_that_may_be_of_two_of_them_is_charged_to_neither():
    handlers = {user: ImpactHandler() for user in ("ada", "bob")}
    store = BatchedStore()
    run = remembering(store, handlers, ALIKE)
    await store.take_together(run("ada"), run("bob"))
    assert [embedded(handler) for handler in handlers.values()] == [0, 0]


@pytest.mark.newest
async def test_with_one_handler_for_all_it_is_a_root_of_its_own_with_a_reason():
    handler = ImpactHandler()
    shared = dict.fromkeys(("ada", "bob"), handler)
    store = BatchedStore()
    run = remembering(store, shared, ALIKE)
    await store.take_together(run("ada"), run("bob"))
    assert [root.kind for root in handler.runs if root.calls] == ["embedding"]
    assert list(handler.tracker.problems) == [
        "an embedding of several askers at once stands outside their runs"
    ]


def test_an_embedding_that_nobody_follows_is_told(caplog):
    _embeddings._say_unfollowed.cache_clear()
    with caplog.at_level(logging.INFO, "impactree"):
        track_embeddings(DeterministicFakeEmbedding(size=8)).embed_query("x")
        track_embeddings(DeterministicFakeEmbedding(size=8)).embed_query("x")
    (line,) = [r.message for r in caplog.records if r.name == "impactree"]
    assert "give track_embeddings() or track_reranker() a tracker" in line
