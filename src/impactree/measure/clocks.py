"""How long this machine has been awake, and how long it has been: apart by what it slept."""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Any

__all__ = ["awake", "passed"]


def awake() -> float:
    """Seconds in which the machine did not sleep, by a clock that nobody sets.

    Python's monotonic clock leaves sleep out on Linux and macOS alone.
    """
    if sys.platform != "win32":
        return time.monotonic()
    ticks = ctypes.c_ulonglong()  # type: ignore[unreachable,unused-ignore]
    windows: Any = ctypes.windll
    windows.kernel32.QueryUnbiasedInterruptTime(ctypes.byref(ticks))
    return ticks.value / 1e7


def passed() -> float:
    """Seconds with what the machine slept; where the system keeps none, the clock on the wall."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
    return time.time() if boot is None else time.clock_gettime(boot)
