"""For all tests: no network beyond this machine, and no time limit for examples."""

from __future__ import annotations

import pytest
from hypothesis import settings

import no_network


def pytest_configure() -> None:
    no_network.block()
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _guarded_loops():
    """All tests that run a loop run under the guard of ``langgraph dev``."""
    from langgraph_dev import guarded_loops

    yield from guarded_loops()
