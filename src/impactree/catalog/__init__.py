"""The catalog: models, who runs them, and where. Loads ``data/`` and resolves names."""

from __future__ import annotations

from impactree.catalog._catalog import Catalog, Host, ModelRecord, Zone, load_catalog
from impactree.catalog._resolve import Resolution

__all__ = ["Catalog", "Host", "ModelRecord", "Resolution", "Zone", "load_catalog"]
