"""The names in LiteLLM's list: estimated, mostly known, and nothing but text is read as text."""

from __future__ import annotations

import importlib.util
import runpy
from pathlib import Path

import pytest

if importlib.util.find_spec("litellm") is None:
    pytest.skip("litellm carries the list", allow_module_level=True)

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "litellm_names.py"


@pytest.fixture(scope="module")
def read():
    script = runpy.run_path(str(SCRIPT))
    return script["summary"](script["measure"]())


def test_text_names_are_estimated(read):
    assert read["text names"] > 3_500
    assert read["estimated"] >= 0.99


def test_text_names_are_mostly_better_than_the_prior(read):
    assert read["better than prior"] >= 0.93


def test_what_makes_no_text_is_not_read_as_text(read):
    assert read["other names estimated as text"] == []


def test_oracles_names_run_at_oracle(read):
    assert read["oci/ elsewhere"] == []
