"""Every exporter under every fault, counted: ``tests/exporters/faults.py [--quick] [KIND...]``.

Sets: ``forks`` (at random moments under load, threads alive), ``kills`` (kill -9), ``restart`` (the
endpoint is away for 4 s), ``outage`` (for 60 s), ``disk`` (spool and files on a full disk of 5 MB;
as root, on Linux). A row says how many roots ended, and how many arrived, came twice, are counted
as lost, or are neither: that must be none. Prints a table; exit code 1 when a row misses.

OpenTelemetry promises to hand over: ``handed`` counts what the SDK was given, ``counted`` the calls
in its counters, ``arrived`` the spans at the collector; those that the SDK itself loses while the
collector is away are no miss.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))

KINDS = ("sqlite", "postgresql", "jsonl", "parquet", "csv", "langsmith", "otlp", "prometheus")
FILES = ("sqlite", "jsonl", "parquet", "csv")
SETS = ("forks", "kills", "restart", "outage", "disk")
FULL = {"roots": 5000, "forks": 100, "kills": 30, "restart_s": 4.0, "outage_s": 60.0}
QUICK = {"roots": 300, "forks": 8, "kills": 4, "restart_s": 1.0, "outage_s": 2.0}
HANG_S = 60.0
DISK_MB = 5


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


# The process under test


def exporter(kind: str, out: Path, url: str) -> Any:
    from impactree import exporters

    if kind == "sqlite":
        return exporters.SQLExporter(f"sqlite:///{out / 'impacts.db'}")
    if kind == "postgresql":
        return exporters.SQLExporter(url)
    if kind == "jsonl":
        return exporters.JSONLExporter(out / "i.jsonl", max_bytes=4 * 2**20, backups=100)
    if kind == "parquet":
        return exporters.ParquetExporter(out / "calls", linger_s=0.2)
    if kind == "csv":
        return exporters.CodeCarbonExporter(out / "emissions.csv")
    if kind == "langsmith":
        import langsmith
        from langsmith_server import KEY  # type: ignore[import-not-found]

        client = langsmith.Client(api_url=url, api_key=KEY, auto_batch_tracing=False)
        return exporters.LangSmithExporter(client=client)
    if kind == "prometheus":
        return exporters.OTelExporter.prometheus(port=0)
    return exporters.OTelExporter(**otlp(url, out.parent), name="faults")


def otlp(url: str, folder: Path) -> dict[str, Any]:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    note = os.open(folder / "handed", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Noting(SpanProcessor):
        def on_end(self, span: Any) -> None:
            if span.parent is None:
                os.write(note, f"{span.attributes['impactree.run.id']}\n".encode())

    tracers = TracerProvider()
    tracers.add_span_processor(Noting())
    spans = OTLPSpanExporter(f"{url}/v1/traces")
    tracers.add_span_processor(BatchSpanProcessor(spans, max_queue_size=2**15))
    calls = OTLPMetricExporter(f"{url}/v1/metrics")
    reader = PeriodicExportingMetricReader(calls, export_interval_millis=1000)
    return {"meter_provider": MeterProvider([reader]), "tracer_provider": tracers}


class Writer:
    """Makes roots, and notes each id once its end callback has returned."""

    def __init__(self, made: Any, folder: Path) -> None:
        from impactree import ImpactTracker

        self.tracker = ImpactTracker(exporters=[made])
        self.acknowledge = os.open(folder / "ended", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def root(self) -> None:
        from impactree import ModelCall

        call = ModelCall(model="gpt-4o-mini", provider="openai", input_tokens=9, output_tokens=20)
        root = uuid.uuid4()
        self.tracker.start(root, name="agent")
        self.tracker.record(call, root)
        self.tracker.end(root)
        os.write(self.acknowledge, f"{root}\n".encode())

    def roots(self, number: int, rest_s: float = 0.0) -> None:
        for _ in range(number):
            self.root()
            time.sleep(rest_s)


def forks(writer: Writer, numbers: dict[str, Any]) -> dict[str, Any]:
    """Fork while two threads make roots; each child makes some, and flushes."""
    chance, slowest, hung = random.Random(1), 0.0, 0
    each = numbers["roots"] // 2
    share = each // numbers["forks"]
    threads = [threading.Thread(target=writer.roots, args=(each // 2, 0.002)) for _ in range(2)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(numbers["forks"]):
        time.sleep(chance.uniform(0, 0.08))
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            faulthandler.dump_traceback_later(1.5 * HANG_S)  # who hangs says where
            writer.roots(share)
            os._exit(0 if writer.tracker.flush(HANG_S) else 3)
        slowest = max(slowest, time.monotonic() - started)
        children.append((child, time.monotonic() + 2 * HANG_S))
    for child, deadline in children:
        while not os.waitpid(child, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                hung += 1
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
            time.sleep(0.01)
    for thread in threads:
        thread.join()
    return {"hung": hung, "slowest_fork_s": round(slowest, 2)}


def kills(writer: Writer, numbers: dict[str, Any]) -> dict[str, Any]:
    """Kill children that export; each ends within half a second."""
    chance = random.Random(2)
    for _ in range(numbers["kills"]):
        child = os.fork()
        if child == 0:
            writer.roots(10**9, 0.0005)
        time.sleep(chance.uniform(0.05, 0.5))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return {}


def away(writer: Writer, numbers: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Roots before, while and after the endpoint is away: the driver takes it away on our word."""
    part = numbers["roots"] // 3
    writer.roots(part)
    say("away")
    sys.stdin.readline()
    until = time.monotonic() + seconds
    writer.roots(part, min(0.01, seconds / part / 2))
    time.sleep(max(0.0, until - time.monotonic()))
    say("back")
    sys.stdin.readline()
    writer.roots(numbers["roots"] - 2 * part)
    return {}


def work(kind: str, which: str, folder: Path, url: str, numbers: dict[str, Any]) -> None:
    writer = Writer(exporter(kind, folder / "out", url), folder)
    writer.tracker.engine.estimate  # noqa: B018
    if which == "forks":
        found = forks(writer, numbers)
    elif which == "kills":
        found = kills(writer, numbers)
    elif which == "disk":
        writer.roots(numbers["roots"])
        say("back")  # the driver makes the disk larger
        sys.stdin.readline()
        found = {}
    else:
        found = away(writer, numbers, numbers[f"{which}_s"])
    started = time.monotonic()
    drained = drain(writer.tracker, which)
    found |= {"drained": drained, "flush_s": round(time.monotonic() - started, 1)}
    found["lost"] = sum(health["dropped"] for health in writer.tracker.health().values())
    if kind == "prometheus":
        found["counted"] = scraped()
    say(json.dumps(found))
    writer.tracker.close(10)
    os._exit(0)


def drain(tracker: Any, which: str) -> bool:
    """Flush for as long as something gets on: a busy machine is slow, and hangs nowhere."""
    moved, before = time.monotonic(), None
    while not tracker.flush(10):
        health = tracker.health().values()
        # What is lost, a flush says no to once. What dead processes left is pending with nobody.
        if which == "disk" and not any(one["pending"] for one in health):
            return False
        now = [(one["delivered"], one["pending"]) for one in health]
        if now != before:
            moved, before = time.monotonic(), now
        elif time.monotonic() > moved + 3 * HANG_S:
            return False
    return True


def scraped() -> int:
    from prometheus_client import CollectorRegistry, generate_latest, multiprocess

    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    text = generate_latest(registry).decode()
    calls = [line for line in text.splitlines() if line.startswith("impactree_calls_total")]
    return round(sum(float(line.rpartition(" ")[2]) for line in calls))


# The driver, and the endpoints


class Gate:
    """A port in front of an endpoint that can be taken away: connections break, none is taken."""

    def __init__(self, port: int) -> None:
        self._to, self._open = port, set[socket.socket]()
        self._server = self._listen(0)
        self.port = self._server.getsockname()[1]

    def _listen(self, port: int) -> socket.socket:
        server = socket.create_server(("127.0.0.1", port), backlog=128)
        threading.Thread(target=self._serve, args=(server,), daemon=True).start()
        return server

    def _serve(self, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._open |= {near, far}
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(2**16):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            self._open.discard(end)

    def away(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for end in list(self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def back(self) -> None:
        self._server = self._listen(self.port)


class Place:
    """Where the roots of one set go, and how many are there."""

    collector: Collector | None = None

    def __init__(self, kind: str, folder: Path, gate: Gate | None, url: str, ids: Any) -> None:
        self.kind, self.folder, self.gate, self.url, self._ids = kind, folder, gate, url, ids

    def away(self) -> None:
        if self.gate is not None:
            self.gate.away()
        else:
            (self.folder / "out").rename(self.folder / "gone")
            (self.folder / "out").touch()  # no folder: nobody makes one in its place

    def back(self) -> None:
        if self.gate is not None:
            self.gate.back()
        else:
            (self.folder / "out").unlink()
            (self.folder / "gone").rename(self.folder / "out")

    def ids(self) -> Counter[str]:
        found: Counter[str] = Counter(self._ids(self.folder / "out"))
        return found


def sql_ids(url: str) -> list[str]:
    import sqlalchemy as sa

    from impactree.store.database import parse_url

    engine = sa.create_engine(parse_url(url))
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select id from impactree_runs")).all()
    engine.dispose()
    return [row[0] for row in rows]


def parquet_ids(out: Path) -> list[str]:
    import pyarrow.parquet as pq

    return [
        run_id
        for path in (out / "calls").glob("calls-*.parquet")
        for run_id in pq.read_table(path, columns=["run_id"])["run_id"].to_pylist()
    ]


def csv_ids(out: Path) -> list[str]:
    import csv

    with (out / "emissions.csv").open(newline="") as file:
        return [row["run_id"] for row in csv.DictReader(file)]


def jsonl_ids(out: Path) -> list[str]:
    return [
        json.loads(line)["id"]
        for path in out.glob("i.jsonl*")
        for line in path.read_text().splitlines()
    ]


class Collector:
    """What an OTLP receiver got: root spans, and the newest value of each counter of calls."""

    def __init__(self) -> None:
        self.spans: list[str] = []
        self._calls: dict[Any, float] = {}

    @property
    def counted(self) -> int:
        return round(sum(self._calls.values()))

    def take(self, path: str, data: bytes) -> None:
        if path.endswith("/traces"):
            self._take_spans(data)
        else:
            self._take_metrics(data)

    def _take_spans(self, data: bytes) -> None:
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

        for resource in traces.ExportTraceServiceRequest.FromString(data).resource_spans:
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                fields = {a.key: a.value.string_value for a in span.attributes}
                if not span.parent_span_id:
                    self.spans.append(fields["impactree.run.id"])

    def _take_metrics(self, data: bytes) -> None:
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics

        for resource in metrics.ExportMetricsServiceRequest.FromString(data).resource_metrics:
            for metric in (metric for scope in resource.scope_metrics for metric in scope.metrics):
                if metric.name == "impactree.calls":
                    for point in metric.sum.data_points:
                        value = point.as_double or point.as_int
                        self._calls[str(point.attributes)] = value


@contextlib.contextmanager
def otlp_receiver() -> Iterator[tuple[int, Collector]]:
    got = Collector()

    class Receiver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            got.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_address[1], got
        server.shutdown()


@contextlib.contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    (folder / "out").mkdir(exist_ok=True)
    if kind == "postgresql":
        import postgres  # type: ignore[import-not-found]

        with postgres.server() as url:
            head, _, rest = url.rpartition(":")
            port, _, base = rest.partition("/")
            gate = Gate(int(port))
            yield Place(kind, folder, gate, f"{head}:{gate.port}/{base}", lambda _: sql_ids(url))
    elif kind == "langsmith":
        from langsmith_server import serve

        with serve() as service:
            gate = Gate(int(service.url.rpartition(":")[2]))
            url = f"http://127.0.0.1:{gate.port}"
            yield Place(kind, folder, gate, url, lambda _: list(service.by_key()))
    elif kind == "otlp":
        with otlp_receiver() as (port, got):
            gate = Gate(port)
            url = f"http://127.0.0.1:{gate.port}"
            found = Place(kind, folder, gate, url, lambda _: list(got.spans))
            found.collector = got
            yield found
    else:
        ids = {
            "sqlite": lambda out: sql_ids(f"sqlite:///{out / 'impacts.db'}"),
            "jsonl": jsonl_ids,
            "parquet": parquet_ids,
            "csv": csv_ids,
            "prometheus": lambda out: [],
        }
        yield Place(kind, folder, None, "", ids[kind])


def skipped(which: str) -> str | None:
    if which == "disk" and (sys.platform != "linux" or os.geteuid() != 0):
        return "needs root on Linux"
    return None


def one(kind: str, which: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """One row."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        spool = folder / "spool"
        if which == "disk":
            (folder / "out").mkdir()
            for path in (folder / "out", spool):
                path.mkdir(exist_ok=True)
                mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "tmpfs", path]
                subprocess.run(mount, check=True)
                stack.callback(subprocess.run, ["umount", "-l", path], check=False)
            if kind in FILES:  # its rows may be too small to fill it
                (folder / "out" / "balloon").write_bytes(bytes((DISK_MB - 1) * 2**20))
        with place(kind, folder) as target:
            environment = os.environ | {
                "IMPACTREE_SPOOL_DIR": str(spool),
                "LANGSMITH_TRACING": "false",
            }
            if kind == "prometheus":
                environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder / "out")
            if which == "disk" and target.gate is not None:
                target.away()
            command = ["--work", kind, which, name, target.url, json.dumps(numbers)]
            with (
                (folder / "log").open("wb") as log,
                subprocess.Popen(
                    [sys.executable, __file__, *command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env=environment,
                ) as process,
            ):
                found = drive(process, target, which, folder)
            if target.collector is not None:
                found["counted"] = target.collector.counted
            arrived = target.ids()
        row = judge(kind, which, folder, arrived, found)
        if not row["ok"]:
            sys.stderr.write((folder / "log").read_text()[-5000:])
        return row


def drive(process: Any, target: Place, which: str, folder: Path) -> dict[str, Any]:
    assert process.stdout is not None
    assert process.stdin is not None
    for line in process.stdout:
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            process.wait(60)
            return found
        if which == "disk":
            for path in (folder / "out", folder / "spool"):
                subprocess.run(["mount", "-o", "remount,size=200m", path], check=True)
            if target.gate is not None:
                target.back()
        elif line == "away\n":
            target.away()
        else:
            target.back()
        process.stdin.write("\n")
        process.stdin.flush()
    raise RuntimeError((folder / "log").read_text()[-3000:])


def judge(
    kind: str, which: str, folder: Path, arrived: Counter[str], found: dict[str, Any]
) -> dict[str, Any]:
    ended = noted(folder / "ended")
    row = {**found, "ended": len(ended)}
    ok = not found.get("hung") and (found["drained"] or found["lost"] > 0)
    if kind == "prometheus":
        # Where nobody is killed each is counted once; else some may be, that nobody noted.
        row["missing"] = len(ended) - found["lost"] - found["counted"]
        if which == "kills":
            row["missing"] = max(0, row["missing"])
        return {**row, "ok": ok and not row["missing"]}
    if kind == "otlp":
        handed = noted(folder / "handed")
        row |= {"handed": len(ended & handed), "missing": len(ended - handed) - found["lost"]}
        if which == "kills":  # what it had been given is gone with a killed process
            return {**row, "ok": ok and not row["missing"]}
        if which != "forks":  # children go on from the parent's sums
            row["missing"] += max(0, len(ended) - found["lost"] - found["counted"])
        else:
            del row["counted"]
        row["arrived"] = len(ended & set(arrived))
        if which == "forks":
            row["missing"] += len(ended) - found["lost"] - row["arrived"]
        return {**row, "ok": ok and not row["missing"]}
    twice = sum(number > 1 for number in arrived.values())
    row |= {"arrived": len(ended & set(arrived)), "twice": twice}
    row["missing"] = len(ended - set(arrived)) - found["lost"]
    return {**row, "ok": ok and not row["missing"] and not twice}


def noted(file: Path) -> set[str]:
    """The ids in a file, a killed process's half line left out."""
    lines = file.read_text().splitlines(keepends=True)
    return {line.strip() for line in lines if line.endswith("\n")}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*", default=KINDS)
    parser.add_argument("--quick", action="store_true", help="small numbers: a minute or two")
    parser.add_argument("--set", action="append", choices=SETS, help="only this set (repeatable)")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        kind, which, folder, url, numbers = options.kinds
        work(kind, which, Path(folder), url, json.loads(numbers))
    numbers = QUICK if options.quick else FULL
    good = True
    columns = (
        *("ended", "handed", "arrived", "counted", "twice", "lost", "missing"),
        *("hung", "slowest_fork_s", "flush_s"),
    )
    say("| exporter | set | " + " | ".join(columns) + " | |")
    say("| --- " * (len(columns) + 3) + "|")
    for kind in options.kinds:
        for which in options.set or SETS:
            why = skipped(which)
            if why is not None:
                say(f"| {kind} | {which} | " + "| " * len(columns) + f"| {why} |")
                continue
            row = one(kind, which, numbers)
            good = good and row["ok"]
            cells = [str(row.get(column, "")) for column in columns]
            verdict = "pass" if row["ok"] else "MISSED"
            say(f"| {kind} | {which} | " + " | ".join(cells) + f" | {verdict} |")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
