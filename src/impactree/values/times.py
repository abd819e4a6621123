"""Times: Unix times as UTC, and spans as people write them."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import Final

from impactree.exceptions import ConfigurationError

__all__ = ["DAY_S", "as_utc", "parse_since", "past_day", "resolved_at"]

DAY_S: Final = 86_400

_SPAN: Final = re.compile(r"(\d+)([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def resolved_at(seconds: float | None) -> datetime | None:
    """A Unix time as a UTC time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def as_utc(moment: datetime) -> datetime:
    """A time that a database gives back: SQLite keeps no zone, and what was stored is UTC."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def past_day(seconds: float | None) -> date | None:
    """The UTC day of a Unix time that is more than a day ago; None: lately, or no such day."""
    if seconds is None or time.time() - seconds < DAY_S:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).date()
    except (OverflowError, OSError, ValueError):
        return None


def parse_since(text: str, now: datetime | None = None) -> datetime:
    """``7d``, ``24h``, ``30m``, ``2w`` or an ISO date as a UTC time.

    Raises:
        ConfigurationError: neither, or before the first year.
    """
    match = _SPAN.fullmatch(text)
    if match:
        try:
            return (now or datetime.now(UTC)) - timedelta(**{_UNITS[match[2]]: int(match[1])})
        except OverflowError:
            raise ConfigurationError(f"since reaches too far back: {text!r:.30}") from None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"since must be a span such as '7d', '24h', '2w' or a date such as '2026-11-24', "
            f"not {text!r}"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
