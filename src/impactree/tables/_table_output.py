"""Impacts as a table of a DuckDB file, and where ``--out`` says that they go."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa

from impactree.exceptions import TableError
from impactree.tables._output import GWP, Folder, lock, without_credentials

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from impactree.tables._output import Output, Stamp

__all__ = ["Table", "output_of"]

_SCHEME: Final = "duckdb:///"
_EXPECTED: Final = "a folder, or duckdb:///FILE#TABLE, e.g. duckdb:///impacts.duckdb#impacts"


def output_of(said: str) -> Output:
    """A folder, or a table of a DuckDB file.

    Args:
        said: A path; or ``duckdb:///FILE#TABLE``, with four slashes for a path from the root.

    Raises:
        TableError: it is neither.
    """
    if "://" not in said:
        path = Path(said)
        if path.exists() and not path.is_dir():
            raise TableError(f"--out {said!r:.200}: a file; expected {_EXPECTED}")
        return Folder(path)
    file, _, name = said.removeprefix(_SCHEME).partition("#")
    if not (said.startswith(_SCHEME) and file and name):
        raise TableError(f"--out {said!r:.200}: expected {_EXPECTED}")
    return Table(Path(file), name)


class Table:
    """A table of a DuckDB file; a run changes it as a whole, or not at all.

    ``NAME_stamps`` holds stamp and credits of each day, ``NAME_plans`` the plans of the last run.
    """

    def __init__(self, file: Path, name: str) -> None:
        self._file = file
        self._name = name
        self._table, self._stamps, self._plans = (
            _quoted(f"{name}{end}") for end in ("", "_stamps", "_plans")
        )
        self._open: Any = None

    @contextmanager
    def held(self, wait_s: float) -> Iterator[Path]:
        """Keep others from writing."""
        name = self._file.name
        with lock(self._file, self._file.with_name(f".{name}.lock"), f".{name}.work-", wait_s) as w:
            self._open = _connected(self._file)
            try:
                self._open.execute("BEGIN")
                self._check()
                self._open.execute(
                    f"CREATE TABLE IF NOT EXISTS {self._stamps} "
                    "(day DATE, stamp VARCHAR, credits VARCHAR)"
                )
                yield w
                self._open.execute("COMMIT")
            finally:
                self._open.close()  # without a commit nothing has changed

    def stamp(self, day: dt.date | None) -> Stamp | None:
        """The stamp of a day; None: there is none."""
        if not self._columns():
            return None
        query = f"SELECT stamp FROM {self._stamps} WHERE day IS NOT DISTINCT FROM ?"  # noqa: S608
        found = self._open.execute(query, [day]).fetchone()
        return json.loads(found[0]) if found else None

    def write(
        self,
        batches: Iterable[pa.RecordBatch],
        stamps: Mapping[dt.date | None, Stamp],
        credits_on: Callable[[dt.date | None], Iterable[str]],
        progress: Callable[[dt.date | None], None],
    ) -> None:
        """Days in place of what was there of them."""
        there = self._columns()
        for day in stamps if there else ():
            for table in (self._table, self._stamps):
                self._open.execute(f"DELETE FROM {table} WHERE day IS NOT DISTINCT FROM ?", [day])  # noqa: S608
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            there = self._like(rows.column_names, there)
            self._open.register("rows_", rows)
            self._open.execute(
                f"INSERT INTO {self._table} BY NAME FROM rows_"
                if there
                else f"CREATE TABLE {self._table} AS FROM rows_"
            )
            there = rows.column_names
            self._open.unregister("rows_")
        for day, stamp in stamps.items():
            told = [day, json.dumps(stamp), "\n".join(credits_on(day))]
            self._open.execute(f"INSERT INTO {self._stamps} VALUES (?, ?, ?)", told)  # noqa: S608
            progress(day)

    def write_plans(self, plans: pa.Table, stamp: Stamp) -> None:
        """The plans behind the figures."""
        self._open.register("plans_", without_credentials(plans))
        self._open.execute(f"CREATE OR REPLACE TABLE {self._plans} AS FROM plans_")
        self._open.unregister("plans_")

    def by_model(self, days: Iterable[dt.date | None]) -> dict[str, float]:
        """Expected greenhouse gases by model, kgCO2eq."""
        if "model" not in self._columns():
            return {}
        query = (
            f"SELECT model, coalesce(sum({GWP}), 0) FROM {self._table} "  # noqa: S608
            "WHERE list_contains(?, coalesce(CAST(day AS VARCHAR), 'unknown')) GROUP BY model"
        )
        asked = [str(day or "unknown") for day in days]
        return dict(self._open.execute(query, [asked]).fetchall())

    def _check(self) -> None:
        if self._columns() and not self._columns("_stamps"):
            raise TableError(
                f"{self._file}: table {self._name!r} is there and holds no impacts; expected "
                "another name"
            )

    def _columns(self, end: str = "") -> list[str]:
        """Of the table, or of one beside it; none: it is not there."""
        query = "SELECT column_name FROM duckdb_columns() WHERE table_name = ? AND NOT internal"
        return [name for (name,) in self._open.execute(query, [self._name + end]).fetchall()]

    def _like(self, columns: list[str], there: list[str]) -> list[str]:
        """The columns that are there; none if the table was dropped, as nothing is left in it.

        Raises:
            TableError: days that stay have other columns.
        """
        if not there or {*there} == {*columns}:
            return there
        if self._open.execute(f"SELECT 1 FROM {self._table} LIMIT 1").fetchone():  # noqa: S608
            other = ", ".join(sorted({*there} ^ {*columns}))
            raise TableError(
                f"{self._file}: table {self._name!r} holds other days with other columns "
                f"({other}); expected the same --by, or a table of another name"[:300]
            )
        self._open.execute(f"DROP TABLE {self._table}")
        return []


def _connected(file: Path) -> Any:
    """DuckDB itself takes a file of Parquet as a database that it forgets."""
    with suppress(FileNotFoundError), file.open("rb") as opened:
        if opened.read(12)[8:] != b"DUCK":
            raise TableError(f"{file}: expected a DuckDB file, or none")
    try:
        return duckdb.connect(file)
    except duckdb.Error as error:
        raise TableError(f"{file}: expected a DuckDB file: {error}"[:300]) from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
