"""Questions to a database that the SQL exporter wrote. Needs the extra ``sql``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.report import Report
from impactree.report._sheet import lay_out_report
from impactree.report.renderers.page import page_data
from impactree.store.queries import dearest, opened, sums
from impactree.store.trees import stored_tree
from impactree.values.times import parse_since
from impactree.values.training import TRAINING_COLUMNS, training_cells

if TYPE_CHECKING:
    from impactree.store.queries import Group

__all__ = ["check", "dearest_runs", "group_row", "groups", "run_page"]

_KEPT: Final = (
    "The database keeps outermost runs and model calls: what stands between is what the calls say "
    "of their agent, tool and node; usage and embodied impacts are kept as one."
)


def check(url: str) -> None:
    """Open a database and look at its tables.

    Raises:
        ConfigurationError: not a database URL.
        DeliveryRefusedError: the database or its tables are missing, or of another version.
        RetryLaterError: the database cannot be read.
    """
    with opened(url):
        pass


def groups(url: str, by: str = "model", since: str | None = None) -> list[dict[str, Any]]:
    """The calls summed by an attribute, most greenhouse gases first.

    Args:
        url: Of the database.
        by: ``model``, ``agent``, ``day``, ``user``, ...
        since: ``7d``, ``24h``, ``2w`` or a date; None: all.

    Raises:
        ConfigurationError: not a database URL, an unknown attribute, or no such time.
        DeliveryError: the database cannot be read.
    """
    start = None if since is None else parse_since(since)
    return [group_row(by, group) for group in sums(url, by=by, since=start)]


def group_row(by: str, group: Group) -> dict[str, Any]:
    """A group as plain data."""
    counts = ("calls", "estimated_calls", "input_tokens", "output_tokens")
    known = {name: getattr(group, name) for name in counts}
    training = dict(zip(TRAINING_COLUMNS, training_cells(group.training), strict=True))
    sources = {"energy_by_source": group.energy_by_source}
    told = {**group.figures, **training, **sources, "credits": list(group.credits)}
    return {by: group.key, **known, **told}


def dearest_runs(url: str, since: str | None = None, top: int = 20) -> list[dict[str, Any]]:
    """The runs with most greenhouse gases: name, time, calls, figures. Raises as :func:`groups`."""
    start = None if since is None else parse_since(since)
    return dearest(url, since=start, top=top)


def run_page(url: str, run_id: str) -> dict[str, Any] | None:
    """A run as the page of its report shows it, with advice; None: the database has no such run.

    The database keeps usage and embodied impacts as one, so ``phases`` is False.
    Raises as :func:`groups`.
    """
    found = stored_tree(url, run_id)
    if found is None:
        return None
    report = Report([found.root], method=found.method)
    data = page_data(report, None, lay_out_report(report))
    data["report"]["total"] |= {"usage": None, "embodied": None}
    data["notes"].append({"name": "history", "sentences": [_KEPT]})
    return {**data, "phases": False}
