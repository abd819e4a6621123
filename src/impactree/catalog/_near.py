"""Names to suggest where one is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["near_text", "nearest"]

_WORD: Final = 4
"""Letters of a name that is worth finding inside another."""
_LEAST_SHARED: Final = 0.3
"""Share of common letter pairs from which on two names are called near."""


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


def near_text(name: str, known: Iterable[str]) -> str:
    """The nearest known names in a row, or ``none``."""
    return ", ".join(nearest(name, known)) or "none"
