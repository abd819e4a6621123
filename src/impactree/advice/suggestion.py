"""What could be saved in some runs, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from impactree.values.criteria import GWP
from impactree.values.impact import Impact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree.runs import Run
    from impactree.values.range import Range

__all__ = ["Advised", "Kind", "Suggestion"]

Kind = Literal[
    "context", "smaller-model", "region", "failures", "reasoning", "documents", "repeats"
]
_MOST_IDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One thing to do, computed from these very calls."""

    kind: Kind
    what: str
    """What to do."""
    evidence: str
    """What of the runs shows it."""
    how: str
    """How it is done, and what to look at first."""
    saving: Range
    """Greenhouse gases, kgCO2eq: expected, and from the least to the most that the unknowns allow;
    what both sides depend on alike cancels."""
    share: float
    """The expected saving by what all calls of the report cost."""
    runs: tuple[Run, ...]
    """Runs of the calls concerned."""

    @property
    def text(self) -> str:
        """The saving with its range and share: ``saves 1.2 (0.4 to 3) gCO2eq, 12%``."""
        return f"saves {Impact(GWP.type, GWP.name, self.saving, GWP.unit)}, {_percent(self.share)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data; of the runs their number and the first ids."""
        return {
            "kind": self.kind,
            "what": self.what,
            "evidence": self.evidence,
            "how": self.how,
            "text": self.text,
            "saving_gwp_kgco2eq": self.saving.to_dict(),
            "share": self.share,
            "calls": len(self.runs),
            "run_ids": [str(run.id) for run in self.runs[:_MOST_IDS]],
        }

    def __str__(self) -> str:
        return f"{self.what}: {self.text}. {self.evidence} {self.how}"


class Advised:
    """Suggestions, the one that saves most first.

    Args:
        items: The suggestions.
        method: What computed them.
        asked: The method of the report itself, where it is another one.
        total: What all calls cost by the same method, kgCO2eq; None: nothing was estimated.
    """

    def __init__(
        self, items: tuple[Suggestion, ...], method: str, asked: str | None, total: Range | None
    ) -> None:
        self.items = items
        self.method = method
        self.asked = asked
        self.total = total

    @property
    def about(self) -> str:
        """How the savings were computed, and what they do not say."""
        other = f" (the report is by {self.asked})" if self.asked else ""
        whole = ""
        if self.total is not None:
            whole = f": {Impact(GWP.type, GWP.name, self.total, GWP.unit)} in all"
        return (
            f"By {self.method}, in which input has a cost, too{other}{whole}. Measured times are "
            "left out. Savings overlap: what one has saved, another cannot save again."
        )

    @property
    def nothing(self) -> str:
        """What there is to say without suggestions."""
        if self.total is None:
            return "no advice: no call could be estimated, or none cost anything"
        return (
            "no advice: nothing that these calls show would save 1% or more for certain. "
            "Whether they are needed at all, they cannot show."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``method``, ``total_gwp_kgco2eq``, ``items``, ``about``."""
        return {
            "method": self.method,
            "total_gwp_kgco2eq": None if self.total is None else self.total.to_dict(),
            "items": [item.to_dict() for item in self.items],
            "about": self.about if self.items else self.nothing,
        }

    def __iter__(self) -> Iterator[Suggestion]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> Suggestion:
        return self.items[place]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(i.kind for i in self.items) or 'none'}>"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.095 else f"{share:.1%}"
