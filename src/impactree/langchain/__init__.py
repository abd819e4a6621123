"""LangChain and LangGraph: ``callbacks=[ImpactHandler()]``."""

from __future__ import annotations

from impactree.exceptions import MissingExtraError

try:
    import langchain_core.callbacks  # noqa: F401  # the guard: the adapter needs it
except ImportError as error:
    raise MissingExtraError("langchain", "langchain-core") from error

from impactree.langchain._handler import ImpactHandler

__all__ = ["ImpactHandler"]
