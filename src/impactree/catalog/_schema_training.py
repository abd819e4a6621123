"""The shape of entries about training: what makers published, and the rule for the others."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from impactree.catalog._schema_types import (
    STRICT,
    Name,
    NotNegative,
    Positive,
    Sources,
    Year,
    ordered,
    pair,
)

__all__ = ["Training", "TrainingRule"]


def _three(value: Any) -> Any:
    if isinstance(value, list | tuple) and len(value) == 3:
        return value
    raise ValueError("must be [low, expected, high]")


def _rising(value: tuple[float, float, float]) -> tuple[float, float, float]:
    if not value[0] <= value[1] <= value[2]:
        raise ValueError(f"low, expected and high must be in order: {list(value)}")
    return value


Triple = Annotated[
    tuple[Positive, Positive, Positive], BeforeValidator(_three), AfterValidator(_rising)
]
Span = Annotated[tuple[Positive, Positive], BeforeValidator(pair), AfterValidator(ordered)]


class Training(BaseModel):
    """What a training cost, as published: MWh, tCO2eq, m3, kgSbeq, hours, W, 10^12 tokens."""

    model_config = STRICT

    name: Name
    models: list[Name] = []
    """Ids of the catalog, with ``*`` at the end for all that begin like it."""
    scope: Literal["final", "stage", "development", "project", "family", "with use"]
    base: Name | None = None
    """The entry that a stage stands on."""
    year: Year
    energy_mwh: Positive | None = None
    counts: Literal["accelerators", "accelerators and overhead", "data centre"] | None = None
    """What the energy counts."""
    gwp_t: NotNegative | None = None
    water_m3: NotNegative | None = None
    adpe_kgsbeq: NotNegative | None = None
    hours: Positive | None = None
    accelerator: Name | None = None
    power_w: Positive | None = None
    """Of one accelerator: rated, or measured where the note says so."""
    pue: Annotated[float, Field(ge=1, le=5)] | None = None
    tokens: Positive | None = None
    active: Positive | None = None
    """Active parameters, 10^9, where the catalog has no such model."""
    status: Literal["maker", "quoted"]
    """Read at the maker's, or in a quotation."""
    conflict: str | None = None
    note: str | None = None
    sources: Sources
    checked: dt.date

    @model_validator(mode="after")
    def _consistent(self) -> Training:
        if (self.energy_mwh is None) != (self.counts is None):
            raise ValueError("energy_mwh and counts go together")
        if self.base is not None and self.scope != "stage":
            raise ValueError("base is for a stage")
        if self.active is not None and self.models:
            raise ValueError("active is for a training whose models the catalog does not have")
        return self


class TrainingRule(BaseModel):
    """How trainings are estimated, and shared out; low, expected and high."""

    model_config = STRICT

    flop_per_joule: Triple
    tokens: Triple
    load: Triple
    host: Triple
    pue: Triple
    gwp: Triple
    development: Triple
    requests: Span
    sources: Sources
    checked: dt.date
