"""What the argument ``measure`` asks for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from impactree.exceptions import ConfigurationError
from impactree.measure.measuring import Measuring, shared_measuring
from impactree.measure.scope import Scope, read_scope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.measure.meter import Meter

__all__ = ["Measurement", "read_measurement"]


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


def _codecarbon() -> Meter:
    from impactree.measure.codecarbon import CodeCarbonMeter

    return CodeCarbonMeter()


def read_measurement(said: Any) -> Measurement:
    """Check the argument ``measure``.

    Raises:
        ConfigurationError: names what was given and what was expected.
    """
    return said if isinstance(said, Measurement) else Measurement(said)
