"""The engines that ``impactree table`` runs on: DuckDB, or Spark with what DuckDB has read."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import ibis

from impactree.tables._spark import spark

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa

__all__ = ["OnDuckDB", "OnSpark", "RunsOn", "reading", "running"]

RunsOn = Literal["duckdb", "spark"]
_MEMORY: Final = "400MB"
"""That DuckDB may take; what is more goes to disk."""
_ROWS: Final = 20_000
"""Rows that are handed over at a time: of 70 columns 11 MB."""
_GROUPS: Final = 300_000
"""Days times names that are summed at a time: what is more may not fit into that memory."""


@contextmanager
def reading(work: Path) -> Iterator[Any]:
    """The database that files are read by, in a folder: larger than memory."""
    database = ibis.duckdb.connect(
        work / "work.duckdb",
        temp_directory=str(work / "spill"),
        memory_limit=_MEMORY,
    )
    try:
        database.raw_sql("SET TimeZone = 'UTC'")
        database.raw_sql("SET enable_progress_bar = false")  # ours is enough
        # What waits for its turn is memory.
        database.raw_sql("SET preserve_insertion_order = false")
        yield database
    finally:
        database.disconnect()


@contextmanager
def running(on: RunsOn, database: Any, work: Path) -> Iterator[OnDuckDB | OnSpark]:
    """What the estimate runs on.

    Raises:
        MissingExtraError: Spark's package is missing.
        TableError: Spark does not start.
    """
    if on == "duckdb":
        yield OnDuckDB(database, work)
        return
    with spark(work) as backend:
        yield OnSpark(backend, work)


class OnDuckDB:
    """The very database that has read the calls."""

    def __init__(self, database: Any, work: Path) -> None:
        self._database = database
        self._work = work

    def days_at_once(self, names: int) -> int | None:
        """How many days of so many names are estimated together; None: all."""
        return max(1, _GROUPS // max(1, names))

    def taken(self, calls: ir.Table) -> ir.Table:
        """Calls that were read, where they are estimated."""
        return calls

    def kept(self, groups: ir.Table, number: int) -> ir.Table:
        """What is read several times, worked out once."""
        path = self._work / f"groups-{number}.parquet"
        groups.to_parquet(path, row_group_size=_ROWS)
        table: ir.Table = self._database.read_parquet(path)
        return table

    def batches(self, result: ir.Table) -> Iterator[pa.RecordBatch]:
        """The rows, in their order."""
        yield from result.to_pyarrow_batches(chunk_size=_ROWS)


class OnSpark:
    """A Spark that is handed the calls as Parquet, and hands back what comes out the same way."""

    def __init__(self, backend: Any, work: Path) -> None:
        self._backend = backend
        self._work = work

    def taken(self, calls: ir.Table) -> ir.Table:
        """Calls that were read, where they are estimated."""
        calls.to_parquet(self._work / "taken.parquet")
        return self._read("taken.parquet")

    def days_at_once(self, names: int) -> int | None:
        """All: Spark finds room itself."""
        return None

    def kept(self, groups: ir.Table, number: int) -> ir.Table:
        """What is read several times, worked out once."""
        groups.to_parquet(self._work / f"groups-{number}.parquet")
        return self._read(f"groups-{number}.parquet")

    def batches(self, result: ir.Table) -> Iterator[pa.RecordBatch]:
        """The rows, in their order: that of the names of the files."""
        import pyarrow.parquet as pq

        folder = self._work / "result.parquet"
        result.to_parquet(folder)
        for path in sorted(folder.glob("part-*")):
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(_ROWS)

    def _read(self, name: str) -> ir.Table:
        table: ir.Table = self._backend.read_parquet(self._work / name)
        return table
