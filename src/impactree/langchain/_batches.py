"""Prompts that a completion model is sent together."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

__all__ = ["Batch", "Batches"]


@dataclass(slots=True, eq=False, repr=False)
class Batch:
    """Prompts sent together. Their runs end together, the first one first."""

    size: int
    joined: int = 0
    reported: bool = False
    """Whether a run of it carried usage."""
    ended: bool = False


class Batches(threading.local):
    """Which batch a starting prompt is part of: in a thread, one starts after another."""

    latest: Batch | None = None

    def of(self, start: dict[str, Any]) -> Batch | None:
        """The batch of the prompt that starts now; None: it is sent alone."""
        size = start.get("batch_size")
        if not isinstance(size, int) or size <= 1:
            return None
        batch = self.latest
        if batch is None or batch.ended or batch.size != size or batch.joined == size:
            batch = self.latest = Batch(size)
        batch.joined += 1
        return batch
