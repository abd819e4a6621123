"""Chat engines, agents and workflows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from llama_clients import KEY, answer
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.agent.workflow import (
    AgentWorkflow,
    CodeActAgent,
    FunctionAgent,
    ReActAgent,
)
from llama_index.core.chat_engine import CondensePlusContextChatEngine, SimpleChatEngine
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.llms import MockLLM
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step

from impactree.calls.counting import count_tokens
from wire.server import ToolCall, WireServer

if TYPE_CHECKING:
    from impactree.llama_index import ImpactHandler

# The memories of agents and chat engines leave database connections to the garbage collector.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("let_go")]


def index() -> VectorStoreIndex:
    return VectorStoreIndex.from_documents(
        [Document(text="Facts.")], embed_model=MockEmbedding(embed_dim=4)
    )


class TestChatEngines:
    @pytest.mark.parametrize("way", ["chat", "achat", "stream_chat", "astream_chat"])
    @pytest.mark.parametrize("kind", ["simple", "context"])
    def test_once(self, way: str, kind: str, handler: ImpactHandler) -> None:
        llm = MockLLM(max_tokens=5)
        engine: Any = (
            SimpleChatEngine.from_defaults(llm=llm)
            if kind == "simple"
            else CondensePlusContextChatEngine.from_defaults(index().as_retriever(), llm=llm)
        )
        before = len(handler.runs)
        asyncio.run(_talk(engine, way))
        (root,) = handler.runs[before:]
        generating = [run for run in root.calls if run.kind != "embedding"]
        assert len(generating) == 1
        assert generating[0].call.output_tokens == count_tokens(answer(way))


async def _talk(engine: Any, way: str) -> None:
    answer = getattr(engine, way)("Hello")
    if way == "stream_chat":
        for _ in answer.response_gen:
            pass
    if way.startswith("a"):
        answer = await answer
    if way == "astream_chat":
        async for _ in answer.async_response_gen():
            pass


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def openai(server: WireServer) -> Any:
    package = pytest.importorskip("llama_index.llms.openai")
    return package.OpenAI(
        model="gpt-4o-mini",
        api_base=f"{server.url}/openai/v1",
        api_key=KEY,
        max_retries=0,
        additional_kwargs={"stream_options": {"include_usage": True}},
    )


async def ask(agent: Any) -> str:
    return str(await agent.run(user_msg="1 + 2?"))


def check_sums(root: Any, server: WireServer) -> None:
    """Every request counts once, with what the server said."""
    reported = [(run.call.input_tokens, run.call.output_tokens) for run in root.calls]
    assert sorted(reported) == sorted((usage.input, usage.output) for usage in server.sent)
    assert {run.call.tokens_source for run in root.calls} == {"reported"}


def nodes_above(run: Any) -> list[str]:
    return [above.name for above in run.ancestors()]


class TestAgents:
    @pytest.mark.parametrize("streaming", [True, False])
    def test_function_agent(
        self, streaming: bool, wire_server: WireServer, handler: ImpactHandler
    ) -> None:
        agent = FunctionAgent(
            name="adder", tools=[add], llm=openai(wire_server), streaming=streaming
        )
        wire_server.script(tool_calls=(ToolCall("add", {"a": 1, "b": 2}),))
        wire_server.script(text="3")
        assert asyncio.run(ask(agent)) == "3"
        (root,) = handler.runs
        assert (root.name, root.kind) == ("FunctionAgent.run", "agent")
        assert root.metadata["agent_name"] == "adder"
        check_sums(root, wire_server)
        assert len(root.calls) == 2
        assert {nodes_above(run)[0] for run in root.calls} == {"run_agent_step"}
        (tool,) = [run for run in root.walk() if run.kind == "tool"]
        assert (tool.name, nodes_above(tool)) == ("add", ["call_tool", "FunctionAgent.run"])
        assert {run.kind for run in root.children} == {"node"}

    def test_react_agent(self, wire_server: WireServer, handler: ImpactHandler) -> None:
        agent = ReActAgent(name="reasoner", tools=[add], llm=openai(wire_server))
        wire_server.script(text='Thought: add.\nAction: add\nAction Input: {"a": 1, "b": 2}')
        wire_server.script(text="Thought: I can answer.\nAnswer: 3")
        assert asyncio.run(ask(agent)) == "3"
        (root,) = handler.runs
        check_sums(root, wire_server)
        assert len(root.calls) == 2
        assert "add" in [run.name for run in root.walk() if run.kind == "tool"]

    def test_code_act_agent(self, wire_server: WireServer, handler: ImpactHandler) -> None:
        agent = CodeActAgent(
            name="coder", code_execute_fn=lambda code: "3", llm=openai(wire_server)
        )
        wire_server.script(text="<execute>print(1 + 2)</execute>")
        wire_server.script(text="It is 3.")
        asyncio.run(ask(agent))
        (root,) = handler.runs
        check_sums(root, wire_server)
        assert len(root.calls) == 2

    def test_hand_off(self, wire_server: WireServer, handler: ImpactHandler) -> None:
        llm = openai(wire_server)
        first, second = (
            FunctionAgent(name=name, description=name, tools=[add], llm=llm)
            for name in ("first", "second")
        )
        workflow = AgentWorkflow(agents=[first, second], root_agent="first")
        move = {"to_agent": "second", "reason": "it adds"}
        wire_server.script(tool_calls=(ToolCall("handoff", move),))
        wire_server.script(text="3")
        asyncio.run(ask(workflow))
        (root,) = handler.runs
        assert (root.name, root.kind) == ("AgentWorkflow.run", "graph")
        check_sums(root, wire_server)
        agents = [run.parent.metadata["agent_name"] for run in root.calls]
        assert agents == ["first", "second"]
        by_agent = handler.report().by("agent")
        assert {name: group.calls for name, group in by_agent.items()} == {"first": 1, "second": 1}

    def test_agent_in_an_agents_tool(self, wire_server: WireServer, handler: ImpactHandler) -> None:
        llm = openai(wire_server)
        inner = FunctionAgent(name="inner", tools=[add], llm=llm)

        async def consult(question: str) -> str:
            """Ask a colleague."""
            return await ask(inner)

        outer = FunctionAgent(name="outer", tools=[consult], llm=llm)
        wire_server.script(tool_calls=(ToolCall("consult", {"question": "?"}),))
        wire_server.script(text="three")
        wire_server.script(text="3")
        asyncio.run(ask(outer))
        (root,) = handler.runs
        check_sums(root, wire_server)
        assert nodes_above(root.calls[1])[-3:] == ["consult", "call_tool", "FunctionAgent.run"]

    def test_refused_request(self, wire_server: WireServer, handler: ImpactHandler) -> None:
        agent = FunctionAgent(name="adder", tools=[add], llm=openai(wire_server))
        wire_server.script(status=400)
        with pytest.raises(Exception, match="scripted error"):
            asyncio.run(ask(agent))
        (root,) = handler.runs
        assert root.status == "error"
        assert [run.call.output_tokens for run in root.calls] == [0]


class Part(Event):
    number: int


class Done(Event):
    number: int


class Parallel(Workflow):
    @step
    async def split(self, ctx: Context, ev: StartEvent) -> Part | None:
        for number in range(4):
            ctx.send_event(Part(number=number))
        return None

    @step(num_workers=4)
    async def work(self, ev: Part) -> Done:
        await asyncio.sleep(0.01 * (4 - ev.number))
        await MockLLM(max_tokens=ev.number + 1).acomplete("Go.")
        return Done(number=ev.number)

    @step
    async def join(self, ctx: Context, ev: Done) -> StopEvent | None:
        if ctx.collect_events(ev, [Done] * 4) is None:
            return None
        return StopEvent(result="done")


class Waiting(Workflow):
    @step
    async def work(self, ev: StartEvent) -> StopEvent:
        await MockLLM(max_tokens=2).acomplete("Go.")
        await asyncio.sleep(30)
        return StopEvent()


class Failing(Workflow):
    @step
    async def work(self, ev: StartEvent) -> StopEvent:
        await MockLLM(max_tokens=2).acomplete("Go.")
        raise ValueError("no")


class TestWorkflows:
    def test_parallel_steps(self, handler: ImpactHandler) -> None:
        async def go() -> None:
            await Parallel().run()

        asyncio.run(go())
        (root,) = handler.runs
        assert (root.name, root.kind) == ("Parallel.run", "graph")
        work = [run for run in root.children if run.name == "work"]
        assert {run.kind for run in work} == {"node"}
        tokens = [[call.call.output_tokens for call in run.calls] for run in work]
        assert sorted(tokens) == [[count_tokens(" ".join(["text"] * n))] for n in (1, 2, 3, 4)]
        assert len(root.calls) == 4

    def test_cancelled(self, handler: ImpactHandler) -> None:
        async def go() -> None:
            running = Waiting().run()
            await asyncio.sleep(0.1)
            await running.cancel_run()
            with pytest.raises(BaseException):  # noqa: B017, PT011
                await running

        asyncio.run(go())
        (root,) = handler.runs
        assert root.status == "cancelled"
        assert {run.status for run in root.children} == {"cancelled"}
        assert len(root.calls) == 1  # what had run before counts

    def test_failed(self, handler: ImpactHandler) -> None:
        async def go() -> None:
            # Before workflows 2, a WorkflowRuntimeError that quotes it.
            with pytest.raises(Exception, match="no"):
                await Failing().run()

        asyncio.run(go())
        (root,) = handler.runs
        assert (root.status, root.children[0].status) == ("error", "error")
        assert len(root.calls) == 1

    def test_concurrent_runs_stay_apart(self, handler: ImpactHandler) -> None:
        async def go() -> None:
            await asyncio.gather(*(Parallel().run() for _ in range(5)))

        asyncio.run(go())
        assert [len(root.calls) for root in handler.runs] == [4] * 5
