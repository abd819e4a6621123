"""How a database of an older version becomes one of the present version, step by step.

Each step is frozen: it spells out what it does and never looks at today's tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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


def _to_4(connection: sa.Connection) -> None:
    """The start is part of a run's key: an id may be used again, for another run."""
    if connection.dialect.name == "postgresql":
        for step in (
            "alter table impactree_calls add column run_started_at timestamp with time zone",
            "update impactree_calls c set run_started_at = r.started_at from impactree_runs r"
            " where r.id = c.run_id",
            "alter table impactree_calls drop constraint impactree_calls_run_id_fkey",
            "alter table impactree_calls drop constraint impactree_calls_pkey",
            "alter table impactree_runs drop constraint impactree_runs_pkey",
            "alter table impactree_runs add primary key (id, started_at)",
            "alter table impactree_calls add primary key (run_id, run_started_at, id)",
            "alter table impactree_calls add foreign key (run_id, run_started_at)"
            " references impactree_runs (id, started_at)",
        ):
            connection.execute(sa.text(step))
    else:  # SQLite cannot change a key: the tables are made anew
        _remake_with_starts(connection)


def _remake_with_starts(connection: sa.Connection) -> None:
    """Both tables with their rows, and with whatever columns somebody has added to them."""
    old = sa.MetaData()
    runs, calls = (
        sa.Table(name, old, autoload_with=connection, resolve_fks=False)
        for name in ("impactree_runs", "impactree_calls")
    )
    new = sa.MetaData()
    new_runs = sa.Table("impactree_runs_4", new, *_copied(runs, ("id", "started_at")))
    new_calls = sa.Table(
        "impactree_calls_4",
        new,
        sa.Column("run_id", sa.String(255), primary_key=True),
        sa.Column("run_started_at", _TIME, primary_key=True),
        *(column for column in _copied(calls, ("id",)) if column.name != "run_id"),
        sa.ForeignKeyConstraint(
            ["run_id", "run_started_at"], [new_runs.c.id, new_runs.c.started_at]
        ),
    )
    new.create_all(connection)
    connection.execute(sa.insert(new_runs).from_select(runs.c.keys(), sa.select(runs)))
    joined = calls.join(runs, runs.c.id == calls.c.run_id)
    rows = sa.select(*calls.c, runs.c.started_at).select_from(joined)
    names = [*calls.c.keys(), "run_started_at"]
    connection.execute(sa.insert(new_calls).from_select(names, rows))
    calls.drop(connection)
    runs.drop(connection)
    for name in ("impactree_runs", "impactree_calls"):
        connection.execute(sa.text(f"alter table {name}_4 rename to {name}"))
        connection.execute(sa.text(f"create index ix_{name}_started_at on {name} (started_at)"))


def _copied(table: sa.Table, key: tuple[str, ...]) -> list[sa.Column[Any]]:
    return [
        sa.Column(c.name, c.type, nullable=c.nullable, primary_key=c.name in key) for c in table.c
    ]


def _to_5(connection: sa.Connection) -> None:
    """The share of training, of earlier calls unknown."""
    kind = "double precision" if connection.dialect.name == "postgresql" else "double"
    for table in ("impactree_runs", "impactree_calls"):
        for stem in _STEMS:
            for end in ("min", "mean", "max"):
                column = f"training_{stem}_{end}"
                connection.execute(sa.text(f"alter table {table} add column {column} {kind}"))
        connection.execute(sa.text(f"alter table {table} add column training_calls integer"))
        connection.execute(sa.text(f"alter table {table} add column training_shared_over text"))


def _to_6(connection: sa.Connection) -> None:
    """What a call made or took in beside tokens, of earlier calls unknown."""
    real = "double precision" if connection.dialect.name == "postgresql" else "double"
    for column, kind in (
        ("resolution", "varchar(16)"),
        ("seconds", real),
        ("frames", "bigint"),
        ("sound", "boolean"),
        ("count", "bigint"),
        ("steps", "bigint"),
        ("characters", "bigint"),
    ):
        connection.execute(sa.text(f'alter table impactree_calls add column "{column}" {kind}'))


def _to_7(connection: sa.Connection) -> None:
    """Where the energy comes from: all of it was estimated until now."""
    kind = "double precision" if connection.dialect.name == "postgresql" else "double"
    for table in ("impactree_runs", "impactree_calls"):
        for source in ("measured", "modelled", "reported", "estimated"):
            column = f"energy_{source}_kwh"
            connection.execute(sa.text(f"alter table {table} add column {column} {kind}"))
        connection.execute(sa.text(f"alter table {table} add column source varchar(16)"))
    of_calls = "energy_kwh_mean is not null and "
    for table, holds in (
        ("impactree_runs", f"{of_calls} estimated_calls > 0"),
        ("impactree_calls", f"{of_calls} not cached"),
    ):
        connection.execute(
            sa.text(
                f"update {table} set source = 'estimated', energy_estimated_kwh = energy_kwh_mean,"  # noqa: S608
                " energy_measured_kwh = 0, energy_modelled_kwh = 0, energy_reported_kwh = 0"
                f" where {holds}"
            )
        )


MIGRATIONS: list[Callable[[sa.Connection], None]] = [
    _to_1,
    _to_2,
    _to_3,
    _to_4,
    _to_5,
    _to_6,
    _to_7,
]
"""Step n brings version n to n + 1; a new version appends one, none is ever changed."""
