"""LangChain inside LlamaIndex and LlamaIndex inside LangChain: one tree, nothing twice."""

from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from dataclasses import replace
from typing import Any

import pytest
from llama_clients import KEY, let_finish

pytest.importorskip("langchain_core")

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata
from llama_index.core.callbacks import CallbackManager
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import CustomLLM, MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.tools import FunctionTool

from impactree import track_impacts
from impactree.calls.counting import count_tokens
from impactree.langchain import track_embeddings
from impactree.llama_index import ImpactHandler
from wire.server import Answer, Request, ToolCall, Usage, WireServer

USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}


def lc_model() -> Any:
    message = AIMessage(content="fine", usage_metadata=USAGE)
    return GenericFakeChatModel(messages=iter([message] * 100))


def engine() -> Any:
    index = VectorStoreIndex.from_documents(
        [Document(text="Facts.")], embed_model=MockEmbedding(embed_dim=4)
    )
    return index.as_query_engine(llm=MockLLM(max_tokens=5))


def names(run: Any) -> list[str]:
    return [above.name for above in run.ancestors()]


class LangChainLLM(CustomLLM):
    """Wraps a LangChain model as ``llama-index-llms-langchain`` does, streams read late."""

    model: Any = None

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(is_chat_model=True)

    @llm_chat_callback()
    def chat(self, messages: Any, **kwargs: Any) -> ChatResponse:
        text = self.model.invoke(str(messages[-1].content)).content
        return ChatResponse(message=ChatMessage(role="assistant", content=text))

    @llm_chat_callback()
    def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
        def pieces() -> Any:
            text = ""
            for chunk in self.model.stream(str(messages[-1].content)):
                text += chunk.content
                message = ChatMessage(role="assistant", content=text)
                yield ChatResponse(message=message, delta=chunk.content)

        return pieces()

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError


ASKED = [ChatMessage(role="user", content="Hi")]


class TestLangChainInside:
    def test_wrapped_model_counts_once(self) -> None:
        with track_impacts() as tracker:
            LangChainLLM(model=lc_model()).chat(ASKED)
        (root,) = tracker.runs
        assert [run.name for run in root.walk()] == ["LangChainLLM.chat", "GenericFakeChatModel"]
        (run,) = root.calls
        assert (run.call.input_tokens, run.call.tokens_source) == (7, "reported")

    @pytest.mark.parametrize("way", ["stream_chat", "astream_chat"])
    def test_streams_counted_once(self, way: str) -> None:
        """LangChain is called when the stream is read, when no span is active any more."""
        with track_impacts() as tracker:
            model = LangChainLLM(model=lc_model())
            if way == "stream_chat":
                list(model.stream_chat(ASKED))
            else:
                asyncio.run(_read(model))
        (root,) = tracker.runs
        (run,) = root.calls
        assert run.name == "GenericFakeChatModel"

    def test_in_an_engine_and_a_tool(self) -> None:
        model = lc_model()

        class Engine(CustomQueryEngine):
            def custom_query(self, query_str: str) -> str:
                return str(model.invoke(query_str).content)

        with track_impacts() as tracker:
            Engine().query("What?")
            FunctionTool.from_defaults(lambda: model.invoke("x").content, name="ask")()
        assert [names(run) for root in tracker.runs for run in root.calls] == [
            ["Engine.query"],
            ["ask"],
        ]

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("way", ["chat", "stream_chat", "complete", "stream_complete"])
    def test_real_wrapper(self, way: str, wire_server: WireServer) -> None:
        package = pytest.importorskip("llama_index.llms.langchain")
        openai = pytest.importorskip("langchain_openai")
        model = package.LangChainLLM(
            llm=openai.ChatOpenAI(
                model="gpt-4o-mini",
                base_url=f"{wire_server.url}/openai/v1",
                api_key=KEY,
                stream_usage=True,
            )
        )
        with track_impacts() as tracker:
            given = getattr(model, way)(ASKED if "chat" in way else "Hi")
            if way.startswith("stream"):
                list(given)
            let_finish()
        (sent,) = wire_server.sent
        runs = [run for root in tracker.runs for run in root.calls]
        assert [run.call.output_tokens for run in runs] == [sent.output]
        assert len(tracker.runs) == 1


async def _read(model: Any) -> None:
    _ = [piece async for piece in await model.astream_chat(ASKED)]


class TestLlamaIndexInside:
    @pytest.mark.parametrize("sync", [True, False])
    def test_engine_in_a_chain(self, sync: bool) -> None:
        query = engine()
        chain = RunnableLambda(lambda text: str(query.query(text)), name="retrieve")
        with track_impacts() as tracker:
            if sync:
                chain.invoke("What?")
            else:
                asyncio.run(chain.ainvoke("What?"))
        (root,) = tracker.runs
        assert root.name == "retrieve"
        assert [run.kind for run in root.calls] == ["embedding", "completion"]
        assert names(root.calls[1])[-2:] == ["RetrieverQueryEngine.query", "retrieve"]

    def test_engines_in_parallel_branches(self) -> None:
        query = engine()
        branch = RunnableLambda(lambda text: str(query.query(text)))
        chain = RunnableParallel(a=branch, b=branch, c=branch)
        with track_impacts() as tracker:
            chain.invoke("What?")
        (root,) = tracker.runs
        assert len(root.calls) == 6
        assert {run.parent for run in root.children} == {root}
        for child in root.children:
            assert [run.kind for run in child.calls] == ["embedding", "completion"]

    def test_there_and_back(self) -> None:
        """LangChain in a LlamaIndex engine in a LangChain tool: each under what called it."""
        model = lc_model()

        class Engine(CustomQueryEngine):
            def custom_query(self, query_str: str) -> str:
                return str(LangChainLLM(model=model).chat(ASKED))

        @tool
        def consult(question: str) -> str:
            """Ask."""
            return str(Engine().query(question))

        class Outer(CustomQueryEngine):
            def custom_query(self, query_str: str) -> str:
                return str(consult.invoke({"question": query_str}))

        with track_impacts() as tracker:
            Outer().query("What?")
        (root,) = tracker.runs
        (run,) = root.calls
        assert names(run) == ["LangChainLLM.chat", "Engine.query", "consult", "Outer.query"]

    @pytest.mark.filterwarnings("ignore")
    def test_tool_of_a_langgraph_agent(self, wire_server: WireServer) -> None:
        agents = pytest.importorskip("langchain.agents")
        openai = pytest.importorskip("langchain_openai")
        query = engine()

        @tool
        def search(question: str) -> str:
            """Search the documents."""
            return str(query.query(question))

        model = openai.ChatOpenAI(
            model="gpt-4o-mini", base_url=f"{wire_server.url}/openai/v1", api_key=KEY
        )
        wire_server.script(tool_calls=(ToolCall("search", {"question": "?"}),))
        wire_server.script(text="Done.")
        agent = agents.create_agent(model, [search], name="reader")
        with track_impacts() as tracker:
            agent.invoke({"messages": [("user", "What?")]})
        (root,) = tracker.runs
        assert [run.kind for run in root.calls] == ["chat", "embedding", "completion", "chat"]
        retrieval = root.calls[1]
        assert "search" in names(retrieval)
        reported = [run.call for run in root.calls if run.call.tokens_source == "reported"]
        assert [call.output_tokens for call in reported] == [u.output for u in wire_server.sent]


class TestBlocks:
    def test_only_what_runs_inside(self) -> None:
        query = engine()
        query.query("before")
        with track_impacts() as tracker:
            query.query("inside")
            outside = threading.Thread(target=query.query, args=("beside",))
            outside.start()
            outside.join()
            inside = threading.Thread(target=copy_context().run, args=(query.query, "inside"))
            inside.start()
            inside.join()
        query.query("after")
        assert len(tracker.runs) == 2

    def test_nested_blocks(self) -> None:
        query = engine()
        with track_impacts() as outer:
            query.query("one")
            with track_impacts() as inner:
                query.query("two")
        assert (len(outer.runs), len(inner.runs)) == (2, 1)

    def test_same_pipeline_same_totals(self, wire_server: WireServer) -> None:
        """One RAG pipeline in both frameworks over one server: the same calls, the same figures."""
        llama = pytest.importorskip("llama_index.llms.openai")
        llama_embeddings = pytest.importorskip("llama_index.embeddings.openai")
        openai = pytest.importorskip("langchain_openai")
        stores = pytest.importorskip("langchain_core.vectorstores")
        base = f"{wire_server.url}/openai/v1"
        texts = ["Facts.", "More facts.", "Other facts."]
        asked = {"api_key": KEY, "max_retries": 0}
        wire_server.respond(as_openai_counts)
        with track_impacts() as first:
            model = llama_embeddings.OpenAIEmbedding(
                model="text-embedding-3-small", api_base=base, **asked
            )
            index = VectorStoreIndex.from_documents(
                [Document(text=text) for text in texts], embed_model=model
            )
            answering = llama.OpenAI(model="gpt-4o-mini", api_base=base, **asked)
            index.as_query_engine(llm=answering, similarity_top_k=2).query("What?")
        with track_impacts() as second:
            embeddings = track_embeddings(
                openai.OpenAIEmbeddings(
                    model="text-embedding-3-small",
                    base_url=base,
                    check_embedding_ctx_length=False,
                    **asked,
                )
            )
            store = stores.InMemoryVectorStore.from_texts(texts, embeddings)
            found = store.as_retriever(search_kwargs={"k": 2}).invoke("What?")
            chat = openai.ChatOpenAI(model="gpt-4o-mini", base_url=base, **asked)
            chat.invoke(f"Context: {found}. What?")
        assert figures(first) == figures(second)
        # The embeddings of the documents and of the question, and the answer.
        assert len(figures(first)) == 3
        assert len(wire_server.requests) == 6


def as_openai_counts(request: Request) -> Answer | None:
    """LlamaIndex drops what an embedding reports: counted with the same vocabulary, it agrees."""
    if not request.path.endswith("/embeddings"):
        return None
    texts = request.json["input"]
    texts = [texts] if isinstance(texts, str) else texts
    return Answer(usage=Usage(input=sum(map(count_tokens, texts))))


def figures(tracker: Any) -> list[Any]:
    """What both frameworks must agree on: not how long requests took, nor who counted tokens."""
    calls = [run.call for root in tracker.runs for run in root.calls]
    return [
        (
            call.kind,
            call.model,
            call.input_tokens,
            call.output_tokens,
            tracker.engine.estimate(
                replace(call, latency_s=None, tokens_source="reported")
            ).to_dict(),
        )
        for call in calls
    ]


def test_a_stream_that_two_trackers_follow_is_read_in_a_run_of_each() -> None:
    """A handler among the callbacks, and a block: the stream is a run of each."""
    handler = ImpactHandler()
    model = LangChainLLM(model=lc_model(), callback_manager=CallbackManager([handler]))
    with track_impacts() as tracker:
        list(model.stream_chat(ASKED))
    (root,) = tracker.runs
    assert [run.name for run in root.walk()] == ["LangChainLLM.stream_chat", "GenericFakeChatModel"]
    assert [run.name for run in root.calls] == ["GenericFakeChatModel"]
