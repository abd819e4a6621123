"""Calls joined to their plans, the equations of the method, and sums of what comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Unpack

import ibis

from impactree.engine import shared_engine
from impactree.exceptions import TableError
from impactree.tables._beside import beside
from impactree.tables._each import per_call
from impactree.tables._groups import grouped
from impactree.tables._sums import sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis.expr.types as ir

    from impactree.engine.settings import EngineSettings

__all__ = ["At", "estimate"]

At = Literal["call", "today"]


def estimate(
    table: Any,
    by: str | Sequence[str] | None = None,
    *,
    at: At = "call",
    **settings: Unpack[EngineSettings],
) -> ir.Table:
    """The impacts of every call of a table, or sums of them.

    ``docs/tables.md`` lists the columns that are read and made. Only names, not rows, pass through
    Python.

    Args:
        table: A table of Ibis, on any engine; or of pandas, polars or pyarrow, for DuckDB.
        by: Columns to group by (``day`` may be one); None: a row per call.
        at: Names that moved are read as on the day of the call (``call``) or as ``today``; the
            year of the electricity factors likewise.
        **settings: ``method``, ``zone``, ``deployments``, ...: see
            :class:`impactree.engine.settings.EngineSettings`.

    Returns:
        An expression of Ibis (``.to_pandas()``, ``.to_polars()``, ``.to_parquet(path)``): per call
        the table's columns and figures with their units in their names, null where unknown; by
        groups counts, tokens and sums.

    Raises:
        TableError: a column is missing or of the wrong type; the message names it.
        ConfigurationError: a setting is wrong.
    """
    if at not in ("call", "today"):
        raise TableError(f"at must be 'call' or 'today', not {at!r:.80}")
    engine = shared_engine(**settings)
    known = beside(_as_ibis(table), engine, by_day=at == "call")
    if by is None:
        return per_call(known, engine)
    keys = [by] if isinstance(by, str) else list(by)
    return sums(grouped(known, engine, keys), keys)


def _as_ibis(table: Any) -> ir.Table:
    if isinstance(table, ibis.Table):
        return table
    if not hasattr(table, "__arrow_c_stream__"):
        expected = "a table of Ibis, pandas, polars or pyarrow"
        raise TableError(f"table: expected {expected}, not {type(table).__name__}")
    import pyarrow as pa

    return ibis.memtable(pa.table(table))
