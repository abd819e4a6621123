"""What can be configured, and what holds once all sources are merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from impactree.methods import DEFAULT_METHOD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["PREFIX", "EngineSettings", "Settings", "TrackerSettings", "UnknownModels"]

UnknownModels = Literal["prior", "error"]
PREFIX: Final = "IMPACTREE_"


class EngineSettings(TypedDict, total=False):
    """The arguments that an engine, a tracker and a handler have in common; all optional."""

    zone: str | None
    """Electricity mix zone of every call (ISO 3166-1 alpha-3, ``WOR`` the world, or a part of a
    country by ISO 3166-2 or the grid operator's code)."""
    region: str | None
    """Cloud region of the calls to the cloud it belongs to, e.g. ``eu-west-3``."""
    provider_zones: Mapping[str, str] | None
    """Electricity mix zones by host or provider; each goes before ``zone``."""
    deployments: Mapping[str, str] | None
    """What the user's own names stand for: ``{"my-gpt": "openai/gpt-4o"}``."""
    deployment: Mapping[str, Any] | None
    """What is known of the hardware, for all calls or by host or model name:
    ``{"accelerator": "H100", "count": 2, "batch_size": 32, "precision": "fp8",
    "parallelism": {"tensor": 2}}``; every key is optional."""
    models: Sequence[str | Path | Mapping[str, Any]] | None
    """Files in the format of ``data/``, or their content: more models, hosts, regions, zones."""
    unknown_models: UnknownModels | None
    """``prior``: a wide range stands in for an unknown model; ``error``: it is not estimated."""
    method: str | None
    """Name of the method."""
    include_training: bool | Mapping[str, Any] | None
    """Whether to show a share of training the models, in a phase of its own; with ``requests`` or
    ``output_tokens`` in a model's life and ``development`` over the final run (numbers or
    ``[low, high]``) in place of what is assumed."""


class TrackerSettings(EngineSettings, total=False):
    """What a tracker and a handler take beside; all optional."""

    measure: Any
    """``"local"``, or addresses on this machine such as ``["http://localhost:11434"]``: calls that
    run here are measured, with CodeCarbon; or an :class:`impactree.measure.Measurement`."""
    reported_energy: Mapping[str, Any] | None
    """By model, provider or address: the field or header of answers that holds their energy, as in
    ``{"my-vllm": "usage.energy_mj"}``; there is no default. See ``docs/local.md``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds once all sources are merged."""

    zone: str | None = None
    region: str | None = None
    provider_zones: dict[str, str] = field(default_factory=dict)
    deployments: dict[str, str] = field(default_factory=dict)
    deployment: dict[str, Any] = field(default_factory=dict)
    models: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Name and parsed content of each file."""
    unknown_models: UnknownModels = "prior"
    method: str = DEFAULT_METHOD
    include_training: bool | dict[str, Any] = False
    measure: str | list[str] | None = None
    """Which calls are measured."""
    reported_energy: dict[str, Any] = field(default_factory=dict)
    """Which field of whose answers holds energy."""
    max_runs: int = 1000
    """How many finished trees a tracker keeps."""
    origins: dict[str, str] = field(default_factory=dict)
    """Where each setting came from, for messages."""
    files: tuple[Path, ...] = ()
    """The files of ``models``."""

    def where(self, name: str) -> str:
        """The setting with its source, as messages name it."""
        origin = self.origins.get(name)
        return f"{origin}: {name}" if origin else name
