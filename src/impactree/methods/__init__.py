"""The equations. Pure functions of plain numbers: no I/O, no framework, no catalog.

A method is one module here with one :class:`Method` instance in it, registered in ``METHODS``.
"""

from __future__ import annotations

from typing import Final

from impactree.methods.ecologits_0_11 import ECOLOGITS_0_11
from impactree.methods.impactree_1 import IMPACTREE_1
from impactree.methods.protocol import Constant, Judgement, Method, Step, choose
from impactree.methods.situation import (
    Deployment,
    FactorChoice,
    Hardware,
    Mix,
    Params,
    Site,
    Situation,
)

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "Constant",
    "Deployment",
    "FactorChoice",
    "Hardware",
    "Judgement",
    "Method",
    "Mix",
    "Params",
    "Site",
    "Situation",
    "Step",
    "choose",
]

METHODS: Final[dict[str, Method]] = {m.name: m for m in (ECOLOGITS_0_11, IMPACTREE_1)}
DEFAULT_METHOD: Final = ECOLOGITS_0_11.name
