"""How long to wait after a delivery has failed."""

from __future__ import annotations

import random
from typing import Final

from impactree.delivery.errors import DeliveryRefusedError, DoubtedError, RetryLaterError

__all__ = ["Retry"]

_FIRST_S: Final = 0.5
_LONGEST_S: Final = 60.0
_REFUSED_FIRST_S: Final = 15.0
_REFUSED_LONGEST_S: Final = 300.0
_LONGEST_ASKED_S: Final = 600.0
_ALL: Final = 2**16


class Retry:
    """Waits that grow with each failure: 0.5 s to a minute; 15 s to 5 minutes where refused."""

    def __init__(self) -> None:
        self.failures = 0
        """Since the last success."""
        self._refusals = 0
        self._doubted = False

    @property
    def most(self) -> int:
        """How many trees to try next.

        While it fails one is enough to see whether it goes again: decoding a whole batch for each
        attempt would take the interpreter from the chain. Where some are rejected, and perhaps
        others are not, more and more.
        """
        if not self.failures:
            return _ALL
        return 2 ** min(self.failures, 16) if self._doubted else 1

    def wait_s(self, error: BaseException) -> float:
        """After one more failure."""
        self.failures += 1
        self._doubted = isinstance(error, DoubtedError)
        if isinstance(error, DeliveryRefusedError):
            self._refusals += 1
            wait = min(_REFUSED_LONGEST_S, _REFUSED_FIRST_S * 2.0 ** min(self._refusals - 1, 16))
            return wait * random.uniform(0.9, 1.1)  # noqa: S311
        if isinstance(error, RetryLaterError) and error.after_s is not None:
            return max(0.0, min(error.after_s, _LONGEST_ASKED_S))
        # Many processes see one outage begin: they shall not all come back at the same moment.
        wait = min(_LONGEST_S, _FIRST_S * 2.0 ** min(self.failures - 1, 16))
        return wait + random.uniform(0, _FIRST_S)  # noqa: S311

    def reset(self) -> None:
        """After a success."""
        self.failures = self._refusals = 0
