"""The journal in front of the exporters: nothing lost, nothing waits, nothing grows without end."""

from __future__ import annotations

import importlib
import logging
import stat
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import Sink, call, ids, lines, run_tree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.delivery import spool as _spool
from impactree.delivery.directory import Directory
from impactree.delivery.house import House
from impactree.delivery.journal import OwnFolder
from impactree.delivery.replay import Replay
from impactree.exporters import (
    CodeCarbonExporter,
    DeliveryRefusedError,
    RetryLaterError,
    TreeRejectedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def test_finished_roots_arrive_in_order_with_their_method() -> None:
    sink = Sink()
    tracker = ImpactTracker(exporters=[sink])
    roots = [str(run_tree(tracker)) for _ in range(50)]
    assert tracker.flush(10)
    assert ids(sink) == roots
    assert {tree.method for tree in sink.trees} == {"ecologits-0.11"}
    assert sink.trees[0].root.total == tracker.runs[0].total


def test_without_a_flush_they_arrive_too() -> None:
    sink = Sink()
    run_tree(ImpactTracker(exporters=[sink]))
    deadline = time.monotonic() + 20
    while not sink.trees and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(sink.trees) == 1


def test_a_late_end_comes_again_with_a_higher_revision() -> None:
    sink = Sink()
    tracker = ImpactTracker(exporters=[sink])
    tracker.start("r", name="r")
    tracker.start("late", "r", name="late", kind="chat")
    tracker.end("r")
    tracker.end("late", call=call())
    assert tracker.flush(10)
    start = tracker.runs[0].start
    assert [tree.key for tree in sink.trees] == [("r", start, 0), ("r", start, 1)]
    assert [tree.root.total.estimated_calls for tree in sink.trees] == [0, 1]


def test_one_line_serves_all_exporters(spool_dir: Path) -> None:
    blocked = [Sink(n, DeliveryRefusedError("no")) for n in ("a", "b", "c")]
    tracker = ImpactTracker(exporters=blocked)
    run_tree(tracker)
    assert not tracker.flush(5)
    (journal,) = spool_dir.glob("*/*.jsonl")
    assert journal.read_bytes().count(b"\n") == 1


def test_an_exporter_with_export_alone_is_called_directly() -> None:
    class Direct:
        def __init__(self) -> None:
            self.roots: list[Any] = []

        def export(self, root: Any) -> None:
            self.roots.append(root)

        def flush(self, timeout: float | None = None) -> bool:
            return timeout is None or timeout <= 3

    direct = Direct()
    tracker = ImpactTracker(exporters=[direct])
    run_tree(tracker)
    assert direct.roots == [tracker.last_run]
    assert tracker.flush(3)


def test_a_slow_destination_holds_up_neither_the_chain_nor_the_others() -> None:
    release = threading.Event()

    class Slow(Sink):
        def deliver(self, trees: Any) -> None:
            release.wait(10)
            super().deliver(trees)

    slow, quick = Slow("slow"), Sink("quick")
    tracker = ImpactTracker(exporters=[slow, quick])
    started = time.perf_counter()
    for _ in range(100):
        run_tree(tracker)
    assert time.perf_counter() - started < 5  # half of what the slow one takes
    assert quick.flush(5)
    assert len(quick.trees) == 100
    assert not slow.flush(0.1)
    release.set()
    assert tracker.flush(5)
    assert len(slow.trees) == 100


def test_an_outage_costs_nothing_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink("down", *[RetryLaterError("HTTP 503", after_s=0.01)] * 5)
    tracker = ImpactTracker(exporters=[sink])
    with caplog.at_level(logging.INFO, "impactree"):
        roots = [str(run_tree(tracker)) for _ in range(3)]
        assert tracker.flush(10)
    assert ids(sink) == roots
    assert sink.attempts == 7  # one tree to see whether it goes again, then the others
    assert [r.getMessage() for r in caplog.records] == [
        "impactree: test:down: HTTP 503; impacts wait in the spool, retrying",
        "impactree: test:down takes impacts again",
    ]


def test_what_fails_and_succeeds_by_turns_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """As a disk does that is nearly full."""

    class Moody(Sink):
        def deliver(self, trees: Any) -> None:
            self.attempts += 1
            if self.attempts % 2:
                raise OSError(28, "No space left on device")
            self.trees.extend(trees)

    sink = Moody("full")
    tracker = ImpactTracker(exporters=[sink])
    for _ in range(5):
        run_tree(tracker)
        assert tracker.flush(10)
    assert (len(sink.trees), sink.attempts) == (5, 10)
    (line,) = lines(caplog)
    assert line.startswith("impactree: test:full: OSError: No space left on device; impacts wait")


def test_while_it_is_down_an_attempt_takes_one_run_alone(
    dies: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the journal, from a dead process's, and from memory."""

    class Counting(Sink):
        def deliver(self, trees: Any) -> None:
            taken.append(len(trees))
            super().deliver(trees)

    down = [RetryLaterError("HTTP 503", after_s=0.01)] * 3
    for full in (False, True):
        taken: list[int] = []
        if full:
            monkeypatch.setattr(House, "write", lambda self, pieces, addresses: False)
        sink = Counting("down", *down)
        sink.linger_s = 0.3
        tracker = ImpactTracker(exporters=[sink])
        for _ in range(20):
            run_tree(tracker)
        assert tracker.flush(10)
        assert len(sink.trees) == 20
        assert taken[1:4] == [1, 1, 1]
        assert len(taken) <= 6
        if not full:
            run_tree(ImpactTracker(exporters=[Sink("heir", *[OSError()] * 99)]))
            run_tree(ImpactTracker(exporters=[Sink("heir", *[OSError()] * 99)]))
            dies()
            taken = []
            assert ImpactTracker(exporters=[Counting("heir", *down[:1])]).flush(10)
            assert taken == [2, 1, 1]


def reached(sink: Sink, attempts: int) -> None:
    deadline = time.monotonic() + 20
    while sink.attempts < attempts:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_retry_after_is_honoured() -> None:
    class Timed(Sink):
        def deliver(self, trees: Any) -> None:
            moments.append(time.monotonic())
            super().deliver(trees)

    moments: list[float] = []
    sink = Timed("busy", RetryLaterError("HTTP 429", after_s=1.5))  # without it 0.5 to 1 s
    run_tree(ImpactTracker(exporters=[sink]))
    reached(sink, 2)
    first, second = moments
    assert second - first >= 1.5


def test_waits_grow_and_a_flush_cuts_them_short() -> None:
    sink = Sink("down", *[OSError("down")] * 2)
    tracker = ImpactTracker(exporters=[sink])
    run_tree(tracker)
    reached(sink, 1)
    time.sleep(0.3)
    assert sink.attempts == 1  # the first wait is 0.5 to 1 s
    assert tracker.flush(10)
    assert sink.attempts == 3


def test_a_wrong_key_stops_the_trying_and_keeps_the_runs(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink("closed", DeliveryRefusedError("HTTP 401"), DeliveryRefusedError("HTTP 401"))
    tracker = ImpactTracker(exporters=[sink])
    for _ in range(3):
        run_tree(tracker)
    assert not tracker.flush(5)
    run_tree(tracker)
    time.sleep(0.2)
    assert sink.attempts <= 2
    assert lines(caplog)[0] == (
        "impactree: test:closed refuses (HTTP 401); impacts wait in the spool"
    )
    sink.errors.clear()
    assert tracker.flush(5)
    assert len(sink.trees) == 4


def test_a_rejected_run_is_dropped_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Picky(Sink):
        def deliver(self, trees: Any) -> None:
            if any(tree.root.name == "bad" for tree in trees):
                raise TreeRejectedError("HTTP 422")
            super().deliver(trees)

    sink = Picky()
    tracker = ImpactTracker(exporters=[sink])
    for name in ("a", "bad", "b", "bad", "c"):
        run_tree(tracker, name=name)
    assert tracker.flush(5)
    assert [tree.root.name for tree in sink.trees] == ["a", "b", "c"]
    (line,) = lines(caplog)
    assert "test:sink cannot take a run (HTTP 422); it is set aside, and others like it" in line


@pytest.mark.parametrize("start", [1.8e12, 1e300])  # milliseconds, and nonsense
def test_a_time_that_is_none_holds_up_nobody(start: float, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from impactree.exporters import SQLExporter

    exporters = [SQLExporter(f"sqlite:///{tmp_path / 'i.db'}"), CodeCarbonExporter(tmp_path / "e")]
    tracker = ImpactTracker(exporters=exporters)
    tracker.start("r", name="r", start=start)
    tracker.record(call(), "r")
    tracker.end("r", end=start)
    run_tree(tracker)
    assert tracker.flush(5)
    assert len((tmp_path / "e").read_text().splitlines()) == 2


def test_what_a_dead_process_left_is_replayed(dies: Callable[[], None], spool_dir: Path) -> None:
    tracker = ImpactTracker(exporters=[Sink("x", *[OSError()] * 9)])
    left = [str(run_tree(tracker)) for _ in range(3)]
    dies()
    heir = Sink("x")
    tracker = ImpactTracker(exporters=[heir])
    mine = str(run_tree(tracker))
    assert tracker.flush(10)
    assert sorted(ids(heir)) == sorted([*left, mine])
    _spool._close()
    assert list(spool_dir.iterdir()) == []


def test_what_is_checked_off_is_not_replayed(dies: Callable[[], None]) -> None:
    first = Sink("x")
    tracker = ImpactTracker(exporters=[first, Sink("y", *[OSError()] * 9)])
    run_tree(tracker)
    assert first.flush(5)
    dies()
    again, other = Sink("x"), Sink("y")
    assert ImpactTracker(exporters=[again, other]).flush(10)
    assert again.trees == []
    assert len(other.trees) == 1


def test_what_another_lane_is_just_through_with_is_looked_at_again(
    dies: Callable[[], None], spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush does not say that nothing is left because a lane let go between two looks."""
    run_tree(ImpactTracker(exporters=[Sink("x", *[OSError()] * 9)]))
    dies()
    house = House(spool_dir, 2**20)
    other = house.others()
    (address,) = next(other).load().addresses
    names = house.names

    def names_then_free() -> Iterator[str]:
        yield from list(names())
        other.close()

    monkeypatch.setattr(house, "names", names_then_free)
    sent: list[bytes] = []
    replay = Replay(house, address, sent.extend, lambda: False)
    assert replay.step()
    monkeypatch.undo()
    assert replay.step()
    assert len(sent) == 1


def test_a_replay_asks_what_is_there_already(dies: Callable[[], None]) -> None:
    tracker = ImpactTracker(exporters=[Sink("x", *[OSError()] * 9)])
    there, missing = str(run_tree(tracker)), str(run_tree(tracker))
    start = tracker.runs[0].start
    dies()
    heir = Sink("x")
    heir.had = {(there, start, 0)}
    assert ImpactTracker(exporters=[heir]).flush(10)
    assert ids(heir) == [missing]


def test_a_living_processs_runs_are_left_alone(spool_dir: Path) -> None:
    neighbour = OwnFolder(Directory.open(spool_dir, make=True))
    neighbour.append([b'{"to":["test:x"]}\n'], ["test:x"])
    heir = Sink("x")
    assert ImpactTracker(exporters=[heir]).flush(5)
    assert heir.trees == []
    assert neighbour.pending("test:x")
    neighbour.abandon()


def test_a_torn_last_line_and_garbage_are_passed_over(
    dies: Callable[[], None], spool_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = ImpactTracker(exporters=[Sink("x", *[OSError()] * 9)])
    root = str(run_tree(tracker))
    dies()
    (journal,) = spool_dir.glob("*/*.jsonl")
    whole = journal.read_bytes()
    journal.write_bytes(b"garbage\n" + whole + b'{"to":["test:x"],"id":"z"}\n' + whole[:300])
    heir = Sink("x")
    assert ImpactTracker(exporters=[heir]).flush(5)
    assert ids(heir) == [root]
    assert any("cannot take a run" in line for line in lines(caplog))


def test_files_are_their_owners_alone(spool_dir: Path) -> None:
    tracker = ImpactTracker(exporters=[Sink("x", *[OSError()] * 9)])
    run_tree(tracker)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in spool_dir.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {stat.S_IMODE(p.stat().st_mode) for p in (spool_dir, *spool_dir.iterdir())} == {0o700}


def test_an_exporter_that_breaks_is_counted_and_the_chain_goes_on() -> None:
    class Broken(Sink):
        def notes(self, root: Any) -> Any:
            raise RuntimeError("broken")

        def run_ended(self, run: Any) -> None:
            raise RuntimeError("broken")

    other = Sink("other")
    tracker = ImpactTracker(exporters=[Broken(), other])
    run_tree(tracker)
    assert tracker.last_run is not None
    assert tracker.flush(5)
    assert len(other.trees) == 1
    assert tracker.problems == {
        "Broken failed: RuntimeError": 3,
        "spool failed: RuntimeError": 1,
    }


def test_closing_delivers_and_ends_the_threads_and_later_runs_start_them_again() -> None:
    class Closing(Sink):
        closed = 0

        def close(self) -> None:
            self.closed += 1

    class Direct:
        closed = False

        def export(self, root: Any) -> None: ...

        def flush(self, timeout: float | None = None) -> bool:
            return True

        def close(self) -> None:
            self.closed = True

    sink, direct, others = Closing(), Direct(), set(threading.enumerate())
    tracker = ImpactTracker(exporters=[sink, direct])
    run_tree(tracker)
    assert tracker.close(10)
    assert (len(sink.trees), sink.closed, direct.closed) == (1, 1, True)
    assert not [t for t in {*threading.enumerate()} - others if t.name.startswith("impactree")]
    assert tracker.close(10)
    run_tree(tracker)
    assert tracker.flush(10)
    assert len(sink.trees) == 2


@pytest.mark.parametrize("package", ["impactree.langchain", "impactree.llama_index"])
def test_handlers_close_too(package: str) -> None:
    if package == "impactree.langchain":
        pytest.importorskip("langchain_core")
    sink = Sink()
    handler = importlib.import_module(package).ImpactHandler(exporters=[sink])
    run_tree(handler.tracker)
    assert handler.close(10)
    assert len(sink.trees) == 1


def test_closing_waits_no_longer_than_asked_and_keeps_the_rest() -> None:
    release = threading.Event()

    class Slow(Sink):
        def deliver(self, trees: Any) -> None:
            release.wait(10)
            super().deliver(trees)

    sink = Slow()
    tracker = ImpactTracker(exporters=[sink])
    run_tree(tracker)
    started = time.monotonic()
    assert not tracker.close(0.3)
    assert time.monotonic() - started < 5  # half of what the slow one takes
    run_tree(tracker)
    release.set()
    deadline = time.monotonic() + 10
    while not tracker.flush(1) and time.monotonic() < deadline:
        pass
    assert len(sink.trees) == 2


def test_an_event_within_an_events_handling_is_handled_next() -> None:
    """A stream that the garbage collector closes may end in the midst of an export."""
    order: list[str] = []

    class Nested:
        def export(self, root: Any) -> None:
            order.append(f"{root.name} goes out")
            tracker.end("inner")
            order.append(f"{root.name} is out")

        def flush(self, timeout: float | None = None) -> bool:
            return True

    tracker = ImpactTracker(exporters=[Nested()])
    tracker.start("inner", name="inner")
    run_tree(tracker, name="outer")
    assert order == ["outer goes out", "outer is out", "inner goes out", "inner is out"]


def test_a_new_exporter_takes_over_a_refused_destination() -> None:
    refused, good = Sink("x", *[DeliveryRefusedError("HTTP 401")] * 9), Sink("x")
    tracker = ImpactTracker(exporters=[refused])
    run_tree(tracker)
    assert not tracker.flush(5)
    tracker = ImpactTracker(exporters=[good])
    run_tree(tracker)
    assert tracker.flush(5)
    assert len(good.trees) == 2
