"""The engines that ``impactree table`` runs on: DuckDB, or Spark with what DuckDB has read."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import duckdb
import ibis

from impactree.exceptions import TableError
from impactree.tables._spark import spark

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import ibis.expr.types as ir
    import pyarrow as pa

    from impactree.tables._beside import Beside

__all__ = ["OnDuckDB", "OnSpark", "RunsOn", "reading", "running"]

RunsOn = Literal["duckdb", "spark"]
_MEMORY: Final = "400MB"
"""That DuckDB may take; what is more goes to disk."""
_ROWS: Final = 20_000
"""Rows that are handed over at a time: of 70 columns 11 MB."""
_GROUPS: Final = 300_000
"""Groups that are summed at a time: more may not fit into that memory."""


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
    except duckdb.OutOfMemoryException as error:
        raise TableError(
            f"DuckDB needs more than the {_MEMORY} that it may take; cure: fewer columns in --by, "
            "or fewer days at a time (--since, --until)"
        ) from error
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


class _Place:
    """An engine, and the folder of what is on the way.

    Args:
        backend: Ibis'.
        work: The folder.
    """

    def __init__(self, backend: Any, work: Path) -> None:
        self._backend = backend
        self._work = work

    def all_kept(self) -> ir.Table:
        """What was kept, together."""
        return self._read("groups-*.parquet")

    def _read(self, name: str) -> ir.Table:
        table: ir.Table = self._backend.read_parquet(self._work / name)
        return table


class OnDuckDB(_Place):
    """The very database that has read the calls."""

    def parts(
        self, known: Beside, days: Sequence[dt.date], keys: Sequence[str]
    ) -> Sequence[ir.Table]:
        """The calls in parts that fit into memory, in the order of their days.

        Args:
            known: The calls, and what stands beside them.
            days: Those of the calls, in order.
            keys: What the result is grouped by: no two parts have the same group.
        """
        calls, places = known.calls, known.plans.places
        keys = [key for key in keys if key in calls.columns and key != "day"]
        groups = dict.fromkeys(days, known.plans.names.table.num_rows)
        if not {*keys} <= {*places}:  # else there are not more of them than names
            alike = [name for name in dict.fromkeys((*places, *keys)) if name in calls.columns]
            counts = calls.group_by(calls.day).agg(groups=_mark(calls, alike).approx_nunique())
            found = counts.to_pyarrow()
            groups = dict(zip(*(column.to_pylist() for column in found.columns), strict=True))
        parts: list[ir.Table] = []
        together: list[dt.date] = []
        filled = 0
        for day in days:
            several = math.ceil(groups[day] / _GROUPS) if keys else 1
            if together and filled + groups[day] > _GROUPS:
                parts.append(_of_days(calls, together))
                together, filled = [], 0
            if several == 1:
                together.append(day)
                filled += groups[day]
                continue
            rest = _mark(calls, keys) % several  # of a number that may be below 0
            own = calls.filter(calls.day == day)
            parts += [own.filter((rest + several) % several == n) for n in range(several)]
        return [*parts, _of_days(calls, together)] if together else parts

    def taken(self, calls: ir.Table) -> ir.Table:
        """Calls that were read, where they are estimated."""
        return calls

    def kept(self, groups: ir.Table, number: int) -> ir.Table:
        """What is read several times, worked out once."""
        path = self._work / f"groups-{number}.parquet"
        groups.to_parquet(path, row_group_size=_ROWS)
        return self._read(path.name)

    def batches(self, result: ir.Table) -> Iterator[pa.RecordBatch]:
        """The rows, in their order."""
        yield from result.to_pyarrow_batches(chunk_size=_ROWS)


class OnSpark(_Place):
    """A Spark that is handed the calls as Parquet, and hands back what comes out the same way."""

    def taken(self, calls: ir.Table) -> ir.Table:
        """Calls that were read, where they are estimated."""
        calls.to_parquet(self._work / "taken.parquet")
        return self._read("taken.parquet")

    def parts(self, known: Beside, *_: Any) -> Sequence[ir.Table]:
        """All in one: Spark finds room itself."""
        return [known.calls]

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


def _mark(calls: ir.Table, names: Sequence[str]) -> Any:
    """A number by which rows that are alike in these columns are alike."""
    return ibis.struct({name: calls[name] for name in names}).hash()


def _of_days(calls: ir.Table, days: Sequence[dt.date]) -> ir.Table:
    return calls.filter(calls.day.isin([ibis.literal(day) for day in days]))
