"""A report over finished run trees: totals, groups, coverage; as text, as data, and for rich."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

from impactree.report._groups import Coverage, Group
from impactree.report._view import View

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from impactree.engine import Engine
    from impactree.runs import Run
    from impactree.values.impacts import Impacts

__all__ = ["Coverage", "Group", "Report", "schema"]

_SCHEMAS: Final = ("impacts", "report")


class Tracked(Protocol):
    """What a report reads of a tracker."""

    @property
    def engine(self) -> Engine: ...
    @property
    def runs(self) -> Sequence[Run]: ...
    @property
    def finished_runs(self) -> int: ...
    @property
    def problems(self) -> Mapping[str, int]: ...
    @property
    def total(self) -> Impacts: ...


class Report(View):
    """A view over some root runs. ``print()`` it, ask it for groups, or take its data.

    The list of runs is fixed when the report is made; the figures are read from the runs when you
    ask, so an answer that came late is in them.

    Args:
        runs: Runs to report on, each with everything under it; oldest first.
        method: Name of the method that the runs were estimated with.
        zone: The zone asked for; None: that of whoever ran each model.
        catalog_version: Version of the catalog.
        problems: What went wrong inside the tracker, and how often.
        finished_runs: Finished roots ever, those no longer kept included.
        total_ever: Impacts of all calls ever.

    Raises:
        TypeError: something in ``runs`` is not a Run.
    """

    @classmethod
    def of(cls, tracker: Tracked) -> Self:
        """A report over the finished root runs that a tracker keeps."""
        engine = tracker.engine
        finished_runs = tracker.finished_runs  # first: a run may end meanwhile
        return cls(
            tracker.runs,
            method=engine.method.name,
            zone=engine.zone,
            catalog_version=engine.catalog.version,
            problems=tracker.problems,
            finished_runs=finished_runs,
            total_ever=tracker.total,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the shape of ``schema("report")``: runs as a flat list, parents first."""
        from impactree.report.renderers.data import report_dict

        return report_dict(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """:meth:`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        from impactree.report.renderers.text import report_lines

        lines = ("".join(text for text, _ in line).rstrip() for line in report_lines(self))
        return "\n".join(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        from impactree.report.renderers.text import WIDTH, report_lines

        for line in report_lines(self, min(WIDTH, options.max_width)):
            yield Text.assemble(*line, no_wrap=True)

    def __repr__(self) -> str:
        return f"<Report {len(self.runs)} runs, {self.calls} calls>"


def schema(name: str) -> dict[str, Any]:
    """A published JSON schema (2020-12), complete in itself.

    Args:
        name: ``impacts`` for :meth:`Impacts.to_dict`, ``report`` for :meth:`Report.to_dict`.

    Raises:
        ValueError: no such schema.
    """
    if name not in _SCHEMAS:
        raise ValueError(f"no schema {name!r:.80}; there are {', '.join(_SCHEMAS)}")
    found = _read_schema(name)
    if name != "impacts":
        found["$defs"]["impacts"] = _read_schema("impacts")  # found by its $id
    return found


def _read_schema(name: str) -> dict[str, Any]:
    path = resources.files("impactree") / "schemas" / f"{name}.schema.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found
