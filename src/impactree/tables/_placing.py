"""Where the small tables beside the calls stand: in the engine that holds the calls."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

__all__ = ["placed"]


def placed(small: pa.Table, calls: ir.Table) -> ir.Table:
    """A small table as one of the engine that holds the calls."""
    backend: Any = calls.get_backend()
    if backend.name != "pyspark":
        return ibis.memtable(small)
    # Ibis 12 sends its tables to Spark by way of pandas, which makes NaN of null.
    held = f"{small.schema} {small.to_pydict()}"
    name = f"impactree_{hashlib.sha256(held.encode()).hexdigest()[:16]}"
    backend._session.createDataFrame(small).createOrReplaceTempView(name)
    return backend.table(name)
