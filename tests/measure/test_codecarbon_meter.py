"""CodeCarbon as a meter, on a fake powercap tree and replayed NVML readings."""

from __future__ import annotations

import logging
import os
from types import SimpleNamespace

import pytest
from fake_meter import Clock

from impactree.measure import Ledger

pytest.importorskip("codecarbon")
from codecarbon.core import gpu_nvidia
from codecarbon.external.hardware import CPU, GPU
from codecarbon.external.ram import RAM

from impactree.measure.codecarbon import CodeCarbonMeter

J = 1 / 3.6e6
RANGE_UJ = 262_143_328_850


class Powercap:
    """``/sys/class/powercap/intel-rapl`` with packages, in a folder."""

    def __init__(self, folder, packages=1):
        self.root = folder / "intel-rapl" / "subsystem"
        self.files = []
        for number in range(packages):
            domain = self.root / "intel-rapl" / f"intel-rapl:{number}"
            domain.mkdir(parents=True)
            (domain / "name").write_text(f"package-{number}\n")
            (domain / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
            self.files.append(domain / "energy_uj")
        for place, _ in enumerate(self.files):
            self.set(place, 1_000_000 * (place + 1) * 7)

    def set(self, place, uj):
        self.files[place].write_text(f"{int(uj)}\n")

    def cpu(self):
        return CPU(os.devnull, "intel_rapl", "a CPU", 65, rapl_dir=str(self.root))


@pytest.fixture
def powercap(tmp_path):
    return Powercap(tmp_path)


def read(meter, seconds=1.0):
    return {reading.component: reading for reading in meter.read(seconds)}


def test_rapl_is_measured(powercap):
    meter = CodeCarbonMeter([powercap.cpu()])
    powercap.set(0, 100_000_000)
    meter.start()
    powercap.set(0, 136_000_000)
    (reading,) = meter.read(1.0)
    assert reading == ("cpu", "measured", pytest.approx(36 * J))
    assert meter.read(1.0)[0].kwh == 0  # it did not move
    assert meter.describe() == "CPU by RAPL (measured)"


def test_a_counter_that_wraps_goes_on(powercap):
    meter = CodeCarbonMeter([powercap.cpu()])
    powercap.set(0, RANGE_UJ - 6_000_000)
    meter.start()
    powercap.set(0, 4_000_000)
    assert meter.read(1.0)[0].kwh == pytest.approx(10 * J)


def test_two_packages_add_up(tmp_path):
    tree = Powercap(tmp_path, packages=2)
    meter = CodeCarbonMeter([tree.cpu()])
    meter.start()
    tree.set(0, 7_000_000 + 1_000_000)
    tree.set(1, 14_000_000 + 2_000_000)
    assert meter.read(1.0)[0].kwh == pytest.approx(3 * J)


@pytest.mark.parametrize("gone", ["file", "permission"])
def test_what_can_no_longer_be_read_is_none_and_not_zero(powercap, gone, monkeypatch):
    cpu = powercap.cpu()
    meter = CodeCarbonMeter([cpu])
    meter.start()
    if gone == "file":
        powercap.files[0].unlink()
    else:  # root may read whatever the mode says
        denied = lambda self: None  # noqa: E731  # as RAPLFile answers a PermissionError
        monkeypatch.setattr(type(cpu._intel_interface._rapl_files[0]), "_get_value", denied)
    assert meter.read(1.0)[0].kwh is None
    monkeypatch.undo()
    powercap.set(0, 50_000_000)
    assert meter.read(1.0)[0].kwh is None  # from here on there is a baseline again
    powercap.set(0, 51_000_000)
    assert meter.read(1.0)[0].kwh == pytest.approx(1 * J)


def test_ram_and_a_cpu_without_counters_are_modelled():
    hardware = [RAM(force_ram_power=20), CPU(os.devnull, "constant", "a CPU", 100)]
    meter = CodeCarbonMeter(hardware)
    meter.start()
    found = read(meter, 36.0)
    assert found["ram"] == ("ram", "modelled", pytest.approx(20 * 36 * J))
    assert found["cpu"] == ("cpu", "modelled", pytest.approx(50 * 36 * J))
    assert "RAM by its size (modelled)" in meter.describe()


# NVML


class NVMLError(Exception):
    pass


class Replay:
    """What pynvml answered, one reading after the other: mJ and mW by GPU."""

    NVMLError = NVMLError
    NVMLError_NotSupported = type("NotSupported", (NVMLError,), {})
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, *gpus):
        self.gpus = [dict(gpu) for gpu in gpus]
        self.users = {}

    def nvmlInit(self):
        pass

    def nvmlDeviceGetCount(self):
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        return self._next(handle, "mj")

    def nvmlDeviceGetPowerUsage(self, handle):
        return self._next(handle, "mw")

    def nvmlDeviceGetName(self, handle):
        return f"Fake {handle}"

    def nvmlDeviceGetUUID(self, handle):
        return f"GPU-{handle}"

    def nvmlDeviceGetMemoryInfo(self, handle):
        return SimpleNamespace(total=1, free=1, used=0)

    def nvmlDeviceGetEnforcedPowerLimit(self, handle):
        return 300_000

    def nvmlDeviceGetComputeRunningProcesses(self, handle):
        return [SimpleNamespace(pid=pid, usedGpuMemory=1) for pid in self.users.get(handle, ())]

    def _next(self, handle, what):
        values = self.gpus[handle].get(what, [None])
        value = values.pop(0) if len(values) > 1 else values[0]
        if value is None:
            raise NVMLError(f"GPU {handle} is lost")
        return value


@pytest.fixture
def replay(monkeypatch):
    def made(*gpus):
        nvml = Replay(*gpus)
        monkeypatch.setattr(gpu_nvidia, "pynvml", nvml)
        monkeypatch.setattr(gpu_nvidia, "PYNVML_AVAILABLE", True)
        monkeypatch.setattr("codecarbon.core.gpu.PYNVML_AVAILABLE", True)
        meter = CodeCarbonMeter([GPU(gpu_ids=None)])
        meter.start()
        return meter, nvml

    return made


def test_gpus_with_counters_are_measured(replay):
    meter, _ = replay({"mj": [0, 0, 36_000, 72_000]}, {"mj": [5, 5, 7_205, 7_205]})
    found = read(meter)
    assert found["gpu 0"] == ("gpu 0", "measured", pytest.approx(36 * J))
    assert found["gpu 1"] == ("gpu 1", "measured", pytest.approx(7.2 * J))
    assert read(meter)["gpu 1"].kwh == 0
    assert meter.describe() == "GPU 0 by its counter (measured), GPU 1 by its counter (measured)"


def test_a_gpu_that_vanishes_leaves_the_other_and_is_not_zero(replay):
    meter, _ = replay({"mj": [0, 0, 1_000, None]}, {"mj": [0, 0, 2_000, 4_000]})
    assert read(meter)["gpu 0"].kwh == pytest.approx(1 * J)
    found = read(meter)
    assert found["gpu 0"].kwh is None
    assert found["gpu 1"].kwh == pytest.approx(2 * J)


def test_a_gpu_without_a_counter_is_modelled_by_its_power(replay):
    meter, _ = replay({"mj": [None], "mw": [250_000]})
    (reading,) = meter.read(2.0)
    assert reading == ("gpu 0", "modelled", pytest.approx(500 * J))
    assert "GPU 0 by its power (modelled)" in meter.describe()


def test_a_gpu_that_says_zero_watts_and_has_no_counter_cannot_be_read(replay):
    meter, _ = replay({"mj": [None], "mw": [0]})
    assert meter.read(2.0)[0].kwh is None


def test_zero_watts_once_are_no_reading_and_later_ones_are(replay):
    meter, _ = replay({"mj": [None], "mw": [0, 250_000]})
    assert meter.read(2.0)[0].kwh is None
    assert meter.read(2.0)[0].kwh == pytest.approx(500 * J)


def test_a_counter_that_starts_again_is_bridged_by_power(replay):
    """As after a driver's reload: NVML counts mJ since then, in 64 bits, and does not wrap."""
    meter, _ = replay({"mj": [0, 900_000, 950_000, 1_000, 4_000], "mw": [30_000]})
    assert meter.read(1.0) == [("gpu 0", "measured", pytest.approx(50 * J))]
    assert meter.read(2.0) == [("gpu 0", "modelled", pytest.approx(60 * J))]
    assert meter.read(1.0) == [("gpu 0", "measured", pytest.approx(3 * J))]


def test_a_gpu_that_comes_back_does_not_give_its_absence_to_the_next_call(replay):
    """It was away for 600 s, in which it took 60 kJ: what was then cannot be a later second's."""
    counter = [0, 0, 1_000, None, None, 61_000_000, 61_002_000]
    meter, _ = replay({"mj": counter, "mw": [None, 90_000]})
    assert meter.read(1.0)[0].kwh == pytest.approx(1 * J)
    assert meter.read(600.0)[0].kwh is None
    assert meter.read(1.0) == [("gpu 0", "modelled", pytest.approx(90 * J))]
    assert meter.read(1.0) == [("gpu 0", "measured", pytest.approx(2 * J))]


def test_a_machine_that_was_suspended_is_not_measured(powercap):
    """RAPL starts at 0 again, which looks like a wrap of 262 kJ; NVML stands still."""
    meter = CodeCarbonMeter([powercap.cpu()])
    clock, problems = Clock(), []
    book = Ledger(
        meter, note=lambda name, error: problems.append(name), clock=clock, wall=clock.wall
    )
    powercap.set(0, 100_000_000)
    book.start()
    claim = book.open()
    clock.now = 0.5
    powercap.set(0, 110_000_000)
    book.tick()
    clock.now, clock.slept = 1.0, 3600.0
    powercap.set(0, 5_000_000)
    book.close(claim, 10)
    assert claim.failed == "energy-reading-failed"
    assert problems == ["energy reading: the machine slept, or its clock was set"]
    again = book.open()
    clock.now = 2.0
    powercap.set(0, 30_000_000)
    book.close(again, 10)
    assert again.shares == {"measured": pytest.approx(25 * J)}


def test_who_computes_on_the_gpus_is_told(replay):
    meter, nvml = replay({"mj": [0]}, {"mj": [0]})
    nvml.users = {0: [11, 12], 1: [12]}
    assert meter.gpu_users() == {11, 12}


def test_a_recording_is_shared_out_whole(replay):
    """10 readings of a GPU and two calls that overlap: every mJ is given once."""
    counter = [0, 0, 500, 1_800, 1_800, 4_000, 9_000, 9_010, 9_020, 12_000]
    meter, _ = replay({"mj": list(counter)})
    clock = Clock()
    book = Ledger(meter, note=lambda name, error: None, clock=clock, wall=clock.wall)
    book.start()
    clock.now = 1
    first = book.open()
    clock.now = 2
    book.tick()
    clock.now = 3
    second = book.open()
    clock.now = 4
    book.tick()
    clock.now = 5
    book.close(first, 10)
    clock.now = 6
    book.close(second, 30)
    shared = sum(first.shares.values()) + sum(second.shares.values())
    everything = shared + sum(book.unattributed().values())
    assert everything == pytest.approx(sum(book.read_so_far().values()))
    assert shared > 0


# What it does beside


def test_nothing_is_logged_and_nothing_written(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    heard = []
    handler = logging.Handler()
    handler.emit = heard.append
    logger = logging.getLogger("codecarbon")
    logger.addHandler(handler)
    try:
        meter = CodeCarbonMeter()
        meter.start()
        readings = meter.read(1.0)
        assert heard == []
        logger.warning("of the user's own tracker")
        assert len(heard) == 1
    finally:
        logger.removeHandler(handler)
    assert {reading.component for reading in readings} >= {"cpu", "ram"}
    assert all(reading.kwh is None or reading.kwh >= 0 for reading in readings)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err.count("codecarbon") <= 1  # the user's line


def test_counters_that_may_not_be_read_name_the_cure(monkeypatch, capfd):
    """As on most Linux machines, where root alone may read RAPL."""
    from codecarbon.core import cpu

    def denied():
        cpu.logger.warning("\tRAPL - Permission denied reading RAPL file energy_uj.")
        return False

    monkeypatch.setattr(cpu, "is_rapl_available", denied)
    meter = CodeCarbonMeter()
    meter.start()
    line = meter.describe()
    assert "CPU by its load (modelled)" in line
    assert "sudo chmod -R a+r /sys/class/powercap/*" in line
    assert "codecarbon" not in capfd.readouterr().err


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_other_systems_have_a_clear_line_and_no_files(system, monkeypatch, tmp_path):
    """Without counters there, CPU load stands in: Power Gadget and powermetrics write files."""
    from codecarbon.core import resource_tracker

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(resource_tracker, "is_linux_os", lambda: False)
    monkeypatch.setattr(resource_tracker, "is_mac_os", lambda: system == "darwin")
    monkeypatch.setattr(resource_tracker, "is_windows_os", lambda: system == "win32")
    monkeypatch.setattr("codecarbon.core.windows_emi.is_emi_available", lambda: False)
    for module in ("cpu", "powermetrics"):
        name = "is_powergadget_available" if module == "cpu" else "is_powermetrics_available"
        monkeypatch.setattr(f"codecarbon.core.{module}.{name}", lambda: False)
    meter = CodeCarbonMeter()
    meter.start()
    assert "CPU by its load (modelled)" in meter.describe()
    assert list(tmp_path.iterdir()) == []
