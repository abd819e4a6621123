"""What could be saved in some runs: seven questions, each asked of every call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from impactree.advice.case import Case
from impactree.advice.elsewhere import regions, smaller_models
from impactree.advice.reading_less import context, documents, reasoning
from impactree.advice.suggestion import Suggestion
from impactree.advice.waste import failures, repeats
from impactree.values.range import Range

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.advice.case import Finding
    from impactree.engine import Engine
    from impactree.runs import Run

__all__ = ["LEAST_SHARE", "advise"]

LEAST_SHARE: Final = 0.01
"""Of what all calls cost: less is not worth a sentence."""
_MOST: Final = 20
_QUESTIONS: Final = (context, documents, reasoning, smaller_models, regions, failures, repeats)


def advise(roots: Iterable[Run], engine: Engine) -> tuple[tuple[Suggestion, ...], Range | None]:
    """Suggestions, the one that saves most first, and what all calls cost (kgCO2eq).

    Each is offered only where the calls show it, where it saves whatever the unknowns are (what
    both sides depend on alike cancels), and at least :data:`LEAST_SHARE` of the whole.

    Args:
        roots: Run trees.
        engine: By a method in which input has a cost.
    """
    case = Case(roots, engine)
    total = case.total
    if total is None:
        return (), total
    found = []
    for question in _QUESTIONS:
        for alternatives in question(case):
            offers = (_offered(finding, case, total) for finding in alternatives)
            best = next(filter(None, offers), None)
            if best is not None:
                found.append(best)
    found.sort(key=lambda item: -item.saving.mean)
    return tuple(found[:_MOST]), total


def _offered(finding: Finding, case: Case, total: Range) -> Suggestion | None:
    """A finding with what it saves; None where that is too little, or not certain."""
    change = case.saving(finding.pairs)
    share = -change.mean / total.mean
    if change.verdict != "lower" or share < LEAST_SHARE:
        return None
    return Suggestion(
        kind=finding.kind,
        what=finding.what,
        evidence=finding.evidence,
        how=finding.how,
        saving=Range(-change.max, -change.min, -change.mean),
        share=share,
        runs=tuple(pair.run for pair in finding.pairs),
    )
