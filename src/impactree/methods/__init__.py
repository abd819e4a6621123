"""The equations. Pure functions of plain numbers: no I/O, no framework, no catalog.

A method is one module here with one :class:`Method` instance in it, registered in ``METHODS``.
"""

from __future__ import annotations

from typing import Final

from impactree.methods.ecologits_0_11 import ECOLOGITS_0_11
from impactree.methods.protocol import Constant, Judgement, Method, Step, choose
from impactree.methods.situation import Mix, Params, Site, Situation

__all__ = [
    "DEFAULT_METHOD",
    "METHODS",
    "Constant",
    "Judgement",
    "Method",
    "Mix",
    "Params",
    "Site",
    "Situation",
    "Step",
    "choose",
]

METHODS: Final[dict[str, Method]] = {ECOLOGITS_0_11.name: ECOLOGITS_0_11}
DEFAULT_METHOD: Final = ECOLOGITS_0_11.name
