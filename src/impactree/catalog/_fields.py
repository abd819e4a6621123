"""The types of single keys in files under ``data/``, for :mod:`impactree.catalog._schema`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from impactree.values.messages import MESSAGES

PRECISIONS = ("bf16", "fp16", "fp8", "int8", "mxfp4", "int4")
CATALOG_KINDS = (
    "chat",
    "completion",
    "embedding",
    "rerank",
    "image",
    "video",
    "speech",
    "transcription",
    "audio",
    "moderation",
    "other",
)


def _pair(value: Any) -> Any:
    """A number stands for a range whose ends are equal."""
    if isinstance(value, int | float):
        return (value, value)
    if isinstance(value, list | tuple) and len(value) == 2:
        return value
    raise ValueError("must be a number or [min, max]")


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"the first end must not be above the second: {list(value)}")
    return value


def _compiles(pattern: str) -> str:
    pattern = "".join(pattern.split("\n"))
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, BeforeValidator(_compiles)]
Share = Annotated[float, Field(gt=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Billions = Annotated[float, Field(gt=0, lt=100_000)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Overhead = Annotated[float, Field(ge=1, allow_inf_nan=False)]
Params = Annotated[tuple[Billions, Billions], BeforeValidator(_pair), AfterValidator(_ordered)]
Pue = Annotated[tuple[Overhead, Overhead], BeforeValidator(_pair), AfterValidator(_ordered)]
Wue = Annotated[tuple[NotNegative, NotNegative], BeforeValidator(_pair), AfterValidator(_ordered)]
Figure = Annotated[tuple[Positive, Positive], BeforeValidator(_pair), AfterValidator(_ordered)]
Status = Literal["maker", "packaged", "secondary"]
HostName = Annotated[str, Field(pattern=r"^[^/?#@\s]+$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Name = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
Sources = Annotated[list[Url], Field(min_length=1)]
ZoneId = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


def _known_codes(codes: list[str]) -> list[str]:
    for code in codes:
        if code not in MESSAGES:
            raise ValueError(f"unknown warning {code!r}; known: {', '.join(sorted(MESSAGES))}")
    return codes


Warnings = Annotated[list[str], BeforeValidator(_known_codes)]
