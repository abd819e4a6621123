"""The table of criteria: what they are called, in which units, here and wherever they go.

| criterion | unit | meaning |
| --- | --- | --- |
| ``energy`` | kWh | final electricity, the data centre's overhead included |
| ``gwp`` | kgCO2eq | global warming potential |
| ``adpe`` | kgSbeq | abiotic depletion potential, elements |
| ``pe`` | MJ | primary energy |
| ``wcf`` | L | water consumption footprint |
"""

# No annotations from __future__: a NamedTuple compiles each that is a string when it is imported.
from typing import Final, NamedTuple

from impactree.values.figures import PARTS

__all__ = [
    "ADPE",
    "CRITERIA",
    "ENDS",
    "ENERGY",
    "FLAT_COLUMNS",
    "GWP",
    "GWP_MARKET",
    "MARKET_COLUMNS",
    "PART_COLUMNS",
    "PE",
    "WCF",
    "Criterion",
]

ENDS: Final = ("min", "mean", "max")


class Criterion(NamedTuple):
    """One criterion. Factors turn its unit into the one of the name that they follow."""

    key: str
    """The field of :class:`impactree.Impacts`."""
    type: str
    """EcoLogits' type."""
    name: str
    """EcoLogits' name."""
    unit: str
    label: str
    """In reports."""
    shown_unit: str
    """The unit that takes SI prefixes in print."""
    shown_factor: float
    column: str
    """The stem of flat columns: ``gwp_kgco2eq_min``, ``_mean``, ``_max``."""
    everyday: str
    """A key in a unit of everyday size: in summaries and budgets."""
    everyday_factor: float
    feedback: str
    """LangSmith's feedback key: its scores keep four decimals, so the unit is a small one."""
    feedback_factor: float
    metric: str
    """OpenTelemetry's metric and attribute."""
    ucum: str
    """The unit in UCUM."""
    decades: tuple[int, int]
    """Powers of ten, in ``unit``, from one token of a small model to a long answer of a large."""
    embodied: bool
    """Whether making the hardware counts, too."""


ENERGY: Final = Criterion(
    key="energy",
    type="energy",
    name="Energy",
    unit="kWh",
    label="energy",
    shown_unit="Wh",
    shown_factor=1e3,
    column="energy_kwh",
    everyday="energy_wh",
    everyday_factor=1e3,
    feedback="impact_energy_mwh",
    feedback_factor=1e6,
    metric="impactree.energy",
    ucum="kW.h",
    decades=(-7, 0),
    embodied=False,
)
GWP: Final = Criterion(
    key="gwp",
    type="GWP",
    name="Global Warming Potential",
    unit="kgCO2eq",
    label="GHG",
    shown_unit="gCO2eq",
    shown_factor=1e3,
    column="gwp_kgco2eq",
    everyday="gwp_g",
    everyday_factor=1e3,
    feedback="impact_gwp_mg",
    feedback_factor=1e6,
    metric="impactree.gwp",
    ucum="kg{CO2eq}",
    decades=(-8, -1),
    embodied=True,
)
GWP_MARKET: Final = GWP._replace(
    key="gwp_market_based",
    type="GWP-market-based",
    name="Global Warming Potential, market-based",
    label="GHG, market-based",
    column="gwp_market_based_kgco2eq",
)
"""By what operators say of their contracts: beside ``gwp``, no criterion of the table."""

ADPE: Final = Criterion(
    key="adpe",
    type="ADPe",
    name="Abiotic Depletion Potential (elements)",
    unit="kgSbeq",
    label="ADPe",
    shown_unit="gSbeq",
    shown_factor=1e3,
    column="adpe_kgsbeq",
    everyday="adpe_g",
    everyday_factor=1e3,
    feedback="impact_adpe_ng",
    feedback_factor=1e12,
    metric="impactree.adpe",
    ucum="kg{Sbeq}",
    decades=(-13, -6),
    embodied=True,
)
PE: Final = Criterion(
    key="pe",
    type="PE",
    name="Primary Energy",
    unit="MJ",
    label="primary energy",
    shown_unit="J",
    shown_factor=1e6,
    column="pe_mj",
    everyday="pe_mj",
    everyday_factor=1.0,
    feedback="impact_pe_j",
    feedback_factor=1e6,
    metric="impactree.pe",
    ucum="MJ",
    decades=(-7, 1),
    embodied=True,
)
WCF: Final = Criterion(
    key="wcf",
    type="WCF",
    name="Water Consumption Footprint",
    unit="L",
    label="water",
    shown_unit="L",
    shown_factor=1.0,
    column="water_l",
    everyday="water_l",
    everyday_factor=1.0,
    feedback="impact_water_ml",
    feedback_factor=1e3,
    metric="impactree.water",
    ucum="L",
    decades=(-7, 0),
    embodied=False,
)
CRITERIA: Final = (ENERGY, GWP, ADPE, PE, WCF)

FLAT_COLUMNS: Final = tuple(f"{criterion.column}_{end}" for criterion in CRITERIA for end in ENDS)
"""``energy_kwh_min``, ``energy_kwh_mean``, ... in SQL, Parquet, CSV and dataframes alike."""

PART_COLUMNS: Final = tuple(f"energy_{part}_kwh" for part in PARTS)
"""What the expected energy goes into, likewise."""
MARKET_COLUMNS: Final = tuple(f"{GWP_MARKET.column}_{end}" for end in ENDS)
"""Columns of the market-based figure in tables of calls and runs."""
