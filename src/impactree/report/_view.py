"""What a report is about: some root runs, what they sum to, and in which groups."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.advice import Equivalents
from impactree.catalog import load_catalog
from impactree.engine import Engine, shared_engine
from impactree.methods import DEFAULT_METHOD
from impactree.report import _groups as groups
from impactree.report import _tally as tally
from impactree.report._find import matching_calls, matching_runs, topmost
from impactree.report._grounds import Grounds, add_up
from impactree.runs import Run
from impactree.values.impacts import Impacts
from impactree.values.times import past_day

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping
    from os import PathLike
    from typing import Self

    from impactree.catalog import Catalog
    from impactree.report._beside import Beside
    from impactree.report._keys import Key

__all__ = ["Pages", "View"]

Pages = dict[str, "Hashable"]
"""The file that ``to_html`` wrote last, and what tells whether it still is up to date."""

_COUNTS_INPUT: Final = "impactree-1"
_NO_MATCH: Final = "no model call matches: by(...) lists the labels that there are."


class View:
    """Some root runs, and what every renderer shows of them; see :class:`impactree.Report`."""

    unattributed: Impacts | None
    """What was read on this machine and no call can claim; in no total. None: nothing is read."""
    metering: str | None
    """What is read there and how."""

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
        older: groups.RunningTotals | None = None,
        engine: Engine | None = None,
        grounds: Grounds | None = None,
        hint: str | None = None,
        what_if: str | None = None,
        pages: Pages | None = None,
        unattributed: Impacts | None = None,
        metering: str | None = None,
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
        self._older = older
        self._engine = engine
        self._grounds = grounds or Grounds()
        self.hint = hint
        self._pages: Pages = {} if pages is None else pages
        self.unattributed, self.metering = unattributed, metering
        self.assumed = what_if
        """What is otherwise than it was (:meth:`impactree.Report.what_if`); None: nothing."""

    def of_runs(self, runs: Iterable[Run]) -> Self:
        """A report over some of these runs; what is no longer kept is no part of it."""
        return type(self)(
            runs,
            method=self.method,
            zone=self.zone,
            catalog_version=self.catalog_version,
            engine=self._engine,
            grounds=self._grounds,
            hint=_NO_MATCH,
            what_if=self.assumed,
        )

    def _shown(self) -> Hashable:
        """What tells whether a page written before shows the same."""
        return self.method, tuple((run.id, run.start, run.revision) for run in self.runs)

    def _note_page(self, path: str | PathLike[str]) -> None:
        self._pages.clear()
        self._pages[str(Path(path).absolute())] = self._shown()

    def _written(self) -> tuple[str, bool]:
        """The page written last, and whether it shows these runs; none: empty."""
        for path, shown in self._pages.items():
            return path, shown == self._shown()
        return "", False

    def grouped(self, keys: tuple[Key, ...]) -> groups.Grouped:
        """The groups of :meth:`impactree.Report.by`."""
        return groups.group_calls(self.runs, keys, self._engine, self._older, self.older_runs)

    @property
    def total(self) -> Impacts:
        """Impacts of all these runs; of none: zero."""
        return Impacts.sum(map(tally.own_of, tally.calls_of(self.runs)))

    @property
    def avoided(self) -> Impacts:
        """What the cached calls would have cost; no part of the total."""
        return tally.avoided_of(tally.calls_of(self.runs))

    @property
    def calls(self) -> int:
        """Number of model calls, cached ones included."""
        return len(tally.calls_of(self.runs))

    @property
    def input_tokens(self) -> int | None:
        """Known input tokens of the calls that reached a model; None: no call knows its own."""
        return tally.Tally.of(tally.calls_of(self.runs)).input_tokens

    @property
    def output_tokens(self) -> int | None:
        """Known output tokens, as :attr:`input_tokens`."""
        return tally.Tally.of(tally.calls_of(self.runs)).output_tokens

    def beside(self, calls: Iterable[Run] | None = None) -> list[Beside]:
        """What is known of calls' energy beside what both methods estimate, by model.

        Args:
            calls: The calls, from who has them at hand.
        """
        calls = tally.calls_of(self.runs) if calls is None else calls
        known = [run for run in calls if run.call is not None and run.call.energy is not None]
        if not known:
            return []
        from impactree.report._beside import beside

        own = self._engine
        return beside(known, own if isinstance(own, Engine) else shared_engine(zone=self.zone))

    def grounds(self, calls: Iterable[Run] | None = None) -> Grounds:
        """What the figures rest on: :attr:`credits`, :attr:`disclosures` and :attr:`factors`.

        Args:
            calls: The calls, from who has them at hand.
        """
        calls = tally.calls_of(self.runs) if calls is None else calls
        return add_up((self._grounds, Grounds.of(calls, self._engine)))

    @property
    def credits(self) -> tuple[str, ...]:
        """What the licences of the electricity factors want to be shown beside the figures."""
        return self.grounds().credits

    @property
    def disclosures(self) -> tuple[str, ...]:
        """What the makers of the models published about them, each figure once."""
        return self.grounds().disclosures

    @property
    def factors(self) -> tuple[Mapping[str, Any], ...]:
        """PUE, WUE and electricity factors behind the figures, as ``explain`` shows them.

        Each with ``name``, ``value``, ``unit``, ``basis`` (whose it is), ``kind``, ``year``,
        ``licence``, ``sources`` and when they were ``checked``.
        """
        return self.grounds().factors

    @property
    def engine(self) -> Engine | None:
        """What estimated it and places its models; None: one by the present settings."""
        return self._engine

    @property
    def catalog(self) -> Catalog:
        """The catalog that places its models and has its equivalents."""
        return self._engine.catalog if isinstance(self._engine, Engine) else load_catalog()

    @property
    def equivalents(self) -> Equivalents:
        """What the total means in daily life: print it for a ladder of things to compare with."""
        return Equivalents(self.total, self.catalog.equivalents)

    @property
    def uncounted(self) -> tuple[float, Impacts] | None:
        """What the default method leaves out, which has no term for input.

        The share of all tokens that were input, and the same calls by ``impactree-1``; None where
        another method was used, or no input is known. Calls whose energy is known are left out.
        """
        if self.method != DEFAULT_METHOD:
            return None
        asked = (run for run in tally.calls_of(self.runs) if not run.cached)
        calls = [(r.call, r.end) for r in asked if r.call and r.call.energy is None]
        read = sum(call.input_tokens or 0 for call, _ in calls)
        if not read:
            return None
        share = read / (read + sum(call.output_tokens or 0 for call, _ in calls))
        engine = (self._engine or shared_engine()).by(_COUNTS_INPUT)
        other = (engine.estimate(call, at=past_day(end)) for call, end in calls)
        return share, Impacts.sum(other)

    @property
    def coverage(self) -> tally.Coverage:
        """How many calls were estimated, how many not and why, and what the counts stand on."""
        return tally.cover(tally.calls_of(self.runs))

    @property
    def older_runs(self) -> int:
        """How many finished runs are no longer kept, and not in these figures."""
        return max(0, (self.finished_runs or 0) - len(self.runs))

    def top(self, n: int = 10) -> Self:
        """A report over the ``n`` model calls with most greenhouse gases, the first one first.

        Raises:
            ValueError: ``n`` is no whole number >= 1.
        """
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"top takes a whole number >= 1, not {n!r}")
        calls = tally.calls_of(self.runs)
        ordered = sorted(calls, key=lambda run: -tally.gwp_mean(tally.own_of(run)))
        return self.of_runs(ordered[:n])

    def filter(self, where: Callable[[Run], object] | None = None, **labels: Any) -> Self:
        """A report over the model calls that match; trees stay whole where all their calls do.

        ``report.filter(agent="research").total`` equals ``report.by("agent")["research"].total``.

        Args:
            where: Asked of each call's run.
            **labels: Keys of :meth:`by` and their label, or several in a list. Metadata:
                ``filter(**{"metadata.tier": "gold"})``.

        Raises:
            ValueError: an unknown key.
        """
        calls = tally.calls_of(self.runs)
        return self.of_runs(
            topmost(self.runs, matching_calls(self.runs, calls, where, labels, self._engine))
        )

    def find(self, what: str | Callable[[Run], object] | None = None, **labels: Any) -> list[Run]:
        """The runs of any kind that match, in the order of their trees.

        Args:
            what: A run's id or its name, or what is asked of each run.
            **labels: As for :meth:`filter`.

        Raises:
            ValueError: an unknown key.
        """
        every = [run for root in self.runs for run in root.walk()]
        return matching_runs(self.runs, every, what, labels, self._engine)
