"""One batch to one exporter: what may be there already is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from exporter_helpers import Sink, ids, run_tree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.delivery.codec import encode
from impactree.delivery.counts import Counts
from impactree.delivery.errors import DoubtedError
from impactree.delivery.sender import Sender
from impactree.exporters import TreeRejectedError


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


def test_a_proxy_that_takes_nothing_is_asked_a_few_times_and_keeps_all() -> None:
    """Not twice for each of 300 trees: what it says is of none of them."""

    class Proxied(Sink):
        def deliver(self, trees: Any) -> None:
            self.attempts += 1
            raise TreeRejectedError("HTTP 400", named=False)

    tracker, kept = ImpactTracker(max_runs=300), []
    for _ in range(300):
        run_tree(tracker)
    lines = [b"".join(encode(r, "m", ["test:x"], {})) for r in tracker.runs]
    sink = Proxied("x")
    sender = Sender("test:x", Counts("test:x"), kept.append, lambda seconds: True)
    for _ in range(3):
        with pytest.raises(DoubtedError, match="HTTP 400"):
            sender.send(sink, lines, doubles=False)
    assert (kept, sink.attempts < 60) == ([], True)


def test_another_answer_at_the_second_try_is_none() -> None:
    """What is said of a tree must be said again."""

    class Moody(Sink):
        def deliver(self, trees: Any) -> None:
            self.attempts += 1
            if any(tree.root.name == "bad" for tree in trees):
                raise TreeRejectedError(f"HTTP {400 + self.attempts}")
            super().deliver(trees)

    tracker, kept = ImpactTracker(), []
    for name in ("bad", "good"):
        run_tree(tracker, name=name)
    lines = [b"".join(encode(r, "m", ["test:x"], {})) for r in tracker.runs]
    sender = Sender("test:x", Counts("test:x"), kept.append, lambda seconds: True)
    with pytest.raises(DoubtedError):
        sender.send(Moody("x"), lines, doubles=False)
    assert kept == []
