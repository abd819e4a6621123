"""SQL: a row per finished root and a row per model call, in SQLite, PostgreSQL and others."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import nullcontext
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from impactree.delivery.address import keyed_hash
from impactree.delivery.errors import RetryLaterError, TreeRejectedError
from impactree.delivery.exporter import SpooledExporter
from impactree.delivery.forks import held_off
from impactree.exceptions import MissingExtraError
from impactree.store.rows import call_row, run_row
from impactree.values.times import as_utc, resolved_at

try:
    import sqlalchemy as sa
except ImportError as error:
    raise MissingExtraError("sql", "sqlalchemy") from error

from impactree.store import schema
from impactree.store.database import connect, explain, parse_url
from impactree.store.inserting import Insert, storable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from impactree.delivery.codec import Tree

__all__ = ["SQLExporter"]

_BUSY_S: Final = 30.0


class SQLExporter(SpooledExporter):
    """Writes finished roots and their model calls to ``impactree_runs`` and ``impactree_calls``.

    A run's key is its id and start: each of its revisions is written exactly once, a higher one
    replaces the earlier one.
    The tables are made on first use. With SQLite many processes may write one file (WAL).

    Args:
        url: SQLAlchemy's, e.g. ``sqlite:///impacts.db`` or ``postgresql://user@host/base``. A
            password in it stays in this process; better is ``PGPASSWORD`` or a ``.pgpass`` file.

    Raises:
        ConfigurationError: not a database URL, or one whose driver is not installed.
        MissingExtraError: the driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._engine: sa.Engine | None = None
        self._sqlite = self._url.drivername.startswith("sqlite")
        plain = self._url._replace(password=None, query=_NO_QUERY)
        self._destination = f"sql:{plain.render_as_string()}"
        options = str(sorted(self._url.query.items())) if self._url.query else None
        self._owner = {"options": keyed_hash(options)} if options else {}

    @property
    def destination(self) -> str:
        """``sql:`` and the URL, without password and options."""
        return self._destination

    @property
    def owner(self) -> Mapping[str, str]:
        """A keyed hash of the URL's options, where it has some."""
        return self._owner

    def deliver(self, trees: Sequence[Tree]) -> None:
        """One transaction for the whole batch."""
        deadline = time.monotonic() + _BUSY_S
        while True:
            try:
                # SQLite keeps a table of its locks per process: a child that inherits it with one
                # taken can never write that file.
                with held_off() if self._sqlite else nullcontext():
                    return self._transact(trees)
            except sa.exc.SQLAlchemyError as error:
                if self._sqlite and "locked" in str(error.args) and time.monotonic() < deadline:
                    time.sleep(0.01)
                    continue
                self.close()  # the next attempt looks at the schema again
                for_ever = isinstance(error, sa.exc.DataError)
                meaning = TreeRejectedError if for_ever else RetryLaterError
                raise meaning(explain(error, self._url)) from None
            except Exception:
                self.close()
                raise

    def _transact(self, trees: Sequence[Tree]) -> None:
        fresh = self._engine is None
        engine = self._engine = self._engine or connect(self._url)
        with engine.begin() as connection:
            if fresh:
                schema.prepare_schema(connection)
            _write(connection, trees)

    def before_fork(self) -> None:
        """SQLite's connections are closed, not inherited."""
        if self._sqlite:
            self.close()

    def after_fork(self) -> None:
        """Forget the parent's connections."""
        if self._engine is not None:
            self._engine.dispose(close=False)
            self._engine = None

    def close(self) -> None:
        """Close the connections."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()


_NO_QUERY: Final[Any] = sa.URL.create("sqlite").query


def _write(connection: sa.Connection, trees: Sequence[Tree]) -> None:
    runs, calls = schema.RUNS, schema.CALLS
    newest = {_key(tree): tree for tree in sorted(trees, key=lambda tree: tree.root.revision)}
    query = sa.select(runs.c.id, runs.c.started_at, runs.c.revision).where(
        runs.c.id.in_({run_id for run_id, _ in newest})
    )
    found = connection.execute(query)
    known = {(row.id, as_utc(row.started_at)): row.revision for row in found}
    fresh = {key: t for key, t in newest.items() if t.root.revision > known.get(key, -1)}
    replaced = list(fresh.keys() & known.keys())
    if replaced:
        for table, key in (
            (calls, sa.tuple_(calls.c.run_id, calls.c.run_started_at)),
            (runs, sa.tuple_(runs.c.id, runs.c.started_at)),
        ):
            connection.execute(sa.delete(table).where(key.in_(replaced)))
    _insert_of(runs, connection.dialect)(connection, map(_with_labels, fresh.values()))
    rows = (row for tree in fresh.values() for row in _call_rows(tree))
    _insert_of(calls, connection.dialect)(connection, rows)


@lru_cache(8)  # an exporter's engine is made anew after each failure
def _insert_of(table: sa.Table, dialect: sa.Dialect) -> Insert:
    return Insert(table, dialect)


def _key(tree: Tree) -> tuple[str, Any]:
    return storable(tree.root.id), resolved_at(tree.root.start)


def _call_rows(tree: Tree) -> Iterator[dict[str, Any]]:
    """Calls can share an id that their caller chose, rows cannot: ``id``, ``id#2`` and so on."""
    seen: Counter[str] = Counter()
    for run in tree.root.walk():
        if run.call:
            row = call_row(run)
            seen[run.id] += 1
            if seen[run.id] > 1:
                row["id"] += f"#{seen[run.id]}"
            yield row


def _with_labels(tree: Tree) -> dict[str, Any]:
    root = tree.root
    labels = {"tags": list(root.tags), "metadata": dict(root.metadata)}
    return run_row(tree) | labels
