"""Fixtures of the LangChain tests, and the mark for what only newer packages have."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from impactree import ImpactHandler
from wire.fixtures import let_go, wire_server

__all__ = ["config", "handler", "let_go", "pytest_collection_modifyitems", "wire_server"]


@pytest.fixture
def handler():
    return ImpactHandler()


@pytest.fixture
def config(handler):
    return {"callbacks": [handler]}


def pytest_collection_modifyitems(items):
    """Skip what is marked ``newest`` where langchain-core is older than what it tests."""
    found = tuple(int(part) for part in version("langchain-core").split(".")[:2])
    if found >= (1, 7):
        return
    for item in items:
        if item.get_closest_marker("newest"):
            item.add_marker(pytest.mark.skip(reason="needs langchain-core 1.7"))


@pytest.fixture(scope="module", autouse=True)
def _guarded_loops():
    """All tests that run a loop run under the guard of ``langgraph dev``."""
    from langgraph_dev import guarded_loops

    yield from guarded_loops()
