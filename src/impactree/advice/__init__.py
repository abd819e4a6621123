"""What to do about a figure: what it means in daily life. Knows runs and engines, no report."""

from impactree.advice.everyday import Equivalence, Equivalents, Rung, scaled

__all__ = ["Equivalence", "Equivalents", "Rung", "scaled"]
