"""Reading and checking each source of settings; imported only when something is configured."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PyprojectTomlConfigSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from impactree.engine.deployments import FIELDS
from impactree.engine.settings import PREFIX, Settings
from impactree.exceptions import ConfigurationError
from impactree.methods import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Layer", "merged", "read_layers"]

_DEEP: Final = "its tables and lists are nested too deeply to be read"


class _Layer(BaseModel):
    """What one source may say."""

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True, str_strip_whitespace=True)

    zone: str | None = None
    region: str | None = None
    provider_zones: dict[str, str] = {}
    deployments: dict[str, str] = {}
    deployment: dict[str, Any] = {}
    models: list[Path | dict[str, Any]] = []
    unknown_models: Literal["prior", "error"] | None = None
    method: str | None = None
    include_training: bool | dict[str, Any] | None = None
    measure: str | list[str] | None = None
    reported_energy: dict[str, Any] = {}
    max_runs: PositiveInt | None = None

    @field_validator("deployments", mode="before")
    @classmethod
    def _names(cls, said: Any) -> Any:
        if isinstance(said, dict) and (
            said.keys() & set(FIELDS) or any(isinstance(v, dict) for v in said.values())
        ):
            raise ValueError(
                "takes names of models, e.g. {'my-gpt': 'openai/gpt-4o'}; "
                "hardware belongs into deployment="
            )
        return said

    @field_validator("method")
    @classmethod
    def _known(cls, method: str | None) -> str | None:
        if method is not None and method not in METHODS:
            raise ValueError(f"known methods are {', '.join(sorted(METHODS))}")
        return method


class _Sources(_Layer, BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, pyproject_toml_table_header=("tool", "impactree")
    )


class Layer(NamedTuple):
    """One source's name, the folder that its paths start from, and what it says."""

    origin: str
    folder: Path
    said: _Layer


def read_layers(file: Path | None) -> list[Layer]:
    """The configuration file and the variables, checked.

    Raises:
        ConfigurationError: names the source, the key, the value and what was expected.
    """
    layers = []
    if file is not None:
        kind = (
            PyprojectTomlConfigSettingsSource
            if file.name == "pyproject.toml"
            else TomlConfigSettingsSource
        )
        try:
            raw = kind(_Sources, file)()
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file}: not valid TOML: {error}") from error
        except RecursionError:
            raise ConfigurationError(f"{file}: {_DEEP}") from None
        layers.append(Layer(str(file), file.parent, _checked(raw, str(file))))
    layers.append(Layer("environment", Path(), _checked(_variables(), "environment")))
    return layers


def _variables() -> dict[str, Any]:
    _check_variables()
    try:
        return EnvSettingsSource(_Sources)()
    except RecursionError:
        raise ConfigurationError(f"environment: {_DEEP}") from None
    except SettingsError as error:
        raise ConfigurationError(
            f"environment: {str(error).partition(' from source ')[0]}; "
            "tables and lists are written as JSON, e.g. "
            """IMPACTREE_PROVIDER_ZONES='{"openai": "USA"}', """
            """IMPACTREE_MODELS='["our-models.toml"]'"""
        ) from error


def merged(layers: list[Layer], given: Mapping[str, Any]) -> Settings:
    """All sources in one, the most specific last: the arguments given.

    Raises:
        ConfigurationError: names the source, the key, the value and what was expected.
    """
    values: dict[str, Any] = {"provider_zones": {}, "deployments": {}, "models": ()}
    values["reported_energy"] = {}
    origins: dict[str, str] = {}
    files: list[Path] = []
    for origin, folder, layer in [*layers, Layer("", Path(), _checked(dict(given), ""))]:
        for name in layer.model_fields_set:
            value = getattr(layer, name)
            if value is None:
                continue
            if name in ("deployment", "include_training"):
                pass  # the whole of it: half of one source and half of another describe nothing
            elif isinstance(value, dict):
                value = {**values[name], **{key.lower(): v for key, v in value.items()}}
            elif name == "models":
                files += [folder / m.expanduser() for m in value if isinstance(m, Path)]
                listed = [content for _, content in values[name]]
                contents = (_content(m, folder, origin) for m in value)
                value = (*values[name], *(c for c in contents if c[1] not in listed))
            values[name], origins[name] = value, origin
    return Settings(**values, origins={k: v for k, v in origins.items() if v}, files=tuple(files))


def _check_variables() -> None:
    """Refuse a misspelt variable; other parts of the package have variables of their own."""
    known = [PREFIX + name.upper() for name in _Layer.model_fields]
    for name in os.environ:
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.9)
        if near and name.upper() not in known:
            raise ConfigurationError(
                f"environment: unknown variable {name}; did you mean {near[0]}? "
                f"Variables are {', '.join(known)}"
            )


def _checked(raw: dict[str, Any], origin: str) -> _Layer:
    try:
        return _Layer.model_validate(raw)
    except ValidationError as error:
        place = f"{origin}: " if origin else ""
        raise ConfigurationError(place + "; ".join(_explain(error))) from error


def _explain(error: ValidationError) -> Iterator[str]:
    seen = set()
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0])
        if name in seen:
            continue
        seen.add(name)
        if problem["type"] == "extra_forbidden" and name == "tool":
            yield "[tool.impactree] is for pyproject.toml; impactree.toml has no table"
        elif problem["type"] == "extra_forbidden":
            yield f"unknown setting {name!r}; settings are {', '.join(_Layer.model_fields)}"
        else:
            said = problem["msg"].removeprefix("Value error, ")
            yield f"{name}: {said} (got {problem['input']!r:.80})"


def _content(entry: Path | dict[str, Any], folder: Path, origin: str) -> tuple[str, dict[str, Any]]:
    """A file's name and what it holds; the catalog checks the entries."""
    if isinstance(entry, dict):
        return f"{origin or 'models'}", entry
    path = folder / entry.expanduser()
    try:
        return str(path), tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        place = f"{origin}: " if origin else ""
        raise ConfigurationError(f"{place}models: there is no file {str(path)!r}") from None
    except RecursionError:
        raise ConfigurationError(f"{path}: {_DEEP}") from None
    except (ValueError, OSError) as error:  # of TOML, of its encoding, of a path that is none
        raise ConfigurationError(f"{path}: not readable as TOML: {error}") from error
