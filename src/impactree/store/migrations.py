"""How a database of an older version becomes one of the present version, step by step.

Each step is frozen: it spells out what it does and never looks at today's tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MIGRATIONS"]

_V1: Final = sa.MetaData()
_TIME: Final = sa.DateTime(timezone=True)
_STEMS: Final = ("energy_kwh", "gwp_kgco2eq", "adpe_kgsbeq", "pe_mj", "water_l")


def _ends() -> list[sa.Column[float | None]]:
    return [sa.Column(f"{stem}_{end}", sa.Double) for stem in _STEMS for end in ("min", "max")]


sa.Table("impactree_schema", _V1, sa.Column("version", sa.Integer, nullable=False))

_RUNS: Final = sa.Table(
    "impactree_runs",
    _V1,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("started_at", _TIME, nullable=False, index=True),
    sa.Column("ended_at", _TIME),
    sa.Column("latency_s", sa.Double),
    sa.Column("method", sa.String(64), nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
    sa.Column("estimated_calls", sa.Integer, nullable=False),
    sa.Column("unestimated_calls", sa.Integer, nullable=False),
    sa.Column("input_tokens", sa.BigInteger, nullable=False),
    sa.Column("output_tokens", sa.BigInteger, nullable=False),
    *_ends(),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("metadata", sa.JSON, nullable=False),
)

_CALLS: Final = sa.Table(
    "impactree_calls",
    _V1,
    sa.Column("run_id", sa.String(64), sa.ForeignKey(_RUNS.c.id), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("parent_id", sa.String(64)),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("agent", sa.Text),
    sa.Column("node", sa.Text),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("cached", sa.Boolean, nullable=False),
    sa.Column("started_at", _TIME, nullable=False, index=True),
    sa.Column("ended_at", _TIME),
    sa.Column("provider", sa.Text),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("zone", sa.String(8)),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("cached_input_tokens", sa.BigInteger),
    sa.Column("reasoning_tokens", sa.BigInteger),
    sa.Column("tokens_source", sa.String(16), nullable=False),
    sa.Column("latency_s", sa.Double),
    sa.Column("grade", sa.String(16)),
    sa.Column("warnings", sa.Text, nullable=False),
    sa.Column("errors", sa.Text, nullable=False),
    *_ends(),
)


def _to_1(connection: sa.Connection) -> None:
    _V1.create_all(connection)


def _to_2(connection: sa.Connection) -> None:
    """Ids of up to 255 characters. SQLite does not hold texts to their length."""
    if connection.dialect.name == "postgresql":
        for table, column in (
            ("impactree_runs", "id"),
            ("impactree_calls", "run_id"),
            ("impactree_calls", "id"),
            ("impactree_calls", "parent_id"),
        ):
            connection.execute(
                sa.text(f"alter table {table} alter column {column} type varchar(255)")
            )


def _to_3(connection: sa.Connection) -> None:
    """A mean for every figure, until now the middle of the range; what the energy goes into.

    And what a call worked for: of earlier ones only agent and node are known. Zones of up to 16
    characters; market-based figures, unknown of earlier calls.
    """
    kind = "double precision" if connection.dialect.name == "postgresql" else "double"
    for table in ("impactree_runs", "impactree_calls"):
        for stem in _STEMS:
            mean = f"{stem}_mean"
            connection.execute(sa.text(f"alter table {table} add column {mean} {kind}"))
            ends = f"({stem}_min + {stem}_max) / 2"
            connection.execute(sa.text(f"update {table} set {mean} = {ends}"))  # noqa: S608
        for part in ("input", "cached", "output", "host", "overhead"):
            column = f"energy_{part}_kwh"
            connection.execute(sa.text(f"alter table {table} add column {column} {kind}"))
        for end in ("min", "mean", "max"):
            column = f"gwp_market_based_kgco2eq_{end}"
            connection.execute(sa.text(f"alter table {table} add column {column} {kind}"))
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.text("alter table impactree_calls alter column zone type varchar(16)")
        )
    for column in ("step", "thread", "tool", "user"):
        connection.execute(sa.text(f'alter table impactree_calls add column "{column}" text'))


MIGRATIONS: list[Callable[[sa.Connection], None]] = [_to_1, _to_2, _to_3]
"""Step n brings version n to n + 1; a new version appends one, none is ever changed."""
