"""The spool when disk, folder or memory come to an end."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from exporter_helpers import (  # type: ignore[import-not-found]
    Sink,
    end_spool,
    ids,
    lines,
    run_tree,
)

from impactree import ImpactTracker
from impactree.delivery import journal
from impactree.delivery import spool as _spool
from impactree.delivery.directory import Directory
from impactree.exceptions import ConfigurationError
from impactree.exporters import DeliveryRefusedError

if TYPE_CHECKING:
    from pathlib import Path


def test_segments_go_when_they_are_delivered(
    spool_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 20_000)
    sink = Sink()
    tracker = ImpactTracker(exporters=[sink])
    for _ in range(200):
        run_tree(tracker)
    assert tracker.flush(10)
    assert len(sink.trees) == 200
    assert len(list(spool_dir.glob("*/*.jsonl"))) == 1


def test_the_folder_is_bounded(
    spool_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(journal, "SEGMENT_BYTES", 100_000)
    monkeypatch.setenv("IMPACTREE_SPOOL_MAX_MB", "1")
    sink = Sink("down", *[DeliveryRefusedError("no")] * 99)
    tracker = ImpactTracker(exporters=[sink])
    last = ""
    for _ in range(2500):
        last = str(run_tree(tracker))
    assert sum(path.stat().st_size for path in spool_dir.rglob("*.jsonl")) < 1.2 * 2**20
    assert sum("is full (1 MB)" in line for line in lines(caplog)) == 1
    sink.errors.clear()
    assert not tracker.flush(10)  # of those that were lost
    assert tracker.flush(10)
    (health,) = tracker.health().values()
    assert health["dropped"] + health["delivered"] == 2500
    assert health["dropped"] > 500
    assert health["dropped"] in tracker.problems.values()
    assert ids(sink)[-1] == last


def test_a_bad_bound_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPACTREE_SPOOL_MAX_MB", "lots")
    with pytest.raises(ConfigurationError, match=r"IMPACTREE_SPOOL_MAX_MB .* not 'lots'"):
        _spool.spool()
    tracker = ImpactTracker(exporters=[Sink()])
    run_tree(tracker)
    (problem,) = tracker.problems
    assert problem.startswith("spool failed: IMPACTREE_SPOOL_MAX_MB must be a whole number")


def test_a_journal_that_cannot_be_written_is_one_line_and_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("IMPACTREE_SPOOL_DIR", str(blocked / "spool"))
    sink = Sink()
    tracker = ImpactTracker(exporters=[sink])
    for _ in range(5):
        run_tree(tracker)
    assert tracker.flush(5)
    assert len(sink.trees) == 5
    assert len(lines(caplog)) == 1
    assert "is not writable (NotADirectoryError: Not a directory)" in lines(caplog)[0]


@pytest.fixture
def no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool directory that nobody can make."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IMPACTREE_SPOOL_DIR", str(tmp_path / "file" / "spool"))


@pytest.mark.usefixtures("no_disk")
def test_memory_is_bounded_when_disk_and_destination_are_gone() -> None:
    sink = Sink("down", *[DeliveryRefusedError("no")] * 99)
    tracker = ImpactTracker(exporters=[sink])
    for _ in range(1500):
        run_tree(tracker)
    (lane,) = _spool.spool()._lanes.values()
    assert len(lane.memory) <= 1000


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")  # noqa: PTH110
def test_a_full_disk_leaves_no_half_line(spool_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = Sink()
    tracker = ImpactTracker(exporters=[sink])
    run_tree(tracker)
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:100]))
    run_tree(tracker)
    monkeypatch.setattr(os, "write", write)
    (journal,) = spool_dir.glob("*/*.jsonl")
    assert journal.read_bytes().endswith(b"\n")
    assert tracker.flush(5)
    assert len(sink.trees) == 2


@pytest.mark.usefixtures("no_disk")
def test_every_loss_is_told_in_the_log_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    sink = Sink("down", *[DeliveryRefusedError("no")] * 99)
    tracker = ImpactTracker(exporters=[sink])
    for _ in range(1010):
        run_tree(tracker)
    end_spool()
    told = [line.split(": ")[2] for line in lines(caplog) if " lost, " in line]
    assert sum(int(text.split()[0]) for text in told) == 1010
    assert len(told) == 2  # the first at once, the rest of its minute at the end
    assert told[-1].endswith("1010 in all")


@pytest.mark.usefixtures("no_disk")
def test_a_panic_loses_nothing() -> None:
    sink = Sink("x", SystemExit(1))
    tracker = ImpactTracker(exporters=[sink])
    run_tree(tracker)
    run_tree(tracker)
    assert tracker.flush(float("inf"))
    assert len(sink.trees) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_small_file_is_added_to_whole_or_not_at_all(tmp_path: Path) -> None:
    import resource

    folder = Directory.open(tmp_path)
    folder.append("kept", b"one\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            folder.append("kept", b"another line\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    folder.append("kept", b"two\n")
    assert folder.read("kept") == b"one\ntwo\n"
    folder.close()
