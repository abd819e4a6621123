"""The answer to "which model was that?", and names to suggest where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.catalog._records import ModelRecord
    from impactree.impacts import Range

__all__ = ["Resolution", "nearest"]

_WORD: Final = 4
"""Letters of a name that is worth finding inside another."""
_LEAST_SHARED: Final = 0.3
"""Share of common letter pairs from which on two names are called near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a name stands for. Parameters in 10^9."""

    model: str | None
    """The catalog's id; None when nothing is known."""
    maker: str | None
    """Who trained it: a slug listed in ``data/models``."""
    host: str | None
    """Who runs it: a slug listed in ``data/hosts.toml``."""
    grade: str
    """How sure that is: one of :data:`impactree.impacts.GRADES`."""
    kind: str
    """``chat``, ``completion``, ``embedding``, ``rerank``, or what else the model makes."""
    total_params: Range | None
    active_params: Range | None
    record: ModelRecord | None = None
    """The catalog entry behind the figures."""
    zone: str | None = None
    """The electricity zone that the name itself tells (``eu.anthropic...``)."""
    region: str | None = None
    """The cloud region that the name or the address states."""
    how: str = ""
    """One sentence: how the name was read."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without the entry behind them."""
        sizes = {"total_params": self.total_params, "active_params": self.active_params}
        return {
            **{name: getattr(self, name) for name in ("model", "maker", "host", "grade", "kind")},
            **{name: size.to_dict() if size else None for name, size in sizes.items()},
            **{name: getattr(self, name) for name in ("zone", "region", "how")},
        }


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that a given one contains, or shares most letter pairs with.

    For messages only: never to resolve.
    """
    text = name[:100].lower()
    wanted = {text[i : i + 2] for i in range(len(text) - 1)}
    scored = []
    for candidate in known:
        lower = candidate.lower()
        shared = sum(pair in lower for pair in wanted)
        score = 2 * shared / (len(wanted) + len(lower) - 1 or 1)
        if len(lower) >= _WORD and lower in text:
            score += 1
        if score >= _LEAST_SHARED:
            scored.append((-score, candidate))
    return [candidate for _, candidate in sorted(scored)[:count]]
