"""Configuration, from three sources.

Arguments go before ``IMPACTREE_*`` variables, and those before ``impactree.toml`` or the table
``[tool.impactree]`` of ``pyproject.toml``, whichever is nearest upward from the working directory.
Where nothing is configured, nothing is parsed and pydantic stays unimported.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.engine.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["find_file", "load_settings"]

_PLAIN: Final = frozenset({"method", "region", "zone"})
"""Arguments that the engine checks itself, against the catalog."""


def load_settings(given: Mapping[str, Any]) -> Settings:
    """Merge the arguments given with the environment and the nearest configuration file.

    Raises:
        ConfigurationError: names the source, the key, the value and what was expected.
    """
    given = {name: value for name, value in given.items() if value is not None}
    file = None
    with suppress(FileNotFoundError):  # the working directory has been deleted
        file = find_file(Path.cwd())
    plain = given.keys() <= _PLAIN and all(isinstance(value, str) for value in given.values())
    if file is None and plain and not _in_environment():
        return Settings(**given)
    from impactree.engine.settings_sources import merged

    return merged(given, file)


def _in_environment() -> bool:
    return any(name.upper().startswith(PREFIX) for name in os.environ)


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
