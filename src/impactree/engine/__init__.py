"""The engine: a model call in, its impacts out. Catalog, method and settings; no framework."""

from __future__ import annotations

from impactree.engine.engine import Engine, estimate, shared_engine

__all__ = ["Engine", "estimate", "shared_engine"]
