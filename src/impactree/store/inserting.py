"""Rows into a table by the database's driver: SQLAlchemy takes longer over one than SQLite does."""

from __future__ import annotations

from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from impactree.delivery.turns import in_turns
from impactree.exceptions import MissingExtraError

try:
    import sqlalchemy as sa
except ImportError as error:
    raise MissingExtraError("sql", "sqlalchemy") from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["Insert", "storable"]

_ROWS: Final = 200
"""How many rows go into one statement: a large tree is never a list of all its rows."""


class Insert:
    """A table's insert in a database's own words, built once.

    Args:
        table: The table.
        dialect: The database's.
    """

    def __init__(self, table: sa.Table, dialect: sa.Dialect) -> None:
        compiled = sa.insert(table).compile(dialect=dialect)
        names = compiled.positiontup
        self._text = str(compiled)
        self._positional = names is not None
        self._names = tuple(names or table.c.keys())
        self._cells = itemgetter(*self._names)
        stored = ((place, _stored(table.c[n], dialect)) for place, n in enumerate(self._names))
        self._stored = [(place, convert) for place, convert in stored if convert is not None]

    def __call__(self, connection: sa.Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows, which have every column of the table."""
        made = map(self._row, in_turns(rows))
        while some := list(islice(made, _ROWS)):
            connection.exec_driver_sql(self._text, some)

    def _row(self, row: Mapping[str, Any]) -> Any:
        cells = list(self._cells(row))
        for place, convert in self._stored:
            if cells[place] is not None:
                cells[place] = convert(cells[place])
        return tuple(cells) if self._positional else dict(zip(self._names, cells, strict=True))


def _stored(column: sa.Column[Any], dialect: sa.Dialect) -> Callable[[Any], Any] | None:
    """What makes a value of a column what the driver takes; None: it takes it as it is."""
    kind = column.type.dialect_impl(dialect)
    return kind.bind_processor(dialect) or (storable if isinstance(kind, sa.String) else None)


def storable(text: str) -> str:
    """PostgreSQL takes no NUL in a text."""
    return text.replace("\0", "\ufffd")
