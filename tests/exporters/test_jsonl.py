"""JSON Lines: once per (id, revision), whole lines, bounded files."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import call, run_tree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.exceptions import ConfigurationError
from impactree.exporters import JSONLExporter

if TYPE_CHECKING:
    from collections.abc import Callable


def records(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_the_tree_and_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "impacts.jsonl"
    tracker = ImpactTracker(exporters=[JSONLExporter(path)])
    root = run_tree(tracker, call(), call(output_tokens=40), metadata={"thread_id": "t1"})
    assert tracker.flush(5)
    (line,) = records(path)
    assert tracker.last_run is not None
    assert (line["id"], line["revision"], line["method"]) == (str(root), 0, "ecologits-0.11")
    assert line["total"] == tracker.last_run.total.to_dict()
    assert [run["kind"] for run in line["runs"]] == ["chain", "node", "chat", "chat"]
    assert line["runs"][0]["metadata"] == {"thread_id": "t1"}
    assert line["runs"][3]["call"]["output_tokens"] == 40
    assert line["runs"][3]["impacts"] == tracker.engine.estimate(call(output_tokens=40)).to_dict()


def test_a_replayed_root_stands_there_once(tmp_path: Path, dies: Callable[[], None]) -> None:
    path = tmp_path / "impacts.jsonl"
    exporter = JSONLExporter(path)
    tracker = ImpactTracker(exporters=[exporter])
    roots = [str(run_tree(tracker)) for _ in range(5)]
    assert tracker.flush(5)
    # As if the process had been killed between the delivery and its check-off.
    (done,) = (tmp_path / "spool").glob("*/*.done")
    done.unlink()
    dies()
    assert ImpactTracker(exporters=[JSONLExporter(path)]).flush(5)
    assert [line["id"] for line in records(path)] == roots


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "impacts.jsonl"
    path.write_bytes(b'{"id":"whole","revision":0}\n{"id":"torn' + b"x" * 10_000)
    tracker = ImpactTracker(exporters=[JSONLExporter(path)])
    root = str(run_tree(tracker))
    assert tracker.flush(5)
    assert [line["id"] for line in records(path)] == ["whole", root]


def test_files_rotate_and_doubles_are_found_in_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "impacts.jsonl"
    exporter = JSONLExporter(path, max_bytes=30_000, backups=2)
    tracker = ImpactTracker(exporters=[exporter])
    roots = [str(run_tree(tracker)) for _ in range(40)]
    assert tracker.flush(5)
    names = sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("impacts"))
    assert names == ["impacts.jsonl", "impacts.jsonl.1", "impacts.jsonl.2"]
    assert all((tmp_path / name).stat().st_size <= 30_000 for name in names)
    kept = [
        line["id"] for name in reversed(names) for line in records(tmp_path / name)
    ]  # oldest first
    assert kept == roots[-len(kept) :]
    keys = {(str(root.id), root.start, 0) for root in tracker.runs}
    assert exporter.delivered(keys) == {key for key in keys if key[0] in kept}
    assert exporter.delivered({(i, start + 1, 0) for i, start, _ in keys}) == set()


def test_a_bad_bound_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="backups must be a whole number >= 1, not 0"):
        JSONLExporter(tmp_path / "x", backups=0)


def test_a_missing_folder_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "missing" / "impacts.jsonl"
    tracker = ImpactTracker(exporters=[JSONLExporter(path)])
    for _ in range(3):
        run_tree(tracker)
    assert not tracker.flush(1)
    (line,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert "FileNotFoundError: No such file or directory" in line
    path.parent.mkdir()
    assert tracker.flush(5)
    assert len(records(path)) == 3


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux")  # noqa: PTH110
def test_a_full_disk_keeps_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "impacts.jsonl"
    exporter = JSONLExporter(path)
    tracker = ImpactTracker(exporters=[exporter])
    run_tree(tracker)
    assert tracker.flush(5)
    write = os.write

    def short(fd: int, data: bytes) -> int:
        full = Path(f"/proc/self/fd/{fd}").readlink() == path
        return write(fd, data[: len(data) // 2] if full else data)

    monkeypatch.setattr(os, "write", short)
    run_tree(tracker)
    assert not tracker.flush(0.5)
    monkeypatch.setattr(os, "write", write)
    assert tracker.flush(5)
    assert len(records(path)) == 2
    assert any("No space left on device" in r.getMessage() for r in caplog.records)
