"""Fixtures of the LlamaIndex tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wire.fixtures import let_go, wire_server

pytest.importorskip("llama_index.core")

from impactree.llama_index import ImpactHandler

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["handler", "let_go", "wire_server"]


@pytest.fixture(scope="module", autouse=True)
def _let_go_of_loops(let_go: None) -> None:
    """LlamaIndex's synchronous calls of asynchronous code may leave event loops, too."""


@pytest.fixture
def handler() -> Iterator[ImpactHandler]:
    """A handler that follows the whole process; at the end nothing may have gone wrong."""
    with ImpactHandler().instrument() as followed:
        yield followed
        assert followed.tracker.problems == {}
    assert followed.tracker.open_roots == []
