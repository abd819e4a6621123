"""Energy of a call that somebody knows: a meter, the server that answered, or the user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, Literal, TypedDict, cast, get_args

from impactree.values.messages import MESSAGES
from impactree.values.sources import SOURCES, BySource, as_by_source

__all__ = [
    "BOUNDARIES",
    "ENERGY_FIELDS",
    "MAX_KWH",
    "Boundary",
    "EnergyFields",
    "KnownEnergy",
    "read_energy",
]

Boundary = Literal["gpu", "server", "facility"]
"""What was measured: accelerators alone, the whole server, or the data centre with its overhead."""
BOUNDARIES: Final = get_args(Boundary)
_KNOWN: Final = SOURCES[:-1]
MAX_KWH: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEnergy:
    """Electricity of one call, kWh, by where the figure comes from."""

    by_source: BySource
    """Empty: somebody tried to read it and could not; the notes say why."""
    boundary: Boundary | None = "server"
    """None: whoever gave it does not say."""
    alone: bool | None = True
    """Whether it is this request's alone; None: whoever gave it does not say."""
    notes: tuple[str, ...] = field(default=())
    """What is to be said of it: codes of ``values.messages``."""

    def __post_init__(self) -> None:
        """Refuse a note that nothing can be said of."""
        for note in self.notes:
            if note not in MESSAGES:
                near = ", ".join(get_close_matches(note[:100], MESSAGES)) or "none"
                raise ValueError(f"energy_notes knows no code {note!r:.80}; nearest: {near}")

    @classmethod
    def of(cls, kwh: float | Mapping[str, float]) -> KnownEnergy:
        """Of this request alone, of the whole server: a number as reported, or by source.

        Raises:
            TypeError: no number.
            ValueError: negative, not finite, absurdly large, or an unknown source.
        """
        return cls(by_source=_by_source(kwh))

    @property
    def kwh(self) -> float:
        """All of it, kWh."""
        return math.fsum(energy for _, energy in self.by_source)

    def to_dict(self) -> dict[str, Any]:
        """As the arguments of :class:`ModelCall`."""
        by_source = dict(self.by_source)
        plain = by_source.keys() == {"reported"}
        said: dict[str, Any] = {
            "energy_kwh": by_source["reported"] if plain else by_source,
            "energy_boundary": self.boundary,
            "energy_alone": self.alone,
        }
        return said | {"energy_notes": list(self.notes)} if self.notes else said


class EnergyFields(TypedDict, total=False):
    """What a :class:`ModelCall` takes of energy that is known."""

    energy_kwh: float | Mapping[str, float] | None
    """Electricity of this request, kWh; or by source: ``{"measured": 2e-4, "modelled": 1e-5}``."""
    energy_boundary: Boundary | None
    energy_alone: bool | None
    energy_notes: tuple[str, ...]
    energy: KnownEnergy | None
    """The same as one value."""


ENERGY_FIELDS: Final = tuple(EnergyFields.__annotations__)


def read_energy(said: Mapping[str, Any]) -> KnownEnergy | None:
    """The energy that arguments tell of; None where they tell of none.

    Raises:
        TypeError: a value of the wrong type.
        ValueError: a negative, non-finite or absurdly large energy, or an unknown word.
    """
    energy = said.get("energy")
    if not isinstance(energy, KnownEnergy | None):
        raise TypeError(f"energy must be KnownEnergy or None, not {energy!r:.80}")
    about = {name: said[name] for name in ENERGY_FIELDS[1:-1] if name in said}
    kwh = said.get("energy_kwh")
    if kwh is None:
        if any(value is not None for value in about.values()):
            raise ValueError(f"{next(iter(about))} says something of energy_kwh, which is missing")
        return energy
    boundary, alone = about.get("energy_boundary", "server"), about.get("energy_alone", True)
    if boundary is not None and boundary not in BOUNDARIES:
        raise ValueError(
            f"energy_boundary must be one of {', '.join(BOUNDARIES)} or None, not {boundary!r:.80}"
        )
    if alone not in (True, False, None):
        raise TypeError(f"energy_alone must be True, False or None, not {alone!r:.80}")
    notes = about.get("energy_notes") or ()
    if isinstance(notes, str) or not all(isinstance(note, str) for note in notes):
        raise TypeError(f"energy_notes must be several strings, not {notes!r:.80}")
    if kwh == {} and not notes:
        raise ValueError("energy_kwh by source names no source")
    return KnownEnergy(
        by_source=_by_source(kwh), boundary=boundary, alone=alone, notes=tuple(notes)
    )


def _by_source(kwh: Any) -> BySource:
    energies = kwh if isinstance(kwh, Mapping) else {"reported": kwh}
    for source, value in energies.items():
        if source not in _KNOWN:
            raise ValueError(f"energy_kwh by source takes {', '.join(_KNOWN)}, not {source!r:.80}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"energy_kwh must be a number of kWh or None, not {value!r:.80}")
        if not 0 <= value <= MAX_KWH:
            raise ValueError(f"energy_kwh must be 0 to {MAX_KWH:,.0f} kWh, not {value!r:.80}")
    return as_by_source(cast("dict[str, float]", {s: float(v) for s, v in energies.items()}))
