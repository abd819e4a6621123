"""The frameworks' own tests, with our handler on everything and without: what differs?

Their source distributions carry them. ``python -m benchmarks.peers [package ...]`` prints each
test whose outcome differs, and ends with 1 when there is one that is not expected. Tests that
differ are run again, both ways: some of the frameworks' own pass now and then only.
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
    "tests/unit_tests/runnables/test_config.py::test_merge_config_callbacks",
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


def outcomes(root: Path, tests: list[str], *, guest: bool) -> dict[str, str]:
    """Each test's outcome by its node id; with ``guest``, our handler hears everything."""
    report = root.parent / "report.xml"
    report.unlink(missing_ok=True)
    path = os.pathsep.join([str(root.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "pytest", *tests, "-q", "-n", "2", "--tb=no"]
    command += ["--continue-on-collection-errors", "-p", "no:cacheprovider"]
    command += [f"--junitxml={report}", "-o", "junit_family=xunit1"]
    if guest:
        (root.parent / "impactree_guest.py").write_text(PLUGIN, "utf-8")
        command += ["-p", "impactree_guest"]
    environment = {**os.environ, "PYTHONPATH": path, "NO_DOCKER": "true"}
    done = subprocess.run(
        command, cwd=root, env=environment, check=False, capture_output=True, text=True
    )
    if not report.exists():
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    print(f"  {'with' if guest else 'without'}: {done.stdout.splitlines()[-1].strip('= ')}")
    found = {}
    for case in ET.parse(report).iter("testcase"):  # our own file
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[node_id(case)] = min(kinds, default="passed")
    return found


def node_id(case: ET.Element) -> str:
    """How pytest would be asked for a test of its report."""
    file, owner = case.get("file", ""), case.get("classname", "")
    classes = owner.removeprefix(file.removesuffix(".py").replace("/", ".")).strip(".").split(".")
    return "::".join(filter(None, [file, *classes, case.get("name", "")]))


def differences(package: str, tests: str) -> list[str]:
    """The tests that fare differently, as ``test: without -> with``."""
    with tempfile.TemporaryDirectory() as name:
        root = source(package, Path(name))
        wanted = [tests]
        for _ in range(2):
            alone = outcomes(root, wanted, guest=False)
            beside = outcomes(root, wanted, guest=True)
            both = sorted(alone.keys() | beside.keys())
            wanted = [test for test in both if alone.get(test) != beside.get(test)]
            if not wanted:
                break
    return [f"{test}: {alone.get(test)} -> {beside.get(test)}" for test in wanted]


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
