"""What reads the energy of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    from impactree.values.sources import Source

__all__ = ["Meter", "Reading"]


class Reading(NamedTuple):
    """What one component of the machine has used since the reading before."""

    component: str
    """``cpu``, ``ram``, ``gpu 0``, ..."""
    source: Source
    """``measured``: by a counter; ``modelled``: by load and rated power."""
    kwh: float | None
    """None: it could not be read."""


class Meter(Protocol):
    """Reads the energy of this machine. Calls come one at a time, from any thread."""

    resolution_s: float
    """Over less than that, readings say little, s."""

    def start(self) -> None:
        """From now on; again in a forked child. May raise: nothing is then measured."""
        ...

    def read(self, seconds: float) -> Sequence[Reading]:
        """What each component has used since the last reading, or the start.

        Args:
            seconds: How long ago that was, by a monotonic clock.
        """
        ...

    def gpu_users(self) -> Set[int]:
        """Ids of the processes that compute on the GPUs; empty where nobody can tell."""
        ...

    def describe(self) -> str:
        """What is read and how, in a line."""
        ...
