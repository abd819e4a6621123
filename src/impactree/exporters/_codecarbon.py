"""CodeCarbon's ``emissions.csv``: API calls beside local compute in existing dashboards."""

from __future__ import annotations

import csv
import errno
import io
import os
import platform
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.catalog import load_catalog
from impactree.delivery.exporter import SpooledExporter
from impactree.delivery.forks import held_off
from impactree.delivery.locks import locked_file
from impactree.delivery.turns import in_turns
from impactree.store.rows import credits_for
from impactree.values.formatting import csv_cell
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from impactree.delivery.codec import Tree, TreeKey
    from impactree.runs import Run

__all__ = ["CodeCarbonExporter"]

_COLUMNS: Final = (  # of codecarbon 3.3 (output_methods/emissions_data.py), in its order
    *("timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions"),
    *("emissions_rate", "cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy"),
    *("ram_energy", "energy_consumed", "water_consumed", "country_name", "country_iso_code"),
    *("region", "cloud_provider", "cloud_region", "os", "python_version", "codecarbon_version"),
    *("cpu_count", "cpu_model", "gpu_count", "gpu_model", "longitude", "latitude"),
    *("ram_total_size", "tracking_mode", "cpu_utilization_percent", "gpu_utilization_percent"),
    *("ram_utilization_percent", "ram_used_gb", "on_cloud", "pue", "wue"),
)
_ZERO: Final = frozenset(
    {
        *("cpu_power", "gpu_power", "ram_power", "cpu_energy", "gpu_energy", "ram_energy"),
        *("cpu_utilization_percent", "gpu_utilization_percent", "ram_utilization_percent"),
        *("ram_used_gb", "wue"),
    }
)


_READ: Final = frozenset({"measured", "modelled"})
_MAX_HEADER: Final = 2**16
_WORLD: Final = "WOR"  # no country


class CodeCarbonExporter(SpooledExporter):
    """Adds a row per root run with a model call to an ``emissions.csv`` of CodeCarbon.

    ``emissions`` (kgCO2eq) and ``energy_consumed`` (kWh) are the means of the usage phase, which
    is what CodeCarbon measures; ``water_consumed`` is in L. The data centre's energy is not
    split into CPU, GPU and RAM: those stay 0. A late end replaces its run's row. An existing
    file's columns are kept. Roots of which nothing could be estimated leave no row. What the
    licences of the electricity factors want to be shown stands beside, in ``*.credits.txt``.

    Args:
        path: The file.
        project_name: What stands in its ``project_name``.
        measured: Whether calls whose energy was read on this machine are in it; a tracker of
            CodeCarbon beside counts them, too.
    """

    def __init__(
        self,
        path: str | Path = "emissions.csv",
        *,
        project_name: str = "impactree",
        measured: bool = False,
    ) -> None:
        self.path = Path(path).absolute()
        self._measured = measured
        self._project = project_name
        self._destination = f"codecarbon:{self.path}"

    @property
    def destination(self) -> str:
        """``codecarbon:`` and the path."""
        return self._destination

    def notes(self, root: Run) -> Mapping[str, Any]:
        """The project's name, and what counts: who replays may not know it."""
        return {"project": self._project, "measured": self._measured}

    def deliver(self, trees: Sequence[Tree]) -> None:
        """Append rows; rewrite the file when a late end changes one."""
        told = [tree for tree in trees if _counted(tree).estimated_calls]
        newest = {tree.key[:2]: _row(tree, self._project) for tree in in_turns(told)}
        if not newest:
            return
        rows = list(newest.values())
        late = any(tree.root.revision for tree in trees)
        credited = credits_for(trees)  # reads the catalog: not where a fork waits for us
        with locked_file(self.path) as lock, held_off():
            assert lock.fd is not None  # noqa: S101
            form = _form_of(lock.fd)
            old = self._rows(form) if late else []
            kept = [row for row in old if not any(_same(row, new) for new in rows)]
            if len(kept) < len(old):
                self._rewrite(form, [*kept, *rows], os.fstat(lock.fd).st_mode)
            else:
                _append(lock.fd, form, rows)
            self._credit(credited, os.fstat(lock.fd).st_mode)

    def _credit(self, credited: Sequence[str], mode: int) -> None:
        """Add to the credits in the file beside, so that the table keeps its shape."""
        beside = self.path.with_name(f"{self.path.name}.credits.txt")
        told = _lines_of(beside)
        new = [credit for credit in credited if credit not in told]
        if new:
            _replace(beside, ("\n".join([*told, *new]) + "\n").encode(), mode)

    def delivered(self, keys: Set[TreeKey]) -> Set[TreeKey]:
        """Which runs have a row already. Later revisions are not looked for: they replace."""
        with locked_file(self.path) as lock, held_off():
            assert lock.fd is not None  # noqa: S101
            starts: dict[Any, list[datetime | None]] = {}
            for row in self._rows(_form_of(lock.fd)):
                starts.setdefault(row.get("run_id"), []).append(_started(row))
        first = {key for key in keys if key[2] == 0}
        return {
            key
            for key in first
            if any(_near(datetime.fromtimestamp(key[1]), t) for t in starts.get(key[0], ()))
        }

    def _rows(self, form: _Form) -> list[dict[str, Any]]:
        with self.path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            return list(csv.DictReader(file, delimiter=form.delimiter, restkey=None))

    def _rewrite(self, form: _Form, rows: list[dict[str, Any]], mode: int) -> None:
        mark = b"\xef\xbb\xbf" if form.byte_order_mark else b""
        _replace(self.path, mark + _text(form, rows, header=True), mode)


def _replace(path: Path, data: bytes, mode: int) -> None:
    """In one step: who reads meanwhile finds the old file or the new one.

    By a name that nobody can guess: others who may write the folder cannot plant a link there.
    """
    number, name = tempfile.mkstemp(".part", f".{path.name[:100]}.", path.parent)
    part = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
        part.chmod(mode & 0o777)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _lines_of(path: Path) -> list[str]:
    """What is in a file; nothing where somebody put a link in its place, to be read for them."""
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return []
    with os.fdopen(number, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


class _Form(NamedTuple):
    """How an existing file is written: by CodeCarbon, or saved by a spreadsheet since."""

    columns: Sequence[str]
    delimiter: str = ","
    line_end: str = "\n"
    byte_order_mark: bool = False
    torn: bool = False
    """Whether its last line has no end."""


def _form_of(fd: int) -> _Form:
    size = os.fstat(fd).st_size
    if not size:
        return _Form(_COLUMNS)
    os.lseek(fd, 0, os.SEEK_SET)
    head = os.read(fd, _MAX_HEADER)
    os.lseek(fd, size - 1, os.SEEK_SET)
    torn = os.read(fd, 1) not in b"\n\r"
    first, end, _ = head.partition(b"\n")
    text = first.decode("utf-8-sig", "replace").rstrip("\r")
    delimiter = max(",;\t", key=text.count)
    return _Form(
        next(csv.reader([text], delimiter=delimiter), []),
        delimiter,
        "\r\n" if end and first.endswith(b"\r") else "\n",
        head.startswith(b"\xef\xbb\xbf"),
        torn,
    )


def _append(fd: int, form: _Form, rows: list[dict[str, Any]]) -> None:
    size = os.fstat(fd).st_size
    data = _text(form, rows, header=not size)
    if form.torn:
        data = form.line_end.encode() + data
    if os.write(fd, data) != len(data):
        os.ftruncate(fd, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _text(form: _Form, rows: list[dict[str, Any]], *, header: bool) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(
        out,
        form.columns,
        extrasaction="ignore",
        delimiter=form.delimiter,
        lineterminator=form.line_end,
    )
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def _counted(tree: Tree) -> Impacts:
    """A root's total; what was read on this machine is a tracker's of CodeCarbon, as a rule."""
    total = tree.root.total
    if tree.notes.get("measured") or total.by_source is None:
        return total
    own = (run.own for run in tree.root.walk() if run.own is not None)
    return Impacts.sum(each for each in own if not _READ & dict(each.by_source or ()).keys())


def _row(tree: Tree, project: str) -> dict[str, Any]:
    root = tree.root
    usage = _counted(tree).usage
    assert usage is not None  # noqa: S101
    calls = [run.call for run in root.walk() if run.call is not None]
    zones = {_country(call.zone) for call in calls}
    providers = {call.provider for call in calls}
    duration = root.latency_s or 0.0
    emissions = usage.gwp.value.mean
    row: dict[str, Any] = dict.fromkeys(_COLUMNS, "")
    row |= dict.fromkeys(_ZERO, 0)
    row |= {
        "timestamp": datetime.fromtimestamp(root.end or root.start).strftime("%Y-%m-%dT%H:%M:%S"),
        "project_name": csv_cell(tree.notes.get("project", project)),
        "run_id": csv_cell(root.id),
        "experiment_id": csv_cell(root.name),
        "duration": duration,
        "emissions": emissions,
        "emissions_rate": emissions / duration if duration else 0,
        "energy_consumed": usage.energy.value.mean,
        "water_consumed": usage.wcf.value.mean,
        "country_iso_code": csv_cell(zones.pop() or "") if len(zones) == 1 else "",
        "cloud_provider": csv_cell(providers.pop() or "") if len(providers) == 1 else "",
        "os": platform.platform(),
        "python_version": platform.python_version(),
        "tracking_mode": "impactree",
        "on_cloud": "Y",
        "pue": 1,
    }
    return row


def _same(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two rows are of one run."""
    return row.get("run_id") == other["run_id"] and _near(_started(row), _started(other))


def _started(row: dict[str, Any]) -> datetime | None:
    """When a row's run started, in local time, a second or less too early."""
    try:
        ended = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=None)
        return ended - timedelta(seconds=float(row["duration"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None  # saved by a spreadsheet since: its run is told by its id alone


def _near(one: datetime | None, other: datetime | None) -> bool:
    return one is None or other is None or abs(one - other) <= timedelta(seconds=1)


def _country(zone: str | None) -> str | None:
    """The country's code of a zone: its own, or that of the country it is a part of."""
    if zone is None or zone == _WORLD:
        return None
    found = load_catalog().zone(zone)
    return (found and found.parent) or zone
