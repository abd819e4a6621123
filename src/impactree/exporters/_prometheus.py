"""Prometheus: an endpoint to scrape, for one process, or for several that share their counts.

OpenTelemetry's reader counts in memory, so that of several workers one answer shows one's counts.
With ``PROMETHEUS_MULTIPROC_DIR`` set, counts go to Prometheus' own instruments instead: those keep
their values in files of that folder, from which any worker answers for all, dead ones included.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.delivery.errors import reason
from impactree.delivery.forks import around_forks
from impactree.exceptions import ConfigurationError, MissingExtraError

try:
    import prometheus_client
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import multiprocess, values
except ImportError as error:
    raise MissingExtraError("otel", "opentelemetry-exporter-prometheus") from error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["serve"]

_log: Final = logging.getLogger("impactree")
_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_WORKERS: Final = (
    f"set {_FOLDER} to an empty folder before they start, or push over OTLP to a collector "
    "(docs/exporters/opentelemetry.md)"
)
_LABELS: Final = (
    *("gen_ai_response_model", "gen_ai_provider_name", "gen_ai_operation_name"),
    *("gen_ai_agent_name", "gen_ai_token_type", "impactree_zone", "impactree_credit"),
)


def serve(port: int, addr: str) -> Any:
    """Start the endpoint. Returns the meter provider whose counts it shows.

    A port that is taken is logged: an application does not die of a metric.

    Raises:
        ConfigurationError: the folder of the multi-process mode cannot be used.
    """
    folder = os.environ.get(_FOLDER)
    if folder:
        return _serve_for_all(port, addr, folder)
    try:
        prometheus_client.start_http_server(port, addr)
    except OSError as error:  # a sibling worker has the port, as a rule
        text = "impactree: no Prometheus endpoint at %s:%d in process %d (%s); several workers: %s"
        _log.error(text, addr, port, os.getpid(), reason(error), _WORKERS)
    else:
        around_forks(in_child=functools.partial(_say_whose, port, addr))
    return MeterProvider([PrometheusMetricReader()])


def _say_whose(port: int, addr: str) -> None:
    _log.error(
        "impactree: the Prometheus endpoint at %s:%d is the parent's, and does not show what "
        "process %d counts; several workers: %s",
        addr,
        port,
        os.getpid(),
        _WORKERS,
    )


def _serve_for_all(port: int, addr: str, folder: str) -> _SharedMeters:
    if not Path(folder).is_dir():
        raise ConfigurationError(f"{_FOLDER} must name an existing folder, not {folder!r:.200}")
    if not getattr(values.ValueClass, "_multiprocess", False):
        raise ConfigurationError(f"{_FOLDER} must be set before prometheus_client is imported")
    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    try:
        prometheus_client.start_http_server(port, addr, registry)
    except OSError as error:  # another worker answers for all
        _log.debug("impactree: no endpoint at %s:%d here: %s", addr, port, reason(error))
    return _shared_meters()


class _SharedMeters:
    """What the exporter asks of a meter provider and its meter, over Prometheus' instruments."""

    def __init__(self) -> None:
        self._registry = prometheus_client.CollectorRegistry()
        self._made: dict[str, _Shared] = {}

    def get_meter(self, *scope: str) -> _SharedMeters:
        return self

    def create_counter(self, name: str, unit: str, description: str) -> _Shared:
        return self._make(prometheus_client.Counter, name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str,
        description: str,
        *,
        explicit_bucket_boundaries_advisory: Sequence[float],
    ) -> _Shared:
        bounds = {"buckets": explicit_bucket_boundaries_advisory}
        return self._make(prometheus_client.Histogram, name, unit, description, **bounds)

    def _make(self, kind: Any, name: str, unit: str, description: str, **options: Any) -> _Shared:
        made = self._made.get(name)
        if made is None:
            full = _full_name(name, unit)
            metric = kind(full, description, _LABELS, registry=self._registry, **options)
            made = self._made[name] = _Shared(metric)
        return made

    def create_observable_counter(self, *instrument: Any) -> None:
        """None: how delivery goes is one process's, and no sum; see ``handler.health()``."""

    create_observable_gauge = create_observable_counter


class _Shared:
    """A counter or a histogram."""

    def __init__(self, metric: Any) -> None:
        self._metric = metric

    def add(self, value: float, attributes: Mapping[str, str]) -> None:
        self._of(attributes).inc(value)

    def record(self, value: float, attributes: Mapping[str, str]) -> None:
        self._of(attributes).observe(value)

    def _of(self, attributes: Mapping[str, str]) -> Any:
        labels = {name.replace(".", "_"): value for name, value in attributes.items()}
        return self._metric.labels(*(labels.get(name, "") for name in _LABELS))


def _full_name(name: str, unit: str) -> str:
    """As OpenTelemetry's reader names it: without what a unit has in braces."""
    return re.sub(r"\{[^}]*\}", "", f"{name}.{unit}").rstrip(".").replace(".", "_")


@functools.cache
def _shared_meters() -> _SharedMeters:
    """One for all exporters of the process: two counters of one name would share a place."""
    return _SharedMeters()
