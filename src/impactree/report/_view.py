"""What a report is about: some root runs, what they sum to, and in which groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactree.report import _groups as groups
from impactree.runs import Run
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["View"]


class View:
    """Some root runs, and what every renderer shows of them.

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
    def coverage(self) -> groups.Coverage:
        """How many calls were estimated, how many not and why, and what the counts stand on."""
        return groups.cover(groups.calls_of(self.runs))

    def by(self, key: str) -> dict[str | None, groups.Group]:
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
