"""The equations. Pure functions of plain numbers: no I/O, no framework, no catalog.

A method is one module here with one :class:`Method` instance in it, registered in ``METHODS``.
"""

from __future__ import annotations

from typing import Final

from impactree.methods.ecologits_0_11 import ECOLOGITS_0_11
from impactree.methods.image import ImageMethod
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
from impactree.methods.video import VideoMethod

__all__ = [
    "DEFAULT_METHOD",
    "MEDIA_METHODS",
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
MEDIA_METHODS: Final[dict[tuple[str, str], Method]] = {
    (ECOLOGITS_0_11.name, "video"): VideoMethod(
        name=ECOLOGITS_0_11.name, factors=ECOLOGITS_0_11.factors, borrowed=False
    ),
    (IMPACTREE_1.name, "video"): VideoMethod(
        name=IMPACTREE_1.name, factors=IMPACTREE_1.factors, borrowed=True
    ),
    (IMPACTREE_1.name, "image"): ImageMethod(name=IMPACTREE_1.name, factors=IMPACTREE_1.factors),
}
"""By name of a method and kind of call: equations of other quantities, under the same name."""
DEFAULT_METHOD: Final = ECOLOGITS_0_11.name
