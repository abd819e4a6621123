"""For all tests: no network beyond this machine, no time limit for examples, no width."""

from __future__ import annotations

import pytest
from hypothesis import settings

import no_network


def pytest_configure() -> None:
    no_network.block()
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs the tests in parallel says how wide its own terminal is."""
    monkeypatch.delenv("COLUMNS", raising=False)
