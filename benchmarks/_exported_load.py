"""Roots with one call for exporters that are up; prints what became of them as JSON.

``python -m benchmarks._exported_load steady SECONDS RATE UP``: SQLite and JSON Lines, at a rate;
their folder is there from the start (UP is 1) or only at the end. ``five ROOTS URL``: five sinks
at once, as fast as a thread makes roots. ``own NAME ROOTS URL``: a sink's own client, same data.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "exporters"))

BATCH = 500
SINKS = ("sqlite", "jsonl", "parquet", "otel", "langsmith")


def memory() -> float:
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s*(\d+)", status)
    assert found
    return int(found[1]) / 1024


def steady(folder: Path, seconds: int, rate: int, up: bool) -> dict[str, Any]:
    import crashing  # type: ignore[import-not-found]

    from impactree import ImpactTracker

    target = folder / "out"
    if up:
        target.mkdir()
    tracker = ImpactTracker(exporters=crashing.sinks(target))
    crashing.write(tracker, 1000)
    first, start, made, busy = memory(), time.perf_counter(), 0, time.process_time()
    while time.perf_counter() - start < seconds:
        due = int((time.perf_counter() - start) * rate)
        crashing.write(tracker, due - made) if due > made else time.sleep(0.002)
        made = max(due, made)
    took, grown = time.perf_counter() - start, memory() - first
    target.mkdir(exist_ok=True)
    flushing = time.perf_counter()
    drained = tracker.flush(300)
    flush_s = time.perf_counter() - flushing
    busy = time.process_time() - busy
    lines = sum(path.read_bytes().count(b"\n") for path in target.glob("impacts.jsonl*"))
    return {
        "made": made,
        "per_s": made / (took + flush_s),
        "cpu_us": busy / made * 1e6,
        "grown_mib": grown,
        "drained": drained,
        "flush_s": flush_s,
        "all": lines == made + 1000,
    }


def five(folder: Path, roots: int, url: str) -> dict[str, Any]:
    import crashing
    import langsmith
    from langsmith_server import KEY  # type: ignore[import-not-found]

    from impactree import ImpactTracker, exporters

    client = langsmith.Client(api_url=url, api_key=KEY, auto_batch_tracing=False)
    meters, tracers = providers()
    tracker = ImpactTracker(
        exporters=[
            exporters.SQLExporter(f"sqlite:///{folder / 'impacts.db'}"),
            exporters.JSONLExporter(folder / "impacts.jsonl"),
            exporters.ParquetExporter(folder / "calls"),
            exporters.OTelExporter(meter_provider=meters, tracer_provider=tracers),
            exporters.LangSmithExporter(client=client),
        ]
    )
    crashing.write(tracker, 20)
    assert tracker.flush(60)
    start = time.perf_counter()
    for _ in range(roots):
        crashing.write(tracker, 1)
    drained = tracker.flush(300)
    took = time.perf_counter() - start
    delivered = [health["delivered"] - 20 for health in tracker.health().values()]
    return {"per_s": roots / took, "all": drained and delivered == [roots] * 5}


def providers() -> tuple[Any, Any]:
    """OpenTelemetry's, whose batches end in memory."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(Nowhere(), max_queue_size=2**16))
    return MeterProvider([InMemoryMetricReader()]), tracers


# A sink's own client, with rows as the exporter makes them, made beforehand


def own(name: str, folder: Path, roots: int, url: str) -> dict[str, Any]:
    write: Callable[[Path, int, str], float] = globals()[f"own_{name}"]
    return {"per_s": roots / write(folder, roots, url)}


def row() -> dict[str, Any]:
    import crashing

    from impactree import ImpactTracker
    from impactree.store.rows import call_row

    tracker = ImpactTracker()
    found = call_row(tracker.record(crashing.CALL))
    return {key: str(v) if isinstance(v, uuid.UUID) else v for key, v in found.items()}


def own_sqlite(folder: Path, roots: int, url: str) -> float:
    fields = {key: value for key, value in row().items() if key not in ("started_at", "ended_at")}
    base = sqlite3.connect(folder / "own.db", isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=NORMAL")
    columns = ", ".join(f'"{name}"' for name in fields)
    insert = f"insert into t values ({', '.join('?' * len(fields))})"
    base.execute(f"create table t ({columns})")
    start = time.perf_counter()
    for _ in range(0, roots, BATCH):
        base.execute("begin immediate")
        rows = [(str(uuid.uuid4()), *list(fields.values())[1:]) for _ in range(BATCH)]
        base.executemany(insert, rows)  # the root's row,
        base.executemany(insert, rows)  # and the call's
        base.execute("commit")
    return time.perf_counter() - start


def own_jsonl(folder: Path, roots: int, url: str) -> float:
    fields = row()
    start = time.perf_counter()
    with (folder / "own.jsonl").open("a") as file:
        for _ in range(roots):
            text = json.dumps({**fields, "id": str(uuid.uuid4())}, default=str)
            file.write(f"{text}\n")
    return time.perf_counter() - start


def own_parquet(folder: Path, roots: int, url: str) -> float:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = row()
    start = time.perf_counter()
    for number in range(0, roots, BATCH):
        rows = [{**fields, "id": str(uuid.uuid4())} for _ in range(BATCH)]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{number}.parquet", compression="zstd")
    return time.perf_counter() - start


def own_otel(folder: Path, roots: int, url: str) -> float:
    """The counters and histograms of a call, and two spans."""
    from impactree.exporters._otel_names import HISTOGRAMS, METRICS

    meters, tracers = providers()
    meter, tracer = meters.get_meter("own"), tracers.get_tracer("own")
    counters = [meter.create_counter(name) for name in METRICS]
    histograms = [meter.create_histogram(name) for name in HISTOGRAMS]
    labels = {"gen_ai.response.model": "gpt-4o-mini", "gen_ai.provider.name": "openai"}
    attributes = {key: value for key, value in row().items() if type(value) in (str, int, float)}
    start = time.perf_counter()
    for _ in range(roots):
        for counter in counters:
            counter.add(1.0, labels)
        for histogram in histograms:
            histogram.record(1.0, labels)
        for _ in range(2):
            tracer.start_span("chat", attributes=attributes).end()
    tracers.force_flush()
    return time.perf_counter() - start


def own_langsmith(folder: Path, roots: int, url: str) -> float:
    """Two runs and seven feedback items a root, through the client's own queue."""
    import langsmith
    from langsmith_server import KEY

    from impactree.exporters._langsmith_api import FEEDBACK

    client = langsmith.Client(api_url=url, api_key=KEY)
    project = str(uuid.uuid4())
    body = {"name": f"own-{project}", "id": project}
    client.request_with_retries("POST", "/sessions", json=body, params={"upsert": True})
    metadata = {"impacts": {k: v for k, v in row().items() if isinstance(v, float)}}
    start = time.perf_counter()
    for _ in range(roots):
        above: uuid.UUID | None = None
        now = datetime.now(UTC)
        stamp = now.strftime("%Y%m%dT%H%M%S%fZ")
        root, call = uuid.uuid4(), uuid.uuid4()
        order = f"{stamp}{root}"
        for run_id, dotted in ((root, order), (call, f"{order}.{stamp}{call}")):
            client.create_run(
                "agent",
                {},
                "chain",
                id=run_id,
                trace_id=root,
                dotted_order=dotted,
                parent_run_id=above,
                start_time=now,
                end_time=now,
                outputs={},
                extra={"metadata": metadata},
            )
            above = root
        for key in FEEDBACK:
            client.create_feedback(
                root, key, score=1.0, value={"mean": 1.0}, trace_id=root, session_id=project
            )
    client.flush()
    return time.perf_counter() - start


def main(what: str, *arguments: str) -> dict[str, Any]:
    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp())
    os.environ.update(IMPACTREE_SPOOL_DIR=str(folder / "spool"), LANGSMITH_TRACING="false")
    if what == "steady":
        seconds, rate, up = map(int, arguments)
        return steady(folder, seconds, rate, bool(up))
    if what == "five":
        return five(folder, int(arguments[0]), arguments[1])
    name, roots, url = arguments
    return own(name, folder, int(roots), url)


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])), flush=True)
    os._exit(0)
