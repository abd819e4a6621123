"""Connecting to a database by its URL: drivers, SQLite's settings, and what errors may show."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from impactree.delivery.locks import is_anothers, no_right_to
from impactree.exceptions import ConfigurationError, MissingExtraError
from impactree.values.formatting import clean

try:
    import sqlalchemy as sa
except ImportError as error:
    raise MissingExtraError("sql", "sqlalchemy") from error

__all__ = ["connect", "explain", "parse_url", "sqlite_file"]

_BUSY_MS: Final = 200
"""What a connection waits for another writer, before it lets go and tries again."""
_MAX_TEXT: Final = 200
_EXPECTED: Final = (
    "not a database URL; expected one such as 'sqlite:///impacts.db' or "
    "'postgresql://user@host/base'"
)


def parse_url(url: str) -> sa.URL:
    """A database URL, made absolute, with the driver that the extra brings.

    Raises:
        ConfigurationError: not a database URL, or one whose driver is not installed.
        MissingExtraError: the driver of the extra is not installed.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        dialect = parsed.get_dialect()
    except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError):
        raise ConfigurationError(_EXPECTED) from None
    except ValueError:  # of a port
        raise ConfigurationError(f"{_EXPECTED}: its port is no number") from None
    if parsed.port is not None and not 0 < parsed.port < 2**16:
        raise ConfigurationError(f"the database URL's port must be 1 to 65535, not {parsed.port}")
    _check_driver(dialect, parsed.drivername)
    path = sqlite_file(parsed)
    return parsed if path is None else parsed.set(database=str(path))


def _check_driver(dialect: Any, name: str) -> None:
    """Import the driver: here and not in the background, where nobody would see it fail."""
    if dialect.is_async:
        raise ConfigurationError(
            f"the database URL begins with {name!r:.60}, an asynchronous driver: use one that is "
            f"not, such as '{dialect.name}://...'"
        )
    try:
        dialect.import_dbapi()
    except ImportError as error:
        if name == "postgresql+psycopg":
            raise MissingExtraError("sql", "psycopg") from None
        missing = getattr(error, "name", None) or name
        raise ConfigurationError(
            f"the database URL begins with {name!r:.60}, whose driver {missing!r:.60} is not "
            "installed: install it, or use a URL of sqlite or postgresql"
        ) from None


def sqlite_file(url: sa.URL) -> Path | None:
    """The file that a URL names plainly; None for a server, memory or a ``file:`` URI."""
    name = url.database
    if not url.drivername.startswith("sqlite") or not name or name.startswith((":", "file:")):
        return None
    return Path(name).absolute()


def connect(url: sa.URL, *, write: bool = True) -> sa.Engine:
    """An engine whose errors never show values; with SQLite, for many writing processes.

    Who may not write a SQLite file must not leave SQLite's own files (``-wal``, ``-shm``) beside
    it: its owner could not write any more.

    Raises:
        PermissionError: a SQLite file that this user may not write.
    """
    path = sqlite_file(url)
    if path is not None and is_anothers(path):
        if write:
            raise no_right_to(path)
        if not path.with_name(f"{path.name}-wal").exists():  # nobody writes it: as it lies there
            uri = f"file:{quote(str(path))}"
            url = url.set(database=uri, query={"immutable": "1", "uri": "true"})
    engine = sa.create_engine(url, hide_parameters=True)
    if write and engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _on_sqlite_connect)
        sa.event.listen(engine, "begin", _on_sqlite_begin)
    return engine


def explain(error: sa.exc.SQLAlchemyError, url: sa.URL) -> str:
    """The first line of what the driver said, without the password."""
    cause = getattr(error, "orig", None) or error
    text = (str(cause).strip().splitlines() or [""])[0][:_MAX_TEXT]
    if url.password:
        text = text.replace(str(url.password), "***")
    return f"{type(cause).__name__}: {clean(text)}"


def _on_sqlite_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event opens transactions instead
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _on_sqlite_begin(connection: sa.Connection) -> None:
    # A writer from the start: upgrading a read transaction fails when another process wrote.
    connection.exec_driver_sql("BEGIN IMMEDIATE")
