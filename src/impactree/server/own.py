"""Figures that a request enters in place of the catalog's."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from impactree.engine.own import Own
from impactree.exceptions import ConfigurationError
from impactree.values.range import Range

__all__ = ["OwnFigures"]


_BILLIONS: Final = Field(ge=1e-6, le=6000)
_PER_KWH: Final = Field(ge=0, le=100)
_TWO: Final = Field(min_length=2, max_length=2)
Billions = Annotated[list[Annotated[float, _BILLIONS]], _TWO]
Overhead = Annotated[list[Annotated[float, Field(ge=1, le=5)]], _TWO]
Water = Annotated[list[Annotated[float, _PER_KWH]], _TWO]


class OwnFigures(BaseModel):
    """Figures in place of the catalog's; ranges as `[low, high]`."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    total: Billions | None = Field(None, description="Parameters, 10^9.")
    active: Billions | None = Field(None, description="Of them per token, 10^9.")
    pue: Overhead | None = Field(None, description="Of the data centre.")
    wue_dc: Water | None = Field(None, description="Water of the data centre, L/kWh.")
    gwp: Annotated[float, Field(ge=0, le=3)] | None = Field(
        None, description="Of the electricity, kgCO2eq/kWh."
    )
    adpe: Annotated[float, Field(ge=0, le=1e-4)] | None = Field(None, description="kgSbeq/kWh.")
    pe: Annotated[float, _PER_KWH] | None = Field(None, description="MJ/kWh.")
    wue: Annotated[float, _PER_KWH] | None = Field(
        None, description="Water of the electricity, L/kWh."
    )

    layers: Annotated[float, Field(ge=1, le=10_000)] | None = Field(
        None, description="By methods that plan with an architecture, as are the next three."
    )
    experts: Annotated[float, Field(gt=1, le=100_000)] | None = Field(
        None, description="Routed experts of a layer; together with `active_experts`."
    )
    active_experts: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        None, description="Of them those that one token visits."
    )
    kv_bytes: Annotated[float, Field(ge=0, le=1e9)] | None = Field(
        None, description="Cache of the full attention layers, bytes per token of context."
    )

    def own(self) -> Own:
        """As the engine takes them.

        Raises:
            ConfigurationError: a range whose first end is above its second.
        """
        known: dict[str, Any] = self.model_dump(exclude_none=True)
        ranges = {name: _range(name, v) for name, v in known.items() if isinstance(v, list)}
        return Own(**(known | ranges))


def _range(name: str, ends: list[float]) -> Range:
    if ends[0] > ends[1]:
        raise ConfigurationError(f"own.{name}: the first end must not be above the second: {ends}")
    return Range(*ends)
