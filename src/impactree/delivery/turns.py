"""Background work in short turns, so that it does not hold up the threads that run the chain.

A thread that wakes up asks for Python's interpreter only after its switch interval, 5 ms: a chain
of many short waits would spend a tenth of its time on it. Ours let go by themselves, and for long
enough that another one takes it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["in_turns"]

_T = TypeVar("_T")
_TURN_S: Final = 0.0005
_REST_S: Final = 0.00005
"""With the system's own slack about three times as long."""


def in_turns(items: Iterable[_T]) -> Iterator[_T]:
    """The items, for a loop in a background thread that works on each for a moment."""
    clock, rest = time.perf_counter, time.sleep
    until = clock() + _TURN_S
    for item in items:
        yield item
        if clock() > until:
            rest(_REST_S)
            until = clock() + _TURN_S
