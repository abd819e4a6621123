"""Small tables beside the calls, and how they are joined to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.tables._placing import placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import ibis.expr.types as ir
    import pyarrow as pa

__all__ = ["KEY", "Small", "codes", "joined", "small"]

KEY: Final = "key_"
"""In front of the names of columns that are joined by."""


class Small(NamedTuple):
    """A small table, and how it is joined."""

    table: pa.Table
    keys: tuple[str, ...]
    """Columns of the calls that are the same in both: what never varies is no key."""
    dated: bool = False
    """Whether its rows hold from ``valid_from`` to ``valid_to``."""


def small(keys: pa.Table, others: dict[str, Any]) -> Small:
    """A table of what each combination of keys means.

    Args:
        keys: The combinations, under the names that they have in the calls.
        others: Columns of Arrow; with ``valid_from`` and ``valid_to`` a combination may come again.
    """
    table = keys.rename_columns([KEY + name for name in keys.column_names])
    for name, column in others.items():
        table = table.append_column(name, column)
    several = keys.num_rows > _distinct(keys, keys.column_names)
    return Small(table, _varying(keys), several)


def _varying(keys: pa.Table) -> tuple[str, ...]:
    """The keys that tell rows apart; at least one, so that there is something to join by."""
    found = tuple(name for name in keys.column_names if _distinct(keys, [name]) > 1)
    return found or (() if keys.num_rows == 1 else tuple(keys.column_names[:1]))


def _distinct(table: pa.Table, names: Sequence[str]) -> int:
    return int(table.group_by(list(names)).aggregate([]).num_rows)


def joined(calls: ir.Table, beside: Small) -> ir.Table:
    """Each call with its row of a small table; without one, nulls."""
    other = placed(beside.table, calls)
    conditions = [_same(calls[name], other[KEY + name], beside.table) for name in beside.keys]
    if beside.dated:
        conditions += [calls.day >= other.valid_from, calls.day <= other.valid_to]
    if not conditions:
        return calls.cross_join(other)
    return calls.left_join(other, conditions)


def _same(ours: Any, key: Any, table: pa.Table) -> Any:
    """Equal, null too; plainly where no key is null, which every engine joins by hashing."""
    plain = table[key.get_name()].null_count == 0
    return ours == key if plain else ours.identical_to(key)


def codes(messages: Iterable[Any]) -> str:
    """Each after a space, so that texts can be put together."""
    return "".join(f" {m.code}" for m in messages)
