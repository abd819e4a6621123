"""CodeCarbon's ``emissions.csv``: API calls beside local compute in existing dashboards."""

from __future__ import annotations

import csv
import io
import os
import platform
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.catalog import load_catalog
from impactree.exporters._base import SpooledExporter
from impactree.exporters._locks import held
from impactree.exporters._rows import credits_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from impactree.exporters._codec import Tree
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
    """

    def __init__(
        self, path: str | Path = "emissions.csv", *, project_name: str = "impactree"
    ) -> None:
        self.path = Path(path).absolute()
        self._project = project_name
        self._lock_path = self.path.with_name(f".{self.path.name}.lock")
        self._destination = f"codecarbon:{self.path}"

    @property
    def destination(self) -> str:
        """``codecarbon:`` and the path."""
        return self._destination

    def notes(self, root: Run) -> Mapping[str, Any]:
        """The project's name: who replays may not know it."""
        return {"project": self._project}

    def deliver(self, trees: Sequence[Tree]) -> None:
        """Append rows; rewrite the file when a late end changes one."""
        rows = {t.root.id: _row(t, self._project) for t in trees if t.root.total.estimated_calls}
        if not rows:
            return
        late = any(tree.root.revision for tree in trees)
        with held(self._lock_path):
            columns, old = self._read() if late else (self._columns(), ())
            if any(row["run_id"] in rows for row in old):
                kept = [row for row in old if row["run_id"] not in rows]
                part = self.path.with_name(f".{self.path.name}.part")
                part.write_bytes(_text(columns, [*kept, *rows.values()], header=True))
                part.replace(self.path)
                self._credit(trees)
                return
            self._append(_text(columns, list(rows.values()), header=not self._has_header()))
            self._credit(trees)

    def _credit(self, trees: Sequence[Tree]) -> None:
        """Add to the credits in the file beside, so that the table keeps its shape."""
        beside = self.path.with_name(f"{self.path.name}.credits.txt")
        told = beside.read_text("utf-8").splitlines() if beside.exists() else []
        calls = [(run.call.zone, t.method) for t in trees for run in t.root.walk() if run.call]
        new = [credit for credit in credits_for(calls) if credit not in told]
        if new:
            part = beside.with_name(f".{beside.name}.part")
            part.write_text("\n".join([*told, *new]) + "\n", encoding="utf-8")
            part.replace(beside)

    def delivered(self, keys: Set[tuple[str, int]]) -> Set[tuple[str, int]]:
        """Which runs have a row already. Later revisions are not looked for: they replace."""
        with held(self._lock_path):
            ids = {row["run_id"] for row in self._read()[1]}
        return {key for key in keys if key[0] in ids and key[1] == 0}

    def _columns(self) -> Sequence[str]:
        if not self._has_header():
            return _COLUMNS
        with self.path.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file))

    def _read(self) -> tuple[Sequence[str], Sequence[dict[str, Any]]]:
        if not self._has_header():
            return _COLUMNS, []
        with self.path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            return reader.fieldnames or _COLUMNS, list(reader)

    def _has_header(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > 0

    def _append(self, data: bytes) -> None:
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(fd).st_size
            if os.write(fd, data) != len(data):
                os.ftruncate(fd, size)
                raise OSError(28, os.strerror(28))  # ENOSPC
        finally:
            os.close(fd)


def _text(columns: Sequence[str], rows: list[dict[str, Any]], *, header: bool) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    if header:
        writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _row(tree: Tree, project: str) -> dict[str, Any]:
    root = tree.root
    usage = root.total.usage
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
        "project_name": tree.notes.get("project", project),
        "run_id": root.id,
        "experiment_id": root.name,
        "duration": duration,
        "emissions": emissions,
        "emissions_rate": emissions / duration if duration else 0,
        "energy_consumed": usage.energy.value.mean,
        "water_consumed": usage.wcf.value.mean,
        "country_iso_code": zones.pop() or "" if len(zones) == 1 else "",
        "cloud_provider": providers.pop() or "" if len(providers) == 1 else "",
        "os": platform.platform(),
        "python_version": platform.python_version(),
        "tracking_mode": "impactree",
        "on_cloud": "Y",
        "pue": 1,
    }
    return row


def _country(zone: str | None) -> str | None:
    """The country's code of a zone: its own, or that of the country it is a part of."""
    if zone is None or zone == _WORLD:
        return None
    found = load_catalog().zone(zone)
    return (found and found.parent) or zone
