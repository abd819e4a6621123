"""CodeCarbon as a meter: its hardware alone, no tracker, no network, no file, no log lines.

What it does on each system was read in codecarbon 3.3: RAPL by powercap (Linux), the Energy Meter
Interface (Windows), NVML and AMD SMI are counters; without them it models a CPU by its load and
rated power, and always models RAM by its size. Intel's Power Gadget and Apple's powermetrics are
left out: they write files and take a second each; CPU load stands in.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
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
    with _silence.kept():  # it looks for GPUs at once, and sets up a logger
        from codecarbon.core import cpu as cpus
        from codecarbon.core.resource_tracker import ResourceTracker
        from codecarbon.core.units import Time
        from codecarbon.core.util import count_physical_cpus
        from codecarbon.external.hardware import MODE_CPU_LOAD
except ImportError as error:
    raise MissingExtraError("measure", "codecarbon") from error

_COUNTED: Final = frozenset({"intel_rapl", "windows_emi"})
_WRITES: Final = frozenset({"intel_power_gadget", "apple_powermetrics"})
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
        _conf={"cpu_physical_count": count_physical_cpus()},
        _hardware=[],
        _force_ram_power=None,
        _force_cpu_power=None,
        _tracking_mode="machine",
        _output_dir=os.devnull,
        _gpu_ids=None,
        _rapl_include_dram=False,
        _rapl_prefer_psys=False,
    )
    resources = ResourceTracker(stand_in)
    resources.set_RAM_tracking()
    resources.set_CPU_tracking()
    kept = [one for one in stand_in._hardware if not _writes(one)]
    if len(kept) < len(stand_in._hardware):
        stand_in._hardware = kept
        resources._setup_cpu_load_fast("")
    resources.set_GPU_tracking()
    return list(stand_in._hardware)


def _writes(one: Any) -> bool:
    return getattr(one, "_mode", "") in _WRITES or type(one).__name__ == "AppleSiliconChip"


def _read(one: Any, seconds: float) -> Iterator[Reading]:
    kind = type(one).__name__
    if kind == "GPU":
        for device in one.devices.devices:
            yield _read_gpu(device, seconds)
        return
    name, source = _component(one)
    try:
        kwh: float | None = one.measure_power_and_energy(seconds)[1].kWh
    except Exception:
        kwh = None
    files = getattr(getattr(one, "_intel_interface", None), "_rapl_files", None)
    if files is not None and (not files or any(file.sample_skipped for file in files)):
        kwh = None  # it says 0 where a counter could not be read
    yield Reading(name, source, kwh)


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
    if not device._use_power_fallback:
        return Reading(name, "measured", device.energy_delta.kWh)
    gone = device._warned_power_failure or device._warned_zero_power
    return Reading(name, "modelled", None if gone else device.energy_delta.kWh)


def _gpu_users(hardware: Iterable[Any]) -> Iterator[int]:
    for one in hardware:
        for device in one.devices.devices if type(one).__name__ == "GPU" else ():
            try:
                found = device._get_compute_processes()
            except Exception:  # not to be told: in a container, by a driver
                found = ()
            for process in found:
                pid = process.get("pid") if isinstance(process, dict) else process
                if isinstance(pid, int):
                    yield pid


def _described(one: Any) -> Iterator[str]:
    if type(one).__name__ == "GPU":
        for device in one.devices.devices:
            how = "its power" if device._use_power_fallback else "its counter"
            what = "modelled" if device._use_power_fallback else "measured"
            yield f"GPU {device.gpu_index} by {how} ({what})"
        return
    name, source = _component(one)
    mode = getattr(one, "_mode", "")
    how = "its size" if name == "ram" and source == "modelled" else _NAMES.get(mode, "its board")
    yield f"{name.upper()} by {how} ({source})"
