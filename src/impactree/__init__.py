"""impactree: what your chains, agents and retrieval pipelines cost the planet.

Everything here loads on first use: importing this package imports nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from impactree.calls import ModelCall as ModelCall
    from impactree.engine import estimate as estimate
    from impactree.impacts import Impact as Impact
    from impactree.impacts import Impacts as Impacts
    from impactree.impacts import Range as Range
    from impactree.langchain import ImpactHandler as ImpactHandler
    from impactree.report import Report as Report
    from impactree.runs import Run as Run
    from impactree.tracker import ImpactTracker as ImpactTracker

_HOMES = {
    "Impact": "impactree.impacts",
    "ImpactHandler": "impactree.langchain",
    "ImpactTracker": "impactree.tracker",
    "Impacts": "impactree.impacts",
    "ModelCall": "impactree.calls",
    "Range": "impactree.impacts",
    "Report": "impactree.report",
    "Run": "impactree.runs",
    "estimate": "impactree.engine",
}

__all__ = [
    "Impact",
    "ImpactHandler",
    "ImpactTracker",
    "Impacts",
    "ModelCall",
    "Range",
    "Report",
    "Run",
    "__version__",
    "estimate",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'impactree' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
