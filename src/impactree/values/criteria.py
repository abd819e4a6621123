"""The table of criteria: their names, units and how they are shown."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["ADPE", "CRITERIA", "ENERGY", "GWP", "PE", "WCF", "Criterion"]


class Criterion(NamedTuple):
    """A criterion's identity: field name, EcoLogits' type and name, unit, and how it is printed."""

    key: str
    type: str
    name: str
    unit: str
    display_unit: str
    display_factor: float


ENERGY: Final = Criterion("energy", "energy", "Energy", "kWh", "Wh", 1e3)
GWP: Final = Criterion("gwp", "GWP", "Global Warming Potential", "kgCO2eq", "gCO2eq", 1e3)
ADPE: Final = Criterion(
    "adpe", "ADPe", "Abiotic Depletion Potential (elements)", "kgSbeq", "gSbeq", 1e3
)
PE: Final = Criterion("pe", "PE", "Primary Energy", "MJ", "J", 1e6)
WCF: Final = Criterion("wcf", "WCF", "Water Consumption Footprint", "L", "L", 1.0)
CRITERIA: Final = (ENERGY, GWP, ADPE, PE, WCF)
