"""The LlamaIndex examples, each as a user runs it, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytest.importorskip("llama_index.llms.openai")
pytest.importorskip("llama_index.embeddings.openai")

COOKBOOK = Path(__file__).parents[2] / "cookbook"
OFFLINE = (
    "import no_network, runpy, sys; no_network.block(); "
    f"sys.path.insert(0, {str(COOKBOOK)!r}); runpy.run_path(sys.argv[1], run_name='__main__')"
)


def start(name: str) -> subprocess.Popen[str]:
    """Run an example in a fresh interpreter that cannot leave this machine."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    return subprocess.Popen(
        [sys.executable, "-c", OFFLINE, str(COOKBOOK / name)],
        env={**kept, "COLUMNS": "160", "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@cache
def started() -> dict[str, subprocess.Popen[str]]:
    """All of them at once: they mostly wait for their answers."""
    return {path.name: start(path.name) for path in COOKBOOK.glob("llama_index_*.py")}


def run(name: str) -> str:
    """What an example prints."""
    example = started()[name]
    shown, errors = example.communicate(timeout=120)
    assert example.returncode == 0, errors
    return shown


def test_query() -> None:
    shown = run("llama_index_query.py")
    assert "first completely open on the 18th of April" in shown
    by_kind = shown.rpartition("by kind\n")[2].splitlines()
    found = [line.partition(" calls")[0].strip() for line in by_kind]
    # The book in one request, the question, the answer.
    assert sorted(found) == ["chat: 1", "embedding: 2"]
    assert "not covered by the method" in shown


def test_chat() -> None:
    shown = run("llama_index_chat.py")
    assert "In 1853 it was the 23d of March." in shown
    assert shown.count("[ContextChatEngine.stream_chat: ") == 2


def test_agents() -> None:
    shown = run("llama_index_agents.py")
    # 23 March to 18 April: 8 days of March and 18 of April.
    assert "It left 26 days earlier." in shown
    by_agent = shown.rpartition("by agent\n")[2].splitlines()
    found = {line.partition(":")[0].strip(): line.split()[-2] for line in by_agent}
    # The naturalist asks the book (its question is embedded, then answered) and hands over; the
    # calculator counts and answers; the index belongs to nobody.
    assert found == {"naturalist": "4", "calculator": "2", "none": "1"}


def test_sub_questions() -> None:
    shown = run("llama_index_sub_questions.py")
    assert "It was open earlier in 1853." in shown
    # Splitting, two answers, and the last.
    assert "gpt-4o-mini-2024-07-18" in shown
    assert "4 calls, " in shown


def test_langgraph_agent() -> None:
    pytest.importorskip("langchain.agents")
    shown = run("llama_index_and_langgraph.py")
    assert "According to Thoreau: On the 18th of April." in shown
    for step in ("naturalist", "search_walden", "VectorIndexR"):
        assert step in shown
    assert "1 run, 4 calls" in shown
