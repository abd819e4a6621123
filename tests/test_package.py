"""The package: what it exports, what importing it costs, what the wheel holds."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

import impactree

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "impactree"


def python(code, *, path=None):
    """Run code in a fresh interpreter; returns what it prints."""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(path) if path else ""}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_is_true_and_complete():
    assert set(impactree.__all__) == {*impactree._HOMES, "__version__"}
    for name in impactree.__all__:
        assert getattr(impactree, name) is not None
        assert name in dir(impactree)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = impactree.nonsense


def test_the_version_stands_in_one_place():
    assert version("impactree") == impactree.__version__


def test_importing_imports_nothing_else():
    loaded = python(
        "import sys, impactree; before = set(sys.modules);"
        "print(any(m.split('.')[0] in ('langchain_core', 'llama_index', 'pydantic', 'rich')"
        " for m in sys.modules))"
    )
    assert loaded == "False"


def test_a_first_estimate_needs_no_pydantic_and_no_framework():
    loaded = python(
        "import sys; from impactree import ModelCall, estimate;"
        "estimate(ModelCall(provider='openai', model='gpt-4o', output_tokens=1)).gwp;"
        "print(sorted({m.split('.')[0] for m in sys.modules} &"
        " {'langchain_core', 'llama_index', 'pydantic', 'rich', 'tenacity'}))"
    )
    assert loaded == "[]"


@pytest.mark.parametrize(
    ("adapter", "package", "extra"),
    [
        ("impactree.langchain", "langchain_core", "langchain"),
        ("impactree.llama_index", "llama_index", "llama-index"),
    ],
)
def test_a_missing_framework_names_its_extra(adapter, package, extra):
    text = python(
        f"import sys; sys.modules[{package!r}] = None\n"
        f"sys.modules['llama_index_instrumentation'] = None\n"
        f"import importlib\n"
        f"try: importlib.import_module({adapter!r}).ImpactHandler()\n"
        f"except ImportError as error: print(error)"
    )
    assert f"pip install 'impactree[{extra}]'" in text


# Layers: adapters -> tracker -> engine -> (catalog, methods) -> impacts.
FORBIDDEN = {
    "units.py": ("impactree",),
    "impacts.py": ("catalog", "engine", "calls", "methods", "runs", "tracker"),
    "methods": ("catalog", "engine", "tracker", "runs", "langchain", "llama_index", "report"),
    "catalog": ("engine", "tracker", "runs", "langchain", "llama_index", "report", "exporters"),
    "engine.py": ("tracker", "runs", "langchain", "llama_index", "report", "exporters"),
    "runs.py": ("engine", "tracker", "langchain", "llama_index", "report", "exporters"),
    "tracker.py": ("impactree.langchain", "llama_index", "impactree.exporters"),
    "report": ("langchain", "llama_index", "exporters"),
}


def imports(path):
    """Modules a file imports at its top level, type-checking blocks left out."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("place", FORBIDDEN)
def test_imports_point_one_way(place):
    files = sorted((SOURCE / place).glob("*.py")) if "." not in place else [SOURCE / place]
    assert files
    for file in files:
        for module in imports(file):
            wrong = [part for part in FORBIDDEN[place] if part in module.replace("messages", "")]
            assert not wrong, f"{file.name} imports {module}"


def test_modules_stay_small():
    for file in SOURCE.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 500, file


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    importlib.import_module("hatchling.build")
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = folder.glob("*.whl")
    unpacked = folder / "site"
    with zipfile.ZipFile(built) as archive:
        archive.extractall(unpacked)
    return unpacked


def test_the_wheel_ships_the_data_and_the_compiled_catalog(wheel):
    for name in ("data/zones.toml", "data/hosts.toml", "data/models/openai.toml", "py.typed"):
        assert (wheel / "impactree" / name).is_file(), name
    assert (wheel / "impactree" / "catalog" / "compiled.jsonl").is_file()
    (info,) = wheel.glob("*.dist-info")
    assert "Mozilla Public License" in (info / "licenses" / "NOTICE").read_text()
    assert "Apache License" in (info / "licenses" / "LICENSE").read_text()


def test_an_installed_wheel_estimates_without_the_checkout(wheel):
    text = python(
        "import impactree; from impactree import ModelCall, estimate;"
        "print(impactree.__file__);"
        "print(estimate(ModelCall(provider='openai', model='gpt-4o', output_tokens=9)).estimated)",
        path=wheel,
    )
    where, estimated = text.splitlines()
    assert where.startswith(str(wheel))
    assert estimated == "True"
