"""Where a figure of energy comes from: who measured, modelled, reported or estimated it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal, Protocol, cast, get_args

from impactree.values.formatting import shares

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from impactree.values.figures import Figures

__all__ = [
    "MIXED",
    "SOURCES",
    "SOURCE_COLUMNS",
    "SOURCE_FIGURES",
    "BySource",
    "Source",
    "added_by_source",
    "as_by_source",
    "shares_by_source",
    "source_cells",
    "source_shares_text",
]

Source = Literal["measured", "modelled", "reported", "estimated"]
"""``measured``: a counter of the machine; ``modelled``: by load and rated power, where there is no
counter; ``reported``: the server or the user says so; ``estimated``: a method's equations."""
BySource = tuple[tuple[Source, float], ...]
"""Expected energy, kWh, by where it comes from, in the order of SOURCES."""
SOURCES: Final[tuple[Source, ...]] = get_args(Source)
MIXED: Final = "mixed"
"""In place of a source where a figure has several."""
SOURCE_FIGURES: Final = tuple(f"energy_{source}_kwh" for source in SOURCES)
SOURCE_COLUMNS: Final = ("source", *SOURCE_FIGURES)
"""Columns in tables of calls, runs and groups: the source (or ``mixed``), and each one's kWh."""


_ESTIMATED: Final = (SOURCES[-1], *(0.0,) * (len(SOURCES) - 1))


class Sourced(Protocol):
    """Impacts, as far as their sources go."""

    @property
    def by_source(self) -> BySource | None: ...
    @property
    def figures(self) -> Figures | None: ...
    @property
    def estimated_calls(self) -> int: ...
    @property
    def energy_by_source(self) -> dict[Source, float] | None: ...
    @property
    def source(self) -> str | None: ...


def as_by_source(energies: dict[str, float]) -> BySource:
    """In the order of SOURCES."""
    return tuple((source, energies[source]) for source in SOURCES if source in energies)


def added_by_source(items: Iterable[Sourced]) -> BySource | None:
    """The sum; None where all of it is estimated."""
    energies: dict[Source, list[float]] = {}
    for item in items:
        for source, energy in item.by_source or ():
            energies.setdefault(source, []).append(energy)
        if item.by_source is None and item.figures is not None and item.estimated_calls:
            energies.setdefault("estimated", []).append(item.figures.energy_mean)
    if energies.keys() <= {"estimated"}:
        return None
    return as_by_source({source: math.fsum(each) for source, each in energies.items()})


def shares_by_source(energies: Mapping[Source, float]) -> dict[str, float]:
    """Each source's share of the energy; of none at all in equal parts."""
    total = math.fsum(energies.values())
    if not total > 0:
        return {str(source): 1 / len(energies) for source in energies}
    return {str(source): energy / total for source, energy in energies.items()}


def source_shares_text(impacts: Sourced) -> str:
    """``measured 62%, estimated 38%``; empty where all of it is estimated."""
    energies = impacts.energy_by_source or {}
    if energies.keys() <= {"estimated"}:
        return ""
    return shares(shares_by_source(energies))


def source_cells(impacts: Sourced) -> tuple[float | str | None, ...]:
    """In the order of SOURCE_COLUMNS."""
    if impacts.by_source is None and impacts.estimated_calls and impacts.figures is not None:
        return (*_ESTIMATED, impacts.figures.energy_mean)  # nearly all of them
    energies = impacts.energy_by_source
    if not energies:
        return (None,) * len(SOURCE_COLUMNS)
    found = cast("dict[str, float]", energies)
    return (impacts.source, *(found.get(source, 0.0) for source in SOURCES))
