"""What every framework's ``ImpactHandler`` offers its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impactree.impacts import Impacts
    from impactree.report import Report
    from impactree.runs import Run
    from impactree.tracker import ImpactTracker

__all__ = ["ReadableHandler"]


class ReadableHandler:
    """A handler whose tracker can be read."""

    tracker: ImpactTracker

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

    def report(self) -> Report:
        """A report over the finished root runs that are kept; print it."""
        self._settle()
        return self.tracker.report()

    def flush(self, timeout: float | None = None) -> bool:
        """Deliver what exporters hold; True when nothing is left."""
        return self.tracker.flush(timeout)

    def close(self, timeout: float | None = None) -> bool:
        """Flush, then end the exporters' threads and connections; True when nothing is left."""
        return self.tracker.close(timeout)

    def __repr__(self) -> str:
        return f"<ImpactHandler {self.tracker.finished_runs} runs>"
