"""Where impacts go: a folder with a Parquet file per day, replaced as a whole, and stamped."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

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
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from impactree.engine import Engine

__all__ = ["GWP", "Folder", "Output", "Stamp", "lock", "stamp_of", "without_credentials"]

Stamp = dict[str, Any]
_STAMP: Final = b"impactree.stamp"
_CREDITS: Final = b"impactree.credits"
_PART: Final = ".part-"
_WORK: Final = ".work-"
"""How names begin of what is on the way; a run that was killed leaves it to the next."""
GWP: Final = "gwp_kgco2eq_mean"


class Output(Protocol):
    """Where impacts go, a day as a whole."""

    def held(self, wait_s: float) -> AbstractContextManager[Path]:
        """Keep others from writing; gives a folder for what is on the way.

        Raises:
            TableError: another run kept it longer than ``wait_s``, or it is of another kind.
        """
        ...

    def stamp(self, day: dt.date | None) -> Stamp | None:
        """The stamp of a day; None: there is none."""
        ...

    def write(
        self,
        batches: Iterable[pa.RecordBatch],
        stamps: Mapping[dt.date | None, Stamp],
        credits_on: Callable[[dt.date | None], Iterable[str]],
        progress: Callable[[dt.date | None], None],
    ) -> None:
        """Replace days.

        Args:
            batches: Rows, in the order of their days.
            stamps: Of each day that is replaced.
            credits_on: What licences want to be shown of a day's figures.
            progress: Told each day that is done.
        """
        ...

    def write_plans(self, plans: pa.Table, stamp: Stamp) -> None:
        """The plans behind the figures, for who wants to check them; no credentials."""
        ...

    def by_model(self, days: Iterable[dt.date | None]) -> dict[str, float]:
        """Expected greenhouse gases by model, kgCO2eq, of days that are there and tell models."""
        ...


@contextmanager
def lock(target: Path, file: Path, work: str, wait_s: float) -> Iterator[Path]:
    """Only one run at a time writes; what one left that died goes.

    Args:
        target: What is written, for the message.
        file: Locked.
        work: How names of folders begin, beside that file, for what is on the way.
        wait_s: How long to wait for another run.

    Raises:
        TableError: another run kept it longer.
    """
    folder = file.parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked_file(file, timeout_s=wait_s):
            for left in folder.glob(f"{work}*"):
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(dir=folder, prefix=work) as made:
                yield folder / made
    except TimeoutError:
        raise TableError(f"{target}: another run writes there; wait for it, or --wait") from None


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


class Folder:
    """A folder: a Parquet file per day; of calls whose day nobody knows ``day=unknown.parquet``.

    Each is visible only when it is whole. ``_plans.arrow`` holds the plans.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def held(self, wait_s: float) -> Iterator[Path]:
        """Keep others from writing."""
        with lock(self.path, self.path / ".lock", _WORK, wait_s) as work:
            for left in self.path.glob(f"{_PART}*"):
                left.unlink()
            yield work

    def stamp(self, day: dt.date | None) -> Stamp | None:
        """The stamp of a day's file; None: there is no file, or it has none."""
        try:
            metadata = pq.read_schema(self._file(day)).metadata or {}
        except (FileNotFoundError, pa.ArrowInvalid):
            return None
        return json.loads(metadata[_STAMP]) if _STAMP in metadata else None

    def write(
        self,
        batches: Iterable[pa.RecordBatch],
        stamps: Mapping[dt.date | None, Stamp],
        credits_on: Callable[[dt.date | None], Iterable[str]],
        progress: Callable[[dt.date | None], None],
    ) -> None:
        """A file per day."""
        for day, rows in _by_day(batches):
            part = self._part(str(day))
            writer = None
            for table in rows:
                if writer is None:
                    about = {_STAMP: json.dumps(stamps[day]), _CREDITS: "\n".join(credits_on(day))}
                    writer = pq.ParquetWriter(part, table.schema.with_metadata(about))
                writer.write_table(table.replace_schema_metadata(writer.schema.metadata))
            assert writer is not None  # noqa: S101
            writer.close()
            part.replace(self._file(day))
            progress(day)

    def write_plans(self, plans: pa.Table, stamp: Stamp) -> None:
        """The plans behind the figures."""
        part = self._part("plans")
        about = {_STAMP: json.dumps(stamp)}
        table = without_credentials(plans).replace_schema_metadata(about)
        pyarrow.feather.write_feather(table, part)
        part.replace(self.path / "_plans.arrow")

    def by_model(self, days: Iterable[dt.date | None]) -> dict[str, float]:
        """Expected greenhouse gases by model, kgCO2eq."""
        found: dict[str, float] = {}
        for path in map(self._file, days):
            if not path.exists() or "model" not in pq.read_schema(path).names:
                continue
            table = pq.read_table(path, columns=["model", GWP])
            for model, gwp in zip(table["model"].to_pylist(), table[GWP].to_pylist(), strict=True):
                found[model] = found.get(model, 0.0) + (gwp or 0.0)
        return found

    def _file(self, day: dt.date | None) -> Path:
        return self.path / f"day={day or 'unknown'}.parquet"

    def _part(self, name: str) -> Path:
        return self.path / f"{_PART}{os.getpid()}-{name}"


def without_credentials(plans: pa.Table) -> pa.Table:
    """Plans whose addresses hold no passwords."""
    name = f"{KEY}base_url"
    if name not in plans.column_names:
        return plans
    urls = [u and without_secrets(u) for u in plans[name].to_pylist()]
    return plans.set_column(plans.column_names.index(name), name, pa.array(urls, pa.string()))


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
