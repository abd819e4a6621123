"""Days: on which of them the catalog reads names otherwise, and whether a reading asked for one."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impactree.catalog._catalog import Catalog

__all__ = ["WatchedDay", "change_days", "same_until"]


class WatchedDay(dt.date):
    """A day that notes what it was asked for: what never asks is the same on any other day."""

    asked_year = False
    asked_day = False

    @property
    def year(self) -> int:
        """The year, for yearly factors."""
        self.asked_year = True
        return super().year

    def isoformat(self) -> str:
        """The day as the catalog compares days: for names that moved, and dated entries."""
        self.asked_day = True
        return super().isoformat()


def change_days(catalog: Catalog) -> tuple[dt.date, ...]:
    """The days from which on an alias means another model, or an entry has other figures."""
    moves = {since for targets in catalog._data["moving"].values() for since, _ in targets}
    dated = {record.valid_from for record in catalog.records() if record.valid_from}
    return tuple(sorted(map(dt.date.fromisoformat, moves | dated)))


def same_until(day: WatchedDay, last: dt.date, changes: tuple[dt.date, ...]) -> dt.date:
    """The last day up to ``last`` on which a reading of ``day`` is still the same."""
    ends = [last]
    year = dt.date.year.__get__(day)
    if day.asked_year and year < dt.date.today().year:  # nobody describes a year to come
        ends.append(dt.date(year, 12, 31))
    if day.asked_day:
        nexts = (change for change in changes if change > day)
        ends.extend(change - dt.timedelta(1) for change in list(nexts)[:1])
    return min(ends)
