"""Forks, notebooks, containers, Windows, macOS: a clear line, and never an error in the chain."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from fake_meter import Clock, FakeMeter
from langchain_core.language_models.llms import LLM

from impactree import ImpactHandler
from impactree.exceptions import ConfigurationError, ImpactreeError
from impactree.measure import Ledger, Measurement, idle_power

pytest.importorskip("codecarbon")
from codecarbon.core import cpu as cpus
from codecarbon.core import gpu, gpu_nvidia, resource_tracker, util, windows_emi
from codecarbon.external.hardware import CPU

from impactree.measure import clocks
from impactree.measure.codecarbon import CodeCarbonMeter

PWH = 1e-15
"""kWh: the unit of Windows' meters."""


class HuggingFacePipeline(LLM):
    """As Hugging Face's: a model in this process."""

    @property
    def _llm_type(self):
        return "huggingface_pipeline"

    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        time.sleep(0.01)
        return "an answer"


def one_call(meter):
    """A call with a meter that may fail: its run, and what the handler says of the meter."""
    handler = ImpactHandler(measure=Measurement(meter=meter))
    assert HuggingFacePipeline().invoke("Hi", config={"callbacks": [handler]}) == "an answer"
    (run,) = handler.last_run.calls
    return run, handler.tracker


# Windows


def emi(monkeypatch, *channels):
    """Windows' Energy Meter Interface with counters, pWh; None: it cannot be read."""
    counters = dict(enumerate(channels))
    clock = iter(range(0, 10**9, 10_000_000))  # 100 ns

    def measured(path, count):
        if counters[path] is None:
            raise OSError(5, "Access is denied", path)
        return [(counters[path], next(clock))]

    monkeypatch.setattr(windows_emi, "list_emi_device_paths", lambda: list(counters))
    monkeypatch.setattr(
        windows_emi, "_read_device_channels", lambda path: [f"RAPL_Package{path}_PKG"]
    )
    monkeypatch.setattr(windows_emi, "_read_device_measurements", measured)
    # Of this module alone: meters of earlier tests may still ask for the time in their threads.
    monkeypatch.setattr(windows_emi, "sys", SimpleNamespace(platform="win32"))
    return CodeCarbonMeter([CPU(os.devnull, "windows_emi", "a CPU", 65)]), counters


def test_windows_own_meters_are_measured(monkeypatch):
    meter, counters = emi(monkeypatch, 10**12, 7 * 10**12)
    meter.start()
    counters[0] += 2 * 10**9
    counters[1] += 3 * 10**9
    (reading,) = meter.read(1.0)
    assert reading == ("cpu", "measured", pytest.approx(5e9 * PWH))
    assert meter.describe() == "CPU by Windows' EMI (measured)"


def test_a_windows_meter_that_is_lost_is_none_and_what_it_adds_up_is_nobodys(monkeypatch):
    meter, counters = emi(monkeypatch, 10**12, 7 * 10**12)
    meter.start()
    counters[1] = None
    counters[0] += 2 * 10**9
    assert meter.read(1.0)[0].kwh is None  # the other one alone would be too little
    counters[1] = 9 * 10**12
    assert meter.read(1.0)[0].kwh is None  # from here on there is a baseline again
    counters[1] += 4 * 10**9
    assert meter.read(1.0)[0].kwh == pytest.approx(4e9 * PWH)


def on(system, monkeypatch):
    monkeypatch.setattr(resource_tracker, "is_linux_os", lambda: system == "linux")
    monkeypatch.setattr(resource_tracker, "is_mac_os", lambda: system == "darwin")
    monkeypatch.setattr(resource_tracker, "is_windows_os", lambda: system == "win32")


def test_windows_without_powershell_or_meters_is_modelled(monkeypatch):
    """As in its smaller containers: CodeCarbon asks PowerShell for the number of sockets."""
    on("win32", monkeypatch)
    monkeypatch.setattr("platform.system", lambda: "Windows")
    monkeypatch.setattr(windows_emi, "is_emi_available", lambda: False)
    monkeypatch.setattr(cpus, "is_powergadget_available", lambda: False)
    with pytest.raises(FileNotFoundError):
        util.count_physical_cpus()
    run, tracker = one_call(CodeCarbonMeter())
    assert run.own.source == "modelled"
    assert tracker.metering == "RAM by its size (modelled), CPU by its load (modelled)"


@pytest.mark.parametrize("chip", ["Apple M3 Pro", "Apple A18 Pro", "Intel(R) Core(TM) i9-9880H"])
def test_macos_asks_for_no_password(chip, monkeypatch):
    """CodeCarbon runs ``sudo powermetrics`` to see whether it may: on a terminal, that asks."""
    on("darwin", monkeypatch)

    def asked(*args, **more):
        raise AssertionError(f"started {args}")

    monkeypatch.setattr(util, "detect_cpu_model", lambda: chip)
    monkeypatch.setattr(resource_tracker, "detect_cpu_model", lambda: chip)
    monkeypatch.setattr("codecarbon.core.powermetrics.is_powermetrics_available", asked)
    monkeypatch.setattr(cpus, "is_powergadget_available", asked)
    run, tracker = one_call(CodeCarbonMeter())
    assert run.own.source == "modelled"
    assert "CPU by its load (modelled)" in tracker.metering


def test_the_clock_on_windows_stands_still_in_sleep(monkeypatch):
    """Python's own goes on there: an hour of sleep would count as an hour of work."""

    class Kernel:
        awake = 42.5

        def QueryUnbiasedInterruptTime(self, ticks):
            ticks._obj.value = int(self.awake * 1e7)

    kernel = Kernel()
    with monkeypatch.context() as patched:
        patched.setattr(ctypes, "windll", type("", (), {"kernel32": kernel}), raising=False)
        patched.setattr(clocks, "sys", SimpleNamespace(platform="win32"))
        assert clocks.awake() == pytest.approx(42.5)
        wall, problems = Clock(), []
        book = Ledger(
            FakeMeter(), note=lambda name, error: problems.append(name), wall=lambda: wall.now
        )
        book.start()
        claim = book.open()
        kernel.awake, wall.now = 43.5, 3601.0
        book.close(claim, 10)
    assert claim.failed == "energy-reading-failed"
    assert problems == ["energy reading: the machine slept, or its clock was set"]
    assert not book.read_so_far()


def test_here_the_clocks_go_on_alike():
    before = clocks.awake(), clocks.passed()
    time.sleep(0.05)
    awake, passed = clocks.awake() - before[0], clocks.passed() - before[1]
    assert awake >= 0.05
    assert passed == pytest.approx(awake, abs=1.0)


# Containers


BLIND = """
import json, sys
from impactree.measure.codecarbon import CodeCarbonMeter
import os
assert not os.listdir("/sys")
meter = CodeCarbonMeter()
meter.start()
print(json.dumps([[*map(list, meter.read(1.0))], meter.describe()]))
"""


def test_a_container_without_sys_is_modelled():
    inside = ["unshare", "--mount", "sh", "-c"]
    hide = "mount -t tmpfs none /sys"
    if (
        shutil.which("unshare") is None
        or subprocess.run([*inside, hide], capture_output=True, check=False).returncode
    ):
        pytest.skip("no mounts of one's own here")
    done = subprocess.run(
        [*inside, f'{hide} && exec "$0" -c "$1"', sys.executable, BLIND],
        capture_output=True,
        text=True,
        check=True,
    )
    readings, line = json.loads(done.stdout)
    assert {component: source for component, source, _ in readings} == {
        "ram": "modelled",
        "cpu": "modelled",
    }
    assert all(kwh > 0 for *_, kwh in readings)
    assert line.startswith("RAM by its size (modelled), CPU by its load (modelled)")
    assert done.stderr == ""


def test_gpus_whose_driver_is_not_there_leave_the_call_estimated(monkeypatch):
    """nvidia-smi in the image, no driver passed in: CodeCarbon then counts no GPU, as if none."""
    monkeypatch.setattr(gpu, "is_nvidia_system", lambda: True)
    monkeypatch.setattr(gpu_nvidia, "PYNVML_AVAILABLE", False)
    monkeypatch.setattr(gpu, "PYNVML_AVAILABLE", False)
    run, tracker = one_call(CodeCarbonMeter())
    assert run.own.source == "estimated"
    assert "energy-reading-failed" in {warning.code for warning in run.own.warnings}
    assert "GPUs cannot be read, so that calls are estimated" in tracker.metering
    assert set(tracker.problems) == {"energy reading: gpu could not be read"}


def test_a_driver_that_fails_leaves_the_call_estimated(monkeypatch):
    def fails(gpu_ids=None):
        raise OSError("GPU is lost")

    monkeypatch.setattr(gpu, "is_nvidia_system", lambda: True)
    monkeypatch.setattr(resource_tracker.GPU, "from_utils", fails)
    run, tracker = one_call(CodeCarbonMeter())
    assert run.own.source == "estimated"
    assert "(OSError: GPU is lost)" in tracker.metering


def test_a_cpu_that_cannot_be_set_up_is_a_line_and_a_problem(monkeypatch):
    """A job of Slurm in a container without ``scontrol``, which CodeCarbon runs."""
    monkeypatch.setattr(util, "SLURM_JOB_ID", "7")
    if shutil.which("scontrol"):
        pytest.skip("Slurm is here")
    run, tracker = one_call(CodeCarbonMeter())
    assert run.own.source == "estimated"
    assert "energy-not-read" in {warning.code for warning in run.own.warnings}
    assert tracker.metering.startswith("the meter has not started: FileNotFoundError")
    assert "scontrol" in tracker.metering
    assert tracker.problems == {"energy meter: FileNotFoundError": 1}


def test_a_board_whose_meters_do_not_answer_is_none(monkeypatch):
    """A Raspberry Pi: CodeCarbon takes an empty answer for 0 W."""
    from codecarbon.external import hardware

    said = ["VDD_CORE_A current(7)=2.0A\nVDD_CORE_V volt(15)=0.9V\n", ""]

    def run(*args, **more):
        return subprocess.CompletedProcess(args, 0, said.pop(0).encode(), b"")

    monkeypatch.setattr(hardware, "run", run)
    meter = CodeCarbonMeter([hardware.Raspberry(os.devnull, "Raspberry Pi 5")])
    meter.start()
    assert meter.read(10.0) == [("cpu", "measured", pytest.approx(1.8 * 10 / 3.6e6))]
    assert meter.read(10.0)[0].kwh is None
    assert meter.describe() == "CPU by its board (measured)"


# Notebooks


CELLS = [
    """
import time
from langchain_core.language_models.llms import LLM
from impactree import ImpactHandler

class HuggingFacePipeline(LLM):
    @property
    def _llm_type(self):
        return "huggingface_pipeline"
    def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        time.sleep(0.05)
        return "an answer"

handler = ImpactHandler(measure="local")
HuggingFacePipeline().invoke("At once", config={"callbacks": [handler]})
print(handler.last_run.calls[0].own.source)
""",
    """
for _ in range(600):
    if not handler.tracker.metering.startswith("the meter has not started"):
        break
    time.sleep(0.1)
print(handler.tracker.metering)
""",
    """
HuggingFacePipeline().invoke("Hello?", config={"callbacks": [handler]})
await HuggingFacePipeline().ainvoke("Hello?", config={"callbacks": [handler]})
print([run.own.source for root in handler.runs[1:] for run in root.calls], handler.tracker.problems)
""",
    "handler.report()",
    """
again = ImpactHandler(measure="local")
HuggingFacePipeline().invoke("Hello?", config={"callbacks": [again]})
print(again.last_run.calls[0].own.source)
""",
]


def test_a_notebook():
    """Its cells run on an event loop, on which the meter starts without holding it up."""
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    client.NotebookClient(book, timeout=300, kernel_name="python3").execute()
    texts = [
        "".join(output.get("text", "") for output in cell.outputs).strip() for cell in book.cells
    ]
    assert texts[0] in ("estimated", "modelled", "measured", "mixed")  # as soon as the meter is
    assert "RAM by its size (modelled)" in texts[1]
    read = "'mixed'" if "(measured)" in texts[1] else "'modelled'"
    assert texts[2] == f"[{read}, {read}] {{}}"
    (shown,) = book.cells[3].outputs
    assert {"text/plain", "text/html"} <= shown["data"].keys()
    assert "HuggingFacePipeline" in shown["data"]["text/html"]
    assert texts[4] == read.strip("'")
    outputs = [output for cell in book.cells for output in cell.outputs]
    assert not any(output.get("name") == "stderr" for output in outputs)


# The idle machine


def test_the_power_of_the_idle_machine_is_read_for_the_baseline():

    watts = idle_power(0.05, meter=FakeMeter(cpu_w=12, ram_w=3))
    assert watts == pytest.approx(15)
    Measurement(meter=FakeMeter(), baseline_w=watts)
    lost = FakeMeter(cpu_w=12, ram_w=3)
    lost.missing = ("cpu",)
    with pytest.raises(ImpactreeError, match="cpu could not be read: a fake"):
        idle_power(0.01, meter=lost)
    with pytest.raises(ImpactreeError, match="nothing could be read"):
        idle_power(0.01, meter=FakeMeter(cpu_w=0))
    for wrong in (0, -1, "3", True, float("nan")):
        with pytest.raises(ConfigurationError, match="seconds must be a number above 0"):
            idle_power(wrong)
