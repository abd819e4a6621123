"""A chain with every exporter, its endpoints down or trickling; prints the seconds it took.

``python -m benchmarks._exported_chain MODE CALLS MS TIMES``: so many invocations of so many model
calls of so many ms. Modes: ``none`` (no handler at all), ``handler`` (no exporters), ``down``,
``trickle``, and ``planted``: ``down`` with a busy wait of 3 ms per root in its last callback.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socketserver
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

PLANTED_S = 0.003
WARM_UP_S = 3.0
"""By then every exporter has been imported and tried once."""


class Trickle(socketserver.BaseRequestHandler):
    """An answer that begins at once and never ends: a byte every 50 ms."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            self.request.recv(2**16)
            for byte in b"HTTP/1.1 200 OK\r\nX-Padding: " + b"x" * 10**4:
                self.request.sendall(bytes([byte]))
                time.sleep(0.05)


def port_of(mode: str) -> int:
    if mode != "trickle":
        return 9  # nothing listens there
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Trickle)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def exporters(port: int, folder: Path) -> list[Any]:
    """All there are; files lie in a folder that is none."""
    os.environ["LANGSMITH_ENDPOINT"] = f"http://127.0.0.1:{port}"
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from impactree import exporters as all_of

    url = f"http://127.0.0.1:{port}/v1"
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{url}/metrics"))
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/traces")))
    none = folder / "file" / "none"
    none.parent.write_text("no folder")
    return [
        all_of.LangSmithExporter(),
        all_of.OTelExporter(meter_provider=MeterProvider([reader]), tracer_provider=tracers),
        all_of.SQLExporter(f"postgresql://a@127.0.0.1:{port}/b"),
        all_of.SQLExporter(f"sqlite:///{none}.db"),
        all_of.JSONLExporter(none),
        all_of.ParquetExporter(none, linger_s=0.2),
        all_of.CodeCarbonExporter(none),
    ]


class Busy:
    """A defect to be found: it holds up the callback."""

    def export(self, root: Any) -> None:
        until = time.perf_counter() + PLANTED_S
        while time.perf_counter() < until:
            pass

    def flush(self, timeout: float | None = None) -> bool:
        return True


def config(mode: str, folder: Path) -> dict[str, Any]:
    if mode == "none":
        return {}
    from impactree import ImpactHandler

    found = [] if mode == "handler" else exporters(port_of(mode), folder)
    if mode == "planted":
        found.append(Busy())
    return {"callbacks": [ImpactHandler(exporters=found)]}


def main(mode: str, calls: int, wait_s: float, times: int) -> float:
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import RunnableLambda

    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp())
    os.environ.update(
        IMPACTREE_SPOOL_DIR=str(folder / "spool"), LANGSMITH_API_KEY="x", LANGSMITH_TRACING="false"
    )
    usage: Any = {"input_tokens": 1200, "output_tokens": 400, "total_tokens": 1600}
    said: Any = {"model_name": "gpt-4o"}
    answer = AIMessage("a", usage_metadata=usage, response_metadata=said)

    def step(text: str) -> str:
        for _ in range(calls):
            time.sleep(wait_s)
            GenericFakeChatModel(messages=iter([answer.model_copy()])).invoke(text)
        return text

    chain, given = RunnableLambda(step), config(mode, folder)
    warm = time.perf_counter() + WARM_UP_S
    while time.perf_counter() < warm:
        chain.invoke("x", given)  # type: ignore[arg-type]
    start = time.perf_counter()
    for _ in range(times):
        chain.invoke("x", given)  # type: ignore[arg-type]
    return time.perf_counter() - start


if __name__ == "__main__":
    name, number, ms, repeat = sys.argv[1:]
    print(main(name, int(number), float(ms) / 1000, int(repeat)), flush=True)
    os._exit(0)
