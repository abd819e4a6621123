"""The maintainer's comparison with ecologits and genai-prices, and the diff that it proposes."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "data"
DAY = dt.date(2027, 3, 1)

_spec = importlib.util.spec_from_file_location("catalog_diff", DATA / "scripts" / "catalog_diff.py")
catalog_diff = sys.modules[_spec.name] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(catalog_diff)
compare = catalog_diff.compare


@pytest.fixture(scope="module")
def stale(tmp_path_factory):
    """Our data as if written before gpt-4o came, with another figure for gpt-4o-mini."""
    folder = tmp_path_factory.mktemp("stale") / "data"
    shutil.copytree(DATA, folder)
    path = folder / "models" / "openai.toml"
    entries = path.read_text().split("\n[[")
    kept = [e for e in entries if 'id = "gpt-4-0613"' not in e]
    assert len(kept) == len(entries) - 1
    mini = next(i for i, e in enumerate(kept) if 'id = "gpt-4o-mini"\n' in e)
    kept[mini] = kept[mini].replace("total = [8, 28]", "total = [8, 29]")
    gone = (
        'models]]\nid = "gpt-0"\ntotal = 1\nbasis = "published"\nvia = "ecologits-0.11.3"\n'
        'sources = ["https://example.com"]\nchecked = 2026-01-01\n'
    )
    path.write_text("\n[[".join([*kept, gone]))
    return folder


def test_our_data_agree_with_the_installed_ecologits():
    found = compare(DATA, DAY)
    assert not [line for line in (*found.new, *found.changed) if "(ecologits" in line]


def test_what_is_new_changed_and_gone(stale):
    found = compare(stale, DAY)
    assert any(line.startswith("gpt-4-0613 (ecologits") for line in found.new)
    assert [line.partition(" ")[0] for line in found.changed] == ["gpt-4o-mini"]
    assert any(line.startswith("gpt-0 ") for line in found.gone)


def test_the_proposal_applies_and_appends(stale):
    found = compare(stale, DAY)
    done = subprocess.run(
        ["patch", "-p1"],
        input=found.patch,
        text=True,
        cwd=stale.parent,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    raw = tomllib.loads((stale / "models" / "openai.toml").read_text())
    mini = [m for m in raw["models"] if m["id"] == "gpt-4o-mini"]
    assert [m.get("from") for m in mini] == [None, DAY]
    assert mini[1]["total"] == [8, 28]
    assert any(m["id"] == "gpt-4-0613" for m in raw["models"])
    again = compare(stale, DAY)
    assert not again.changed


def test_a_package_that_is_missing_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ecologits", None)
    assert catalog_diff.main(["--data", str(DATA)]) == 2
    assert "pip install ecologits" in capsys.readouterr().err


def test_the_command(stale, tmp_path, capsys):
    assert catalog_diff.main(["--data", str(DATA), "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"new", "changed", "gone", "patch"}
    target = tmp_path / "proposal.diff"
    assert catalog_diff.main(["--data", str(DATA), "--output", str(target)]) == 0
    assert " changed, " in capsys.readouterr().out
    assert target.exists()
