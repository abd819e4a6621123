"""Energy that need not be estimated: reported by who answers, or measured on this machine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from impactree.measure.ledger import Ledger as Ledger
    from impactree.measure.measurement import Measurement as Measurement
    from impactree.measure.measurement import idle_power as idle_power
    from impactree.measure.meter import Meter as Meter
    from impactree.measure.meter import Reading as Reading

__all__ = ["Ledger", "Measurement", "Meter", "Reading", "idle_power"]

# Every tracker asks this package whether to measure; most do not.
_HOMES = {
    "Ledger": "ledger",
    "Measurement": "measurement",
    "Meter": "meter",
    "Reading": "meter",
    "idle_power": "measurement",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
