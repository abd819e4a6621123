"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["replacing", "write_credits"]


@contextmanager
def replacing(path: str | os.PathLike[str], *, binary: bool = False) -> Iterator[IO[Any]]:
    """A new file beside ``path`` that takes its place when the block ends well."""
    target = Path(path)
    number, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    try:
        with (
            os.fdopen(number, "wb")
            if binary
            else os.fdopen(number, "w", encoding="utf-8", errors="replace", newline="")
        ) as file:
            yield file
        _like_any_other(Path(name), target)
        Path(name).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def write_credits(path: str | os.PathLike[str], credits: Iterable[str]) -> None:
    """What licences want to be shown, one a line, beside a file: with ``.credits.txt`` after it."""
    lines = [f"{clean(credit)}\n" for credit in credits]
    if lines:
        with replacing(f"{os.fspath(path)}.credits.txt") as file:
            file.writelines(lines)


def _like_any_other(new: Path, old: Path) -> None:
    """The permissions that the file has, or that a new one would get."""
    if old.exists():
        new.chmod(old.stat().st_mode & 0o777)
        return
    mask = os.umask(0)
    os.umask(mask)
    new.chmod(0o666 & ~mask)
