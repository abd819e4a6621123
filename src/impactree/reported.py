"""What a tracker offers to those who ask for reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impactree.calls.repeats import Repeats
from impactree.runs.run import show_runs_by

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from rich.console import Console

    from impactree.engine import Engine
    from impactree.report import Report, RunningTotals
    from impactree.report._view import Pages
    from impactree.runs import Run
    from impactree.runs.trees import RunTrees
    from impactree.values.impacts import Impacts

__all__ = ["Reported"]


class Reported:
    """Reports over the runs of a tracker, which inherits this."""

    engine: Engine
    _trees: RunTrees
    _older: RunningTotals | None = None
    advice: str | None = None
    """What an empty report says; None: what LangChain's users need."""
    _repeats: Repeats | None = None
    _pages: Pages | None = None

    if TYPE_CHECKING:

        @property
        def runs(self) -> list[Run]: ...  # noqa: D102
        @property
        def open_roots(self) -> list[Run]: ...  # noqa: D102
        @property
        def finished_runs(self) -> int: ...  # noqa: D102
        @property
        def problems(self) -> dict[str, int]: ...  # noqa: D102
        @property
        def total(self) -> Impacts: ...  # noqa: D102
        @property
        def metered(self) -> dict[str, Any]: ...  # noqa: D102
        def note_problem(self, name: str, error: BaseException | None = None) -> None:  # noqa: D102
            ...

    @property
    def repeats(self) -> Repeats:
        """What the models were sent so far, by keyed hashes."""
        if self._repeats is None:
            self._repeats = Repeats()
        return self._repeats

    @property
    def pages(self) -> Pages:
        """The pages that its reports were written to."""
        if self._pages is None:
            self._pages = {}
        return self._pages

    @property
    def older(self) -> RunningTotals | None:
        """The groups of runs no longer kept, by the keys of ``totals_by``; None: there are none."""
        return self._older

    def report(self, run: Any = None, *, method: str | None = None) -> Report:
        """A report over the finished roots that are kept.

        Args:
            run: One run instead, or its id, with everything under it.
            method: Name of another method, by which every call is estimated anew.

        Raises:
            LookupError: a run with this id is not kept.
            ConfigurationError: an unknown method.
        """
        from impactree.report import Report

        return Report.of(self, run, method)

    def live(self, console: Console | None = None) -> AbstractContextManager[None]:
        """A block during which the terminal shows what runs, and what it costs so far.

        Args:
            console: A rich console; None: standard output.
        """
        from impactree.report.live import live

        return live(self, console)

    def _count_older(self, keys: Iterable[str | tuple[str, ...]]) -> None:
        """Go on counting groups of what is no longer kept."""
        if not keys:
            return
        from impactree.report import RunningTotals

        self._older = RunningTotals(keys, self.engine)
        self._trees.root_dropped = self._drop

    def _unlock(self) -> None:
        if self._older is not None:
            self._older.unlock()

    def _drop(self, root: Run) -> None:
        try:
            if self._older is not None:
                self._older.add(root)
        except Exception as error:
            self.note_problem(f"running totals: {type(error).__name__}", error)


def _report_of(run: Run) -> Report:
    from impactree.report import report_of

    return report_of(run)


show_runs_by(_report_of)  # a tracker's runs know reports before the first one is imported
