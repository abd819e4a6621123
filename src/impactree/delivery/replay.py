"""What dead processes left for one address, and lines that an earlier version could not read."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from impactree.delivery.codec import FORMAT
from impactree.delivery.errors import reason
from impactree.delivery.journal import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from impactree.delivery.house import House, Left

__all__ = ["Replay"]

_log: Final = logging.getLogger("impactree")
_RECHECK_S: Final = 30.0
_SOON_S: Final = 0.02


class Replay:
    """Brings leftovers to :meth:`send`, a folder at a time.

    Args:
        house: The spool's folder.
        address: Whose leftovers.
        send: Delivers lines; what it raises ends the replay.
        stopping: Whether the process wants to end.
    """

    def __init__(
        self,
        house: House,
        address: str,
        send: Callable[[Sequence[bytes]], None],
        stopping: Callable[[], bool],
    ) -> None:
        self._house = house
        self._address = address
        self._send = send
        self._stopping = stopping
        self._next_at = 0.0
        self._nothing_for_us: set[str] = set()

    def look_again(self) -> None:
        """Look at the folders with the next step, not only twice a minute."""
        self._next_at = 0.0

    def step(self, most: int = BATCH) -> bool:
        """Deliver what one folder holds for the address. False: nothing is left anywhere.

        Args:
            most: Lines for the first delivery.
        """
        if time.monotonic() < self._next_at:
            return False
        if self._newer_lines():
            return True
        passed_over: set[str] = set()
        with closing(self._house.others(passed_over=passed_over)) as others:
            for left in others:
                if left.name not in self._nothing_for_us and self._folder(left, most):
                    return True
        # Asking the house now would miss a lane that was through with one a moment ago.
        if passed_over - self._nothing_for_us:
            time.sleep(_SOON_S)
            return not self._stopping()
        self._next_at = time.monotonic() + _RECHECK_S
        return False

    def _folder(self, left: Left, most: int) -> bool:
        try:
            folder = left.load()
        except OSError as error:  # unreadable, or gone meanwhile: the others go on
            _log.debug("impactree: %s not read: %s", left.name, reason(error))
            return False
        sent = False
        while not self._stopping() and (batch := folder.read(self._address, most)):
            self._send(batch.lines)
            most = BATCH
            try:
                folder.check_off(self._address, batch)
            except OSError as error:
                _log.debug("impactree: spool not updated: %s", reason(error))
            sent = True
        if not folder.pending(self._address):
            self._nothing_for_us.add(left.name)
        if not folder.addresses:
            try:
                self._house.remove(left)
            except OSError as error:
                _log.debug("impactree: %s not removed: %s", left.name, reason(error))
        return sent

    def _newer_lines(self) -> bool:
        """Lines that an earlier version set aside and this one reads."""
        try:
            aside = self._house.aside
            if not aside.holds_newer():
                return False
            return (
                aside.take(
                    lambda kept: (
                        kept.address == self._address and (kept.newer or FORMAT + 1) <= FORMAT
                    ),
                    lambda kept: self._send([kept.line]),
                )
                > 0
            )
        except OSError as error:
            _log.debug("impactree: set-aside runs not read: %s", reason(error))
            return False
