"""What every framework's ``ImpactHandler`` offers its user."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from impactree.exceptions import ConfigurationError
from impactree.tracker import ImpactTracker

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from rich.console import Console

    from impactree.delivery.counts import Health
    from impactree.engine.settings import TrackerSettings
    from impactree.report import Report
    from impactree.runs import Exporter, Run
    from impactree.runs.budget import BudgetWatch, ImpactBudget
    from impactree.values.impacts import Impacts

__all__ = ["ReadableHandler", "kept_keys", "tracker_for", "watch_over"]


def tracker_for(
    shared: ImpactTracker | None,
    exporters: Iterable[Exporter],
    max_runs: int | None,
    settings: TrackerSettings,
    totals_by: Iterable[str | tuple[str, ...]] = (),
) -> ImpactTracker:
    """A handler's tracker: the one it shares, else one of its own.

    Raises:
        ConfigurationError: a setting is wrong, or would have no effect beside ``shared``.
    """
    if shared is None:
        return ImpactTracker(
            exporters=exporters, max_runs=max_runs, totals_by=totals_by, **settings
        )
    given: dict[str, Any] = {"exporters": exporters or None, "max_runs": max_runs}
    given |= {"totals_by": totals_by or None, **settings}
    for name, value in given.items():
        if value is not None:
            raise ConfigurationError(f"{name} must be given to the shared tracker, not beside it")
    return shared


def kept_keys(metadata_keys: Iterable[str]) -> frozenset[str]:
    """The keys of run metadata that a handler was asked to keep.

    Raises:
        ConfigurationError: one string, whose letters would be taken for keys.
    """
    if isinstance(metadata_keys, str):
        raise ConfigurationError(f"metadata_keys must be several keys, not {metadata_keys!r}")
    return frozenset(metadata_keys)


def watch_over(budget: ImpactBudget | None, tracker: ImpactTracker) -> BudgetWatch | None:
    """What holds a budget against a tracker's counts; None without one."""
    if budget is None:
        return None
    from impactree.runs.budget import BudgetWatch

    return BudgetWatch(budget, tracker)


def _made_again(cls: type[ReadableHandler], given: dict[str, Any]) -> ReadableHandler:
    return cls(**given)


class ReadableHandler:
    """A handler whose tracker can be read."""

    tracker: ImpactTracker
    _given: dict[str, Any]
    """The arguments that a copy in another process is made with."""

    def _settle(self) -> None:
        """Before anything is read: tell the tracker what it cannot know yet."""

    @property
    def runs(self) -> list[Run]:
        """The finished root runs that are kept, oldest first."""
        self._settle()
        return self.tracker.runs

    @property
    def last_run(self) -> Run | None:
        """The root run that finished last."""
        self._settle()
        return self.tracker.last_run

    @property
    def total(self) -> Impacts:
        """Impacts of all calls this handler ever saw."""
        self._settle()
        return self.tracker.total

    def report(self, run: Any = None, *, method: str | None = None) -> Report:
        """A report over the finished root runs that are kept; print it.

        Args:
            run: One run instead, or its id, with everything under it.
            method: Name of another method, by which every call is estimated anew.

        Raises:
            LookupError: a run with this id is not kept.
            ConfigurationError: an unknown method.
        """
        self._settle()
        return self.tracker.report(run, method=method)

    def live(self, console: Console | None = None) -> AbstractContextManager[None]:
        """A block during which the terminal shows what runs, and what it costs so far.

        Args:
            console: A rich console; None: standard output.
        """
        return self.tracker.live(console)

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what exporters hold; True when nothing is left."""
        return self.tracker.flush(timeout)

    def health(self) -> dict[str, Health]:
        """By destination, how the delivery goes; see :meth:`ImpactTracker.health`."""
        return self.tracker.health()

    def close(self, timeout: float | None = None) -> bool:
        """Flush, then end the exporters' threads and connections; True when nothing is left."""
        return self.tracker.close(timeout)

    def __copy__(self) -> Self:
        return self  # a copied chain goes on reporting here, like with LangChain's own tracers

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Into another process goes a handler of its own, with these settings and no exporters."""
        if self.tracker.exporters:
            self.tracker.note_problem(
                "a copy of the handler went to another process without its exporters; cure: make "
                "a handler there"
            )
        return _made_again, (type(self), self._given)

    def __repr__(self) -> str:
        return f"<ImpactHandler {self.tracker.finished_runs} runs>"
