"""The README and the docs: their Python runs as printed, their links lead somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), ROOT / "data" / "README.md", *(ROOT / "docs").rglob("*.md")],
    key=str,
)
NOT_HERE = {
    "docs/names.md": "run by test_catalog_docs.py",
    "docs/configuration.md": "run by test_catalog_docs.py",
    "docs/explain.md": "run by test_catalog_docs.py",
    "docs/exporters/langsmith.md": "asks a service",
    "docs/exporters/opentelemetry.md": "opens a fixed port",
    "docs/exporters/sql.md": "asks a database",
}


def name(page):
    return page.relative_to(ROOT).as_posix()


def python_of(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def chat_model():
    from langchain_core.language_models import FakeMessagesListChatModel
    from langchain_core.messages import AIMessage

    answer = AIMessage(
        "28 dollars and 12½ cents.",
        usage_metadata={"input_tokens": 20, "output_tokens": 9, "total_tokens": 29},
        response_metadata={"model_name": "gpt-4o-mini-2024-07-18"},
    )
    return FakeMessagesListChatModel(responses=[answer])


def langchain_names():
    """What the pages on LangChain leave to the reader: a chain, an agent, a graph with threads."""
    from langchain.agents import create_agent
    from langgraph.checkpoint.memory import InMemorySaver

    agent = create_agent(chat_model(), name="thoreau", checkpointer=InMemorySaver())
    return {"chain": chat_model(), "agent": create_agent(chat_model()), "graph": agent}


def llama_index_names(monkeypatch):
    """What the page on LlamaIndex leaves to the reader: an engine, a client, a service."""
    from types import SimpleNamespace

    from llama_index.core import Document, MockEmbedding, Settings, SummaryIndex
    from llama_index.core.llms import MockLLM
    from llama_index.llms.openai import OpenAI

    from impactree import ImpactBudget, ImpactTracker

    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    for setting in ("_llm", "_embed_model", "_callback_manager"):
        monkeypatch.setattr(Settings, setting, getattr(Settings, setting))
    Settings.embed_model, Settings.llm = MockEmbedding(embed_dim=4), MockLLM(max_tokens=8)
    index = SummaryIndex.from_documents([Document(text="He worked and he wrote.")])
    return {
        "index": index,
        "engine": index.as_query_engine(llm=MockLLM(max_tokens=8)),
        "question": "What did the author do?",
        "request": SimpleNamespace(headers={}),
        "tracker": ImpactTracker(),
        "ImpactBudget": ImpactBudget,
        "OpenAI": OpenAI,
    }


@pytest.mark.parametrize(
    "page", [p for p in PAGES if python_of(p) and name(p) not in NOT_HERE], ids=name
)
def test_the_python_runs_as_printed(page, tmp_path, monkeypatch, capsys):
    if name(page) == "docs/local.md":
        pytest.importorskip("codecarbon")  # of the extra `measure`
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANGSMITH_API_KEY", "unused")
    llama = name(page) == "docs/llama_index.md"
    space = llama_index_names(monkeypatch) if llama else langchain_names()
    if name(page) == "README.md":
        space["index"] = llama_index_names(monkeypatch)["index"]
    blocks = python_of(page)
    for block in blocks:
        exec(compile(block, name(page), "exec"), space)
    if any("print(handler.report())" in block for block in blocks):
        assert "impactree  1 run, " in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_the_python_is_python(page):
    for block in python_of(page):
        compile(block, name(page), "exec")


def slug(heading):
    """A heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_relative_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), f"{name(page)} links to {link}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), f"{name(page)} links to {link}"


def test_the_first_screen_says_what_is_and_what_is_not_counted():
    screen = "\n".join((ROOT / "README.md").read_text("utf-8").splitlines()[:30])
    for word in ("training", "networks", "input tokens", "by the default method", "not estimated"):
        assert word in screen


def test_the_commands_of_the_readme_exist(capsys):
    from impactree.cli import main

    text = (ROOT / "README.md").read_text("utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"^make ([a-z]+)", text, re.MULTILINE)) <= set(targets)
    commands = re.findall(r"`impactree ([^`]+)`", text)
    assert commands
    for command in commands:
        with pytest.raises(SystemExit) as left:
            main(command.split())
        assert not left.value.code, capsys.readouterr().err


def test_the_example_of_adding_a_model_is_accepted():
    from impactree.engine import Engine

    ((example),) = re.findall(
        r"^```toml\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL | re.M
    )
    maker = 'maker = "acme"\nname = "Acme"\nurl = "https://acme.example"\n'
    engine = Engine(models=[tomllib.loads(maker + example)])
    assert engine.catalog.record("acme/Anvil-12B").total.max == 12.1


def test_every_source_of_the_data_is_credited():
    """Sources that the data names by host, and those it is known to rest on, with a licence."""
    text = (ROOT / "data" / "README.md").read_text("utf-8")
    for source, licence in {
        "EcoLogits": "MPL-2.0",
        "Our World in Data": "CC BY 4.0",
        "ADEME": "terms of use",
        "World Resources Institute": "CC BY 4.0",
        "CodeCarbon": "MIT",
        "genai-prices": "MIT",
        "mteb": "Apache-2.0",
        "Uptime Institute": "cited",
        "Real-Time Cloud": "cited",
    }.items():
        rows = [line for line in text.splitlines() if line.startswith("|") and source in line]
        assert any(licence in row for row in rows), source
    zones = tomllib.loads((ROOT / "data" / "zones.toml").read_text("utf-8"))["sources"]
    for key in ("gwp", "adpe", "wue"):
        assert zones[key] in text
