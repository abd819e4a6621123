"""Report, JSON, SQL, JSON Lines, OpenTelemetry and LangSmith tell the same of the same trees."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent
from llama_index.llms.openai import OpenAI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from impactree import track_impacts
from impactree.exporters import JSONLExporter, LangSmithExporter, OTelExporter, SQLExporter
from wire.fixtures import let_go, wire_server
from wire.server import ToolCall

if TYPE_CHECKING:
    from pathlib import Path

    from langsmith_server import LangSmith  # type: ignore[import-not-found]

    from impactree import ImpactTracker
    from wire.server import WireServer

__all__ = ["let_go", "wire_server"]
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("let_go")]

LABELS = ("agent", "step", "node", "tool", "thread", "user")


class Told(NamedTuple):
    """What one output says of one model call; ``gwp`` (mean, kgCO2eq) of what ran alone."""

    agent: str | None
    step: str | None
    node: str | None
    tool: str | None
    thread: str | None
    user: str | None
    input: int | None
    output: int | None
    cached: bool
    gwp: float


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def langgraph(server: WireServer) -> None:
    """One question twice: LangChain's cache answers the second first."""
    model = ChatOpenAI(
        model="gpt-4o-mini",
        base_url=f"{server.url}/openai/v1",
        api_key="none",
        max_retries=0,
        cache=InMemoryCache(),
    )

    agent = create_agent(model, [tool(add)], name="adder")
    server.script(tool_calls=(ToolCall("add", {"a": 1, "b": 2}),))
    server.script(text="3")
    server.script(text="3")
    config: Any = {"configurable": {"thread_id": "t-1"}, "metadata": {"user_id": "ada"}}
    for _ in range(2):
        agent.invoke({"messages": [("user", "1 + 2?")]}, config)


def team(server: WireServer) -> AgentWorkflow:
    llm = OpenAI(
        model="gpt-4o-mini",
        api_base=f"{server.url}/openai/v1",
        api_key="none",
        max_retries=0,
        additional_kwargs={"stream_options": {"include_usage": True}},
    )
    first, second = (
        FunctionAgent(name=name, description=name, llm=llm, tools=[add])
        for name in ("asker", "teller")
    )
    server.script(tool_calls=(ToolCall("handoff", {"to_agent": "teller", "reason": "it knows"}),))
    server.script(text="3")
    return AgentWorkflow(agents=[first, second], root_agent="asker")


def workflow(server: WireServer) -> None:
    async def ask() -> None:
        await team(server).run(user_msg="1 + 2?")

    asyncio.run(ask())


def mixed(server: WireServer) -> None:
    """A LangGraph agent whose tool asks a LlamaIndex workflow."""
    model = ChatOpenAI(
        model="gpt-4o", base_url=f"{server.url}/openai/v1", api_key="none", max_retries=0
    )

    @tool
    async def consult(question: str) -> str:
        """Ask the team."""
        return str(await team(server).run(user_msg=question))

    async def ask() -> None:
        agent = create_agent(model, [consult], name="chief")
        server.script(tool_calls=(ToolCall("consult", {"question": "1 + 2?"}),))
        await agent.ainvoke({"messages": [("user", "1 + 2?")]})

    asyncio.run(ask())


def of_report(tracker: ImpactTracker) -> dict[str, Told]:
    """By the groups that each call stands in."""
    report = tracker.report()
    told: dict[str, dict[str, Any]] = defaultdict(dict)
    for root in report.runs:
        for run in root.calls:
            own = run.own
            gwp = own.gwp.value.mean if own is not None and own.gwp is not None else 0.0
            told[str(run.id)] = {label: getattr(run, label) for label in LABELS} | {
                "input": run.call.input_tokens if run.call else None,
                "output": run.call.output_tokens if run.call else None,
                "cached": run.cached,
                "gwp": gwp,
            }
    made = {key: Told(**fields) for key, fields in told.items()}
    for label in LABELS:  # the groups partition them so
        for value, group in report.by(label).items():
            members = [t for t in made.values() if getattr(t, label) == value]
            asked = [t for t in members if not t.cached]
            assert (group.calls, group.cached) == (len(members), len(members) - len(asked))
            assert group.input_tokens == sum(t.input or 0 for t in asked)
            assert group.output_tokens == sum(t.output or 0 for t in asked)
    return made


def of_json(tracker: ImpactTracker) -> dict[str, Told]:
    data = json.loads(tracker.report().to_json())
    return {
        run["id"]: Told(
            *(run[label] for label in LABELS),
            run["call"]["input_tokens"],
            run["call"]["output_tokens"],
            run["cached"],
            run["own"]["gwp"]["value"]["mean"],
        )
        for run in data["runs"]
        if run["call"]
    }


def of_lines(path: Path) -> dict[str, Told]:
    runs = [run for line in path.read_text().splitlines() for run in json.loads(line)["runs"]]
    return {
        run["id"]: Told(
            *(run[label] for label in LABELS),
            run["call"]["input_tokens"],
            run["call"]["output_tokens"],
            run["cached"],
            run["impacts"]["gwp"]["value"]["mean"],
        )
        for run in runs
        if "call" in run
    }


def of_sql(path: Path) -> dict[str, Told]:
    columns = [*LABELS, "input_tokens", "output_tokens", "cached", "gwp_kgco2eq_mean"]
    query = f"select id, {', '.join(columns)} from impactree_calls"
    connection = sqlite3.connect(path)
    rows = connection.execute(query).fetchall()
    connection.close()
    return {row[0]: Told(*row[1:-2], bool(row[-2]), row[-1]) for row in rows}


def of_spans(spans: InMemorySpanExporter) -> dict[str, Told]:
    names = {
        "agent": "gen_ai.agent.name",
        "step": "impactree.step",
        "node": "impactree.node",
        "tool": "gen_ai.tool.name",
        "thread": "gen_ai.conversation.id",
        "user": "user.id",
    }
    found = {}
    for span in spans.get_finished_spans():
        said = span.attributes or {}
        if "gen_ai.response.model" in said:
            gwp = said.get("impactree.gwp.mean")
            found[said["impactree.run.id"]] = Told(
                *(said.get(names[label]) for label in LABELS),
                said.get("gen_ai.usage.input_tokens"),
                said.get("gen_ai.usage.output_tokens"),
                bool(said.get("impactree.cached")),
                gwp if gwp is not None else 0.0,
            )
    return found


def of_langsmith(service: LangSmith, names: dict[str, str]) -> dict[str, Told]:
    found = {}
    for run_id, run in service.runs.items():
        said = run["extra"]["metadata"]
        usage = said.get("usage_metadata")
        if usage is not None:
            impacts = said.get("impacts")
            found[names[run_id]] = Told(
                *(said.get(f"impactree_{label}") for label in LABELS),
                usage["input_tokens"],
                usage["output_tokens"],
                usage.get("total_cost") == 0,
                impacts["gwp"]["value"]["mean"] if impacts else 0.0,
            )
    return found


@pytest.mark.parametrize("work", [langgraph, workflow, mixed])
def test_all_outputs_agree(
    work: Any, wire_server: WireServer, service: LangSmith, tmp_path: Path
) -> None:
    from impactree.exporters._langsmith import _uuid

    spans, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    exporters = [
        JSONLExporter(tmp_path / "impacts.jsonl"),
        SQLExporter(f"sqlite:///{tmp_path}/impacts.db"),
        OTelExporter(tracer_provider=tracers),
        LangSmithExporter(project="green"),
    ]
    with track_impacts(exporters=exporters) as tracker:
        work(wire_server)
    assert tracker.flush(20)
    assert tracker.problems == {}

    expected = of_report(tracker)
    assert len(expected) == {langgraph: 4, workflow: 2, mixed: 4}[work]
    ids = {_uuid(run_id): run_id for run_id in expected}
    told = {
        "json": of_json(tracker),
        "lines": of_lines(tmp_path / "impacts.jsonl"),
        "sql": of_sql(tmp_path / "impacts.db"),
        "spans": of_spans(spans),
        "langsmith": of_langsmith(service, ids),
    }
    for calls in told.values():
        assert {key: t._replace(gwp=0.0) for key, t in calls.items()} == {
            key: t._replace(gwp=0.0) for key, t in expected.items()
        }
        for key, call in calls.items():
            assert call.gwp == pytest.approx(expected[key].gwp, rel=1e-12)

    agents = sorted(t.agent or "" for t in expected.values())
    steps = sorted(t.step or "" for t in expected.values())
    if work is langgraph:
        assert agents == ["adder"] * 4
        assert steps == ["1 model", "1 model", "3 model", "3 model"]
        assert {(t.thread, t.user) for t in expected.values()} == {("t-1", "ada")}
        assert [t.cached for t in expected.values()] == [False, False, True, False]
    elif work is workflow:
        assert agents == ["asker", "teller"]
        assert steps == ["run_agent_step"] * 2
    else:
        assert agents == ["asker", "chief", "chief", "teller"]
        assert [t.tool for t in expected.values()].count("consult") == 2
    # Totals of the trees: cached calls are calls, and neither tokens nor impacts.
    data = json.loads(tracker.report().to_json())
    connection = sqlite3.connect(tmp_path / "impacts.db")
    sums = "sum(calls), sum(input_tokens), sum(output_tokens), sum(gwp_kgco2eq_mean)"
    calls, inputs, outputs, gwp = connection.execute(
        f"select {sums} from impactree_runs"
    ).fetchone()
    connection.close()
    assert (calls, inputs, outputs) == (data["calls"], data["input_tokens"], data["output_tokens"])
    assert gwp == pytest.approx(data["total"]["gwp"]["value"]["mean"], rel=1e-12)
    lines = [json.loads(line) for line in (tmp_path / "impacts.jsonl").read_text().splitlines()]
    total = sum(line["total"]["gwp"]["value"]["mean"] for line in lines)
    assert gwp == pytest.approx(total, rel=1e-12)
    scores = [scores["impact_gwp_mg"] for scores in service.by_key().values()]
    assert sum(scores) == pytest.approx(gwp * 1e6, abs=1e-3)  # LangSmith rounds to 4 decimals
