"""Retrieval, from ingestion to the answer: the tree and its calls."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from llama_clients import answer
from llama_index.core import Document, PromptTemplate, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding, MockEmbedding
from llama_index.core.indices.query.query_transform import HyDEQueryTransform
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor import LLMRerank, SimilarityPostprocessor
from llama_index.core.query_engine import (
    RetrieverQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
    TransformQueryEngine,
)
from llama_index.core.question_gen.types import BaseQuestionGenerator, SubQuestion
from llama_index.core.response_synthesizers import ResponseMode, get_response_synthesizer
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.storage.kvstore import SimpleKVStore
from llama_index.core.tools import FunctionTool, QueryEngineTool, ToolMetadata

from impactree.calls.counting import count_tokens
from wire.server import Answer, Usage

if TYPE_CHECKING:
    from impactree.llama_index import ImpactHandler
    from wire.server import WireServer

STREAMED_TOKENS = count_tokens(answer())  # before any handler listens
TEXTS = [f"Document {n} tells of subject {n}." for n in range(6)]


class Embedding(MockEmbedding):
    """One request per batch, as the client packages do it; the base asks text by text."""

    model_name: str = "text-embedding-3-small"

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return [[0.5] * self.embed_dim for _ in texts]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        return self._get_text_embeddings(texts)


def embedding(**settings: Any) -> Embedding:
    return Embedding(embed_dim=4, **settings)


def index() -> VectorStoreIndex:
    return VectorStoreIndex.from_documents(
        [Document(text=text) for text in TEXTS], embed_model=embedding()
    )


def kinds(run: Any) -> list[str]:
    return [below.kind for below in run.walk()]


def calls(run: Any) -> list[str]:
    return [below.kind for below in run.calls]


class TestIngestion:
    def test_each_request_is_a_call(self, handler: ImpactHandler) -> None:
        pipeline = IngestionPipeline(
            transformations=[SentenceSplitter(), embedding(embed_batch_size=4)]
        )
        pipeline.run(documents=[Document(text=text) for text in TEXTS])
        (root,) = handler.runs
        assert (root.name, root.kind) == ("IngestionPipeline.run", "chain")
        counted = [run.call.input_tokens for run in root.calls]
        tokens = [count_tokens(text) for text in TEXTS]
        assert counted == [sum(tokens[:4]), sum(tokens[4:])]  # batches of 4
        assert {run.call.kind for run in root.calls} == {"embedding"}
        assert root.total.energy is None  # not covered by the method is not zero

    def test_async_batches(self, handler: ImpactHandler) -> None:
        model = embedding(embed_batch_size=4)
        asyncio.run(model.aget_text_embedding_batch(TEXTS))
        assert len(handler.last_run.calls) == 2
        total = sum(run.call.input_tokens for run in handler.last_run.calls)
        assert total == sum(map(count_tokens, TEXTS))

    def test_pipeline_cache(self, handler: ImpactHandler) -> None:
        pipeline = IngestionPipeline(transformations=[embedding()])
        documents = [Document(text=text, id_=text) for text in TEXTS]
        pipeline.run(documents=documents)
        pipeline.run(documents=documents)
        assert [len(run.calls) for run in handler.runs] == [1, 0]

    @pytest.mark.parametrize("sync", [True, False])
    @pytest.mark.parametrize("single", [True, False])
    def test_embeddings_cache(self, sync: bool, single: bool, handler: ImpactHandler) -> None:
        """Events fire on hits too; what a cache gave cost nothing."""
        model = embedding(embeddings_cache=SimpleKVStore())

        def embed(texts: list[str]) -> None:
            if single:
                for text in texts:
                    if sync:
                        model.get_query_embedding(text)
                    else:
                        asyncio.run(model.aget_query_embedding(text))
            elif sync:
                model.get_text_embedding_batch(texts)
            else:
                asyncio.run(model.aget_text_embedding_batch(texts))

        embed(TEXTS[:2])
        embed(TEXTS[:2])
        embed(TEXTS[1:3])
        runs = [run for root in handler.runs for run in root.calls]
        paid = sum(run.call.input_tokens for run in runs if not run.cached)
        assert paid == sum(map(count_tokens, TEXTS[:3]))
        assert sum(run.cached for run in runs) == (3 if single else 1)

    @pytest.mark.filterwarnings("ignore")  # multiprocessing and the number of CPUs
    def test_worker_processes(self, handler: ImpactHandler) -> None:
        """Events stay in the workers: counted from what they give back."""
        model = MockEmbedding(embed_dim=4)  # workers import it
        pipeline = IngestionPipeline(transformations=[model])
        documents = [Document(text=text, id_=text) for text in TEXTS]
        pipeline.run(documents=documents, num_workers=2)
        (run,) = handler.last_run.calls
        assert run.call.input_tokens == sum(map(count_tokens, TEXTS))
        pipeline.run(documents=documents, num_workers=2)
        (run,) = handler.last_run.calls
        assert run.cached

    def test_error_in_a_batch(self, handler: ImpactHandler) -> None:
        class Failing(Embedding):
            def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
                raise RuntimeError("no")

        with pytest.raises(RuntimeError):
            Failing(embed_dim=4, embed_batch_size=2).get_text_embedding_batch(TEXTS)
        assert {run.status for run in handler.last_run.walk()} == {"error"}


class TestQueries:
    def test_query(self, handler: ImpactHandler) -> None:
        engine = index().as_query_engine(llm=MockLLM(max_tokens=5))
        engine.query("What?")
        root = handler.last_run
        assert root.name == "RetrieverQueryEngine.query"
        assert kinds(root) == ["chain", "retriever", "embedding", "chain", "completion"]
        assert len(handler.runs) == 2  # the index, the query

    def test_async_query_counts_once(self, handler: ImpactHandler) -> None:
        engine = index().as_query_engine(llm=MockLLM(max_tokens=5))
        asyncio.run(_query(engine))
        assert calls(handler.last_run) == ["embedding", "completion"]

    @pytest.mark.parametrize("sync", [True, False])
    def test_streamed_answer_stays_in_the_query(self, sync: bool, handler: ImpactHandler) -> None:
        """The model is called when the stream is read, long after the query has returned."""
        engine = index().as_query_engine(llm=MockLLM(max_tokens=5), streaming=True)
        if sync:
            list(engine.query("What?").response_gen)
        else:
            asyncio.run(_read_query(engine))
        root = handler.last_run
        assert calls(root) == ["embedding", "completion"]
        assert root.calls[1].call.output_tokens == STREAMED_TOKENS
        assert root.revision > 0  # the tree was told again after its late end
        assert len(handler.runs) == 2

    def test_two_streams_read_in_turns(self, handler: ImpactHandler) -> None:
        engine = index().as_query_engine(llm=MockLLM(max_tokens=5), streaming=True)
        streams = [engine.query(f"What {n}?").response_gen for n in range(2)]
        for _ in zip(*streams, strict=True):
            pass
        for stream in streams:
            list(stream)
        assert [calls(run) for run in handler.runs[1:]] == [["embedding", "completion"]] * 2

    @pytest.mark.parametrize(
        "mode", [mode for mode in ResponseMode if mode.value not in ("no_text", "context_only")]
    )
    @pytest.mark.parametrize("use_async", [False, True])
    def test_synthesizers(
        self, mode: ResponseMode, use_async: bool, handler: ImpactHandler
    ) -> None:
        synthesizer = get_response_synthesizer(
            llm=MockLLM(max_tokens=5), response_mode=mode, use_async=use_async
        )
        engine = RetrieverQueryEngine(index().as_retriever(), synthesizer)
        engine.query("What?")
        # None of them adds a root, or counts what a call delegates.
        assert len(handler.runs) == 2
        generating = [run for run in handler.last_run.calls if run.kind != "embedding"]
        expected = {"accumulate": 2, "refine": 2}  # two documents were retrieved
        assert len(generating) == expected.get(mode.value, 1)

    def test_tree_summarize_in_parallel(self, handler: ImpactHandler) -> None:
        synthesizer = get_response_synthesizer(
            llm=MockLLM(max_tokens=5), response_mode=ResponseMode.TREE_SUMMARIZE, use_async=True
        )
        words = " ".join(["word"] * 3000)
        synthesizer.get_response("What?", [words] * 4)
        root = handler.last_run
        assert len(handler.runs) == 1
        assert len(root.calls) > 4  # one per chunk, and one over their summaries

    def test_query_fusion(self, handler: ImpactHandler) -> None:
        retriever = QueryFusionRetriever(
            [index().as_retriever()], llm=MockLLM(), num_queries=2, use_async=False
        )
        retriever.retrieve("What?")
        root = handler.last_run
        assert root.kind == "retriever"
        assert calls(root)[0] == "completion"
        assert "embedding" in calls(root)
        assert len(handler.runs) == 2

    def test_query_transformation(self, handler: ImpactHandler) -> None:
        llm = MockLLM(max_tokens=5)
        engine = TransformQueryEngine(index().as_query_engine(llm=llm), HyDEQueryTransform(llm=llm))
        engine.query("What?")
        names = [run.name for run in handler.last_run.walk()]
        assert "HyDEQueryTransform.run" in names
        assert calls(handler.last_run).count("completion") == 2
        assert len(handler.runs) == 2

    def test_sub_questions(self, handler: ImpactHandler) -> None:
        llm = MockLLM(max_tokens=5)

        class Two(BaseQuestionGenerator):
            def generate(self, tools: Any, query: Any) -> list[SubQuestion]:
                llm.complete("split")
                return [SubQuestion(sub_question=q, tool_name="docs") for q in ("a?", "b?")]

            async def agenerate(self, tools: Any, query: Any) -> list[SubQuestion]:
                return self.generate(tools, query)

            def _get_prompts(self) -> dict[str, Any]:
                return {}

            def _update_prompts(self, prompts: Any) -> None: ...

        tool = QueryEngineTool.from_defaults(index().as_query_engine(llm=llm), name="docs")
        engine = SubQuestionQueryEngine.from_defaults(
            [tool], llm=llm, question_gen=Two(), use_async=True
        )
        engine.query("What?")
        root = handler.last_run
        assert len(handler.runs) == 2
        # Splitting, two sub-questions, the synthesis of both.
        assert calls(root).count("completion") == 4
        assert [run.name for run in root.walk()].count("RetrieverQueryEngine.aquery") == 2

    def test_router(self, handler: ImpactHandler) -> None:
        llm = MockLLM(max_tokens=5)
        tool = QueryEngineTool.from_defaults(index().as_query_engine(llm=llm), name="docs")

        class First(LLMSingleSelector):
            def _select(self, choices: Any, query: Any) -> Any:
                from llama_index.core.base.base_selector import SelectorResult, SingleSelection

                self._llm.complete("which?")
                return SelectorResult(selections=[SingleSelection(index=0, reason="")])

        selector = First.from_defaults(llm=llm)
        RouterQueryEngine(selector, [tool], llm=llm).query("What?")
        assert len(handler.runs) == 2
        assert calls(handler.last_run) == ["completion", "embedding", "completion"]

    def test_postprocessors(self, handler: ImpactHandler) -> None:
        class Answering(MockLLM):
            def _generate_text(self, length: int) -> str:
                return "Doc: 1, Relevance: 9\nDoc: 2, Relevance: 8"

        llm = Answering(max_tokens=5)
        engine = index().as_query_engine(
            llm=llm,
            node_postprocessors=[
                SimilarityPostprocessor(similarity_cutoff=0),
                LLMRerank(llm=llm, top_n=1),
            ],
        )
        engine.query("What?")
        ranking = next(run for run in handler.last_run.walk() if "Rerank" in run.name)
        assert ranking.kind == "rerank"
        assert ranking.call is None  # its LLM's call counts, once
        assert calls(ranking) == ["completion"]
        assert len(handler.runs) == 2

    def test_tools(self, handler: ImpactHandler) -> None:
        llm = MockLLM(max_tokens=5)

        def lookup(word: str) -> str:
            """Look a word up."""
            return llm.complete(word).text

        FunctionTool.from_defaults(lookup)(word="x")
        root = handler.last_run
        assert (root.name, root.kind) == ("lookup", "tool")
        assert calls(root) == ["completion"]
        engine = index().as_query_engine(llm=llm)
        metadata = ToolMetadata(name="docs", description="d")
        QueryEngineTool(engine, metadata).call("What?")
        assert handler.last_run.name == "docs"
        assert calls(handler.last_run) == ["embedding", "completion"]

    def test_structured_prediction(self, handler: ImpactHandler) -> None:
        from pydantic import BaseModel

        class Point(BaseModel):
            x: int

        class Answering(MockLLM):
            def _generate_text(self, length: int) -> str:
                return '{"x": 1}'

        llm = Answering(max_tokens=5)
        assert llm.structured_predict(Point, PromptTemplate("Where?")).x == 1
        assert calls(handler.last_run) == ["completion"]
        llm.as_structured_llm(Point).complete("Where?")
        assert calls(handler.last_run) == ["completion"]
        assert len(handler.runs) == 2


async def _query(engine: Any) -> None:
    await engine.aquery("What?")


async def _read_query(engine: Any) -> None:
    answer = await engine.aquery("What?")
    _ = [piece async for piece in answer.async_response_gen()]


def test_a_thousand_concurrent_queries(handler: ImpactHandler) -> None:
    engine = index().as_query_engine(llm=MockLLM(max_tokens=5))

    async def all_at_once() -> None:
        await asyncio.gather(*(engine.aquery("What?") for _ in range(1000)))

    asyncio.run(all_at_once())
    roots = handler.runs[-1000:]
    assert len(handler.runs) == 1000  # the index is no longer kept
    assert {tuple(calls(root)) for root in roots} == {("embedding", "completion")}
    tokens = count_tokens("text text text text text")
    assert sum(run.call.output_tokens for root in roots for run in root.calls) == 1000 * tokens


def test_a_thousand_concurrent_queries_over_http(
    wire_server: WireServer, handler: ImpactHandler
) -> None:
    """Every request answers with counts of its own; the sums are what the server sent."""
    httpx = pytest.importorskip("httpx")
    package = pytest.importorskip("llama_index.llms.openai")
    wire_server.respond(
        lambda request: Answer(usage=Usage(input=100 + request.number, output=request.number))
    )

    async def all_at_once() -> None:
        async with httpx.AsyncClient(timeout=300) as client:
            model = package.OpenAI(
                model="gpt-4o-mini",
                api_base=f"{wire_server.url}/openai/v1",
                api_key="k",
                async_http_client=client,
                timeout=300,
                max_retries=0,
            )
            engine = index().as_query_engine(llm=model)
            await asyncio.gather(*(engine.aquery("What?") for _ in range(1000)))

    asyncio.run(all_at_once())
    asked = [run.call for root in handler.runs for run in root.calls if run.kind == "chat"]
    assert sorted((call.input_tokens, call.output_tokens) for call in asked) == sorted(
        (usage.input, usage.output) for usage in wire_server.sent
    )
    assert len(asked) == len({call.output_tokens for call in asked}) == 1000
    assert {tuple(calls(root)) for root in handler.runs} == {("embedding", "chat")}


PNG = b64encode(b"\x89PNG\r\n\x1a\n")


def test_messages_with_blocks(wire_server: WireServer, handler: ImpactHandler) -> None:
    """What of them is no text is said; a model that asks another by a text hands on no picture."""
    from llama_index.core.llms import ImageBlock, TextBlock

    blocks = [TextBlock(text="Look here."), ImageBlock(image=PNG, image_mimetype="image/png")]
    MockLLM(max_tokens=2).chat([ChatMessage(role="user", blocks=blocks)])
    assert handler.last_run.calls[0].call.input_tokens >= count_tokens("Look here.")
    package = pytest.importorskip("llama_index.llms.openai")
    llm = package.OpenAI(
        model="gpt-4o-mini", api_base=f"{wire_server.url}/openai/v1", api_key="k", max_retries=0
    )
    for parts, notes in ((blocks, ("images",)), (blocks[:1], ())):
        wire_server.script(text="A cat.")
        llm.chat([ChatMessage(role="user", blocks=parts)])
        run = handler.last_run.calls[0]
        assert run.call.usage_notes == notes
        assert ("input-not-text" in {w.code for w in run.own.warnings}) == bool(notes)


def test_a_model_without_a_name_of_its_own(handler: ImpactHandler) -> None:
    class Mine(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return [0.5]

        _get_query_embedding = _get_text_embedding

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return [0.5]

    Mine().get_text_embedding("x")
    call = handler.last_run.call
    assert (call.provider, call.model) == ("Mine", "Mine")
