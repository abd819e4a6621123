"""Trees in memory while the journal cannot be written: bounded, lost with the process."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

__all__ = ["Memory"]

_MAX_LINES: Final = 1000
_MAX_BYTES: Final = 64 * 2**20
_BATCH: Final = 200


class Memory:
    """Journal lines for one destination, the oldest given up first. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: bytes) -> int:
        """Keep a line. Returns how many older ones were given up for it."""
        with self._lock:
            self._lines.append(line)
            self._bytes += len(line)
            return self._keep_bounds()

    def take(self, most: int = _BATCH) -> list[bytes]:
        """The oldest lines, a batch of them."""
        with self._lock:
            number = min(most, _BATCH, len(self._lines))
            lines = [self._lines.popleft() for _ in range(number)]
            self._bytes -= sum(map(len, lines))
            return lines

    def give_back(self, lines: list[bytes]) -> int:
        """After a failure, in their old place. Returns how many were given up."""
        with self._lock:
            self._lines.extendleft(reversed(lines))
            self._bytes += sum(map(len, lines))
            return self._keep_bounds()

    def first(self) -> bytes | None:
        """The oldest line, which stays."""
        with self._lock:
            return self._lines[0] if self._lines else None

    def _keep_bounds(self) -> int:
        given_up = 0
        while len(self._lines) > _MAX_LINES or (self._bytes > _MAX_BYTES and len(self._lines) > 1):
            self._bytes -= len(self._lines.popleft())
            given_up += 1
        return given_up
