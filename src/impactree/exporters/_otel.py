"""OpenTelemetry: impacts on spans, and metrics by model, provider, kind, agent and zone."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from impactree.delivery.errors import RetryLaterError
from impactree.delivery.exporter import SpooledExporter
from impactree.exceptions import MissingExtraError
from impactree.exporters._otel_names import (
    HISTOGRAMS,
    METRICS,
    impact_attributes,
    metric_attributes,
    span_attributes,
    span_name,
)

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
except ImportError as error:
    raise MissingExtraError("otel", "opentelemetry-sdk") from error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider

    from impactree.delivery.codec import Tree
    from impactree.runs import Run

__all__ = ["OTelExporter"]

_MAX_REMEMBERED: Final = 20_000
_FLUSH_MS: Final = 10_000
_OPENINFERENCE: Final = "openinference.instrumentation.langchain"
_CALL_SPANS: Final = {
    "gen_ai.operation.name": {"chat", "text_completion", "generate_content", "embeddings"},
    "openinference.span.kind": {"LLM", "EMBEDDING", "RERANKER"},
}


class OTelExporter(SpooledExporter):
    """Records impacts with the OpenTelemetry SDK that the application has set up.

    A model call whose span another instrumentation made (GenAI conventions or OpenInference) gets
    ``impactree.*`` attributes on it. For a run tree without any, own spans are made that follow
    the tree, under the span that was active when the root ended. Counters hold means, with
    ``.min`` and ``.max`` beside them; they count at least once (again after a crash).

    Args:
        meter_provider: None: the global one.
        tracer_provider: None: the global one.
        spans: Whether to touch and make spans at all.
        name: Tells exporters apart that one process has side by side.
    """

    def __init__(
        self,
        *,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
        spans: bool = True,
        name: str = "otel",
    ) -> None:
        self._name = name
        self._meters = meter_provider
        self._tracers = tracer_provider
        self._spans = spans
        self._annotated: OrderedDict[str, None] = OrderedDict()  # roots with foreign spans
        self._counted: OrderedDict[str, dict[str, float]] = OrderedDict()  # by call
        self._recorded: OrderedDict[tuple[str, int], None] = OrderedDict()
        meter = (meter_provider or metrics.get_meter_provider()).get_meter("impactree")
        self._counters = {
            name: meter.create_counter(name, unit, text) for name, (unit, text) in METRICS.items()
        }
        self._histograms = {
            name: meter.create_histogram(
                name, unit, text, explicit_bucket_boundaries_advisory=list(bounds)
            )
            for name, (unit, text, bounds) in HISTOGRAMS.items()
        }

    @classmethod
    def prometheus(
        cls, *, port: int = 9464, addr: str = "127.0.0.1", spans: bool = False
    ) -> OTelExporter:
        """An exporter with a Prometheus endpoint at ``http://addr:port/metrics``.

        Raises:
            MissingExtraError: the Prometheus exporter is not installed.
            OSError: the port is taken.
        """
        try:
            from opentelemetry.exporter.prometheus import PrometheusMetricReader
            from opentelemetry.sdk.metrics import MeterProvider
            from prometheus_client import start_http_server
        except ImportError as error:
            raise MissingExtraError("otel", "opentelemetry-exporter-prometheus") from error
        start_http_server(port, addr)
        meters = MeterProvider([PrometheusMetricReader()])
        return cls(meter_provider=meters, spans=spans, name="otel:prometheus")

    @property
    def destination(self) -> str:
        """The name: where it goes from there is the SDK's business."""
        return self._name

    def run_ended(self, run: Run) -> None:
        """Attributes on the span that another instrumentation has open for this call."""
        if not self._spans or run.call is None:
            return
        span = _foreign_span(run)
        if span is not None:
            span.set_attributes(impact_attributes(run.own))
            _remember(self._annotated, str(run.root.id), None)

    def notes(self, root: Run) -> Mapping[str, Any] | None:
        """Whether spans exist already, and the active span, for the own ones to hang under."""
        if not self._spans:
            return None
        if str(root.id) in self._annotated:
            return {"annotated": True}
        active = trace.get_current_span().get_span_context()
        if not active.is_valid:
            return None
        flags = int(active.trace_flags)
        return {"trace_id": active.trace_id, "span_id": active.span_id, "flags": flags}

    def deliver(self, trees: Sequence[Tree]) -> None:
        """Record what is new, then have the SDK send it.

        The SDK does not tell whether its own exporters succeeded; counters are cumulative, so
        that what one export misses the next one carries.
        """
        for tree in trees:
            if tree.key in self._recorded:
                continue  # the flush failed after it, not the recording
            for run in tree.root.walk():
                if run.call is not None and not run.cached:
                    self._count(run)
            if self._spans and not tree.notes.get("annotated") and not tree.root.revision:
                self._make_spans(tree)
            _remember(self._recorded, tree.key, None)
        # The global ones as they are now: the application may set them up after us.
        senders = _senders(self._meters or metrics.get_meter_provider())
        if self._spans:
            senders.append(self._tracers or trace.get_tracer_provider())
        for sender in senders:
            flush = getattr(sender, "force_flush", None)
            if flush is not None and flush(_FLUSH_MS) is False:
                raise RetryLaterError("the OpenTelemetry SDK could not flush")

    def _count(self, run: Run) -> None:
        values = metric_values(run)
        seen = self._counted.get(run.id)
        attributes = metric_attributes(run)
        for key, value in values.items():
            name, _, kind = key.partition(":")
            labels = {**attributes, "gen_ai.token.type": kind} if kind else attributes
            # Of a late end only what it adds: a counter never goes down.
            more = value - (seen or {}).get(key, 0.0)
            if more > 0:
                self._counters[name].add(more, labels)
            histogram = self._histograms.get(f"{name}.per_call")
            if seen is None and histogram is not None:
                histogram.record(value, labels)
        _remember(self._counted, run.id, values)

    def _make_spans(self, tree: Tree) -> None:
        tracer = (self._tracers or trace.get_tracer_provider()).get_tracer("impactree")
        contexts: dict[str, Context] = {}
        for run in tree.root.walk():
            above = None if run is tree.root or run.parent is None else contexts[run.parent.id]
            span = tracer.start_span(
                span_name(run),
                context=above or _context_of(tree.notes),
                kind=SpanKind.CLIENT if run.call is not None else SpanKind.INTERNAL,
                attributes={**span_attributes(run), **impact_attributes(run.total)},
                start_time=int(run.start * 1e9),
            )
            if run.status in ("error", "cancelled"):
                span.set_status(Status(StatusCode.ERROR, run.status))
            contexts[run.id] = trace.set_span_in_context(span)
            # Times are given: that a parent ends before its children start does no harm.
            span.end(int((run.end or run.start) * 1e9))


def _senders(meters: Any) -> list[Any]:
    """What to flush: the provider, or its readers but Prometheus', which keeps a copy each time."""
    older = getattr(meters, "_sdk_config", None)
    readers = getattr(meters, "_metric_readers", getattr(older, "metric_readers", ()))
    pushing = [reader for reader in readers if type(reader).__name__ != "PrometheusMetricReader"]
    return [meters] if len(pushing) == len(readers) else pushing


def metric_values(run: Run) -> dict[str, float]:
    """Counter name -> what one call adds; tokens as ``impactree.tokens:input`` and ``:output``."""
    call = run.call
    assert call is not None  # noqa: S101
    values: dict[str, float] = {"impactree.calls": 1}
    for kind in ("input", "output"):
        values[f"impactree.tokens:{kind}"] = getattr(call, f"{kind}_tokens") or 0
    if run.own is None or not run.own.estimated:
        return values | {"impactree.calls.unestimated": 1}
    for name, value in impact_attributes(run.own).items():
        base = name.removesuffix(".mean")
        if base in METRICS and isinstance(value, float):
            values[base] = value
    return values


def _foreign_span(run: Run) -> Span | None:
    """The open span of another GenAI instrumentation for this run."""
    span = trace.get_current_span()
    attributes = getattr(span, "attributes", None) or {}
    # An agent's span may be the current one: a call's impacts would overwrite another's there.
    if span.is_recording() and any(attributes.get(k) in v for k, v in _CALL_SPANS.items()):
        return span
    module = sys.modules.get(_OPENINFERENCE)  # its spans are not the context's current ones
    if module is None:
        return None
    found = module.LangChainInstrumentor().get_span(run.id)
    return found if found is not None and found.is_recording() else None


def _context_of(notes: Mapping[str, Any]) -> Context | None:
    if "trace_id" not in notes:
        return None
    context = SpanContext(
        notes["trace_id"], notes["span_id"], is_remote=False, trace_flags=TraceFlags(notes["flags"])
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(context))


def _remember(table: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    table[key] = value
    if len(table) > _MAX_REMEMBERED:
        table.popitem(last=False)
