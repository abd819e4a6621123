"""Runs and their trees, the run that the current code is part of, and budgets."""

from __future__ import annotations

from impactree.runs.labels import LABELS, Labels
from impactree.runs.run import RUN_KINDS, Exporter, Pending, Run, RunKind, RunStatus, run_key

__all__ = [
    "LABELS",
    "RUN_KINDS",
    "Exporter",
    "Labels",
    "Pending",
    "Run",
    "RunKind",
    "RunStatus",
    "run_key",
]
