"""CodeCarbon as a meter: its hardware alone, no tracker, no network, no file, no log lines.

What it does on each system was read in codecarbon 3.3: RAPL by powercap (Linux), the Energy Meter
Interface (Windows), NVML and AMD SMI are counters; without them it models a CPU by its load and
rated power, and always models RAM by its size. Intel's Power Gadget and Apple's powermetrics are
left out: they write files, take a second each, and ask for root's password; CPU load stands in.
Where CodeCarbon says 0 of what it could not read, this says None.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import threading
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from impactree.exceptions import MissingExtraError
from impactree.measure.meter import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from impactree.values.sources import Source

__all__ = ["CodeCarbonMeter"]


class _Silence(logging.Filter):
    """Keeps what CodeCarbon logs while we ask it; what a tracker of the user's logs passes."""

    def __init__(self) -> None:
        super().__init__()
        self._here = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        heard = getattr(self._here, "heard", None)
        if heard is not None and record.levelno >= logging.WARNING:
            heard.append(record.getMessage())
        return heard is None

    @contextmanager
    def kept(self) -> Iterator[list[str]]:
        """A block of which nothing is logged from this thread."""
        before, self._here.heard = getattr(self._here, "heard", None), []
        try:
            yield self._here.heard
        finally:
            self._here.heard = before


_silence: Final = _Silence()
logging.getLogger("codecarbon").addFilter(_silence)
try:
    with _silence.kept() as _said_first:  # it looks for GPUs at once, and sets up a logger
        from codecarbon.core import cpu as cpus
        from codecarbon.core import resource_tracker as resources
        from codecarbon.core import util
        from codecarbon.core.units import Time
        from codecarbon.external.hardware import MODE_CPU_LOAD
except ImportError as error:
    raise MissingExtraError("measure", "codecarbon") from error

_COUNTED: Final = frozenset({"intel_rapl", "windows_emi"})
_WRITES: Final = frozenset({"intel_power_gadget"})
_NAMES: Final = {"intel_rapl": "RAPL", "windows_emi": "Windows' EMI", MODE_CPU_LOAD: "its load"}


class CodeCarbonMeter:
    """CPU, RAM and GPUs of this machine, as CodeCarbon reads or models them.

    Args:
        hardware: CodeCarbon's own objects; None: what it finds on this machine.
    """

    resolution_s = 0.1
    """NVML's counters move every 20 to 100 ms, RAPL's every ms, CPU load every 10 ms."""

    def __init__(self, hardware: Sequence[Any] | None = None) -> None:
        self._hardware = None if hardware is None else list(hardware)
        self._said: list[str] = []
        self._ram_kw: float | None = None

    def start(self) -> None:
        """From now on."""
        with _silence.kept() as said:
            if self._hardware is None:
                self._hardware = _found()
            for one in self._hardware:
                one.start()
        self._said += said

    def read(self, seconds: float) -> Sequence[Reading]:
        """What each component has used."""
        with _silence.kept():
            return [reading for one in self._hardware or () for reading in self._read(one, seconds)]

    def _read(self, one: Any, seconds: float) -> Iterator[Reading]:
        if type(one).__name__ == "RAM":  # its size is looked up once: it takes as long as the rest
            if self._ram_kw is None:
                self._ram_kw = one.total_power().kW
            yield Reading("ram", "modelled", self._ram_kw * seconds / 3600)
        else:
            yield from _read(one, seconds)

    def gpu_users(self) -> frozenset[int]:
        """Processes that compute on the GPUs."""
        with _silence.kept():
            return frozenset(_gpu_users(self._hardware or ()))

    def describe(self) -> str:
        """Such as ``CPU by RAPL (measured), RAM by its size (modelled)``."""
        parts = [text for one in self._hardware or () for text in _described(one)]
        denied = any("ermission denied" in text for text in self._said)
        cure = f"; RAPL may not be read: {cpus.RAPL_PERMISSION_HELP}" if denied else ""
        return f"{', '.join(parts) or 'nothing'}{cure}"


def _found() -> list[Any]:
    """What CodeCarbon sets up on this machine, one after the other, in this thread."""
    stand_in = SimpleNamespace(
        _conf={"cpu_physical_count": _sockets()},
        _hardware=[],
        _force_ram_power=None,
        _force_cpu_power=None,
        _tracking_mode="machine",
        _output_dir=os.devnull,
        _gpu_ids=None,
        _rapl_include_dram=False,
        _rapl_prefer_psys=False,
    )
    found = resources.ResourceTracker(stand_in)
    found.set_RAM_tracking()
    if resources.is_mac_os():
        found._setup_cpu_load_fast(util.detect_cpu_model() or "")
    else:
        found.set_CPU_tracking()
    kept = [one for one in stand_in._hardware if getattr(one, "_mode", "") not in _WRITES]
    if len(kept) < len(stand_in._hardware):
        stand_in._hardware = kept
        found._setup_cpu_load_fast("")
    try:
        found.set_GPU_tracking()
    except Exception as error:
        stand_in._hardware.append(_LostGPUs(f"{type(error).__name__}: {error}"))
    return list(stand_in._hardware)


def _sockets() -> int:
    """As CodeCarbon counts them, without its noise where there is no ``/sys`` or PowerShell."""
    try:
        if resources.is_windows_os():
            return int(util.count_physical_cpus())
        told = subprocess.run(["lscpu"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    except Exception:
        return 1
    found = re.search(r"Socket\(s\):\s*(\d+)", told)
    return int(found[1]) if found else 1


class _LostGPUs:
    """GPUs that are there and cannot be asked: without theirs, no energy is whole."""

    def __init__(self, why: str) -> None:
        self.why = why
        self.devices = SimpleNamespace(devices=())

    def start(self) -> None: ...


def _gpus(one: Any) -> Sequence[Any] | None:
    """The GPUs of one of CodeCarbon's objects; None: it is something else."""
    is_gpus = isinstance(one, _LostGPUs) or type(one).__name__ == "GPU"
    return one.devices.devices if is_gpus else None


def _read(one: Any, seconds: float) -> Iterator[Reading]:
    gpus = _gpus(one)
    if gpus is not None:
        yield from [_read_gpu(device, seconds) for device in gpus] or [
            Reading("gpu", "measured", None)
        ]
        return
    name, source = _component(one)
    interface = getattr(one, "_intel_interface", None)
    before = dict(getattr(interface, "_last_measurements", ()))
    try:
        kwh: float | None = one.measure_power_and_energy(seconds)[1].kWh
    except Exception:
        kwh = None
    if _was_skipped(interface, before) or (hasattr(one, "chip_part") and not kwh):
        kwh = None
    yield Reading(name, source, kwh)


def _was_skipped(interface: Any, before: dict[Any, Any]) -> bool:
    """Whether a counter of the CPU could not be read, or not before."""
    files = getattr(interface, "_rapl_files", None)  # on Linux
    if files is not None:
        return not files or any(file.sample_skipped for file in files)
    devices = getattr(interface, "_devices", ())  # on Windows
    now = getattr(interface, "_last_measurements", {})
    channels = [(path, place) for path, _, chosen in devices for place in chosen]
    skipped = any(one not in before or before[one] is now.get(one) for one in channels)
    if skipped:
        interface.start()
    return skipped


def _component(one: Any) -> tuple[str, Source]:
    part = getattr(one, "chip_part", None)  # of a Raspberry Pi, whose board has meters
    if part is not None:
        return part.lower(), "measured"
    if type(one).__name__ == "RAM":
        return "ram", "modelled"
    return "cpu", "measured" if one._mode in _COUNTED else "modelled"


def _read_gpu(device: Any, seconds: float) -> Reading:
    """One GPU alone: CodeCarbon's sum over several says 0 for all where one cannot be read."""
    name = f"gpu {device.gpu_index}"
    try:
        device.delta(Time.from_seconds(seconds))
    except Exception:
        return Reading(name, "measured", None)
    kwh = device.energy_delta.kWh
    if not device._use_power_fallback:
        return Reading(name, "measured", kwh)
    if kwh or device._reports_zero_power_by_design():
        return Reading(name, "modelled", kwh)
    with suppress(Exception):
        device.start()  # what its counter adds up meanwhile is not the next call's
    return Reading(name, "modelled", None)


def _gpu_users(hardware: Iterable[Any]) -> Iterator[int]:
    for one in hardware:
        for device in _gpus(one) or ():
            try:
                found = device._get_compute_processes()
            except Exception:  # not to be told: in a container, by a driver
                found = ()
            for process in found:
                pid = process.get("pid") if isinstance(process, dict) else process
                if isinstance(pid, int):
                    yield pid


def _described(one: Any) -> Iterator[str]:
    gpus = _gpus(one)
    if gpus is not None:
        if not gpus:
            yield f"GPUs cannot be read, so that calls are estimated ({_why_lost(one)})"
        for device in gpus:
            how = "its power" if device._use_power_fallback else "its counter"
            what = "modelled" if device._use_power_fallback else "measured"
            yield f"GPU {device.gpu_index} by {how} ({what})"
        return
    name, source = _component(one)
    mode = getattr(one, "_mode", "")
    how = "its size" if name == "ram" and source == "modelled" else _NAMES.get(mode, "its board")
    yield f"{name.upper()} by {how} ({source})"


def _why_lost(one: Any) -> str:
    told = [text for text in _said_first if "GPU" in text]
    return getattr(one, "why", None) or next(iter(told), "its driver lists none")
