"""What to do about a figure: what it means in daily life, and what it would be otherwise.

Knows runs and engines, and no report.
"""

from impactree.advice.difference import Difference, Pair, difference
from impactree.advice.everyday import Equivalence, Equivalents, Rung, scaled
from impactree.advice.scenario import Choice, Scenario

__all__ = [
    "Choice",
    "Difference",
    "Equivalence",
    "Equivalents",
    "Pair",
    "Rung",
    "Scenario",
    "difference",
    "scaled",
]
