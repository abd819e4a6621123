"""What the numbers in the files under ``data/`` may be, with the likely mistake named."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

__all__ = [
    "Adpe",
    "Billions",
    "Energy",
    "Gwp",
    "Params",
    "Positive",
    "Pue",
    "Water",
    "Wue",
]


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


def _within(limit: float, hint: str) -> AfterValidator:
    """Refuse values beyond what can be, with the mistake that is likely behind them."""

    def check_limit(value: float) -> float:
        if value > limit:
            raise ValueError(f"must not be above {limit:g}; {hint}")
        return value

    return AfterValidator(check_limit)


NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Billions = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False),
    _within(20_000, "parameters are in 10^9: write 7 for 7 billion, not 7000 or 7e9"),
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
Params = Annotated[tuple[Billions, Billions], BeforeValidator(_pair), AfterValidator(_ordered)]
Pue = Annotated[tuple[Overhead, Overhead], BeforeValidator(_pair), AfterValidator(_ordered)]
Wue = Annotated[tuple[Water, Water], BeforeValidator(_pair), AfterValidator(_ordered)]
