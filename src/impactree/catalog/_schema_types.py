"""The kinds of values that entries under ``data/`` hold, and what all entries have in common."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from impactree.values.messages import MESSAGES

__all__ = [
    "STRICT",
    "Adpe",
    "Energy",
    "Gwp",
    "HostName",
    "Name",
    "NotNegative",
    "Params",
    "Pattern",
    "Positive",
    "Pue",
    "Share",
    "Slug",
    "Sources",
    "StatedYear",
    "Url",
    "Warnings",
    "Water",
    "Wue",
    "Year",
    "ZoneId",
    "ordered",
    "pair",
]


def pair(value: Any) -> Any:
    """A number stands for a range whose ends are equal."""
    if isinstance(value, int | float):
        return (value, value)
    if isinstance(value, list | tuple) and len(value) == 2:
        return value
    raise ValueError("must be a number or [min, max]")


def ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"the first end must not be above the second: {list(value)}")
    return value


def _within(limit: float, hint: str) -> AfterValidator:
    """Refuse values beyond what can be, with the mistake that is likely behind them."""

    def check_limit(value: float) -> float:
        if value > limit:
            raise ValueError(f"must not be above {limit:g}; {hint}")
        return value

    return AfterValidator(check_limit)


def _compiles(pattern: str) -> str:
    pattern = "".join(pattern.split("\n"))
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, BeforeValidator(_compiles)]
Share = Annotated[float, Field(gt=0, le=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Billions = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False),
    # Nobody has made a model of 6,000: 7000 is one of 7 in millions.
    _within(6_000, "parameters are in 10^9: write 7 for 7 billion, not 7000 or 7e9"),
]
Overhead = Annotated[
    float,
    Field(ge=1, allow_inf_nan=False),
    _within(5, "PUE is a ratio: write 1.2 for 120 %"),
]
Gwp = Annotated[NotNegative, _within(3, "gwp is in kgCO2eq per kWh: write 0.056 for 56 g")]
Adpe = Annotated[NotNegative, _within(1e-4, "adpe is in kgSbeq per kWh")]
Energy = Annotated[NotNegative, _within(100, "pe is in MJ per kWh")]
Water = Annotated[NotNegative, _within(100, "water is in litres per kWh")]
Params = Annotated[tuple[Billions, Billions], BeforeValidator(pair), AfterValidator(ordered)]
Pue = Annotated[tuple[Overhead, Overhead], BeforeValidator(pair), AfterValidator(ordered)]
Wue = Annotated[tuple[Water, Water], BeforeValidator(pair), AfterValidator(ordered)]
HostName = Annotated[str, Field(pattern=r"^[^/?#@\s]+$")]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Name = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
Sources = Annotated[list[Url], Field(min_length=1)]
ZoneId = Annotated[
    str,
    StringConstraints(strip_whitespace=True),
    Field(max_length=16, pattern=r"^[A-Z]{2,3}(-[A-Z0-9]{1,6}){0,2}$"),
]
Year = Annotated[int, Field(ge=1990, le=2100)]
StatedYear = Year | Literal["not stated"]


STRICT: Final = ConfigDict(extra="forbid", frozen=True)
"""Entries are values, and know no other keys than theirs."""


def _known_codes(codes: list[str]) -> list[str]:
    for code in codes:
        if code not in MESSAGES:
            raise ValueError(f"unknown warning {code!r}; known: {', '.join(sorted(MESSAGES))}")
    return codes


Warnings = Annotated[list[str], BeforeValidator(_known_codes)]
