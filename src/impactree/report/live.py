"""A report that updates in the terminal while runs go on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from impactree.report import Report, Tracked
from impactree.report._layout import MAX_LINES
from impactree.report.renderers.text import report_lines, rich_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from impactree.report.renderers._cells import Line
    from impactree.runs import Run

__all__ = ["Followed", "live"]

_REFRESH_HZ: Final = 4
_IDLE: Final = 10
"""Drawing takes at most one part in this many of the time."""


class Followed(Tracked, Protocol):
    """What a live report reads of a tracker."""

    @property
    def open_roots(self) -> Sequence[Run]:
        """The roots that are running."""
        ...


class _Current:
    """What is running, and what has finished since the block began."""

    def __init__(self, tracker: Followed) -> None:
        self._tracker = tracker
        self._before = set(tracker.runs)
        self._lines: list[Line] = []
        self._due = 0.0

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now = time.monotonic()
        if now >= self._due:
            self._lines = self._draw(options)
            took = time.monotonic() - now
            self._due = now + _IDLE * took
        yield from rich_lines(self._lines)

    def _draw(self, options: ConsoleOptions) -> list[Line]:
        tracker = self._tracker
        finished = [run for run in tracker.runs if run not in self._before]
        engine = tracker.engine
        report = Report(
            [*finished, *tracker.open_roots],
            method=engine.method.name,
            zone=engine.zone,
            catalog_version=engine.catalog.version,
            problems=tracker.problems,
            engine=engine,
        )
        return report_lines(report, options.max_width, min(options.size.height, MAX_LINES))


@contextmanager
def live(tracker: Followed, console: Console | None = None) -> Iterator[None]:
    """Show what runs inside the block, until it ends; then the report stands there as printed.

    Where there is no terminal, it is printed once, at the end.

    Args:
        tracker: Whose runs.
        console: Where to; None: standard output.

    Raises:
        TypeError: another ``console``.
    """
    from rich.console import Console
    from rich.live import Live

    if not isinstance(console, Console | None):
        raise TypeError(f"live takes a rich.console.Console, not {console!r:.80}")
    shown = _Current(tracker)
    with Live(
        get_renderable=lambda: shown, console=console, refresh_per_second=_REFRESH_HZ
    ) as display:
        try:
            yield
        finally:
            shown._due = 0.0
            display.refresh()
