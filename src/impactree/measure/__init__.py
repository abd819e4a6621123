"""Energy that need not be estimated: reported by who answers, or measured on this machine."""

from __future__ import annotations

from impactree.measure.ledger import Ledger
from impactree.measure.measurement import Measurement
from impactree.measure.meter import Meter, Reading

__all__ = ["Ledger", "Measurement", "Meter", "Reading"]
