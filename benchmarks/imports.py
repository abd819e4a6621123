"""What importing and first use cost, each in fresh processes."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks._measure import Result, at_most, fresh, rounds
from impactree.catalog import load_catalog
from impactree.catalog._compile import compile_files
from impactree.catalog._schema import read_file
from impactree.catalog._sources import data_files

ROUNDS = 9
DATA = Path(__file__).parents[1] / "data"
TIMED = """
{before}
import time
start = time.perf_counter()
{timed}
print(time.perf_counter() - start)
"""
FIRST_ESTIMATE = """
from impactree import ModelCall, estimate
estimate(ModelCall(provider="openai", model="gpt-4o-mini", output_tokens=400, latency_s=3.2))
"""
CALLBACKS = "from langchain_core.callbacks import BaseCallbackHandler"
LOAD = "catalog = Catalog(Path({path!r}).read_text(encoding='utf-8')); catalog.record('gpt-4o')"


def ten_times() -> str:
    """The compiled catalog with every model ten times, under other names."""
    files = [(file.name, read_file(file)) for file in data_files(DATA)]
    copies = [
        (
            f"{name}-{copy}",
            file.model_copy(
                update={
                    "models": [_renamed(model, f"-copy{copy}") for model in file.models],
                    **{kind: [] for kind in ("moving", "families", "hosts", "regions", "zones")},
                }
            ),
        )
        for copy in range(1, 10)
        for name, file in files
        if file.models
    ]
    return compile_files(files + copies)


def _renamed(model: Any, suffix: str) -> Any:
    aliases = [alias + suffix for alias in model.aliases]
    return model.model_copy(update={"id": model.id + suffix, "aliases": aliases})


def run() -> list[Result]:
    load_catalog()  # a checkout compiles on first use: not what is measured
    with tempfile.TemporaryDirectory() as folder:
        larger = Path(folder) / "ten.jsonl"
        larger.write_text(ten_times(), encoding="utf-8")
        before = "from pathlib import Path; from impactree.catalog import Catalog, load_catalog"
        cases = [
            ("import impactree", "", "import impactree", 40),
            ("import estimate, first estimate", "", FIRST_ESTIMATE, 150),
            ("import the handler", CALLBACKS, "from impactree import ImpactHandler", 30),
            ("load the catalog", before, "load_catalog().record('gpt-4o')", 50),
            ("load a catalog ten times as large", before, LOAD.format(path=str(larger)), 50),
        ]
        variants = {
            name: partial(fresh, TIMED.format(before=first, timed=timed))
            for name, first, timed, _ in cases
        }
        rounds(variants, 1)  # writes byte code
        taken = rounds(variants, ROUNDS)
    return [at_most(name, median(taken[name]) * 1e3, limit, "ms") for name, *_, limit in cases]
