"""One batch to one exporter: what may be there already is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from exporter_helpers import Sink, ids, run_tree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.delivery.codec import encode
from impactree.delivery.counts import Counts
from impactree.delivery.sender import Sender


class Half(Sink):
    """Breaks when two of the first batch are written, as a disk that is full does."""

    def deliver(self, trees: Any) -> None:
        self.attempts += 1
        for tree in trees:
            if self.attempts == 1 and len(self.trees) == 2:
                raise OSError(28, "full")
            self.trees.append(tree)
            self.had.add(tree.key)


def test_a_batch_that_failed_half_way_is_asked_about_after_another_went_through() -> None:
    """What waits in memory goes out first, and says nothing about the batch on disk."""
    tracker = ImpactTracker()
    first, second, third, other = (str(run_tree(tracker)) for _ in range(4))
    lines = {str(r.id): b"".join(encode(r, "m", ["test:x"], {})) for r in tracker.runs}
    batch = [lines[each] for each in (first, second, third)]
    sink = Half("x")
    sender = Sender("test:x", Counts("test:x"), lambda kept: None, lambda seconds: True)
    with pytest.raises(OSError, match="full"):
        sender.send(sink, batch, doubles=False)
    sender.send(sink, [lines[other]], doubles=False)
    sender.send(sink, batch, doubles=False)
    assert ids(sink) == [first, second, other, third]
