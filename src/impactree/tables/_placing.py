"""Small tables into the engine that holds the calls, and out of it, without loss."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import ibis

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

__all__ = ["fetched", "placed"]


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


def fetched(expression: ir.Table) -> pa.Table:
    """What an expression gives."""
    backend: Any = expression.get_backend()
    if backend.name != "pyspark":
        return expression.to_pyarrow()
    # By Ibis and pandas, whole numbers beside nulls would be rounded.
    return backend._session.sql(backend.compile(expression)).toArrow()
