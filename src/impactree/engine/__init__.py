"""The engine: a model call in, its impacts out. Catalog, method and settings; no framework."""

from __future__ import annotations

from impactree.engine.engine import PLACE_FIELDS, Engine, estimate, placed_by, shared_engine

__all__ = ["PLACE_FIELDS", "Engine", "estimate", "placed_by", "shared_engine"]
