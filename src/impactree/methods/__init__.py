"""The equations. Pure functions of plain numbers: no I/O, no framework, no catalog.

A method is one module here with one :class:`Method` instance in it, registered in ``METHODS``.
"""

from __future__ import annotations

from collections import UserDict
from importlib import import_module
from typing import Any, Final, cast

from impactree.loops import off_loop
from impactree.methods.protocol import Constant, Judgement, Method, Step, choose
from impactree.methods.situation import (
    Deployment,
    FactorChoice,
    Hardware,
    Mix,
    Params,
    Shape,
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
    "Shape",
    "Site",
    "Situation",
    "Step",
    "choose",
    "covers_media",
    "media_method",
]


class _Methods(UserDict[str, Any]):
    """By name: a method, or the module with it, which is imported when it is first asked for."""

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, str):
            module = off_loop(lambda: import_module(f"{__name__}.{found}"))
            found = self[name] = getattr(module, found.upper())
        return found


METHODS: Final = cast(
    "dict[str, Method]",
    _Methods({"ecologits-0.11": "ecologits_0_11", "impactree-1": "impactree_1"}),
)
DEFAULT_METHOD: Final = "ecologits-0.11"

_OF_MEDIA: Final = {
    ("ecologits-0.11", "video"): "video",
    ("impactree-1", "video"): "video",
    ("impactree-1", "image"): "image",
}
"""By name of a method and kind of call: the module of its equations of other quantities."""


def covers_media(method: str, kind: str) -> bool:
    """Whether a method has equations of their own for calls of a kind."""
    return (method, kind) in _OF_MEDIA


def media_method(method: str, kind: str) -> Method | None:
    """Those equations, under the method's name; None: it has none."""
    module = _OF_MEDIA.get((method, kind))
    if module is None:
        return None
    found = off_loop(lambda: import_module(f"{__name__}.{module}"))
    return cast("Method", found.BY_METHOD[method])
