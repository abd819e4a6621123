"""The runnable examples, each as a user runs it, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

COOKBOOK = Path(__file__).parents[1] / "cookbook"
PAGE = COOKBOOK.parent / "src" / "impactree" / "web" / "page.js"
OFFLINE = "import no_network, runpy, sys; no_network.block(); sys.argv = sys.argv[1:]; "
RUN = "sys.path.insert(0, sys.argv[0].rpartition('/')[0]); "
HURRIED = "ScriptedOpenAI.__init__.__kwdefaults__.update(tokens_per_s=1e4, first_token_s=0.0); "
AS_MAIN = "runpy.run_path(sys.argv[0], run_name='__main__')"


def run(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an example in a fresh interpreter that cannot leave this machine."""
    foreign = ("OPENAI_", "LANGSMITH_", "LANGCHAIN_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # A budget is spent by how long its answers take.
    pace = "" if name == "budget.py" else f"from scripted_openai import ScriptedOpenAI; {HURRIED}"
    return subprocess.run(
        [sys.executable, "-c", OFFLINE + RUN + pace + AS_MAIN, str(COOKBOOK / name), *arguments],
        env={**kept, "PYTHONPATH": str(Path(__file__).parent), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_agent() -> None:
    done = run("agent.py")
    assert done.returncode == 0, done.stderr
    # 23 March to 18 April: 8 days of March and 18 of April.
    assert "the ice left 26 days earlier in 1853" in done.stdout
    _, _, tree = done.stdout.split("\n\n", 2)
    for step in ("naturalist", "search_walden", "WaldenRetriever", "days_between"):
        assert step in tree, tree
    assert "gpt-4o-2024-08-06" in tree
    assert "gpt-4o-mini-2024-07-18" in tree
    assert "gCO2eq" in tree
    assert "not estimated" not in tree
    assert max(map(len, tree.splitlines())) <= 100
    assert "OPENAI_API_KEY" not in done.stdout


def test_a_key_is_never_used_unasked() -> None:
    done = run("agent.py", OPENAI_API_KEY="sk-of-the-user")
    assert done.returncode == 0, done.stderr
    assert "26 days earlier" in done.stdout
    assert "`make demo REAL=1` asks OpenAI itself, at your expense" in done.stdout


def test_the_real_service_needs_a_key() -> None:
    done = run("agent.py", "--real")
    assert done.returncode == 2
    assert "OPENAI_API_KEY" in done.stderr


def test_real_means_the_network() -> None:
    done = run("agent.py", "--real", OPENAI_API_KEY="sk-of-the-user")
    assert done.returncode != 0
    assert "api.openai.com" in done.stderr


def test_chain() -> None:
    done = run("chain.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Ice insulates: it floats") == 2  # invoked and streamed
    assert done.stdout.count("gpt-4o-mini-2024-07-18") >= 1
    # Invoked once, a batch of two, streamed once.
    assert done.stdout.count("RunnableSequence: ") == 4


def test_supervisor() -> None:
    done = run("supervisor.py")
    assert done.returncode == 0, done.stderr
    assert "left 26 days earlier" in done.stdout
    by_agent = done.stdout.rpartition("by agent\n")[2]
    # The supervisor hands over twice and answers; each agent calls its tool and answers.
    assert [line.partition(" calls")[0].strip() for line in by_agent.splitlines()] == [
        "supervisor: 3",
        "naturalist: 2",
        "calculator: 2",
    ]


@pytest.mark.skipif(not PAGE.is_file(), reason="no page: run `make page`")
def test_report_page(tmp_path: Path) -> None:
    done = run("report_page.py", str(tmp_path / "r.html"))
    assert done.returncode == 0, done.stderr
    assert "the ice left 26 days earlier in 1853" in done.stdout
    assert "naturalist" in (tmp_path / "r.html").read_text("utf-8")


def test_rag() -> None:
    done = run("rag.py")
    assert done.returncode == 0, done.stderr
    assert "first completely open on the 18th of April" in done.stdout
    by_kind = done.stdout.rpartition("by kind\n")[2].splitlines()
    # The index and the question are embedded; the method does not cover that.
    assert by_kind[0].startswith("  chat: 1 calls")
    assert by_kind[0].endswith("gCO2eq")
    assert by_kind[1].startswith("  embedding: 2 calls")
    assert by_kind[2].startswith("  rerank: 1 calls")
    assert all(line.endswith("not covered by the method") for line in by_kind[1:])


def test_streaming() -> None:
    done = run("streaming.py")
    assert done.returncode == 0, done.stderr
    assert "the ice left 26 days earlier in 1853" in done.stdout
    assert done.stdout.count("[impact: gpt-4o-2024-08-06") == 3
    assert done.stdout.count("[total: all 5 calls") == 1


def test_budget() -> None:
    done = run("budget.py")
    assert done.returncode == 0, done.stderr
    assert "error: impact budget per run spent" in done.stdout
    assert "message: Stopped: the impact budget per run is spent" in done.stdout
    # Three calls of 18 to 20 mgCO2eq each (slow machines: more) are the first to exceed 50 mg.
    assert done.stdout.count("\n3 calls, ") == 2
    assert "switched: On the 18th of April." in done.stdout
    assert "gpt-4o-mini-2024-07-18" in done.stdout


def test_fastapi_service() -> None:
    done = run("fastapi_service.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("'answer': 'Ice insulates") == 4
    assert done.stdout.count("'calls': 1}") == 4
    assert "'calls': 4}" in done.stdout
    assert "ada: 2 calls" in done.stdout
    assert "grace: 2 calls" in done.stdout


# live.py: all but the model


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(COOKBOOK)
    import live  # type: ignore[import-not-found]

    return live


def fake_venv(folder: Path, server: str) -> Path:
    """A virtual environment in which a shell script stands for the model server."""
    (folder / "bin").mkdir()
    for name, script in (("python", "exit 0"), ("llama-cpp-server", server)):
        file = folder / "bin" / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    return folder


def running(pid_file: Path) -> bool:
    """Whether the process is there and no zombie."""
    state = Path(f"/proc/{pid_file.read_text().strip()}/stat")
    return state.exists() and state.read_text().rpartition(")")[2].split()[0] != "Z"


def test_live_shows_why_the_server_failed(live: Any, tmp_path: Path) -> None:
    venv = fake_venv(tmp_path, "echo no such model >&2; exit 1")
    with pytest.raises(RuntimeError, match="no such model"), live.serve(venv):
        pass


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at /proc")
def test_live_leaves_no_server_behind(live: Any, tmp_path: Path) -> None:
    # Like the real one: a wrapper that starts the server as a process of its own. $4 is the port.
    command = f'"{sys.executable}" -m http.server --bind 127.0.0.1 --directory "{tmp_path}" "$4"'
    venv = fake_venv(tmp_path, f'{command} & echo $! > "{tmp_path}/pid"; wait')
    (tmp_path / "health").write_text("ok")
    was_running = []

    def interrupted() -> None:
        with live.serve(venv):
            was_running.append(running(tmp_path / "pid"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert was_running == [True]
    deadline = time.monotonic() + 10
    while running(tmp_path / "pid") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(tmp_path / "pid")
