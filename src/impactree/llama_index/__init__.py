"""LlamaIndex: ``ImpactHandler().instrument()``, or in a ``CallbackManager``.

Importing this imports nothing of ``llama_index.core``, which takes seconds; instrumenting
imports the light package that its dispatcher lives in.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from impactree.exceptions import MissingExtraError
from impactree.llama_index._handler import ImpactHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.runs.budget import ImpactBudget
    from impactree.tracker import ImpactTracker

__all__ = ["ImpactHandler", "attach"]

if find_spec("llama_index_instrumentation") is None:
    raise MissingExtraError("llama-index", "llama-index-core")


def attach(tracker: ImpactTracker, budget: ImpactBudget | None = None) -> Callable[[], None]:
    """Send LlamaIndex's runs inside the tracker's ``track_impacts()`` blocks to it.

    Returns:
        A function that stops it.
    """
    from impactree.llama_index._attach import attach as attach_tracker
    from impactree.runs.budget import BudgetWatch

    return attach_tracker(tracker, watch=None if budget is None else BudgetWatch(budget, tracker))
