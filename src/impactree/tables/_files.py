"""Files of logs: what each holds, found by its content, and its records one after the other."""

from __future__ import annotations

import csv
import gzip
import json
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from impactree.exceptions import TableError
from impactree.tables.readers import READERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from impactree.tables.readers import Reader

__all__ = ["Source", "found", "records"]

_GZIP: Final = b"\x1f\x8b"
_PARQUET: Final = b"PAR1"
_BATCH: Final = 20_000
_IGNORED: Final = (".", "_")
"""How names begin of files that no engine reads either."""


class Source(NamedTuple):
    """A file and what it is."""

    path: Path
    form: str
    """``parquet``, ``csv``, ``lines`` or ``json``."""
    reader: Reader | None
    """None: a plain table, whose columns say it all."""
    columns: tuple[str, ...]
    """Of a table, or the keys of the first record."""


def found(paths: Sequence[Path], mapping: dict[str, str]) -> list[Source]:
    """What is in these files and folders.

    Args:
        paths: Files and folders.
        mapping: The user's columns by ours: such files are plain tables.

    Raises:
        TableError: nothing is there, a file is of no known format, or a folder mixes formats.
    """
    sources: list[Source] = []
    for path in paths:
        files = _files(path)
        here = [_source(file, mapping) for file in files]
        kinds = {source.reader.name if source.reader else "plain table" for source in here}
        if len(kinds) > 1:
            other = next(s for s in here if s.reader is not here[0].reader)
            raise TableError(
                f"{other.path}: expected {_name(here[0])} as in {here[0].path.name}, found "
                f"{_name(other)}: give each format a folder of its own"
            )
        sources += here
    return sources


def _name(source: Source) -> str:
    return source.reader.name if source.reader else "a plain table"


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        inside = (p for p in sorted(path.rglob("*")) if p.is_file())
        files = [p for p in inside if not _hidden(p.relative_to(path))]
        if not files:
            raise TableError(f"{path}: the folder is empty; expected files of calls")
        return files
    if not path.exists():
        raise TableError(f"{path}: no such file or folder")
    return [path]


def _hidden(path: Path) -> bool:
    return any(part.startswith(_IGNORED) for part in path.parts)


def _source(path: Path, mapping: dict[str, str]) -> Source:
    form = _form(path)
    first = next(records(path, form), None)
    if first is None:
        raise TableError(f"{path}: no records; expected at least one call")
    columns = tuple(map(str, first))
    matching = [reader for reader in READERS if reader.recognises(first)]
    if mapping or (not matching and form in ("parquet", "csv")):
        return Source(path, form, None, columns)
    if len(matching) == 1:
        return Source(path, form, matching[0], columns)
    known = ", ".join(reader.name for reader in matching or READERS)
    raise TableError(f"{path}: expected one of {known}; found {', '.join(columns)[:200]}")


def _form(path: Path) -> str:
    """What a file is by its first bytes, whatever its name."""
    with path.open("rb") as file:
        if file.read(4) == _PARQUET:
            return "parquet"
    with opened(path) as text:
        try:
            head = text.read(1 << 16).lstrip("\ufeff \t\r\n")
        except (UnicodeDecodeError, EOFError, OSError) as error:
            raise TableError(f"{path}: expected Parquet, CSV or JSON, in UTF-8: {error}") from error
    if not head:
        raise TableError(f"{path}: the file is empty; expected calls as Parquet, CSV or JSON")
    if head[0] not in "{[":
        return "csv"
    line, newline, _ = head.partition("\n")
    try:
        return "lines" if newline and isinstance(json.loads(line), dict) else "json"
    except ValueError:
        return "lines" if newline and _is_cut(head) else "json"


def _is_cut(head: str) -> bool:
    """Whether the first line is one long record, longer than what was looked at."""
    return len(head.partition("\n")[0]) > 1000 and head.count("\n") == 0


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """The file's text, decompressed."""
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
    if packed:
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as text:
            yield text
    else:
        with path.open(encoding="utf-8-sig", newline="") as text:
            yield text


def records(path: Path, form: str) -> Iterator[dict[str, Any]]:
    """The records of a file, in order.

    Raises:
        TableError: the file is cut off, or a record is none; the message names file and line.
    """
    reading = {"parquet": _parquet, "csv": _csv, "lines": _lines, "json": _json}[form]
    try:
        yield from reading(path)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise TableError(f"{path}: expected whole records, in UTF-8: {error}") from error


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH):
                yield from _plain(batch).to_pylist()
    except (pa.ArrowInvalid, OSError) as error:
        raise TableError(f"{path}: expected a whole Parquet file: {error}"[:300]) from error


def _plain(batch: Any) -> Any:
    """Times to the µs: ns need pandas to become Python's."""
    import pyarrow as pa

    for place, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            kind = pa.timestamp("us", field.type.tz)
            column = batch.column(place).cast(kind, safe=False)
            batch = batch.set_column(place, pa.field(field.name, kind), column)
    return batch


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with opened(path) as text:
        rows = csv.DictReader(text, strict=True)
        try:
            for row in rows:
                if None in row or None in row.values():
                    wanted = len(rows.fieldnames or ())
                    raise TableError(
                        f"{path}: line {rows.line_num}: expected {wanted} columns as in the first "
                        "line; the file may be cut off"
                    )
                yield row
        except csv.Error as error:
            raise TableError(f"{path}: line {rows.line_num}: expected CSV: {error}") from error


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with opened(path) as text:
        for number, line in enumerate(text, 1):
            if not line.strip():
                continue
            try:
                record = json.loads(line)
            except ValueError as error:
                raise TableError(
                    f"{path}: line {number}: expected a JSON object; the file may be cut off: "
                    f"{error}"
                ) from error
            yield _object(path, record, f"line {number}")


def _json(path: Path) -> Iterator[dict[str, Any]]:
    with opened(path) as text:
        try:
            whole = json.load(text)
        except ValueError as error:
            raise TableError(f"{path}: expected JSON; the file may be cut off: {error}") from error
    for number, record in enumerate(whole if isinstance(whole, list) else [whole], 1):
        yield _object(path, record, f"record {number}")


def _object(path: Path, record: Any, place: str) -> dict[str, Any]:
    if not isinstance(record, dict):
        kind = type(record).__name__
        raise TableError(f"{path}: {place}: expected a JSON object, not {kind}")
    return record
