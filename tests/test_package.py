"""The package: what it exports, what importing it costs, what the wheel holds."""

from __future__ import annotations

import ast
import importlib
import os
import re
import statistics
import subprocess
import sys
import tarfile
import tomllib
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


def test_a_method_is_loaded_when_it_is_named():
    loaded = python(
        "import sys; from impactree import ModelCall, estimate;"
        "call = ModelCall(model='gpt-4o', input_tokens=1, output_tokens=1);"
        "name = 'impactree.methods.impactree_1';"
        "estimate(call); before = name in sys.modules;"
        "print(before, estimate(call, method='impactree-1').method, name in sys.modules)"
    )
    assert loaded == "False impactree-1 True"


MISSING = [
    # extra, what blocks it, what a user does
    ("langchain", ["langchain_core"], "from impactree import ImpactHandler"),
    ("langchain", ["langchain_core"], "import impactree.langchain"),
    ("agents", ["langchain"], "from impactree.langchain import ImpactMiddleware"),
    (
        "llama-index",
        ["llama_index", "llama_index_instrumentation"],
        "from impactree.llama_index import ImpactHandler",
    ),
    ("langsmith", ["langsmith"], "from impactree.exporters import LangSmithExporter"),
    ("langsmith", ["langsmith"], "from impactree.exporters import impact_evaluator"),
    ("otel", ["opentelemetry"], "from impactree.exporters import OTelExporter"),
    (
        "otel",
        ["opentelemetry.exporter.prometheus"],
        "from impactree.exporters import OTelExporter; OTelExporter.prometheus()",
    ),
    ("measure", ["codecarbon"], "from impactree import ImpactTracker as T; T(measure='local')"),
    ("dataframe", ["narwhals"], "from impactree import Report; Report([]).to_dataframe()"),
    ("parquet", ["pyarrow"], "from impactree import Report; Report([]).to_parquet('r.parquet')"),
    ("parquet", ["pyarrow"], "from impactree.exporters import ParquetExporter"),
    ("tables", ["ibis"], "from impactree.tables import estimate"),
    (
        "spark",
        ["pyspark"],
        "from pathlib import Path; from impactree.tables._spark import spark\n"
        "with spark(Path()): pass",
    ),
    ("serve", ["fastapi"], "from impactree.server.running import run"),
    ("serve", ["uvicorn"], "from impactree.cli import cli; cli.main(['serve'])"),
    ("sql", ["sqlalchemy"], "from impactree.exporters import SQLExporter"),
    ("sql", ["sqlalchemy"], "from impactree.cli import cli; cli.main(['db', 'report'])"),
    (
        "sql",
        ["psycopg", "psycopg2"],
        "from impactree.exporters import SQLExporter; SQLExporter('postgresql://u@127.0.0.1/d')",
    ),
]


@pytest.mark.parametrize(("extra", "blocked", "use"), MISSING, ids=lambda v: str(v)[-40:])
def test_a_missing_extra_gives_one_line_that_names_it(extra, blocked, use):
    text = python(
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r}))\n"
        f"try: exec({use!r})\n"
        "except ImportError as error: print(type(error).__name__, error)"
    )
    assert text.startswith("MissingExtraError ")
    assert text.endswith(f"pip install 'impactree[{extra}]'")
    assert len(text.splitlines()) == 1


def test_every_extra_is_declared_tested_and_in_all():
    raised = re.findall(
        r"MissingExtraError\(\"([a-z-]+)\"",
        "".join(file.read_text("utf-8") for file in SOURCE.rglob("*.py")),
    )
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = declared["optional-dependencies"]
    assert set(raised) == {extra for extra, *_ in MISSING} == {*extras} - {"all"}
    small = sorted({*extras} - {"all", "spark"})  # Spark alone is larger than the rest together
    assert extras["all"] == [f"impactree[{','.join(small)}]"]


# Rooms, lowest first: one may know its own and those below it, wherever the import stands.
ROOMS = [
    *("exceptions", "loops", "values", "calls", "methods", "catalog", "engine", "runs"),
    *("advice", "report", "delivery", "store", "exporters", "tables", "reported", "measure"),
    *("tracker", "propagation", "adapters", "langchain", "llama_index", "block", "", "service"),
    *("server", "cli"),
]
BESIDE = {
    ("llama_index", "langchain"),
    ("delivery", "report"),
    ("store", "report"),
    ("exporters", "report"),
}
"""Rooms that must not know each other, though one is listed above the other."""


def module_of(file):
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def all_imports():
    """Module -> the modules of the package that it imports anywhere, for types only as well."""
    modules = {module_of(file): file for file in SOURCE.rglob("*.py")}
    found = {}
    for name, file in modules.items():
        known = found[name] = set()
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                known |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                known |= {m if m in modules else node.module for m in full}
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
                known |= {a.value for a in node.args if isinstance(a, ast.Constant)}
        known &= set(modules)
    return found


def room_of(module):
    return f"{module}.".split(".")[1]


def test_every_room_is_listed():
    assert {room_of(module) for module in all_imports()} == set(ROOMS)


def test_imports_point_one_way():
    wrong = [
        f"{module} imports {other}"
        for module, others in all_imports().items()
        for other in others
        if module != "impactree"  # the door, which names what is behind it
        if ROOMS.index(room_of(other)) > ROOMS.index(room_of(module))
        or (room_of(module), room_of(other)) in BESIDE
    ]
    # What the parts of a package ask of the package itself.
    wrong = [w for w in wrong if not w.endswith("imports impactree")]
    assert wrong == []


def test_no_two_modules_import_each_other():
    """Around no corner either."""
    graph = all_imports()
    graph["impactree"] = set()
    circles = []
    for start in graph:
        reached, stack = set(), [start]
        while stack:
            for other in graph[stack.pop()] - reached:
                reached.add(other)
                stack.append(other)
        if start in reached:
            circles.append(start)
    assert circles == []


def test_modules_stay_small():
    for file in SOURCE.rglob("*.py"):
        assert len(file.read_text().splitlines()) <= 400, file


def test_functions_stay_small():
    """Lines from ``def`` to the end, docstrings included; complexity is ruff's to judge."""
    sizes = {
        f"{file.name}:{node.name}": node.end_lineno - node.lineno + 1
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: size for name, size in sizes.items() if size > 40} == {}
    assert statistics.median(sizes.values()) <= 8


def test_a_run_is_asked_for_its_report_first():
    """A report is imported when one is asked for: by whom does not matter."""
    shown = python(
        "from impactree import ImpactTracker, ModelCall; tracker = ImpactTracker();"
        "tracker.record(ModelCall(model='gpt-4o', provider='openai', output_tokens=3));"
        "run = tracker.last_run; print(len(run.to_dict()['runs']), run.report().calls)"
    )
    assert shown == "0 1"


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
    if (SOURCE / "web" / "page.js").is_file() or os.environ.get("CI") == "true":
        for name in ("page.js", "page.css", "app.js", "app.css", "stamp"):
            assert (wheel / "impactree" / "web" / name).is_file(), name
    (info,) = wheel.glob("*.dist-info")
    assert "Mozilla Public License" in (info / "licenses" / "NOTICE").read_text()
    assert "Apache License" in (info / "licenses" / "LICENSE").read_text()


def test_the_sdist_holds_what_its_readme_and_tests_need(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (built,) = tmp_path.iterdir()
    with tarfile.open(built) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for page in ("README.md", "CONTRIBUTING.md", "data/README.md"):
        links = re.findall(r"\]\(([\w./-]+)\)", (ROOT / page).read_text("utf-8"))
        for link in links:
            target = ((ROOT / page).parent / link).resolve().relative_to(ROOT).as_posix()
            assert target in names or any(name.startswith(f"{target}/") for name in names), link
    for name in (
        *("LICENSE", "NOTICE", "CITATION.cff", "CHANGELOG.md", "Makefile", "hatch_build.py"),
        *("tests/wire/payloads/openai/chat.json", "cookbook/texts/walden.txt"),
        *("benchmarks/__main__.py", "src/impactree/schemas/report.schema.json"),
        *("web/build.py", "web/package-lock.json", "web/src/main.tsx"),
    ):
        assert name in names, name
    assert ("src/impactree/web/page.js" in names) == (SOURCE / "web" / "page.js").is_file()
    assert not any("node_modules" in name for name in names)
    assert not any(name.endswith((".pyc", "compiled.jsonl")) for name in names)


def test_an_installed_wheel_estimates_without_the_checkout(wheel):
    (wheel.parent / "pyproject.toml").touch()  # pip install --target, in somebody's project
    text = python(
        "import impactree; from impactree import ModelCall, estimate;"
        "print(impactree.__file__);"
        "print(estimate(ModelCall(provider='openai', model='gpt-4o', output_tokens=9)).estimated)",
        path=wheel,
    )
    where, estimated = text.splitlines()
    assert where.startswith(str(wheel))
    assert estimated == "True"
