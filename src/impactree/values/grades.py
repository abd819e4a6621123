"""How certain it is which model a call went to."""

from __future__ import annotations

from typing import Final

__all__ = ["GRADES", "worst_grade"]

GRADES: Final = ("exact", "alias", "variant", "family", "size", "prior", "unsupported", "unknown")
"""How a model name was resolved, most certain first."""


def worst_grade(a: str | None, b: str | None) -> str | None:
    """The less certain of two grades; None (no call) gives way to the other."""
    if a is None or b is None or a == b:
        return a or b
    return max(a, b, key=GRADES.index)
