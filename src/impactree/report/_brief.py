"""Advice over a report: what prints and converts it stands elsewhere, and asks this."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from impactree.advice import Advised, advise
from impactree.report._what_if import engine_of
from impactree.values.criteria import GWP
from impactree.values.formatting import clean
from impactree.values.impact import Impact

if TYPE_CHECKING:
    from impactree.report._view import View

__all__ = ["BY", "advice_data", "advice_parts", "brief"]

BY: Final = "impactree-1"
"""The method of advice: in it input has a cost."""
_BRIEF: Final = 3
_MOST: Final = 2_500
"""Calls up to which a report has its advice with it: of more it takes longer than all else."""


def advice_parts(view: View) -> tuple[Any, ...]:
    """The arguments of an :class:`impactree.advice.Advised` over a report."""
    items, total = advise(view.runs, engine_of(view, BY))
    return items, BY, None if view.method == BY else view.method, total


def advice_data(view: View, calls: int) -> dict[str, Any] | None:
    """Advice as plain data, for a report's; None: of so many calls only when it is asked for."""
    return Advised(*advice_parts(view)).to_dict() if calls <= _MOST else None


def brief(view: View, calls: int) -> tuple[tuple[str, str], ...]:
    """The first few suggestions, for a report: of each a sentence, and one of its evidence."""
    if calls > _MOST:
        return ((f"of {calls:,} calls only when it is asked for: report.advice()", ""),)
    found = Advised(*advice_parts(view))
    if not found.total or not found:
        return ()
    said = [
        (clean(f"{i.what}: {i.text}."), clean(_first(i.evidence))) for i in found.items[:_BRIEF]
    ]
    more = f"; {len(found):,} in all" if len(found) > 1 else ""
    whole = Impact(GWP.type, GWP.name, found.total, GWP.unit)
    return ((f"of {whole} by {BY}, times left out{more}; see report.advice()", ""), *said)


def _first(sentences: str) -> str:
    return f"{sentences.partition('. ')[0].rstrip('.')}."
