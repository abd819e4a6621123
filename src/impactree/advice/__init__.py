"""What to do about a figure: what it means in daily life, what it would be otherwise, what to save.

Knows runs and engines, and no report.
"""

from impactree.advice.advise import LEAST_SHARE, advise
from impactree.advice.difference import Difference, Pair, difference
from impactree.advice.everyday import Equivalence, Equivalents, Rung, scaled
from impactree.advice.scenario import Choice, Scenario
from impactree.advice.suggestion import Advised, Suggestion

__all__ = [
    "LEAST_SHARE",
    "Advised",
    "Choice",
    "Difference",
    "Equivalence",
    "Equivalents",
    "Pair",
    "Rung",
    "Scenario",
    "Suggestion",
    "advise",
    "difference",
    "scaled",
]
