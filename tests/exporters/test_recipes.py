"""The exporters' recipes run as printed, and the own exporter has the size it claims."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("export_own.py", "received: gpt-4o-mini "),
        ("export_sql.py", "3 lines in impacts.jsonl"),
    ],
)
def test_a_recipe_runs(name: str, said: str) -> None:
    if name == "export_sql.py":
        pytest.importorskip("sqlalchemy")
    done = subprocess.run(
        [sys.executable, ROOT / "cookbook" / name], capture_output=True, text=True, check=True
    )
    assert said in done.stdout
    assert "delivered: True" in done.stdout
    assert done.stderr == ""


def test_the_own_exporter_has_twenty_lines() -> None:
    tree = ast.parse((ROOT / "cookbook" / "export_own.py").read_text())
    (found,) = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name != "Webhook"]
    assert found.end_lineno is not None
    assert found.end_lineno - found.lineno + 1 <= 20


def test_the_docs_python_is_python() -> None:
    for page in (ROOT / "docs" / "exporters").glob("*.md"):
        for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            ast.parse(code)
