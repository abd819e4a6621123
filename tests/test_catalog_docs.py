"""The Python in the docs on names, configuration and explanations runs as printed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from impactree.catalog import load_catalog
from impactree.values.impacts import GRADES
from impactree.values.messages import MESSAGES

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("names.md", "configuration.md", "explain.md", "methodology/electricity.md")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_runs(page, capsys):
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), {})
        for line in re.findall(r"^# (.+)$", block, re.MULTILINE):
            assert line in capsys.readouterr().out


def test_the_toml_is_what_the_settings_take(tmp_path, monkeypatch):
    from impactree.engine import Engine

    settings, mine = blocks("configuration.md", "toml")
    (tmp_path / "impactree.toml").write_text(settings)
    (tmp_path / "our-models.toml").write_text(mine)
    monkeypatch.chdir(tmp_path)
    engine = Engine()
    assert engine.catalog.record(tomllib.loads(mine)["models"][0]["id"]) is not None
    assert engine.settings.provider_zones == {"azure": "SWE"}


def test_every_grade_and_code_that_is_named_exists():
    text = (DOCS / "names.md").read_text()
    for grade in GRADES[:-1]:
        assert f"| `{grade}` |" in text
    for code in re.findall(r"`((?:model|host|kind|local)-[a-z-]+)`", text):
        assert code in MESSAGES
    assert load_catalog().rules.prior
