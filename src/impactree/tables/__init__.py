"""Impacts of whole tables of calls, on the engine that holds them (the extra ``tables``).

One expression of Ibis, which names no engine; tested on DuckDB and Spark.
"""

from __future__ import annotations

from impactree.exceptions import MissingExtraError

try:
    import ibis  # noqa: F401
except ImportError as error:
    raise MissingExtraError("tables", "ibis-framework") from error

from impactree.tables._estimate import estimate

__all__ = ["estimate"]
