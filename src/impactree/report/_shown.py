"""Groups, differences, comparisons and advice with what prints and converts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impactree.advice import Advised
from impactree.report._diff import Compared
from impactree.report._groups import Grouped
from impactree.report._what_if import Alternatives

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console, ConsoleOptions, RenderResult

__all__ = ["Advice", "Comparison", "Diff", "Groups"]


class Groups(Grouped):
    """Groups by label, the one with most greenhouse gases first; prints as a table.

    The label is text, or None for the calls without the attribute; by several keys it is a tuple.
    """

    def to_text(self, width: int | None = None) -> str:
        """A table at most ``width`` columns wide; None: as wide as the terminal, 60 to 200."""
        from impactree.report.renderers.text import groups_text

        return groups_text(self, width)

    def to_markdown(self) -> str:
        """A table in GitHub's Markdown."""
        from impactree.report.renderers.markdown import groups_markdown

        return groups_markdown(self)

    def to_dataframe(self, backend: str | None = None) -> Any:
        """A row per group, as :meth:`impactree.Report.to_dataframe` makes them."""
        from impactree.report.renderers.flat import group_columns, to_frame

        return to_frame(group_columns(self), backend)

    def to_csv(self, path: str | Path | None = None) -> str | None:
        """A row per group, as :meth:`impactree.Report.to_csv` writes them."""
        from impactree.report.renderers.flat import group_columns, to_csv

        return to_csv(group_columns(self), path, self.credits)

    def __str__(self) -> str:
        return self.to_text()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from impactree.report.renderers.text import groups_lines, rich_lines

        yield from rich_lines(groups_lines(self, options.max_width))

    def _repr_html_(self) -> str:
        from impactree.report.renderers.html import groups_html

        return groups_html(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.to_text(), "text/html": self._repr_html_()}


class Diff(Compared):
    """Two reports side by side; the largest change first. Print it."""

    __slots__ = ()

    def to_text(self, width: int | None = None) -> str:
        """A table at most ``width`` columns wide; None: as wide as the terminal, 60 to 200."""
        from impactree.report.renderers.changes import diff_lines
        from impactree.report.renderers.text import checked_width, plain

        return plain(diff_lines(self, checked_width(width)))

    def to_markdown(self) -> str:
        """A table in GitHub's Markdown."""
        from impactree.report.renderers.changes import diff_notes, diff_table
        from impactree.report.renderers.markdown import escape, table

        below = map(escape, [*diff_notes(self), *self.credits])
        parts = [table(*diff_table(self), words=1), *below]
        return "\n\n".join(parts) + "\n"

    def __str__(self) -> str:
        return self.to_text()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from impactree.report.renderers.changes import diff_lines
        from impactree.report.renderers.text import rich_lines

        yield from rich_lines(diff_lines(self, options.max_width))

    def _repr_html_(self) -> str:
        from impactree.report.renderers.changes import diff_notes, diff_table
        from impactree.report.renderers.html import notes, table

        below = notes([*diff_notes(self), *self.credits])
        return f"<div>{table(*diff_table(self), words=1)}{below}</div>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.to_text(), "text/html": self._repr_html_()}


class Comparison(Alternatives):
    """The calls as they are and as they would be, least greenhouse gases first. Print it."""

    def to_text(self, width: int | None = None) -> str:
        """A table at most ``width`` columns wide; None: as wide as the terminal, 60 to 200."""
        from impactree.report.renderers.alternatives import comparison_lines
        from impactree.report.renderers.text import checked_width, plain

        return plain(comparison_lines(self, checked_width(width)))

    def to_markdown(self) -> str:
        """A table in GitHub's Markdown."""
        from impactree.report.renderers.alternatives import comparison_table
        from impactree.report.renderers.markdown import escape, table

        parts = [table(*comparison_table(self), words=1), *map(escape, self.notes)]
        return "\n\n".join(parts) + "\n"

    def __str__(self) -> str:
        return self.to_text()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from impactree.report.renderers.alternatives import comparison_lines
        from impactree.report.renderers.text import rich_lines

        yield from rich_lines(comparison_lines(self, options.max_width))

    def _repr_html_(self) -> str:
        from impactree.report.renderers.alternatives import comparison_table
        from impactree.report.renderers.html import notes, table

        return f"<div>{table(*comparison_table(self), words=1)}{notes(self.notes)}</div>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.to_text(), "text/html": self._repr_html_()}


class Advice(Advised):
    """What could be saved, what saves most first. Print it."""

    def to_text(self, width: int | None = None) -> str:
        """Text at most ``width`` columns wide; None: as wide as the terminal, 60 to 200."""
        from impactree.report.renderers.advice import advice_lines
        from impactree.report.renderers.text import checked_width, plain

        return plain(advice_lines(self, checked_width(width)))

    def to_markdown(self) -> str:
        """A list in GitHub's Markdown."""
        from impactree.report.renderers.advice import advice_markdown

        return advice_markdown(self)

    def __str__(self) -> str:
        return self.to_text()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from impactree.report.renderers.advice import advice_lines
        from impactree.report.renderers.text import rich_lines

        yield from rich_lines(advice_lines(self, options.max_width))

    def _repr_html_(self) -> str:
        from impactree.report.renderers.advice import advice_html

        return advice_html(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.to_text(), "text/html": self._repr_html_()}
