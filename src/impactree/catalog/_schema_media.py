"""The shape of entries about films: regressions, machines and operators."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from impactree.catalog._schema_training import Triple
from impactree.catalog._schema_types import (
    STRICT,
    Name,
    NotNegative,
    Positive,
    Pue,
    Share,
    Slug,
    Sources,
    Wue,
    ZoneId,
)

__all__ = ["Video", "VideoMachine", "VideoOperator"]

Resolution = Annotated[str, Field(pattern=r"^[1-9]\d*x[1-9]\d*$")]
Figures = tuple[NotNegative, NotNegative, NotNegative]
"""kgCO2eq, kgSbeq, MJ."""


class _Entry(BaseModel):
    model_config = STRICT

    via: str | None = None
    sources: Sources
    checked: dt.date


class VideoMachine(_Entry):
    """What a film is made on: W, and embodied figures of an accelerator and of the rest."""

    id: Slug
    power: Triple
    accelerators: Annotated[int, Field(ge=1)]
    rest: Figures
    accelerator: Figures


class VideoOperator(_Entry):
    """Who runs the machines."""

    id: Slug
    name: str
    zone: ZoneId
    pue: Pue
    wue: Wue


class Video(_Entry):
    """How long a machine works on a film, s; see the head of ``data/video.toml``."""

    model: Name
    operator: Slug
    machine: Slug
    latency: dict[Literal["n", "m", "m1", "m2", "n1", "n2", "g"], Positive]
    silent: Share
    sound: bool
    """Whether the model makes sound."""
    resolutions: Annotated[list[Resolution], Field(min_length=1)]
    frames: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """What is known that the model makes."""
