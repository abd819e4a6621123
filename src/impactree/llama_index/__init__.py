"""LlamaIndex: ``ImpactHandler().instrument()``, or in a ``CallbackManager``.

Importing this imports nothing of ``llama_index.core``, which takes seconds; instrumenting
imports the light package that its dispatcher lives in.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from impactree.exceptions import MissingExtraError

if find_spec("llama_index_instrumentation") is None:
    raise MissingExtraError("llama-index", "llama-index-core")

from impactree.llama_index._handler import ImpactHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from impactree.runs.budget import ImpactBudget
    from impactree.tracker import ImpactTracker

__all__ = ["ImpactHandler", "attach"]


def attach(
    tracker: ImpactTracker, budget: ImpactBudget | None = None, *, everywhere: bool = False
) -> Callable[[], None]:
    """Send LlamaIndex's runs to a tracker: those inside its blocks, or all of the process.

    Returns:
        A function that stops it.
    """
    from impactree.llama_index._attach import attach as attach_tracker
    from impactree.runs.budget import BudgetWatch

    watch = None if budget is None else BudgetWatch(budget, tracker)
    return attach_tracker(tracker, everywhere=everywhere, watch=watch)
