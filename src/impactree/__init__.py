"""impactree: what your chains, agents and retrieval pipelines cost the planet.

Everything here loads on first use: importing this package imports nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from impactree.block import track_impacts as track_impacts
    from impactree.calls import Media as Media
    from impactree.calls import ModelCall as ModelCall
    from impactree.calls import Tokens as Tokens
    from impactree.catalog import Resolution as Resolution
    from impactree.catalog import resolve as resolve
    from impactree.engine import estimate as estimate
    from impactree.engine.explain import explain as explain
    from impactree.exceptions import BudgetExceededError as BudgetExceededError
    from impactree.langchain import ImpactHandler as ImpactHandler
    from impactree.report import Report as Report
    from impactree.runs import Run as Run
    from impactree.runs.budget import ImpactBudget as ImpactBudget
    from impactree.tracker import ImpactTracker as ImpactTracker
    from impactree.values.impacts import Impact as Impact
    from impactree.values.impacts import Impacts as Impacts
    from impactree.values.range import Range as Range

_HOMES = {
    "track_impacts": "impactree.block",
    "BudgetExceededError": "impactree.exceptions",
    "ImpactBudget": "impactree.runs.budget",
    "Impact": "impactree.values.impacts",
    "ImpactHandler": "impactree.langchain",
    "ImpactTracker": "impactree.tracker",
    "Impacts": "impactree.values.impacts",
    "Media": "impactree.calls",
    "ModelCall": "impactree.calls",
    "Range": "impactree.values.range",
    "Report": "impactree.report",
    "Resolution": "impactree.catalog",
    "Run": "impactree.runs",
    "Tokens": "impactree.calls",
    "estimate": "impactree.engine",
    "explain": "impactree.engine.explain",
    "resolve": "impactree.catalog",
}

__all__ = [
    "BudgetExceededError",
    "Impact",
    "ImpactBudget",
    "ImpactHandler",
    "ImpactTracker",
    "Impacts",
    "Media",
    "ModelCall",
    "Range",
    "Report",
    "Resolution",
    "Run",
    "Tokens",
    "__version__",
    "estimate",
    "explain",
    "resolve",
    "track_impacts",
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
