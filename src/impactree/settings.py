"""Configuration, from three sources.

Arguments go before ``IMPACTREE_*`` variables, and those before ``impactree.toml`` or the table
``[tool.impactree]`` of ``pyproject.toml``, whichever is nearest upward from the working directory.
Where nothing is configured, nothing is parsed and pydantic stays unimported.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from impactree.methods import DEFAULT_METHOD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PREFIX", "EngineSettings", "Settings", "UnknownModels", "load_settings"]

UnknownModels = Literal["prior", "error"]
PREFIX: Final = "IMPACTREE_"
_PLAIN: Final = frozenset({"method", "region", "zone"})
"""Arguments that the engine checks itself, against the catalog."""


class EngineSettings(TypedDict, total=False):
    """The arguments that an engine, a tracker and a handler have in common; all optional."""

    zone: str | None
    """Electricity mix zone of every call (ISO 3166-1 alpha-3, ``WOR`` the world)."""
    region: str | None
    """Cloud region of the calls to the cloud it belongs to, e.g. ``eu-west-3``."""
    provider_zones: Mapping[str, str] | None
    """Electricity mix zones by host or provider; each goes before ``zone``."""
    deployments: Mapping[str, str] | None
    """What the user's own names stand for: ``{"my-gpt": "openai/gpt-4o"}``."""
    models: Sequence[str | Path | Mapping[str, Any]] | None
    """Files in the format of ``data/``, or their content: more models, hosts, regions, zones."""
    unknown_models: UnknownModels | None
    """``prior``: a wide range stands in for an unknown model; ``error``: it is not estimated."""
    method: str | None
    """Name of the method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds once all sources are merged."""

    zone: str | None = None
    region: str | None = None
    provider_zones: dict[str, str] = field(default_factory=dict)
    deployments: dict[str, str] = field(default_factory=dict)
    models: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Name and parsed content of each file."""
    unknown_models: UnknownModels = "prior"
    method: str = DEFAULT_METHOD
    max_runs: int = 1000
    """How many finished trees a tracker keeps."""
    origins: dict[str, str] = field(default_factory=dict)
    """Where each setting came from, for messages."""

    @property
    def key(self) -> object:
        """Equal for settings that mean the same; ``models`` aside."""
        maps = (self.provider_zones, self.deployments)
        return (
            self.zone,
            self.region,
            *(tuple(sorted(m.items())) for m in maps),
            self.unknown_models,
            self.method,
            self.max_runs,
        )

    def where(self, name: str) -> str:
        """The setting with its source, as messages name it."""
        origin = self.origins.get(name)
        return f"{origin}: {name}" if origin else name


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
    from impactree._settings_sources import merged

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
