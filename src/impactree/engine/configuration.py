"""Configuration, from three sources.

Arguments go before ``IMPACTREE_*`` variables, and those before ``impactree.toml`` or the table
``[tool.impactree]`` of ``pyproject.toml``, whichever is nearest upward from the working directory.
Where nothing is configured, nothing is parsed and pydantic stays unimported. Variables and files
are read once, and again when one of them has changed.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.engine.settings import PREFIX, Settings
from impactree.loops import off_loop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Surroundings", "find_file", "load_settings", "surroundings"]

_PLAIN: Final = frozenset({"method", "region", "zone"})
"""Arguments that the engine checks itself, against the catalog."""
_LOOK_EVERY_S: Final = 0.0005
"""Looking at folder and files takes as long as an estimate."""
_LOOKS_AT_FIRST: Final = 16
"""So many times in a row it is done for every estimate: what changed once may change again."""
_RECENT_NS: Final = 50_000_000
"""Of a file that changed so lately, the next change may leave time and size as they are."""
# The dictionary behind os.environ, looked up in a fraction of the time; its keys may be bytes.
_environ: Final[Any] = getattr(os.environ, "_data", os.environ)
_PREFIX: Final[Any] = PREFIX if _environ is os.environ else os.environ.encodekey(PREFIX)


class Surroundings:
    """Variables, working directory and configuration files as they were at one moment."""

    def __init__(self) -> None:
        self._all = dict(_environ)
        self._names, self._ours = list(self._all), _variables(self._all)
        self._look_around()
        self._files: dict[str, object] = {}
        self.watch([] if self.file is None else [self.file])
        self._looks, self._looked = 0, 0.0

    def _look_around(self) -> None:
        self._folder = _working_directory()
        folder = None if self._folder is None else Path(self._folder)
        places = () if folder is None else (folder, *folder.parents)
        # A folder's time changes with what comes and goes; files may get our table.
        projects = [p for place in places if (p := place / "pyproject.toml").exists()]
        self._around = _stamps((*places, *projects))
        self.file = None if folder is None else find_file(folder)
        """The configuration file; None without one."""

    @cached_property
    def layers(self) -> list[Any]:
        """What file and variables say, checked; least specific first."""
        if self.file is None and not self._ours:
            return []
        from impactree.engine import settings_sources

        return settings_sources.read_layers(self.file)

    def watch(self, files: Iterable[Path]) -> None:
        """What else settings were read from."""
        self._files.update(_stamps(files))

    def seem_to_hold(self) -> bool:
        """Whether nothing has changed since a look at folder and files a moment ago."""
        return (
            self._looks > _LOOKS_AT_FIRST
            and time.monotonic() - self._looked < _LOOK_EVERY_S
            and list(_environ) == self._names
            and (not self._ours or self._ours == {name: _environ.get(name) for name in self._ours})
        )

    def hold(self) -> bool:
        """Whether all that settings depend on is still as it was."""
        if _environ != self._all:
            found = dict(_environ)  # at once: other threads may set more
            if _variables(found) != self._ours:
                return False
            self._all, self._names = found, list(found)
        self._looks, self._looked = self._looks + 1, time.monotonic()
        if not _unchanged(self._files):
            return False
        if _working_directory() == self._folder and _unchanged(self._around):
            return True
        before = self._folder, self.file
        self._look_around()
        # A model file's relative path starts from the working directory.
        return before == (self._folder, self.file)


_latest: Surroundings | None = None


def surroundings() -> Surroundings:
    """The surroundings now: the same object as before when nothing has changed."""
    latest = _latest
    if latest is not None and latest.seem_to_hold():
        return latest
    return off_loop(_surroundings)


def _surroundings() -> Surroundings:
    global _latest
    latest = _latest
    if latest is None or not latest.hold():
        latest = _latest = Surroundings()
    return latest


def load_settings(given: Mapping[str, Any]) -> Settings:
    """Merge the arguments given with the environment and the nearest configuration file.

    Raises:
        ConfigurationError: names the source, the key, the value and what was expected.
    """
    return off_loop(lambda: _load_settings(given))


def _load_settings(given: Mapping[str, Any]) -> Settings:
    given = {
        name: value.strip() if isinstance(value, str) else value
        for name, value in given.items()
        if value is not None
    }
    place = surroundings()
    plain = given.keys() <= _PLAIN and all(isinstance(value, str) for value in given.values())
    if plain and not place.layers:
        return Settings(**given)
    from impactree.engine.settings_sources import merged

    settings = merged(place.layers, given)
    place.watch(settings.files)
    return settings


def find_file(folder: Path) -> Path | None:
    """The nearest ``impactree.toml`` or ``pyproject.toml`` with our table, from a folder up."""
    for place in (folder, *folder.parents):
        with suppress(PermissionError):  # of another user
            own = place / "impactree.toml"
            if own.is_file():
                return own
            project = place / "pyproject.toml"
            if project.is_file() and b"[tool.impactree" in project.read_bytes():
                return project
    return None


def _variables(environ: dict[Any, Any]) -> dict[Any, Any]:
    return {name: value for name, value in environ.items() if name.upper().startswith(_PREFIX)}


def _working_directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  # as text in a tenth of the time
    except FileNotFoundError:  # it has been deleted
        return None


def _stamps(files: Iterable[Path]) -> dict[str, object]:
    """What changes with each file or folder; None: one too fresh to tell.

    A time to come (another machine's clock) is not fresh: the next change will have another.
    """
    now = time.time_ns()
    stamps = {str(file): _stamp(str(file)) for file in files}
    return {
        path: None if stamp and now - _RECENT_NS < stamp[0] <= now else stamp
        for path, stamp in stamps.items()
    }


def _unchanged(stamps: dict[str, object]) -> bool:
    return all(_stamp(path) == stamp for path, stamp in stamps.items())


def _stamp(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116  # in half the time
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
