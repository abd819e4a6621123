"""What to do with a report's figures: what they come to when repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactree.report._view import View

if TYPE_CHECKING:
    from impactree.report._projection import Projection

__all__ = ["Acting"]


class Acting(View):
    """A view that leads to decisions; see :class:`impactree.Report`."""

    def at(self, runs_per_day: float, days: float = 365) -> Projection:
        """What the report's mean run comes to, so many times a day for so many days. Print it.

        Args:
            runs_per_day: Root runs a day, above 0.
            days: How many days, above 0; a year if not given.

        Raises:
            ValueError: a number that is not above 0, or a report without runs.
        """
        from impactree.report._projection import project

        things = self.catalog.equivalents
        return project(self.total, len(self.runs), things, runs_per_day, days)
