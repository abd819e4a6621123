"""``impactree table``: files in, a folder of impacts out, only what is new or stamped otherwise."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ibis

from impactree.catalog import near_text
from impactree.exceptions import TableError
from impactree.tables._beside import beside
from impactree.tables._calls import NEWEST, day_of, inner_name
from impactree.tables._each import per_call
from impactree.tables._files import Source, found
from impactree.tables._groups import grouped
from impactree.tables._output import stamp_of
from impactree.tables._placing import fetched
from impactree.tables._running import reading, running
from impactree.tables._staging import SCHEMA, calls_of, stage
from impactree.tables._summary import BASIS, READ, Summary, summary
from impactree.tables._sums import sums
from impactree.tables._trees import hang

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    import ibis.expr.types as ir

    from impactree.engine import Engine
    from impactree.tables._beside import Beside
    from impactree.tables._estimate import At
    from impactree.tables._groups import Groups
    from impactree.tables._output import Output
    from impactree.tables._running import OnDuckDB, OnSpark, RunsOn

__all__ = ["Job"]

_DERIVED: Final = ("day", "grade", "warnings", "errors", "rejected", "method", "zone_used")


def _local(paths: Sequence[str], folder: Path) -> list[Path]:
    """The paths, and for a database a file with its rows."""
    found = []
    for number, path in enumerate(paths):
        if "://" not in path:
            found.append(Path(path))
            continue
        from impactree.store.queries import write_rows

        found.append(folder / f"database-{number}.jsonl")
        with found[-1].open("w", encoding="utf-8") as file:
            write_rows(path, file, table="calls", format="jsonl")
    return found


@dataclass(kw_only=True)
class Job:
    """What to read, how to estimate it, and where to write.

    Args:
        paths: Files and folders, and addresses of databases that the SQL exporter wrote.
        out: Where the impacts go.
        engine: Estimates.
        by: Columns to group by; ``day`` is always one of them. None: a row per call.
        at: As for :func:`impactree.tables.estimate`.
        since: The first day (UTC); None: all.
        until: The last day.
        mapping: The user's columns by ours, of plain tables.
        wait_s: How long to wait for another run on the same folder.
        restate: Whether to say what the new figures changed.
        runs_on: What estimates; files are read by DuckDB.
    """

    paths: Sequence[str]
    out: Output
    engine: Engine
    by: Sequence[str] | None = ("day", "model")
    at: At = "call"
    since: dt.date | None = None
    until: dt.date | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    restate: bool = False
    runs_on: RunsOn = "duckdb"

    def recognised(self) -> list[Source]:
        """What the files are; nothing is written."""
        with tempfile.TemporaryDirectory() as name:
            return found(_local(self.paths, Path(name)), self.mapping)

    def run(self, progress: Callable[[str, int, int], None]) -> Summary:
        """Do it.

        Args:
            progress: Told what is done, how much of it, and of how much.

        Raises:
            TableError: a file is not what was expected, or another run writes there.
        """
        with (
            self.out.held(self.wait_s) as work,
            reading(work) as database,
            running(self.runs_on, database, work) as place,
        ):
            sources = found(_local(self.paths, work), self.mapping)
            calls = self._calls(database, sources, work, progress)
            return self._write(place, calls, self._digests(database, calls), progress)

    @property
    def _keys(self) -> list[str]:
        """The columns to group by, and so the names to look for in records."""
        return list(dict.fromkeys(("day", *(self.by or ()))))

    def _calls(
        self,
        database: Any,
        sources: Sequence[Source],
        work: Path,
        progress: Callable[[str, int, int], None],
    ) -> ir.Table:
        """All calls, each once, with the labels of what they stand under."""
        others = [key for key in self._keys if key not in SCHEMA and key not in _DERIVED]
        read = [source for source in sources if source.reader is not None]
        done = iter(range(1, len(read) + 1))
        stage(read, work, others, lambda _: progress("files read", next(done), len(read)))
        table = calls_of(database, sources, work, self.mapping, self._keys)
        for name in others:
            if name not in table.columns or not table[name].notnull().any().to_pyarrow().as_py():
                near = near_text(name, {*table.columns, *(c for s in sources for c in s.columns)})
                raise TableError(f"by: no record says {name!r:.80}; nearest: {near}")
        if read:
            database.create_view("rows_read", table)
            return hang(database, "rows_read", others)
        if "id" in table.columns:
            first = ibis.row_number().over(group_by=table.id, order_by=table.id) == 0
            return table.filter(first | table.id.isnull())
        return table

    def _write(
        self,
        place: OnDuckDB | OnSpark,
        calls: ir.Table,
        days: dict[dt.date | None, str],
        progress: Callable[[str, int, int], None],
    ) -> Summary:
        stamp = stamp_of(self.engine, ["call"] if self.by is None else self._keys, self.at)
        stamps = {day: {**stamp, "calls": digest} for day, digest in days.items()}
        new = [day for day in days if self.out.stamp(day) != stamps[day]]
        before = self.out.by_model(new) if self.restate else {}
        told = summary({}, self.engine, len(days) - len(new))
        if new:
            chosen = calls.filter(day_of(calls).isin([ibis.literal(d or NEWEST) for d in new]))
            known = beside(place.taken(chosen), self.engine, by_day=self.at == "call")
            parts = self._parts(place, known, new)
            groups = self._groups(place, parts)
            together = groups[0]._replace(table=place.all_kept())
            basis = {
                name: fetched(sums(together, keys).select(*READ[name]))
                for name, keys in BASIS.items()
            }
            told = summary(basis, self.engine, len(days) - len(new))
            by = self.by is not None
            results = (
                sums(one, self._keys) if by else per_call(part, self.engine)
                for one, part in zip(groups, parts, strict=True)
            )
            done = iter(range(1, len(new) + 1))
            self.out.write(
                chain.from_iterable(place.batches(result.order_by("day")) for result in results),
                {day: stamps[day] for day in new},
                told.credits_on,
                lambda _: progress("days written", next(done), len(new)),
            )
            self.out.write_plans(known.plans.whole(), stamp)
        if self.restate:
            told.changed = (before, self.out.by_model(new))
        return told

    def _parts(
        self, place: OnDuckDB | OnSpark, known: Beside, new: Sequence[dt.date | None]
    ) -> list[Beside]:
        """The calls, as many at a time as one machine's memory holds groups of."""
        columns = known.calls.columns
        keys = [inner_name(key, columns) for key in self._keys if key not in _DERIVED]
        parts = place.parts(known, [day or NEWEST for day in new], keys)
        return [known._replace(calls=part) for part in parts]

    def _groups(self, place: OnDuckDB | OnSpark, parts: Sequence[Beside]) -> list[Groups]:
        """What the result and the summary are summed from: the calls are read once for both."""
        shown = () if self.by is None else self._keys
        keys = list(dict.fromkeys((*chain(*BASIS.values()), *shown)))
        found = [grouped(part, self.engine, keys) for part in parts]
        return [g._replace(table=place.kept(g.table, n)) for n, g in enumerate(found)]

    def _digests(self, database: Any, calls: ir.Table) -> dict[dt.date | None, str]:
        """What each day holds, as a digest of its rows in any order."""
        rows = calls.mutate(day_=day_of(calls))
        if self.since is not None:
            rows = rows.filter(rows.day_ >= self.since)
        if self.until is not None:
            rows = rows.filter(rows.day_ <= self.until)
        sql = ibis.to_sql(rows, dialect="duckdb")
        found = database.con.execute(
            f"SELECT day_, count(*), bit_xor(hash(r)) FROM ({sql}) r GROUP BY day_ ORDER BY day_"  # noqa: S608
        )
        return {
            None if day == NEWEST else day: f"{count} {digest:x}"
            for day, count, digest in found.fetchall()
        }
