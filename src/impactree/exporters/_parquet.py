"""Parquet: a file per batch of model calls in one folder, for pandas, DuckDB, Spark."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impactree.delivery.exporter import SpooledExporter
from impactree.delivery.forks import held_off
from impactree.exceptions import ConfigurationError, MissingExtraError
from impactree.runs import LABELS
from impactree.store.rows import call_row, credits_for
from impactree.values.criteria import FLAT_COLUMNS, MARKET_COLUMNS, PART_COLUMNS

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise MissingExtraError("parquet", "pyarrow") from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from impactree.delivery.codec import Tree

__all__ = ["ParquetExporter"]

_TEXT = (
    *("id", "run_id", "parent_id", "run_name", "name", "kind", *LABELS, "status"),
    *("provider", "model", "zone", "tokens_source", "grade", "warnings", "errors", "method"),
)
_MAX_LINGER_S = 3600.0
FORMAT = 2
"""Version of the columns, in each file's metadata: 1 had no means, and did not say so."""
_COUNTS = ["input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens"]


def _schema(credits: Iterable[str] = ()) -> Any:
    time = pa.timestamp("us", tz="UTC")
    fields = [(name, pa.string()) for name in _TEXT]
    fields += [(name, pa.int64()) for name in (*_COUNTS, "revision")]
    fields += [("cached", pa.bool_()), ("started_at", time), ("ended_at", time)]
    fields += [(name, pa.float64()) for name in (*FLAT_COLUMNS, *PART_COLUMNS, *MARKET_COLUMNS)]
    metadata = {"impactree.format": str(FORMAT), "impactree.credits": "\n".join(credits)}
    return pa.schema([*fields, ("latency_s", pa.float64())], metadata=metadata)


class ParquetExporter(SpooledExporter):
    """Writes model calls to ``calls-*.parquet`` files in a folder, one file per batch.

    A call stands there once per revision of its root run: readers keep the highest ``revision``
    of each ``run_id``. Roots without a model call leave no row. Many small files are for a query
    engine to read or compact; for single runs JSON Lines or SQL fit better.

    Each file's metadata says its format (``impactree.format``) and what the licences of the
    electricity factors want to be shown (``impactree.credits``, one a line).

    Args:
        folder: Where the files go; made when it is not there.
        linger_s: How long a file waits for more calls to come, s; a flush does not.

    Raises:
        ConfigurationError: ``linger_s`` is no time.
    """

    def __init__(self, folder: str | Path, *, linger_s: float = 10.0) -> None:
        if not 0 <= linger_s <= _MAX_LINGER_S:
            raise ConfigurationError(
                f"linger_s must be 0 to {_MAX_LINGER_S:.0f} seconds, not {linger_s!r:.80}"
            )
        self.linger_s = linger_s
        self.folder = Path(folder).absolute()
        self._destination = f"parquet:{self.folder}"

    @property
    def destination(self) -> str:
        """``parquet:`` and the folder."""
        return self._destination

    def deliver(self, trees: Sequence[Tree]) -> None:
        """One new file, visible only when it is whole."""
        rows = [_row(tree, run) for tree in trees for run in tree.root.walk() if run.call]
        if not rows:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"calls-{rows[0]['started_at']:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}.parquet"
        part = self.folder / f".{name}.part"
        credited = credits_for(trees)
        with held_off():  # Arrow's threads are not there in a child
            try:
                table = pa.Table.from_pylist(rows, _schema(credited))
                pq.write_table(table, part, compression="zstd")
                part.replace(self.folder / name)
            finally:
                part.unlink(missing_ok=True)

    def delivered(self, keys: Set[tuple[str, int]]) -> Set[tuple[str, int]]:
        """Which keys the folder's files hold already."""
        found: set[tuple[str, int]] = set()
        for path in self.folder.glob("calls-*.parquet"):
            table = pq.read_table(path, columns=["run_id", "revision"])
            found.update(zip(*(column.to_pylist() for column in table.columns), strict=True))
        return found & keys


def _row(tree: Tree, run: Any) -> dict[str, Any]:
    return {
        **call_row(run),
        "run_name": tree.root.name,
        "revision": tree.root.revision,
        "method": tree.method,
    }
