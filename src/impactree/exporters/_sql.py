"""SQL: a row per finished root and a row per model call, in SQLite, PostgreSQL and others."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.exceptions import ConfigurationError, MissingExtraError
from impactree.exporters._base import SpooledExporter
from impactree.exporters._errors import RetryLaterError, TreeRejectedError
from impactree.exporters._rows import call_row, run_row

try:
    import sqlalchemy as sa
except ImportError as error:
    raise MissingExtraError("sql", "sqlalchemy") from error

from impactree.exporters import _sql_schema as schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from impactree.exporters._codec import Tree

__all__ = ["SQLExporter", "connect", "explain", "parse_url", "sqlite_file"]

_BUSY_MS: Final = 30_000
_MAX_TEXT: Final = 200


class SQLExporter(SpooledExporter):
    """Writes finished roots and their model calls to ``impactree_runs`` and ``impactree_calls``.

    Each (run id, revision) is written exactly once; a higher revision replaces the earlier one.
    The tables are made on first use. With SQLite many processes may write one file (WAL).

    Args:
        url: SQLAlchemy's, e.g. ``sqlite:///impacts.db`` or ``postgresql://user@host/base``. A
            password in it stays in this process; better is ``PGPASSWORD`` or a ``.pgpass`` file.

    Raises:
        ConfigurationError: not a database URL.
        MissingExtraError: the driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._url = parse_url(url)
        self._engine: sa.Engine | None = None
        plain = self._url._replace(password=None, query=_NO_QUERY)
        self._destination = f"sql:{plain.render_as_string()}"

    @property
    def destination(self) -> str:
        """``sql:`` and the URL, without password and options."""
        return self._destination

    def deliver(self, trees: Sequence[Tree]) -> None:
        """One transaction for the whole batch."""
        try:
            fresh = self._engine is None
            engine = self._engine = self._engine or connect(self._url)
            with engine.begin() as connection:
                if fresh:
                    schema.prepare_schema(connection)
                _write(connection, trees)
        except sa.exc.SQLAlchemyError as error:
            self.close()  # the next attempt looks at the schema again
            for_ever = isinstance(error, sa.exc.DataError)
            meaning = TreeRejectedError if for_ever else RetryLaterError
            raise meaning(explain(error, self._url)) from None
        except Exception:
            self.close()
            raise

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


def explain(error: sa.exc.SQLAlchemyError, url: sa.URL) -> str:
    """The first line of what the driver said, without the password."""
    cause = getattr(error, "orig", None) or error
    text = (str(cause).strip().splitlines() or [""])[0][:_MAX_TEXT]
    if url.password:
        text = text.replace(str(url.password), "***")
    return f"{type(cause).__name__}: {text}"


def connect(url: sa.URL, *, write: bool = True) -> sa.Engine:
    """An engine whose errors never show values; with SQLite, for many writing processes."""
    engine = sa.create_engine(url, hide_parameters=True)
    if write and engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _on_sqlite_connect)
        sa.event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def parse_url(url: str) -> sa.URL:
    """A database URL, made absolute, with the driver that the extra brings.

    Raises:
        ConfigurationError: not a database URL.
        MissingExtraError: the driver is not installed.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError):
        raise ConfigurationError(
            "not a database URL; expected one such as 'sqlite:///impacts.db' or "
            "'postgresql://user@host/base'"
        ) from None
    driver = "psycopg" if parsed.drivername == "postgresql+psycopg" else None
    if driver and importlib.util.find_spec(driver) is None:
        raise MissingExtraError("sql", driver)
    return _absolute(parsed)


def sqlite_file(url: sa.URL) -> Path | None:
    """The file that a URL names plainly; None for a server, memory or a ``file:`` URI."""
    name = url.database
    if not url.drivername.startswith("sqlite") or not name or name.startswith((":", "file:")):
        return None
    return Path(name).absolute()


def _absolute(url: sa.URL) -> sa.URL:
    path = sqlite_file(url)
    return url if path is None else url.set(database=str(path))


_NO_QUERY: Final[Any] = sa.URL.create("sqlite").query


def _on_sqlite_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event opens transactions instead
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _on_sqlite_begin(connection: sa.Connection) -> None:
    # A writer from the start: upgrading a read transaction fails when another process wrote.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _write(connection: sa.Connection, trees: Sequence[Tree]) -> None:
    runs, calls = schema.RUNS, schema.CALLS
    newest = {tree.root.id: tree for tree in sorted(trees, key=lambda tree: tree.key[1])}
    query = sa.select(runs.c.id, runs.c.revision).where(runs.c.id.in_(list(newest)))
    known: dict[str, int] = {row.id: row.revision for row in connection.execute(query)}
    fresh = [t for t in newest.values() if t.root.revision > known.get(t.root.id, -1)]
    replaced = [tree.root.id for tree in fresh if tree.root.id in known]
    if replaced:
        connection.execute(sa.delete(calls).where(calls.c.run_id.in_(replaced)))
        connection.execute(sa.delete(runs).where(runs.c.id.in_(replaced)))
    if not fresh:
        return
    rows = [_with_labels(tree) for tree in fresh]
    connection.execute(sa.insert(runs), rows)
    call_rows = [row for tree in fresh for row in _call_rows(tree)]
    if call_rows:
        connection.execute(sa.insert(calls), call_rows)


def _call_rows(tree: Tree) -> Iterator[dict[str, Any]]:
    """Calls can share an id that their caller chose, rows cannot: ``id``, ``id#2`` and so on."""
    seen: Counter[str] = Counter()
    for run in tree.root.walk():
        if run.call:
            row = _storable(call_row(run))
            seen[run.id] += 1
            if seen[run.id] > 1:
                row["id"] += f"#{seen[run.id]}"
            yield row


def _with_labels(tree: Tree) -> dict[str, Any]:
    root = tree.root
    labels = {"tags": list(root.tags), "metadata": dict(root.metadata)}
    return _storable(run_row(tree)) | labels


def _storable(row: dict[str, Any]) -> dict[str, Any]:
    """PostgreSQL takes no NUL in a text."""
    return {k: v.replace("\0", "\ufffd") if isinstance(v, str) else v for k, v in row.items()}
