"""Parquet: a file per batch of model calls in one folder, for pandas, DuckDB, Spark."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impactree.delivery.exporter import SpooledExporter
from impactree.delivery.forks import held_off
from impactree.delivery.turns import in_turns
from impactree.exceptions import ConfigurationError, MissingExtraError
from impactree.runs import LABELS
from impactree.store.rows import call_row, credits_for
from impactree.values.criteria import FLAT_COLUMNS, MARKET_COLUMNS, PART_COLUMNS
from impactree.values.sources import SOURCE_FIGURES
from impactree.values.times import resolved_at
from impactree.values.training import TRAINING_CALLS, TRAINING_FIGURES, TRAINING_SHARED

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise MissingExtraError("parquet", "pyarrow") from error

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from impactree.delivery.codec import Tree, TreeKey

__all__ = ["ParquetExporter"]

_TEXT = (
    *("id", "run_id", "parent_id", "run_name", "name", "kind", *LABELS, "status"),
    *("provider", "model", "zone", "tokens_source", "grade", "warnings", "errors", "method"),
    "source",
    "resolution",
)
_MAX_LINGER_S = 3600.0
FORMAT = 2
"""Version of the columns, in each file's metadata: 1 had no means, and did not say so."""
_COUNTS = [
    *("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens"),
    *("frames", "count", "steps", "characters"),
]


def _schema(credits: Iterable[str] = ()) -> Any:
    time = pa.timestamp("us", tz="UTC")
    fields = [(name, pa.string()) for name in _TEXT]
    fields += [(name, pa.int64()) for name in (*_COUNTS, "revision")]
    times = ("started_at", "ended_at", "run_started_at")
    fields += [("cached", pa.bool_()), ("sound", pa.bool_()), *((name, time) for name in times)]
    real = (*FLAT_COLUMNS, *PART_COLUMNS, *MARKET_COLUMNS, *TRAINING_FIGURES, *SOURCE_FIGURES)
    fields += [(name, pa.float64()) for name in real]
    fields += [(TRAINING_CALLS, pa.int64()), (TRAINING_SHARED, pa.string())]
    fields += [("latency_s", pa.float64()), ("seconds", pa.float64())]
    metadata = {"impactree.format": str(FORMAT), "impactree.credits": "\n".join(credits)}
    return pa.schema(fields, metadata=metadata)


class ParquetExporter(SpooledExporter):
    """Writes model calls to ``calls-*.parquet`` files in a folder, one file per batch.

    A call stands there once per revision of its root run: readers keep the highest ``revision``
    of each ``run_id`` and ``run_started_at``. Roots without a model call leave no row. Many small
    files are for a query engine to read or compact; for single runs JSON Lines or SQL fit better.

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
        rows = [_row(tree, run) for tree in in_turns(trees) for run in tree.root.calls]
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

    def delivered(self, keys: Set[TreeKey]) -> Set[TreeKey]:
        """Which keys the folder's files hold already."""
        found: set[tuple[Any, ...]] = set()
        for path in self.folder.glob("calls-*.parquet"):
            names = {"run_id", "run_started_at", "revision"} & {*pq.read_schema(path).names}
            rows = pq.read_table(path, columns=sorted(names)).to_pylist()
            found.update((r["run_id"], r.get("run_started_at"), r["revision"]) for r in rows)
        # Files of before the start was there hold a run of any.
        return {k for k in keys if found & {(k[0], t, k[2]) for t in (resolved_at(k[1]), None)}}


def _row(tree: Tree, run: Any) -> dict[str, Any]:
    return {
        **call_row(run),
        "run_name": tree.root.name,
        "revision": tree.root.revision,
        "method": tree.method,
    }
