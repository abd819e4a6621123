"""Exporters send finished run trees somewhere: LangSmith, OpenTelemetry, a database, a file.

Everything here loads on first use. Your own: subclass :class:`SpooledExporter`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impactree.delivery.codec import Tree as Tree
    from impactree.delivery.errors import DeliveryRefusedError as DeliveryRefusedError
    from impactree.delivery.errors import RetryLaterError as RetryLaterError
    from impactree.delivery.errors import TreeRejectedError as TreeRejectedError
    from impactree.delivery.exporter import SpooledExporter as SpooledExporter
    from impactree.exporters._codecarbon import CodeCarbonExporter as CodeCarbonExporter
    from impactree.exporters._jsonl import JSONLExporter as JSONLExporter
    from impactree.exporters._langsmith import LangSmithExporter as LangSmithExporter
    from impactree.exporters._langsmith import impact_evaluator as impact_evaluator
    from impactree.exporters._otel import OTelExporter as OTelExporter
    from impactree.exporters._parquet import ParquetExporter as ParquetExporter
    from impactree.exporters._sql import SQLExporter as SQLExporter
    from impactree.runs import Exporter as Exporter

_HOMES = {
    "CodeCarbonExporter": "impactree.exporters._codecarbon",
    "DeliveryRefusedError": "impactree.delivery.errors",
    "Exporter": "impactree.runs",
    "JSONLExporter": "impactree.exporters._jsonl",
    "LangSmithExporter": "impactree.exporters._langsmith",
    "OTelExporter": "impactree.exporters._otel",
    "ParquetExporter": "impactree.exporters._parquet",
    "RetryLaterError": "impactree.delivery.errors",
    "SQLExporter": "impactree.exporters._sql",
    "SpooledExporter": "impactree.delivery.exporter",
    "Tree": "impactree.delivery.codec",
    "TreeRejectedError": "impactree.delivery.errors",
    "impact_evaluator": "impactree.exporters._langsmith",
}

__all__ = [
    "CodeCarbonExporter",
    "DeliveryRefusedError",
    "Exporter",
    "JSONLExporter",
    "LangSmithExporter",
    "OTelExporter",
    "ParquetExporter",
    "RetryLaterError",
    "SQLExporter",
    "SpooledExporter",
    "Tree",
    "TreeRejectedError",
    "impact_evaluator",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'impactree.exporters' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
