"""The tables as they are now, and whether a database has them."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from impactree.delivery.errors import DeliveryRefusedError
from impactree.store.migrations import MIGRATIONS
from impactree.values.criteria import FLAT_COLUMNS, MARKET_COLUMNS, PART_COLUMNS
from impactree.values.sources import SOURCE_FIGURES
from impactree.values.training import TRAINING_CALLS, TRAINING_FIGURES, TRAINING_SHARED

__all__ = ["CALLS", "RUNS", "check_schema", "prepare_schema"]

_metadata: Final = sa.MetaData()
_TIME: Final = sa.DateTime(timezone=True)
_ID: Final = sa.String(255)  # LlamaIndex's ids hold the names of class and method
_LOCK_KEY: Final = 0x1_1AAC_7EEE  # PostgreSQL's advisory lock: one process migrates


def _figures() -> list[sa.Column[Any]]:
    names = (*FLAT_COLUMNS, *PART_COLUMNS, *MARKET_COLUMNS, *TRAINING_FIGURES, *SOURCE_FIGURES)
    return [
        *(sa.Column(name, sa.Double) for name in names),
        sa.Column(TRAINING_CALLS, sa.Integer),
        sa.Column(TRAINING_SHARED, sa.Text),
        sa.Column("source", sa.String(16)),
    ]


SCHEMA: Final = sa.Table(
    "impactree_schema", _metadata, sa.Column("version", sa.Integer, nullable=False)
)

RUNS: Final = sa.Table(
    "impactree_runs",
    _metadata,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("started_at", _TIME, primary_key=True, index=True),
    sa.Column("ended_at", _TIME),
    sa.Column("latency_s", sa.Double),
    sa.Column("method", sa.String(64), nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("estimated_calls", sa.Integer, nullable=False),
    sa.Column("unestimated_calls", sa.Integer, nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    *_figures(),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
)

CALLS: Final = sa.Table(
    "impactree_calls",
    _metadata,
    sa.Column("run_id", _ID, primary_key=True),
    sa.Column("run_started_at", _TIME, primary_key=True),
    sa.Column("id", _ID, primary_key=True),
    sa.Column("parent_id", _ID),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("agent", sa.Text),
    sa.Column("node", sa.Text),
    sa.Column("step", sa.Text),
    sa.Column("thread", sa.Text),
    sa.Column("tool", sa.Text),
    sa.Column("user", sa.Text),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("cached", sa.Boolean, nullable=False),
    sa.Column("started_at", _TIME, nullable=False, index=True),
    sa.Column("ended_at", _TIME),
    sa.Column("provider", sa.Text),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("zone", sa.String(16)),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("cached_input_tokens", sa.BigInteger),
    sa.Column("reasoning_tokens", sa.BigInteger),
    sa.Column("resolution", sa.String(16)),
    sa.Column("seconds", sa.Double),
    sa.Column("frames", sa.BigInteger),
    sa.Column("sound", sa.Boolean),
    sa.Column("count", sa.BigInteger),
    sa.Column("steps", sa.BigInteger),
    sa.Column("characters", sa.BigInteger),
    sa.Column("tokens_source", sa.String(16), nullable=False),
    sa.Column("latency_s", sa.Double),
    sa.Column("grade", sa.String(16)),
    sa.Column("warnings", sa.Text, nullable=False),
    sa.Column("errors", sa.Text, nullable=False),
    *_figures(),
    sa.ForeignKeyConstraint(["run_id", "run_started_at"], [RUNS.c.id, RUNS.c.started_at]),
)


def prepare_schema(connection: sa.Connection) -> None:
    """Create the tables, or bring an older version up to date, inside the transaction.

    Raises:
        DeliveryRefusedError: the tables are of a newer impactree, or one is missing.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK_KEY)))
    version = _version(connection)
    for step in MIGRATIONS[version:]:
        step(connection)
    if version < len(MIGRATIONS):
        connection.execute(sa.delete(SCHEMA))
        connection.execute(sa.insert(SCHEMA).values(version=len(MIGRATIONS)))
    check_schema(connection)


def check_schema(connection: sa.Connection) -> None:
    """Whether the tables are there, in the present version.

    Raises:
        DeliveryRefusedError: they are not; the message says what to do.
    """
    version, newest = _version(connection), len(MIGRATIONS)
    if version > newest:
        raise DeliveryRefusedError(
            f"the tables have schema version {version}, this impactree knows {newest}: upgrade it"
        )
    inspector = sa.inspect(connection)
    missing = [t.name for t in (SCHEMA, RUNS, CALLS) if not inspector.has_table(t.name)]
    if len(missing) == len(_metadata.tables):
        raise DeliveryRefusedError("it has no tables of impactree: nothing was exported there yet")
    if missing:
        raise DeliveryRefusedError(
            f"table {', '.join(missing)} is missing: drop what is left of impactree_* to have all "
            "made again, or restore it"
        )
    if version < newest:
        raise DeliveryRefusedError(
            f"the tables have schema version {version}, needed is {newest}: connect once with a "
            "user that may alter tables"
        )


def _version(connection: sa.Connection) -> int:
    if not sa.inspect(connection).has_table(SCHEMA.name):
        return 0
    return connection.execute(sa.select(SCHEMA.c.version)).scalar() or 0
