"""OpenTelemetry: impacts on spans, and metrics by model, provider, kind, agent and zone."""

from __future__ import annotations

import functools
import os
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from impactree import __version__
from impactree.delivery.exporter import SpooledExporter
from impactree.delivery.forks import held_off
from impactree.delivery.spool import known_spool
from impactree.delivery.turns import in_turns
from impactree.exceptions import ConfigurationError, MissingExtraError
from impactree.exporters._otel_foreign import annotate, end_waiting, watch_traceloop
from impactree.exporters._otel_forks import renew
from impactree.exporters._otel_names import (
    DELIVERY,
    GAUGES,
    HISTOGRAMS,
    METRICS,
    SPLIT_BY,
    impact_attributes,
    metric_attributes,
    span_attributes,
    span_name,
)
from impactree.store.rows import credits_by_run, credits_for, credits_under

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Observation
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
except ImportError as error:
    raise MissingExtraError("otel", "opentelemetry-sdk") from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.metrics import Meter, MeterProvider
    from opentelemetry.trace import TracerProvider

    from impactree.delivery.codec import Tree, TreeKey, ZoneOf
    from impactree.runs import Run

__all__ = ["OTelExporter"]

_Sums = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""By counter and its attributes."""
_MAX_REMEMBERED: Final = 20_000
_FLUSH_MS: Final = 10_000


class OTelExporter(SpooledExporter):
    """Records impacts with the OpenTelemetry SDK that the application has set up.

    A model call whose span another instrumentation made (GenAI conventions, OpenInference or
    Traceloop) gets ``impactree.*`` attributes on it. For a run tree without any, own spans are made
    that follow the tree, under the span that was active when the root ended. Counters hold means,
    with ``.min`` and ``.max`` beside them; they count at least once (again after a crash).

    What is recorded is handed over to the SDK, which sends it when it is due; a ``flush()`` asks it
    to send at once. ``impactree.delivery.*`` tell how all exporters of the process are doing.

    Args:
        meter_provider: None: the global one.
        tracer_provider: None: the global one.
        spans: Whether to touch and make spans at all.
        name: Tells exporters apart that one process has side by side.
    """

    linger_s = 0.5
    """The SDK sends every few seconds; a larger batch costs less."""

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
        self._counted: OrderedDict[tuple[str, float], dict[str, float]] = OrderedDict()  # by call
        self._recorded: OrderedDict[TreeKey, None] = OrderedDict()
        meter = (meter_provider or metrics.get_meter_provider()).get_meter("impactree", __version__)
        self._counters = {
            name: meter.create_counter(name, unit, text) for name, (unit, text) in METRICS.items()
        }
        self._histograms = {
            name: meter.create_histogram(
                name, unit, text, explicit_bucket_boundaries_advisory=list(bounds)
            )
            for name, (unit, text, bounds) in HISTOGRAMS.items()
        }
        _observe_delivery(meter)
        if spans:
            watch_traceloop()

    @classmethod
    def prometheus(
        cls, *, port: int = 9464, addr: str = "127.0.0.1", spans: bool = False
    ) -> OTelExporter:
        """An exporter with a Prometheus endpoint at ``http://addr:port/metrics``.

        Several worker processes share one endpoint where ``PROMETHEUS_MULTIPROC_DIR`` names an
        empty folder (Prometheus' multi-process mode). Else one of them gets the port; what the
        others count is not in its answers, and one line in the log of each says so.

        Raises:
            ConfigurationError: the port is none, or the folder.
            MissingExtraError: the Prometheus exporter is not installed.
        """
        if type(port) is not int or not 0 <= port < 2**16:
            raise ConfigurationError(f"port must be 0 to 65535, not {port!r:.80}")
        from impactree.exporters._prometheus import serve

        return cls(meter_provider=serve(port, addr), spans=spans, name="otel:prometheus")

    @property
    def destination(self) -> str:
        """The name: where it goes from there is the SDK's business."""
        return self._name

    @property
    def owner(self) -> Mapping[str, str]:
        """The service's name, and whether spans are made."""
        service = _service_of(self._meters or metrics.get_meter_provider())
        if service is None:
            service = _service_of(self._tracers or trace.get_tracer_provider())
        owner = {"service.name": service or os.environ.get("OTEL_SERVICE_NAME") or "unknown"}
        return owner if self._spans else owner | {"spans": "no"}

    def observe(self, run: Run, zone_of: ZoneOf) -> None:
        """Attributes on the span that another instrumentation has open for this call."""
        if self._spans and run.call is not None:
            watch_traceloop()
            if annotate(run, lambda: _attributes_of(run, zone_of)):
                _remember(self._annotated, str(run.root.id), None)

    def notes(self, root: Run) -> Mapping[str, Any] | None:
        """Whether spans exist already, and the active span, for the own ones to hang under."""
        if not self._spans:
            return None
        end_waiting()
        if str(root.id) in self._annotated:
            return {"annotated": True}
        active = trace.get_current_span().get_span_context()
        if not active.is_valid:
            return None
        flags = int(active.trace_flags)
        return {"trace_id": active.trace_id, "span_id": active.span_id, "flags": flags}

    def deliver(self, trees: Sequence[Tree]) -> None:
        """Hand over what is new to the SDK, which sends it when it is due.

        The application's providers are not made to send: that is the application's business.
        """
        sums: _Sums = {}
        try:
            for tree in in_turns(trees):
                if tree.key not in self._recorded:
                    self._record(tree, sums)
        finally:
            with held_off():
                for (name, labels), more in sums.items():
                    self._counters[name].add(more, dict(labels))

    def _record(self, tree: Tree, sums: _Sums) -> None:
        credited = credits_by_run(tree)
        counted = [(run, credited(run)) for run in tree.root.calls if not run.cached]
        # The SDK's locks are held for moments; a child must not inherit one.
        with held_off():
            for run, texts in counted:
                self._count(run, texts, sums)
            _remember(self._recorded, tree.key, None)
        if self._spans and not tree.notes.get("annotated") and not tree.root.revision:
            self._make_spans(tree)

    def settle(self, timeout_s: float) -> bool:
        """After a flush that was asked for: have the SDK send what was handed over.

        The SDK does not tell whether its own exporters succeeded; counters are cumulative, so
        that what one export misses the next one carries.
        """
        deadline = time.monotonic() + timeout_s
        # The global ones as they are now: the application may set them up after us.
        senders = _senders(self._meters or metrics.get_meter_provider())
        if self._spans:
            senders.append(self._tracers or trace.get_tracer_provider())
        for sender in senders:
            flush = getattr(sender, "force_flush", None)
            left_ms = max(1, int((deadline - time.monotonic()) * 1000))
            if flush is not None and flush(min(left_ms, _FLUSH_MS)) is False:
                return False
        return True

    def after_fork(self) -> None:
        """The SDK's threads are the parent's, and with them its locks and connections."""
        renew(self._meters or metrics.get_meter_provider())
        renew(self._tracers or trace.get_tracer_provider())

    def _count(self, run: Run, credited: Iterable[str], sums: _Sums) -> None:
        """A call into the histograms, and into a batch's sums: an ``add`` costs as much as ten."""
        values = metric_values(run, credited)
        seen = self._counted.get((run.id, run.start))
        attributes = metric_attributes(run)
        for key, value in values.items():
            name, _, part = key.partition(":")
            labels = {**attributes, SPLIT_BY[name]: part} if part else attributes
            # Of a late end only what it adds: a counter never goes down.
            more = value - (seen or {}).get(key, 0.0)
            if more > 0:
                place = name, tuple(labels.items())
                sums[place] = sums.get(place, 0.0) + more
            histogram = self._histograms.get(f"{name}.per_call")
            if seen is None and histogram is not None:
                histogram.record(value, labels)
        _remember(self._counted, (run.id, run.start), values)

    def _make_spans(self, tree: Tree) -> None:
        tracer = (self._tracers or trace.get_tracer_provider()).get_tracer("impactree", __version__)
        contexts: dict[str, Context] = {}
        credited = {"impactree.credits": credits_for([tree])}
        for run in in_turns(tree.root.walk()):
            more = credited if run is tree.root else {}
            above = None if run is tree.root or run.parent is None else contexts[run.parent.id]
            with held_off():
                span = tracer.start_span(
                    span_name(run),
                    context=above or _context_of(tree.notes),
                    kind=SpanKind.CLIENT if run.call is not None else SpanKind.INTERNAL,
                    attributes={**span_attributes(run), **impact_attributes(run.total), **more},
                    start_time=int(run.start * 1e9),
                )
                if run.status in ("error", "cancelled"):
                    span.set_status(Status(StatusCode.ERROR, run.status))
                contexts[run.id] = trace.set_span_in_context(span)
                # Times are given: that a parent ends before its children start does no harm.
                span.end(int((run.end or run.start) * 1e9))


def _readers(meters: Any) -> Sequence[Any]:
    older = getattr(meters, "_sdk_config", None)
    readers = getattr(meters, "_metric_readers", getattr(older, "metric_readers", ()))
    return list(readers)


def _senders(meters: Any) -> list[Any]:
    """What to flush: the provider, or its readers but Prometheus', which keeps a copy each time."""
    readers = _readers(meters)
    pushing = [reader for reader in readers if type(reader).__name__ != "PrometheusMetricReader"]
    return [meters] if len(pushing) == len(readers) else pushing


def _service_of(provider: Any) -> str | None:
    """The service that a provider of the SDK speaks for; None where none is set up yet."""
    found = getattr(provider, "resource", None)
    found = found or getattr(getattr(provider, "_sdk_config", None), "resource", None)
    name = getattr(found, "attributes", {}).get("service.name")
    return None if name is None else str(name)


def _observe_delivery(meter: Meter) -> None:
    for name, (unit, text, field) in DELIVERY.items():
        ask = [functools.partial(_observe, field)]
        if field in GAUGES:
            meter.create_observable_gauge(name, ask, unit, text)
        else:
            meter.create_observable_counter(name, ask, unit, text)


def _observe(field: str, options: CallbackOptions) -> Iterable[Observation]:
    """How the delivery goes, by destination, when the SDK asks."""
    current = known_spool()
    for address, health in current.health().items() if current else ():
        value = health[field]  # type: ignore[literal-required]
        if value is not None:
            yield Observation(value, {"impactree.destination": address})


def _attributes_of(run: Run, zone_of: ZoneOf) -> dict[str, Any]:
    return {**impact_attributes(run.own), "impactree.credits": credits_under(run, zone_of)}


def metric_values(run: Run, credited: Iterable[str]) -> dict[str, float]:
    """Counter name -> what one call adds; of those split by a part, ``impactree.tokens:input``."""
    call = run.call
    assert call is not None  # noqa: S101
    values: dict[str, float] = {"impactree.calls": 1}
    for kind in ("input", "output"):
        values[f"impactree.tokens:{kind}"] = getattr(call, f"{kind}_tokens") or 0
    if run.own is None or not run.own.estimated:
        values["impactree.calls.unestimated"] = 1
    else:
        values |= {f"impactree.calls.credited:{credit}": 1 for credit in credited}
        energies = run.own.energy_by_source or {}
        values |= {f"impactree.energy.by_source:{name}": kwh for name, kwh in energies.items()}
    for name, value in impact_attributes(run.own).items():
        base = name.removesuffix(".mean")
        if base in METRICS and isinstance(value, float):
            values[base] = value
    return values


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
