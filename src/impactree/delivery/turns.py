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
_LONGEST_TURN_S: Final = 0.005
"""The interpreter's: after that, whoever waits for it gets it anyway."""
_REST_S: Final = 0.00005
"""With the system's own slack about three times as long."""


def in_turns(items: Iterable[_T]) -> Iterator[_T]:
    """The items, for a loop in a background thread that works on each for a moment."""
    clock, rest = time.perf_counter, time.sleep
    until = clock() + _TURN_S
    for item in items:
        yield item
        begin = clock()
        if begin > until:
            rest(_REST_S)
            # On a busy machine a rest ends late: turns as long as the last one, or nothing gets on.
            end = clock()
            until = end + min(max(_TURN_S, end - begin), _LONGEST_TURN_S)
