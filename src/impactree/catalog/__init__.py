"""The catalog: models, who runs them, and where. Loads ``data/`` and resolves names."""

from __future__ import annotations

from impactree.catalog._catalog import Catalog, load_catalog
from impactree.catalog._days import WatchedDay, change_days, same_until
from impactree.catalog._factors import Electricity, Factor, FactorSet
from impactree.catalog._near import near_text
from impactree.catalog._records import (
    Disclosure,
    Equivalent,
    Host,
    ModelRecord,
    Region,
    Resolution,
    Zone,
)
from impactree.catalog._resolve import resolve

__all__ = [
    "Catalog",
    "Disclosure",
    "Electricity",
    "Equivalent",
    "Factor",
    "FactorSet",
    "Host",
    "ModelRecord",
    "Region",
    "Resolution",
    "WatchedDay",
    "Zone",
    "change_days",
    "load_catalog",
    "near_text",
    "resolve",
    "same_until",
]
