"""Questions to reports: groups, differences, what would be otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from impactree.service.estimating import engine_of
from impactree.tracker import ImpactTracker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from impactree.calls import ModelCall
    from impactree.report import Report
    from impactree.report._shown import Comparison

__all__ = ["Question", "compared", "name_of", "only", "report_of_calls", "shown"]


class Question(NamedTuple):
    """What is asked of a report."""

    by: Sequence[str] = ()
    """Groups by one key or several; with ``diff`` what changed of each."""
    top: int | None = None
    """The first groups, or the dearest calls."""
    diff: Report | None = None
    """What changed since that one."""
    merge: Sequence[Report] = ()
    """Those of other machines."""
    run: str | None = None
    """Id or name of the run that alone is looked at."""


def shown(report: Report, question: Question) -> Any:
    """The report, its groups or a difference, as asked; each prints, and has ``to_dict``.

    Raises:
        LookupError: no run has that id or name.
        ValueError: two methods, an unknown key, or ``top`` of a difference.
    """
    if question.top is not None and question.diff is not None:
        raise ValueError("top is for groups and calls: a difference shows the largest changes")
    if question.merge:
        report = report.merge(*question.merge)
    if question.run is not None:
        report = only(report, question.run)
    by, top = question.by, question.top
    if question.diff is not None:
        return report.diff(question.diff, by=list(by) or None)
    if by:
        groups = report.by(*by)
        return groups if top is None else groups.top(top)
    return report if top is None else report.top(top)


def only(report: Report, run: str) -> Report:
    """The report over the runs with an id or a name.

    Raises:
        LookupError: there are none.
    """
    found = report.find(run)
    if not found:
        raise LookupError(f"no run {run!r:.80} is in the report")
    return report.of_runs(found)


def report_of_calls(
    calls: Sequence[ModelCall], settings: Mapping[str, Any] | None = None
) -> Report:
    """A report over calls that ended just now, each a root of its own.

    Args:
        calls: What was asked of which models.
        settings: As for :class:`impactree.engine.settings.EngineSettings`.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    engine_of(settings)
    tracker = ImpactTracker(max_runs=max(len(calls), 1), **(settings or {}))
    for call in calls:
        tracker.record(call)
    return tracker.report()


def name_of(changes: Mapping[str, Any]) -> str:
    """What an alternative without a name is called."""
    return ", ".join(f"{key} {value}" for key, value in changes.items())


def compared(report: Report, alternatives: Any, method: str | None = None) -> Comparison:
    """The calls of a report as they are and as they would be: see :meth:`Report.compare`.

    Raises:
        ValueError: an alternative that nothing knows, or no call can take.
        ConfigurationError: an unknown method, or hardware.
    """
    return report.compare(alternatives, method=method)
