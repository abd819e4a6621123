"""Advice over a report: what prints and converts it stands elsewhere, and asks this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.advice import Advised, advise
from impactree.report._what_if import engine_of
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from impactree.report._view import View

__all__ = ["BY", "advice_parts", "brief"]

BY: Final = "impactree-1"
"""The method of advice: in it input has a cost."""
_BRIEF: Final = 3


def advice_parts(view: View) -> tuple[Any, ...]:
    """The arguments of an :class:`impactree.advice.Advised` over a report."""
    items, total = advise(view.runs, engine_of(view, BY))
    return items, BY, None if view.method == BY else view.method, total


def brief(view: View) -> tuple[str, ...]:
    """The first few suggestions in a sentence each, for a report."""
    found = Advised(*advice_parts(view))
    said = [clean(f"{item.what}: {item.text}. {item.evidence}") for item in found.items[:_BRIEF]]
    more = len(found) - len(said)
    if said:
        rest = f"{more:,} more, and how: " if more else "How: "
        said.append(f"{rest}report.advice(). By {BY}; savings overlap.")
    return tuple(said)
