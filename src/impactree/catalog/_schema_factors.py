"""The shape of electricity factors, claims, disclosures and equivalents under ``data/``."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from impactree.catalog._schema_types import (
    STRICT,
    Adpe,
    Energy,
    Gwp,
    Name,
    NotNegative,
    Positive,
    Slug,
    Sources,
    Url,
    Warnings,
    Water,
    Year,
    ZoneId,
)

__all__ = ["CarbonFree", "Disclosure", "Equivalent", "FactorSet", "Market", "Subzone", "Zone"]


class _Entry(BaseModel):
    model_config = STRICT


class Market(_Entry):
    """An operator's market-based factor, kgCO2eq/kWh: what it says of its contracts."""

    gwp: Gwp
    year: Year


class CarbonFree(_Entry):
    """The share of its electricity that an operator says is free of carbon, hour by hour."""

    share: Annotated[float, Field(ge=0, le=1)]
    year: Year


class Zone(_Entry):
    """An electricity mix, per kWh."""

    id: ZoneId
    name: str
    gwp: Gwp
    gwp_year: Year | None = None
    adpe: Adpe
    pe: Energy
    wue: Water
    warnings: Warnings = []
    via: str | None = None
    sources: list[Url] = []
    checked: dt.date


class Subzone(_Entry):
    """A part of a country with figures of its own."""

    id: ZoneId
    name: str
    level: Literal["state", "province", "subregion", "bidding zone"]
    parent: ZoneId


class FactorSet(_Entry):
    """Factors of one publication, by zone and year described; per kWh."""

    id: Slug
    metric: Literal["gwp", "adpe", "pe", "pe_nonrenewable", "wue"]
    kind: str
    title: str
    boundary: str
    licence: str
    credit: str | None = None
    sources: Sources
    checked: dt.date
    values: dict[ZoneId, dict[Year, NotNegative]] = {}
    """Empty: the figures stand in the file's zones."""


class Disclosure(_Entry):
    """A figure that a maker published about its own models or service."""

    maker: Slug
    models: Annotated[list[Name], Field(min_length=1)]
    subject: str
    figure: Positive
    unit: str
    metric: str
    boundary: str
    tokens: str
    date: str
    status: str
    note: str | None = None
    sources: Sources
    checked: dt.date


class Equivalent(_Entry):
    """Something of daily life, and what one of it has of a criterion, in the criterion's unit."""

    id: Slug
    name: Name
    single: Name | None = None
    metric: Literal["energy", "gwp", "wcf"]
    value: Positive
    unit: Literal["km", "h", "L", "one"]
    year: Year
    place: Name | None = None
    basis: Literal["published", "physics", "definition"] = "published"
    note: Name | None = None
    licence: Name
    credit: Name | None = None
    sources: list[Url] = []
    checked: dt.date

    @model_validator(mode="after")
    def _consistent(self) -> Equivalent:
        if not self.sources and self.basis != "definition":
            raise ValueError(f"basis {self.basis!r} needs sources; only a definition has none")
        if (self.single is None) == (self.unit == "one"):
            raise ValueError("single and unit = 'one' go together: what is counted has a singular")
        return self
