"""OpenTelemetry: the SDK's in-memory readers, an OTLP receiver on loopback, Prometheus' parser."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import call, run_tree  # type: ignore[import-not-found]

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)

from impactree import ImpactTracker
from impactree.exporters import OTelExporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Telemetry:
    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))

    def exporter(self, **options: Any) -> OTelExporter:
        return OTelExporter(meter_provider=self.meters, tracer_provider=self.tracers, **options)

    def points(self, name: str) -> Any:
        data = self.reader.get_metrics_data()
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        (metric,) = [m for m in metrics if m.name == name]
        return metric.unit, {
            tuple(sorted(p.attributes.items())): p for p in metric.data.data_points
        }


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry()
    yield made
    made.meters.shutdown()
    made.tracers.shutdown()


def test_counters_by_model_provider_kind_agent_and_zone(telemetry: Telemetry) -> None:
    tracker = ImpactTracker(exporters=[telemetry.exporter()])
    metadata = {"lc_agent_name": "researcher"}
    run_tree(tracker, call(), call(), call(zone="FRA"), metadata=metadata)
    assert tracker.flush(10)
    unit, points = telemetry.points("impactree.gwp")
    assert unit == "kg{CO2eq}"
    american = {
        "gen_ai.agent.name": "researcher",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.model": "gpt-4o-mini",
        "impactree.zone": "USA",
    }
    one, french = (tracker.engine.estimate(call(zone=zone)).gwp for zone in (None, "FRA"))
    assert one is not None
    assert french is not None
    keys = [tuple(sorted(a.items())) for a in (american, american | {"impactree.zone": "FRA"})]
    assert [points[key].value for key in keys] == [
        pytest.approx(2 * one.value.mean),
        pytest.approx(french.value.mean),
    ]
    _, highs = telemetry.points("impactree.gwp.max")
    assert highs[keys[0]].value == pytest.approx(2 * one.value.max)
    unit, tokens = telemetry.points("impactree.tokens")
    assert unit == "{token}"
    by_type = {dict(key)["gen_ai.token.type"]: 0.0 for key in tokens}
    for key, point in tokens.items():
        by_type[dict(key)["gen_ai.token.type"]] += point.value
    assert by_type == {"input": 300, "output": 60}
    unit, energy = telemetry.points("impactree.energy.per_call")
    assert unit == "kW.h"
    assert sum(point.count for point in energy.values()) == 3
    for name in ("energy", "gwp", "adpe", "pe", "water"):
        _, per_call = telemetry.points(f"impactree.{name}.per_call")
        assert sum(per_call[keys[0]].bucket_counts[1:-1]) == 2  # within the bounds
    _, tokens = telemetry.points("impactree.tokens.per_call")
    assert sum(point.sum for point in tokens.values()) == 360
    _, credited = telemetry.points("impactree.calls.credited")
    texts = {dict(key)["impactree.credit"]: 0.0 for key in credited}
    for key, point in credited.items():
        texts[dict(key)["impactree.credit"]] += point.value
    assert texts.keys() == set(tracker.report().credits)
    assert set(texts.values()) == {3}


def test_an_unestimated_call_is_counted_as_such(telemetry: Telemetry) -> None:
    tracker = ImpactTracker(exporters=[telemetry.exporter()])
    run_tree(tracker, call(kind="embedding", model="text-embedding-3-small", output_tokens=None))
    assert tracker.flush(10)
    _, points = telemetry.points("impactree.calls.unestimated")
    assert [point.value for point in points.values()] == [1]


def test_a_late_end_adds_only_what_is_new(telemetry: Telemetry) -> None:
    tracker = ImpactTracker(exporters=[telemetry.exporter()])
    tracker.start("r", name="r")
    tracker.start("late", "r", name="late", kind="chat")
    tracker.record(call(), "r")
    tracker.end("r")
    assert tracker.flush(10)
    tracker.end("late", call=call(output_tokens=40))
    assert tracker.flush(10)
    _, points = telemetry.points("impactree.calls")
    assert sum(point.value for point in points.values()) == 2


def test_own_spans_follow_the_tree_under_the_active_one(telemetry: Telemetry) -> None:
    tracker = ImpactTracker(exporters=[telemetry.exporter()])
    with telemetry.tracers.get_tracer("app").start_as_current_span("request") as request:
        root = run_tree(tracker, name="agent")
    assert tracker.flush(10)
    spans = {span.name: span for span in telemetry.spans.get_finished_spans()}
    assert set(spans) == {"request", "agent", "model", "chat gpt-4o-mini"}
    assert spans["agent"].parent.span_id == request.get_span_context().span_id
    assert spans["model"].parent.span_id == spans["agent"].context.span_id
    leaf = spans["chat gpt-4o-mini"]
    assert leaf.parent.span_id == spans["model"].context.span_id
    assert leaf.attributes["gen_ai.usage.output_tokens"] == 20
    estimate = tracker.engine.estimate(call())
    assert estimate.gwp is not None
    assert leaf.attributes["impactree.gwp.max"] == pytest.approx(estimate.gwp.value.max)
    assert spans["agent"].attributes["impactree.run.id"] == str(root)
    assert spans["agent"].attributes["impactree.credits"] == tuple(tracker.report().credits)
    assert tracker.last_run is not None
    assert spans["agent"].start_time == int(tracker.last_run.start * 1e9)


@pytest.mark.parametrize(
    "mark", [{"gen_ai.operation.name": "chat"}, {"openinference.span.kind": "LLM"}]
)
def test_a_foreign_span_gets_the_attributes_instead(
    telemetry: Telemetry, mark: dict[str, str]
) -> None:
    tracker = ImpactTracker(exporters=[telemetry.exporter()])
    tracer = telemetry.tracers.get_tracer("genai")
    tracker.start("r", name="agent")
    tracker.start("c", "r", name="chat", kind="chat")
    with tracer.start_as_current_span("chat gpt", attributes=mark):
        tracker.end("c", call=call())
    tracker.end("r")
    assert tracker.flush(10)
    (span,) = telemetry.spans.get_finished_spans()
    assert span.attributes["impactree.energy.mean"] > 0


def test_each_thread_has_its_own_active_span(telemetry: Telemetry) -> None:
    """Also while another thread's events are being handled."""
    pytest.importorskip("langchain_core")
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import RunnableLambda

    from impactree import ImpactHandler

    handler = ImpactHandler(exporters=[telemetry.exporter()])
    tracer = telemetry.tracers.get_tracer("app")
    seen: dict[str, str] = {}

    def answer(text: str) -> str:
        usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
        said = AIMessage("a", usage_metadata=usage, response_metadata={"model_name": "gpt-4o"})
        GenericFakeChatModel(messages=iter([said])).invoke(text)
        return text

    def work(number: int) -> None:
        for step in range(20):
            name = f"{number}-{step}"
            with tracer.start_as_current_span(name) as span:
                chain = RunnableLambda(answer).with_config(run_name=f"root {name}")
                chain.invoke("x", {"callbacks": [handler]})
            seen[f"root {name}"] = span.get_span_context().span_id

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert handler.flush(10)
    spans = telemetry.spans.get_finished_spans()
    own = {span.name: span.parent.span_id for span in spans if span.name.startswith("root")}
    assert own == seen


def test_openinferences_spans_are_annotated(telemetry: Telemetry) -> None:
    pytest.importorskip("langchain_core")
    openinference = pytest.importorskip("openinference.instrumentation.langchain")
    from langchain_core.language_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import RunnableLambda

    from impactree import ImpactHandler

    handler = ImpactHandler(exporters=[telemetry.exporter()])
    usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
    said = AIMessage("a", usage_metadata=usage, response_metadata={"model_name": "gpt-4o"})
    chain = RunnableLambda(GenericFakeChatModel(messages=iter([said])).invoke)
    instrumentor = openinference.LangChainInstrumentor()
    instrumentor.instrument(tracer_provider=telemetry.tracers)
    try:
        chain.invoke("x", {"callbacks": [handler]})
    finally:
        instrumentor.uninstrument()
    assert handler.flush(10)
    spans = {span.name: span.attributes for span in telemetry.spans.get_finished_spans()}
    assert spans.keys() == {"invoke", "GenericFakeChatModel"}  # none of our own
    assert spans["GenericFakeChatModel"]["impactree.gwp.max"] > 0
    assert spans["GenericFakeChatModel"]["impactree.credits"] == handler.report().credits


# Traceloop's instrumentation stays in LangChain and LangGraph for good: in a process of its own.
TRACELOOP = """
import asyncio, json, sys
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from opentelemetry.instrumentation.langchain import LangchainInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from impactree import ImpactHandler, track_impacts
from impactree.exporters import OTelExporter

made, tracers = InMemorySpanExporter(), TracerProvider()
tracers.add_span_processor(SimpleSpanProcessor(made))
LangchainInstrumentor().instrument(tracer_provider=tracers)
usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
said = AIMessage("a", usage_metadata=usage, response_metadata={"model_name": "gpt-4o"})
model = GenericFakeChatModel(messages=iter([said.model_copy() for _ in range(9)]))
chain = RunnableLambda(lambda text: text) | model
ways = {
    "invoke": lambda config: chain.invoke("x", config),
    "ainvoke": lambda config: asyncio.run(chain.ainvoke("x", config)),
    "batch": lambda config: chain.batch(["x"], config),
}
found = {}
for way, run in ways.items():
    for attached in ("handler", "block"):
        made.clear()
        exporters = [OTelExporter(tracer_provider=tracers)]
        if attached == "handler":
            tracker = ImpactHandler(exporters=exporters)
            run({"callbacks": [tracker]})
        else:
            with track_impacts(exporters=exporters) as tracker:
                run({})
        assert tracker.flush(10)
        spans = [dict(span.attributes) for span in made.get_finished_spans()]
        found[f"{way} {attached}"] = {
            "chats": [s for s in spans if "gen_ai.usage.input_tokens" in s],
            "own": sum("impactree.run.id" in span for span in spans),
            "gwp": tracker.last_run.total.gwp.value.max,
        }
json.dump(found, sys.stdout, default=str)
"""


def test_traceloops_spans_are_annotated(spool_dir: Path) -> None:
    """One span has a call's tokens, whosever callback is first: else a backend counts twice."""
    pytest.importorskip("langchain_core")
    pytest.importorskip("opentelemetry.instrumentation.langchain")
    environment = os.environ | {"IMPACTREE_SPOOL_DIR": str(spool_dir), "LANGSMITH_TRACING": "false"}
    done = subprocess.run(
        [sys.executable, "-c", TRACELOOP], capture_output=True, check=True, env=environment
    )
    found = json.loads(done.stdout)
    assert len(found) == 6
    for way, seen in found.items():
        (chat,) = seen["chats"]
        assert chat["gen_ai.usage.input_tokens"] == 9, way
        assert chat["impactree.gwp.max"] == pytest.approx(seen["gwp"]), way
        assert seen["own"] == 0, way


def test_an_agents_span_is_not_taken_for_a_calls(telemetry: Telemetry) -> None:
    tracker = ImpactTracker(exporters=[telemetry.exporter()])
    tracer = telemetry.tracers.get_tracer("genai")
    mark = {"gen_ai.operation.name": "invoke_agent"}
    with tracer.start_as_current_span("invoke_agent", attributes=mark):
        run_tree(tracker)
    assert tracker.flush(10)
    spans = {span.name: span for span in telemetry.spans.get_finished_spans()}
    assert not any(key.startswith("impactree") for key in spans["invoke_agent"].attributes)
    assert "chat gpt-4o-mini" in spans


def test_a_replay_counts_again(telemetry: Telemetry, dies: Callable[[], None]) -> None:
    """At least once: counters cannot know what was counted before a crash."""
    tracker = ImpactTracker(exporters=[telemetry.exporter(spans=False)])
    run_tree(tracker)
    dies()
    assert ImpactTracker(exporters=[telemetry.exporter(spans=False)]).flush(10)
    _, points = telemetry.points("impactree.calls")
    assert [point.value for point in points.values()] in ([1], [2])


def test_over_otlp_to_a_receiver(telemetry: Telemetry) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    got: dict[str, list[Any]] = {"/v1/metrics": [], "/v1/traces": []}
    kinds = {"/v1/metrics": ExportMetricsServiceRequest, "/v1/traces": ExportTraceServiceRequest}

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            got[self.path].append(kinds[self.path].FromString(body))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    base = f"http://127.0.0.1:{server.server_address[1]}"
    meters = MeterProvider(
        [PeriodicExportingMetricReader(OTLPMetricExporter(f"{base}/v1/metrics"), 60_000)]
    )
    tracers = TracerProvider()
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{base}/v1/traces")))
    tracker = ImpactTracker(
        exporters=[OTelExporter(meter_provider=meters, tracer_provider=tracers)]
    )
    run_tree(tracker)
    assert tracker.flush(10)  # reaches the receiver: the SDK is flushed as well
    names = {
        metric.name: metric.unit
        for request in got["/v1/metrics"]
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    units = {"energy": "kW.h", "gwp": "kg{CO2eq}", "adpe": "kg{Sbeq}", "pe": "MJ", "water": "L"}
    assert {key: names[f"impactree.{key}"] for key in units} == units
    spans = [
        span.name
        for request in got["/v1/traces"]
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert sorted(spans) == ["agent", "chat gpt-4o-mini", "model"]
    meters.shutdown()
    tracers.shutdown()
    server.shutdown()
    server.server_close()


def test_prometheus_scrapes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.prometheus")
    import prometheus_client
    from prometheus_client.parser import text_string_to_metric_families

    started: list[Any] = []
    start = prometheus_client.start_http_server
    monkeypatch.setattr(
        prometheus_client, "start_http_server", lambda *a: started.append(start(*a))
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    exporter = OTelExporter.prometheus(port=port)
    tracker = ImpactTracker(exporters=[exporter])
    for _ in range(2):  # with two deliveries between two scrapes
        run_tree(tracker, call())
        assert tracker.flush(10)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()
    found = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "impactree" in sample.name
    ]
    assert len(found) == len({(s.name, tuple(sorted(s.labels.items()))) for s in found})
    samples = {sample.name: sample for sample in found}
    estimate = tracker.engine.estimate(call())
    assert estimate.wcf is not None
    water = samples["impactree_water_L_total"]
    assert water.value == pytest.approx(2 * estimate.wcf.value.mean)
    assert water.labels["gen_ai_response_model"] == "gpt-4o-mini"
    assert samples["impactree_calls_total"].value == 2
    exporter._meters.shutdown()  # type: ignore[attr-defined]
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join(5)
