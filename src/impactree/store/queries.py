"""Reading the SQL tables back: sums by an attribute, and all rows as CSV or JSON Lines."""

from __future__ import annotations

import csv
import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Final

from impactree.catalog._catalog import as_day
from impactree.delivery.errors import DeliveryRefusedError, RetryLaterError
from impactree.exceptions import ConfigurationError, MissingExtraError

try:
    import sqlalchemy as sa
except ImportError as error:
    raise MissingExtraError("sql", "sqlalchemy") from error

from impactree.store.database import connect, explain, parse_url, sqlite_file
from impactree.store.rows import credits_of
from impactree.store.schema import CALLS, RUNS, check_schema
from impactree.values.criteria import CRITERIA, ENDS, FLAT_COLUMNS
from impactree.values.formatting import csv_cell, json_text
from impactree.values.impact import Impact, impact_of
from impactree.values.sources import SOURCE_FIGURES, SOURCES
from impactree.values.times import as_utc
from impactree.values.training import (
    TRAINING_CALLS,
    TRAINING_FIGURES,
    TRAINING_SHARED,
    TrainingPhase,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    _Texts = dict[Any, tuple[str, ...]]

__all__ = ["GROUPS", "Group", "credits_in", "dearest", "sums", "write_rows"]

GROUPS: Final[dict[str, sa.ColumnElement[Any]]] = {
    "agent": CALLS.c.agent,
    "day": sa.func.date(CALLS.c.started_at),
    "kind": CALLS.c.kind,
    "model": CALLS.c.model,
    "name": CALLS.c.name,
    "node": CALLS.c.node,
    "provider": CALLS.c.provider,
    "run": RUNS.c.name,
    "status": CALLS.c.status,
    "step": CALLS.c.step,
    "thread": CALLS.c.thread,
    "tool": CALLS.c.tool,
    "user": CALLS.c.user,
    "zone": CALLS.c.zone,
}
"""What ``--by`` takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Sums over the model calls that share an attribute."""

    key: str | None
    calls: int
    estimated_calls: int
    input_tokens: int
    output_tokens: int
    figures: dict[str, float | None]
    """``gwp_kgco2eq_min`` and so on; None where no call was estimated."""
    credits: tuple[str, ...]
    """What the licences of the electricity factors want to be shown."""
    training: TrainingPhase | None
    """The share of training the models, where it was asked for; in none of the figures."""
    energy_by_source: dict[str, float]
    """The energy, kWh, by where it comes from; of older rows, that were only estimated, nothing."""

    @property
    def impacts(self) -> list[Impact | None]:
        """The five criteria, in the order of the columns."""
        triples = _triples([self.figures[name] for name in FLAT_COLUMNS])
        return [
            None if three is None else impact_of(c, *three)
            for c, three in zip(CRITERIA, triples, strict=True)
        ]


def _triples(figures: list[float | None]) -> tuple[tuple[float, float, float] | None, ...]:
    """Low, mean and high of each criterion; None where unknown."""
    out: list[tuple[float, float, float] | None] = []
    for low, mean, high in zip(*[iter(figures)] * len(ENDS), strict=True):
        if low is None or mean is None or high is None:
            out.append(None)
        else:  # each summed in an order of its own
            out.append((low, min(max(mean, low), high), high))
    return tuple(out)


_OTHER: Final = CALLS.alias("other")
_OUTERMOST: Final = ~sa.exists().where(
    _OTHER.c.started_at == CALLS.c.started_at,
    _OTHER.c.id == CALLS.c.id,
    sa.or_(
        _OTHER.c.run_started_at < CALLS.c.run_started_at,
        sa.and_(
            _OTHER.c.run_started_at == CALLS.c.run_started_at, _OTHER.c.run_id < CALLS.c.run_id
        ),
    ),
)
"""A service and its caller may both have written a tree: the same id and start is one call."""


def _asked(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A call's value, unless a cache answered it: no model saw those tokens."""
    return sa.case((CALLS.c.cached, None), else_=column)


def sums(url: str, *, by: str = "model", since: datetime | None = None) -> list[Group]:
    """The calls in a database summed by an attribute, most greenhouse gases first.

    A call that several runs' trees hold (a service's, and its caller's) counts in the one that
    started first.

    Raises:
        ConfigurationError: not a database URL, or an unknown attribute.
        DeliveryRefusedError: the database or its tables are missing, or of another version.
        RetryLaterError: the database cannot be read.
    """
    if by not in GROUPS:
        raise ConfigurationError(f"by must be one of {', '.join(GROUPS)}, not {by!r}")
    key = GROUPS[by]
    query = (
        sa.select(
            key.label("key"),
            sa.func.count().label("calls"),
            sa.func.count(_asked(CALLS.c.gwp_kgco2eq_min)).label("estimated"),
            sa.func.coalesce(sa.func.sum(_asked(CALLS.c.input_tokens)), 0).label("input_tokens"),
            sa.func.coalesce(sa.func.sum(_asked(CALLS.c.output_tokens)), 0).label("output_tokens"),
            *(_known_sum(name).label(name) for name in FLAT_COLUMNS),
            *(_known_sum(name, TRAINING_CALLS).label(name) for name in TRAINING_FIGURES),
            sa.func.sum(CALLS.c[TRAINING_CALLS]).label(TRAINING_CALLS),
            *(sa.func.sum(_asked(CALLS.c[name])).label(name) for name in SOURCE_FIGURES),
        )
        .select_from(CALLS.join(RUNS))
        .where(_OUTERMOST)
        .group_by(key)
    )
    if since is not None:
        query = query.where(CALLS.c.started_at >= since)
    with opened(url) as connection:
        rows = connection.execute(query).mappings().all()
        credited = _credits(connection, key, since)
        shared = _shared_over(connection, key, since)
    groups = [_group(row, credited, shared) for row in rows]
    return sorted(groups, key=lambda group: -(group.figures["gwp_kgco2eq_mean"] or 0))


def dearest(url: str, *, since: datetime | None = None, top: int = 20) -> list[dict[str, Any]]:
    """The runs with most greenhouse gases, as plain rows. Raises as :func:`sums`."""
    names = ("id", "name", "kind", "status", "started_at", "method", "calls", "estimated_calls")
    mean = RUNS.c.gwp_kgco2eq_mean
    query = sa.select(*(RUNS.c[name] for name in (*names, *FLAT_COLUMNS))).where(mean.is_not(None))
    if since is not None:
        query = query.where(RUNS.c.started_at >= since)
    with opened(url) as connection:
        rows = connection.execute(query.order_by(mean.desc(), RUNS.c.id).limit(top)).mappings()
        return [{**row, "started_at": as_utc(row["started_at"]).isoformat()} for row in rows]


def _group(row: sa.RowMapping, credited: _Texts, shared: _Texts) -> Group:
    values = _triples([row[name] for name in TRAINING_FIGURES])
    phase = TrainingPhase(values, row[TRAINING_CALLS] or 0, shared.get(row["key"], ()))
    return Group(
        key=None if row["key"] is None else str(row["key"]),
        calls=row["calls"],
        estimated_calls=row["estimated"],
        input_tokens=int(row["input_tokens"]),
        output_tokens=int(row["output_tokens"]),
        figures={name: row[name] for name in FLAT_COLUMNS},
        credits=credited.get(row["key"], ()),
        training=phase if phase.calls else None,
        energy_by_source={
            source: row[name]
            for source, name in zip(SOURCES, SOURCE_FIGURES, strict=True)
            if row[name]
        },
    )


def _shared_over(
    connection: sa.Connection, key: sa.ColumnElement[Any], since: datetime | None
) -> _Texts:
    """By group over what each training was shared out."""
    query = (
        sa.select(key, CALLS.c[TRAINING_SHARED])
        .distinct()
        .select_from(CALLS.join(RUNS))
        .where(CALLS.c[TRAINING_SHARED].is_not(None))
    )
    if since is not None:
        query = query.where(CALLS.c.started_at >= since)
    found: dict[Any, list[str]] = {}
    for group, shared in connection.execute(query):
        found.setdefault(group, []).append(shared)
    return {group: tuple(sorted(several)) for group, several in found.items()}


def _credits(
    connection: sa.Connection, key: sa.ColumnElement[Any], since: datetime | None
) -> dict[Any, tuple[str, ...]]:
    """By group what the licences of the factors behind its figures want to be shown."""
    day = sa.func.date(CALLS.c.ended_at)
    query = (
        sa.select(key, CALLS.c.zone, RUNS.c.method, day)
        .distinct()
        .select_from(CALLS.join(RUNS))
        .where(CALLS.c.gwp_kgco2eq_min.is_not(None), CALLS.c.cached.is_(False))
    )
    if since is not None:
        query = query.where(CALLS.c.started_at >= since)
    used: dict[Any, list[Any]] = {}
    for group, zone, method, at in connection.execute(query):
        used.setdefault(group, []).append((zone, method, as_day(str(at)) if at else None))
    return {group: tuple(credits_of(several)) for group, several in used.items()}


def credits_in(url: str) -> list[str]:
    """What the licences of the factors behind all figures of a database want to be shown.

    Raises:
        ConfigurationError, DeliveryRefusedError, RetryLaterError: as :func:`sums`.
    """
    with opened(url) as connection:
        found = _credits(connection, sa.null(), None)
    return [credit for several in found.values() for credit in several]


def write_rows(url: str, out: IO[str], *, table: str = "calls", format: str = "csv") -> int:
    """All rows of a table as CSV or JSON Lines. Returns how many.

    Raises:
        ConfigurationError: not a database URL, an unknown table or format.
        DeliveryRefusedError: the database or its tables are missing, or of another version.
        RetryLaterError: the database cannot be read.
    """
    tables = {"calls": CALLS, "runs": RUNS}
    if table not in tables or format not in ("csv", "jsonl"):
        raise ConfigurationError(
            f"expected table 'calls' or 'runs' and format 'csv' or 'jsonl', "
            f"not {table!r} and {format!r}"
        )
    count = 0
    columns = list(tables[table].c.keys())
    writer = csv.writer(out)
    if format == "csv":
        writer.writerow(columns)
    for row in _rows(url, tables[table]):
        count += 1
        if format == "csv":
            writer.writerow([_cell(value) for value in row])
        else:
            fields = dict(zip(columns, row, strict=True))
            out.write(json_text(fields, default=str) + "\n")
    return count


def _cell(value: Any) -> Any:
    return csv_cell(json.dumps(value) if isinstance(value, list | dict) else value)


def _rows(url: str, table: sa.Table) -> Iterator[tuple[Any, ...]]:
    with opened(url) as connection:
        order = sa.select(table).order_by(table.c.started_at, table.c.id)
        for row in connection.execution_options(yield_per=1000).execute(order):
            yield tuple(as_utc(v) if isinstance(v, datetime) else v for v in row)


@contextmanager
def opened(url: str) -> Iterator[sa.Connection]:
    parsed = parse_url(url)
    path = sqlite_file(parsed)
    if path is not None and not path.exists():  # connecting would make it
        raise DeliveryRefusedError(f"there is no database {path}")
    engine = connect(parsed, write=False)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(sa.text("set time zone 'UTC'"))  # what a day is, as in SQLite
                connection.execute(sa.text("set transaction read only"))
            elif engine.dialect.name == "sqlite":
                connection.execute(sa.text("pragma query_only = on"))
            check_schema(connection)
            yield connection
    except sa.exc.SQLAlchemyError as error:
        raise RetryLaterError(explain(error, parsed)) from None
    finally:
        engine.dispose()


def _known_sum(name: str, among: str = "energy_kwh_min") -> sa.ColumnElement[float | None]:
    """The sum of a figure; unknown where a call that has ``among`` does not have it."""
    column = CALLS.c[name]
    complete = sa.func.count(column) == sa.func.count(CALLS.c[among])
    return sa.case((complete, sa.func.sum(column)))
