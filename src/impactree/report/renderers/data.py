"""The report as plain data, in the shape of ``schemas/report.schema.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from impactree.calls.scrubbing import plain_values
from impactree.runs import LABELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree.report._groups import Group
    from impactree.report._view import View
    from impactree.runs import Run
    from impactree.values.impacts import Impacts

__all__ = ["FORMAT", "report_dict", "run_dicts"]

FORMAT: Final = 2
"""Of the report as data; 1 had no means, and did not say so."""


def report_dict(report: View) -> dict[str, Any]:
    """Everything in a report; runs as a flat list, so that any depth can be written as JSON."""
    return {
        "format": FORMAT,
        "method": report.method,
        "zone": report.zone,
        "catalog_version": report.catalog_version,
        "calls": report.calls,
        "input_tokens": report.input_tokens,
        "output_tokens": report.output_tokens,
        "total": report.total.to_dict(),
        "avoided": report.avoided.to_dict(),
        "coverage": asdict(report.coverage),
        "by_model": [
            {"model": name, **_group_dict(group)} for name, group in report.by("model").items()
        ],
        "runs": [entry for root in report.runs for entry in run_dicts(root)],
        "problems": dict(report.problems),
        "finished_runs": report.finished_runs,
        "total_ever": _impacts(report.total_ever),
    }


def run_dicts(root: Run) -> Iterator[dict[str, Any]]:
    """A tree's runs, parents before their children."""
    for run in root.walk():
        yield {
            "id": str(run.id),
            "parent_id": _id(run.parent_id if run.parent is None else run.parent.id),
            "root_id": str(run.root.id),
            "name": run.name,
            "kind": run.kind,
            "status": run.status,
            "start": run.start,
            "end": run.end,
            "latency_s": run.latency_s,
            "revision": run.revision,
            **{label: getattr(run, label) for label in LABELS},
            "tags": list(run.tags),
            "metadata": plain_values(run.metadata),
            "call": None if run.call is None else run.call.to_dict(),
            "cached": run.cached,
            "own": _impacts(run.own),
            "avoided": _impacts(run.avoided),
            "total": run.total.to_dict(),
        }


def _group_dict(group: Group) -> dict[str, Any]:
    return {
        "calls": group.calls,
        "cached": group.cached,
        "input_tokens": group.input_tokens,
        "output_tokens": group.output_tokens,
        "total": group.total.to_dict(),
        "share": group.share,
    }


def _id(value: object) -> str | None:
    return None if value is None else str(value)


def _impacts(value: Impacts | None) -> dict[str, Any] | None:
    return None if value is None else value.to_dict()
