"""A folder of impacts: a Parquet file per day, each replaced as a whole, and stamped."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from impactree import __version__
from impactree.calls.scrubbing import without_secrets
from impactree.delivery.locks import locked_file
from impactree.exceptions import TableError
from impactree.tables._small import KEY

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from impactree.engine import Engine

__all__ = ["WORK", "Stamp", "day_file", "lock", "stamp_of", "stamped", "write_days", "write_plans"]

Stamp = dict[str, Any]
_STAMP: Final = b"impactree.stamp"
_CREDITS: Final = b"impactree.credits"
_PART: Final = ".part-"
WORK: Final = ".work-"
"""How names begin of what is on the way; a run that was killed leaves it to the next."""


@contextmanager
def lock(folder: Path, wait_s: float) -> Iterator[None]:
    """Only one run at a time writes a folder; a run that dies leaves nothing half written.

    Raises:
        TableError: another run kept it longer than ``wait_s``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked_file(folder / ".lock", timeout_s=wait_s):
            for left in folder.glob(f"{_PART}*"):
                left.unlink()
            for left in folder.glob(f"{WORK}*"):
                shutil.rmtree(left)
            yield
    except TimeoutError:
        raise TableError(f"{folder}: another run writes there; wait for it, or --wait") from None


def stamp_of(engine: Engine, by: Sequence[str], at: str) -> Stamp:
    """What figures depend on besides the calls."""
    settings = dataclasses.asdict(engine.settings)
    for name in ("origins", "files", "max_runs"):
        settings.pop(name, None)
    said = json.dumps(settings, sort_keys=True, default=str)
    return {
        "impactree": __version__,
        "method": engine.method.name,
        "catalog": engine.catalog.version,
        "settings": said,
        "by": list(by),
        "at": at,
    }


def day_file(folder: Path, day: dt.date | None) -> Path:
    """The file of a day; of calls whose day nobody knows ``day=unknown.parquet``."""
    return folder / f"day={day or 'unknown'}.parquet"


def stamped(path: Path) -> Stamp | None:
    """The stamp of a file; None: there is no file, or it has none."""
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (FileNotFoundError, pa.ArrowInvalid):
        return None
    return json.loads(metadata[_STAMP]) if _STAMP in metadata else None


def write_days(
    folder: Path,
    batches: Iterable[pa.RecordBatch],
    stamps: dict[dt.date | None, Stamp],
    credits_on: Callable[[dt.date | None], Iterable[str]],
    progress: Callable[[dt.date | None], None],
) -> None:
    """Write a file per day, each visible only when it is whole.

    Args:
        folder: Where.
        batches: Rows, in the order of their days.
        stamps: Of each day.
        credits_on: What licences want to be shown of a day's figures.
        progress: Told each day that is done.
    """
    for day, rows in _by_day(batches):
        part = folder / f"{_PART}{os.getpid()}-{day}"
        writer = None
        for table in rows:
            if writer is None:
                about = {_STAMP: json.dumps(stamps[day]), _CREDITS: "\n".join(credits_on(day))}
                writer = pq.ParquetWriter(part, table.schema.with_metadata(about))
            writer.write_table(table.replace_schema_metadata(writer.schema.metadata))
        assert writer is not None  # noqa: S101
        writer.close()
        part.replace(day_file(folder, day))
        progress(day)


def _by_day(
    batches: Iterable[pa.RecordBatch],
) -> Iterator[tuple[dt.date | None, Iterator[pa.Table]]]:
    """Runs of rows of one day, each to be read before the next is asked for."""
    waiting = _pieces(batches)
    piece = next(waiting, None)
    while piece is not None:
        day = piece[0]

        def same() -> Iterator[pa.Table]:
            nonlocal piece
            while piece is not None and piece[0] == day:  # noqa: B023  # read before the next
                yield piece[1]
                piece = next(waiting, None)

        yield day, same()


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[dt.date | None, pa.Table]]:
    for batch in batches:
        table = pa.Table.from_batches([batch])
        days, start = table["day"].to_pylist(), 0
        for place in range(1, len(days) + 1):
            if place == len(days) or days[place] != days[start]:
                yield days[start], table.slice(start, place - start)
                start = place


def write_plans(folder: Path, plans: pa.Table, stamp: Stamp) -> None:
    """The plans behind the figures, for who wants to check them; no credentials."""
    name = f"{KEY}base_url"
    if name in plans.column_names:
        urls = [u and without_secrets(u) for u in plans[name].to_pylist()]
        plans = plans.set_column(plans.column_names.index(name), name, pa.array(urls, pa.string()))
    part = folder / f"{_PART}{os.getpid()}-plans"
    about = {_STAMP: json.dumps(stamp)}
    pyarrow.feather.write_feather(plans.replace_schema_metadata(about), part)
    part.replace(folder / "_plans.arrow")
