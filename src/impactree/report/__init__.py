"""A report over finished run trees: totals, groups, coverage; as text, as data, and for rich."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from impactree.impacts import Impacts
from impactree.report import _groups as groups
from impactree.report._groups import Coverage, Group
from impactree.runs import Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import Console, ConsoleOptions, RenderResult

    from impactree.tracker import ImpactTracker

__all__ = ["Coverage", "Group", "Report", "schema"]

_SCHEMAS: Final = ("impacts", "report")


class Report:
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

    def __init__(
        self,
        runs: Iterable[Run],
        *,
        method: str | None = None,
        zone: str | None = None,
        catalog_version: str | None = None,
        problems: Mapping[str, int] | None = None,
        finished_runs: int | None = None,
        total_ever: Impacts | None = None,
    ) -> None:
        self.runs: list[Run] = list(dict.fromkeys(runs))
        for run in self.runs:
            if not isinstance(run, Run):
                raise TypeError(
                    f"Report takes an iterable of Run, not of {type(run).__name__}; "
                    "for a tracker use Report.of(tracker)"
                )
        self.method = method
        self.zone = zone
        self.catalog_version = catalog_version
        self.problems: dict[str, int] = dict(problems or {})
        self.finished_runs = finished_runs
        self.total_ever = total_ever

    @classmethod
    def of(cls, tracker: ImpactTracker) -> Report:
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

    @property
    def total(self) -> Impacts:
        """Impacts of all these runs; of none: zero."""
        return Impacts.sum(map(groups.own_of, groups.calls_of(self.runs)))

    @property
    def avoided(self) -> Impacts:
        """What the cached calls would have cost; no part of the total."""
        return groups.avoided_of(groups.calls_of(self.runs))

    @property
    def calls(self) -> int:
        """Number of model calls, cached ones included."""
        return len(groups.calls_of(self.runs))

    @property
    def input_tokens(self) -> int | None:
        """Known input tokens of the calls that reached a model; None: no call knows its own."""
        return groups.Tally.of(groups.calls_of(self.runs)).input_tokens

    @property
    def output_tokens(self) -> int | None:
        """Known output tokens, as :attr:`input_tokens`."""
        return groups.Tally.of(groups.calls_of(self.runs)).output_tokens

    @property
    def coverage(self) -> Coverage:
        """How many calls were estimated, how many not and why, and what the counts stand on."""
        return groups.cover(groups.calls_of(self.runs))

    def by(self, key: str) -> dict[str | None, Group]:
        """The model calls in groups, the one with most greenhouse gases first.

        Groups sum to the total. Calls without the attribute stand under None. Attributes that are
        not the call's own come from its nearest ancestor that has them.

        Args:
            key: ``model`` (its name as answered), ``kind``, ``name`` (of the run), ``provider``,
                ``status``, ``step`` (LangGraph's step and node, ``"1 model"``), ``agent``,
                ``node``, ``thread``, ``tag`` (a call with two tags stands in both groups, so that
                their shares may add up to more than 1), or ``metadata.KEY``.

        Raises:
            ValueError: an unknown key.
        """
        return groups.group_by(self.runs, key)

    def to_dict(self) -> dict[str, Any]:
        """Plain data in the shape of ``schema("report")``: runs as a flat list, parents first."""
        from impactree.report._dict import report_dict

        return report_dict(self)

    def to_json(self, *, indent: int | None = None) -> str:
        """:meth:`to_dict` as JSON."""
        return json.dumps(self.to_dict(), indent=indent)

    def __str__(self) -> str:
        from impactree.report._text import report_lines

        lines = ("".join(text for text, _ in line).rstrip() for line in report_lines(self))
        return "\n".join(lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        from impactree.report._text import WIDTH, report_lines

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
