"""The spool touches only what is its own, and lets nobody else in."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import Sink, ids, lines, run_tree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.delivery.house import House
from impactree.delivery.journal import MARKER
from impactree.delivery.locks import locked_file
from impactree.exporters import (
    CodeCarbonExporter,
    DeliveryRefusedError,
    JSONLExporter,
    RetryLaterError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX owners and modes")
HOUR_AGO = 3600


def age(*paths: Path) -> None:
    moment = time.time() - HOUR_AGO
    for path in paths:
        os.utime(path, (moment, moment))


def test_other_folders_and_links_are_never_touched(spool_dir: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    folders = [spool_dir / "postgres-data", spool_dir / "12-0123abcd", home]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "thesis").write_text("mine")
        (folder / "lock").touch()
    spool_dir.chmod(0o700)
    (spool_dir / "1-aaaaaaaa").symlink_to(home)
    age(*folders, *(folder / "lock" for folder in folders))
    sink = Sink("x")
    tracker = ImpactTracker(exporters=[sink])
    run_tree(tracker)
    assert tracker.flush(5)
    house = House(spool_dir, 1)
    assert list(house.others()) == []  # a bound of one byte gives up none of them either
    assert [(folder / "thesis").read_text() for folder in folders] == ["mine"] * 3


def test_a_file_of_somebodys_in_our_folder_stays(dies: Callable[[], None], spool_dir: Path) -> None:
    run_tree(ImpactTracker(exporters=[Sink("x", *[OSError()] * 9)]))
    dies()
    (folder,) = spool_dir.iterdir()
    (folder / "notes.txt").write_text("mine")
    heir = Sink("x")
    assert ImpactTracker(exporters=[heir]).flush(5)
    assert len(heir.trees) == 1
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_folder_that_others_may_write_is_refused_in_one_line(
    mode: int, spool_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool_dir.mkdir()
    spool_dir.chmod(mode)
    sink = Sink("x")
    tracker = ImpactTracker(exporters=[sink])
    for _ in range(3):
        run_tree(tracker)
    assert tracker.flush(5)  # from memory
    assert len(sink.trees) == 3
    (line,) = lines(caplog)
    assert f"others may write it (mode {mode:04o}): chmod go-w it, or set" in line
    assert list(spool_dir.iterdir()) == []


def test_a_link_is_refused_in_one_line(
    spool_dir: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "real").mkdir()
    spool_dir.symlink_to(tmp_path / "real")
    run_tree(ImpactTracker(exporters=[Sink("x")]))
    (line,) = lines(caplog)
    assert "is not used (UnsafeError: it is a link: name the folder that it leads to)" in line
    assert list((tmp_path / "real").iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("what", ["base", "folder", "journal"])
def test_what_another_user_planted_is_neither_delivered_nor_deleted(
    what: str, dies: Callable[[], None], spool_dir: Path
) -> None:
    run_tree(ImpactTracker(exporters=[Sink("x", *[OSError()] * 9)]))
    dies()
    (folder,) = spool_dir.iterdir()
    (journal,) = folder.glob("*.jsonl")
    planted = {"base": spool_dir, "folder": folder, "journal": journal}[what]
    os.chown(planted, 4002, 4002)
    heir = Sink("x")
    assert ImpactTracker(exporters=[heir]).flush(5)
    assert heir.trees == []
    assert journal.exists()


def test_a_spool_of_an_earlier_version_is_delivered(
    dies: Callable[[], None], spool_dir: Path
) -> None:
    """Without a marker, and with addresses in full where their short names stand now."""
    tracker = ImpactTracker(exporters=[Sink("x", *[OSError()] * 9), Sink("y", *[OSError()] * 9)])
    first, second = str(run_tree(tracker)), str(run_tree(tracker))
    dies()
    (folder,) = spool_dir.iterdir()
    (folder / MARKER).unlink()
    (journal,) = folder.glob("*.jsonl")
    size = journal.read_bytes().index(b"\n") + 1
    journal.with_suffix(".done").write_text(f"{size} test:x\n")
    age(folder / "lock")
    heirs = Sink("x"), Sink("y")
    assert ImpactTracker(exporters=heirs).flush(5)
    assert [ids(heir) for heir in heirs] == [[second], [first, second]]
    assert not folder.exists()


@pytest.mark.parametrize("done", [b"\xff\xfe 12\n", "²  x\n".encode(), b"9" * 99 + b" test:x\n"])
def test_a_broken_file_holds_up_no_other(
    done: bytes, dies: Callable[[], None], spool_dir: Path
) -> None:
    for _ in range(2):
        run_tree(ImpactTracker(exporters=[Sink("x", *[OSError()] * 9)]))
        dies()
    for folder in spool_dir.iterdir():
        (folder / "000001.done").write_bytes(done)
    heir = Sink("x")
    assert ImpactTracker(exporters=[heir]).flush(5)
    assert len(heir.trees) == 2


def test_a_file_system_without_locks_is_one_line_and_no_endless_loop(
    spool_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(fd: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    sink = Sink("x")
    tracker = ImpactTracker(exporters=[sink])
    for _ in range(3):
        run_tree(tracker)
    assert tracker.flush(5)
    assert len(sink.trees) == 3
    (line,) = lines(caplog)
    assert "its file system has no locks; use a folder on a local disk" in line
    assert list(spool_dir.iterdir()) == []


def test_a_removed_folder_is_counted_and_made_anew(
    spool_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import shutil

    sink = Sink("x", *[DeliveryRefusedError("no")] * 2)
    tracker = ImpactTracker(exporters=[sink])
    run_tree(tracker)
    assert not tracker.flush(5)
    shutil.rmtree(spool_dir)  # as cleaners of /tmp do
    sink.errors.clear()
    assert not tracker.flush(5)
    assert tracker.health()["test:x"]["dropped"] == 1
    assert "1 finished run is lost, 1 in all: their file in the spool was deleted" in caplog.text


def test_what_ends_after_a_lane_has_missed_its_file_arrives(spool_dir: Path) -> None:
    """The file is gone and still open: what is written to it then, nobody would find."""
    sink = Sink("x", *[RetryLaterError("down")] * 2)
    tracker = ImpactTracker(exporters=[sink])
    run_tree(tracker)
    shutil.rmtree(spool_dir)
    tracker.flush(1)  # the lane finds it missing
    after = [str(run_tree(tracker)) for _ in range(3)]
    assert tracker.flush(5)
    assert ids(sink)[-3:] == after
    (health,) = tracker.health().values()
    assert health["dropped"] + health["delivered"] == 4


def test_folders_that_come_and_go_hide_no_other(tmp_path: Path) -> None:
    code = f"""
        import os
        while True:
            for i in range(30): os.mkdir('{tmp_path}/9%d-bbbbbbbb' % i)
            for i in range(30): os.rmdir('{tmp_path}/9%d-bbbbbbbb' % i)
    """
    for number in range(20):
        (tmp_path / f"{number}-aaaaaaaa").mkdir()
    house = House(tmp_path, 10**9)
    busy = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    try:
        for _ in range(300):
            assert sum(name.endswith("-aaaaaaaa") for name in house.names()) == 20
    finally:
        busy.kill()
        busy.wait()


def test_a_line_of_a_newer_version_is_left_for_it(
    dies: Callable[[], None], spool_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from impactree.delivery import codec, replay

    tracker = ImpactTracker(exporters=[Sink("x", *[OSError()] * 9)])
    newer, present = str(run_tree(tracker)), str(run_tree(tracker))
    dies()
    (journal,) = spool_dir.glob("*/*.jsonl")
    first, second = journal.read_bytes().splitlines(keepends=True)
    record = json.loads(first)
    record["format"] = codec.FORMAT + 1
    journal.write_bytes(json.dumps(record, separators=(",", ":")).encode() + b"\n" + second)
    heir = Sink("x")
    assert ImpactTracker(exporters=[heir]).flush(5)
    assert ids(heir) == [present]
    assert "left for the newer one" in caplog.text
    for module in codec, replay:  # and now the newer version comes
        monkeypatch.setattr(module, "FORMAT", record["format"])
    assert ImpactTracker(exporters=[heir]).flush(5)
    assert ids(heir) == [present, newer]


def test_without_a_home_memory_is_enough(tmp_path: Path) -> None:
    code = f"""
        import os
        from unittest import mock
        with mock.patch("platformdirs.user_state_path", side_effect=RuntimeError("no home")):
            from impactree import ImpactTracker, ModelCall
            from impactree.exporters import JSONLExporter
            tracker = ImpactTracker(exporters=[JSONLExporter({str(tmp_path / "i.jsonl")!r})])
            tracker.record(ModelCall(model="gpt-4o", provider="openai", output_tokens=9))
            print(tracker.flush(10))
    """
    environment = {k: v for k, v in os.environ.items() if k != "IMPACTREE_SPOOL_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"
    assert len((tmp_path / "i.jsonl").read_text().splitlines()) == 1
    assert len(done.stderr.splitlines()) == 1
    assert "this user has no home: set IMPACTREE_SPOOL_DIR" in done.stderr


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")
def test_two_users_share_a_file_that_both_may_write(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    path = shared / "impacts.jsonl"
    exporter = JSONLExporter(path)
    run_tree(ImpactTracker(exporters=[exporter]))
    assert exporter.flush(5)
    path.chmod(0o666)
    child = os.fork()
    if child == 0:
        try:
            for parent in path.parents:
                os.stat(parent)  # noqa: PTH116
            fd = os.open(shared, os.O_RDONLY)
            os.setuid(4001)
            os.fchdir(fd)
            with locked_file(type(path)("impacts.jsonl"), timeout_s=2) as lock:
                os.write(lock.fd or -1, b"{}\n")
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(path.read_text().splitlines()) == 2
    assert [p.name for p in shared.iterdir()] == ["impacts.jsonl"]


def as_another_user(task: Callable[[], object]) -> str:
    """What a child says that has become user 4001: what the task gives, or the error it raises."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(4001)
            os.setuid(4001)
            said = str(task())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        return file.read().decode()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody may write, where everybody may come."""
    with tempfile.TemporaryDirectory() as path:
        Path(path).chmod(0o777)
        yield Path(path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("name", ["impacts.jsonl", "emissions.csv"])
def test_who_may_not_write_a_file_says_whose_it_is(name: str, shared: Path) -> None:
    path = shared / name
    made = JSONLExporter(path) if name.endswith("jsonl") else CodeCarbonExporter(path)
    run_tree(ImpactTracker(exporters=[made]))
    assert made.flush(5)

    def write() -> None:
        with locked_file(path):
            pass

    said = as_another_user(write)
    assert f"PermissionError: [Errno 13] {name} belongs to user 0: let this one write it" in said


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="needs root")
def test_who_may_not_write_a_sqlite_file_does_not_lock_its_owner_out(shared: Path) -> None:
    """By SQLite's own files beside it, which would be the other's."""
    pytest.importorskip("sqlalchemy")
    from impactree.exporters import SQLExporter
    from impactree.store.database import connect, parse_url
    from impactree.store.queries import sums

    url = f"sqlite:///{shared / 'i.db'}"
    exporter = SQLExporter(url)
    tracker = ImpactTracker(exporters=[exporter])
    run_tree(tracker)
    assert tracker.close(5)
    assert [group.calls for group in sums(url)] == [1]
    said = as_another_user(lambda: connect(parse_url(url)).connect())
    assert "i.db belongs to user 0: let this one write it too, or name another file" in said
    assert as_another_user(lambda: [group.calls for group in sums(url)]) == "[1]"
    assert [path.name for path in shared.iterdir()] == ["i.db"]
    run_tree(tracker)
    assert tracker.flush(5)
    assert as_another_user(lambda: [group.calls for group in sums(url)]) == "[2]"  # while it writes
