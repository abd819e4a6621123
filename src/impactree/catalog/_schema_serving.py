"""The shape of entries about serving: architectures of models, accelerators."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from impactree.catalog._schema_types import (
    STRICT,
    Billions,
    Name,
    NotNegative,
    Positive,
    Sources,
    ordered,
    pair,
)

__all__ = ["PRECISIONS", "Accelerator", "Architecture"]

PRECISIONS = ("bf16", "fp16", "fp8", "int8", "mxfp4", "int4")
Figure = Annotated[tuple[Positive, Positive], BeforeValidator(pair), AfterValidator(ordered)]
AtLeastOne = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Status = Literal["maker", "packaged", "secondary"]
"""The maker's own file or page, a copy of it in a package, or a table of others."""


class _Entry(BaseModel):
    model_config = STRICT


class Architecture(_Entry):
    """What a step of a model reads and computes. Parameters in 10^9, caches in bytes."""

    id: Name
    layers: Positive
    moe_layers: NotNegative = 0
    experts: AtLeastOne = 1
    active_experts: AtLeastOne = 1
    expert_params: NotNegative = 0
    total_params: Billions
    active_params: Billions
    input_embedding: NotNegative = 0
    kv_bytes: NotNegative
    window_bytes: NotNegative = 0
    window: AtLeastOne = 1
    window_layers: NotNegative = 0
    state_bytes: NotNegative = 0
    attention_width: NotNegative
    attention_layers: NotNegative
    precision: Literal[PRECISIONS] | None = None  # type: ignore[valid-type]  # a tuple of literals
    status: Status
    source: str
    checked: dt.date


class Accelerator(_Entry):
    """A data sheet: W, GB, TB/s, TFLOP/s; embodied kgCO2eq, kgSbeq, MJ. None: nobody says."""

    id: Name
    name: str
    power: Figure | None = None
    idle_power: Figure | None = None
    memory: Positive
    bandwidth: Figure | None = None
    bf16: Figure | None = None
    fp8: Figure | None = None
    int8: Figure | None = None
    fp4: Figure | None = None
    gwp: Figure | None = None
    adpe: Figure | None = None
    pe: Figure | None = None
    status: Status
    note: str | None = None
    sources: Sources
    checked: dt.date
