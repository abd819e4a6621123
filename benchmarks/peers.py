"""The frameworks' own tests, with our handler on everything and without: what differs?

Their source distributions carry them. ``python -m benchmarks.peers [package ...]`` prints each
test whose outcome differs, and ends with 1 when there is one that is not expected.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

PEERS = {
    "langchain-core": "tests/unit_tests",
    "langchain": "tests/unit_tests",
    "langgraph": "tests",
}
EXPECTED = {
    # It asserts the exact list of a manager's handlers.
    "tests.unit_tests.runnables.test_config::test_ensure_config_metadata_to_configurable",
}
PLUGIN = """
from contextvars import ContextVar

import pytest
from langchain_core.tracers.context import register_configure_hook

from impactree import ImpactHandler

HANDLER = ImpactHandler()
register_configure_hook(ContextVar("peer", default=HANDLER), inheritable=True)


def pytest_terminal_summary(terminalreporter):
    tracker = HANDLER.tracker
    terminalreporter.write_line(f"impactree: {tracker.finished_runs} runs, {tracker.problems}")
"""


def source(package: str, folder: Path) -> Path:
    """The unpacked source distribution of the installed version."""
    wanted = f"{package}=={version(package)}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
    subprocess.run([*pip, "--dest", str(folder), wanted], check=True)
    (archive,) = folder.glob(f"{package.replace('-', '_')}-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def outcomes(root: Path, tests: str, report: Path, *, guest: bool) -> dict[str, str]:
    """Each test's outcome; with ``guest``, our handler hears everything."""
    path = os.pathsep.join([str(root.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "pytest", tests, "-q", f"--junitxml={report}", "--tb=no"]
    command += ["-p", "no:cacheprovider", "-o", "junit_family=xunit1"]
    if guest:
        (root.parent / "impactree_guest.py").write_text(PLUGIN, "utf-8")
        command += ["-p", "impactree_guest"]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        command, cwd=root, env=environment, check=False, capture_output=True, text=True
    )
    print("\n".join(done.stdout.splitlines()[-3:]))
    found = {}
    for case in ET.parse(report).iter("testcase"):  # our own file
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[f"{case.get('classname')}::{case.get('name')}"] = min(kinds, default="passed")
    return found


def differences(package: str, tests: str) -> list[str]:
    """The tests that fare differently, as ``name: without -> with``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = source(package, folder)
        alone = outcomes(root, tests, folder / "alone.xml", guest=False)
        beside = outcomes(root, tests, folder / "beside.xml", guest=True)
    return [
        f"{test}: {alone.get(test)} -> {beside.get(test)}"
        for test in sorted(alone.keys() | beside.keys())
        if alone.get(test) != beside.get(test)
    ]


def main(packages: list[str]) -> int:
    surprises = 0
    for package in packages or list(PEERS):
        print(f"{package} {version(package)}")
        for line in differences(package, PEERS[package]):
            expected = line.partition(": ")[0] in EXPECTED
            surprises += not expected
            print(f"  {'expected' if expected else 'DIFFERS'}  {line}")
    return min(surprises, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
