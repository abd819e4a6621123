"""What the argument ``measure`` asks for."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from impactree.exceptions import ConfigurationError, ImpactreeError
from impactree.measure.clocks import awake
from impactree.measure.measuring import Measuring, shared_measuring
from impactree.measure.scope import Scope, read_scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.measure.meter import Meter

__all__ = ["Measurement", "idle_power", "read_measurement"]


class Measurement:
    """What to measure, and how: the argument ``measure`` where a word does not say it.

    Args:
        where: ``"local"``: models in this process, and known inference servers on this machine's
            ports; or addresses.
        meter: What reads the energy; None: CodeCarbon (``pip install 'impactree[measure]'``).
        baseline_w: Power of the idle machine, W, which is nobody's; see :func:`idle_power`.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        where: str | Iterable[str] = "local",
        *,
        meter: Meter | None = None,
        baseline_w: float = 0.0,
    ) -> None:
        self.scope: Scope = read_scope(where)
        number = isinstance(baseline_w, int | float) and not isinstance(baseline_w, bool)
        if not (number and 0 <= baseline_w < math.inf):
            raise ConfigurationError(
                f"baseline_w must be a number of watts >= 0, not {baseline_w!r:.80}"
            )
        self._baseline_w = float(baseline_w)
        self._own = None if meter is None else Measuring(meter, self._baseline_w)

    def measuring(self) -> Measuring:
        """The meter and whose its readings are: its own, else the process's.

        Raises:
            MissingExtraError: CodeCarbon is not installed.
        """
        if self._own is not None:
            return self._own
        from impactree.loops import off_loop

        return off_loop(lambda: shared_measuring(self._baseline_w, _codecarbon))


def idle_power(seconds: float = 10.0, *, meter: Meter | None = None) -> float:
    """Power of this machine, W, over a while in which it has nothing to do: for ``baseline_w``.

    Args:
        seconds: How long to read.
        meter: What reads the energy; None: CodeCarbon.

    Raises:
        ConfigurationError: no number of seconds above zero.
        ImpactreeError: a part of the machine could not be read.
        MissingExtraError: CodeCarbon is not installed.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 86400:
        raise ConfigurationError(f"seconds must be a number above 0, not {seconds!r:.80}")
    meter = _codecarbon() if meter is None else meter
    meter.start()
    begun = awake()
    time.sleep(seconds)
    took = awake() - begun
    readings = meter.read(took)
    energies = [reading.kwh for reading in readings if reading.kwh is not None]
    if len(energies) < max(1, len(readings)):
        lost = ", ".join(one.component for one in readings if one.kwh is None)
        what = f"{lost} could not be read" if lost else "nothing could be read"
        raise ImpactreeError(f"{what}: {meter.describe()}")
    return math.fsum(energies) * 3.6e6 / took


def _codecarbon() -> Meter:
    from impactree.measure.codecarbon import CodeCarbonMeter

    return CodeCarbonMeter()


def read_measurement(said: Any) -> Measurement:
    """Check the argument ``measure``.

    Raises:
        ConfigurationError: names what was given and what was expected.
    """
    return said if isinstance(said, Measurement) else Measurement(said)
