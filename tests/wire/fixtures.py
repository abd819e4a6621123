"""Pytest fixtures; import them in a conftest to share them."""

from __future__ import annotations

import gc
import warnings
from typing import TYPE_CHECKING

import pytest

from .server import WireServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def wire_server() -> Iterator[WireServer]:
    """Run a fresh server for one test."""
    with WireServer() as server:
        yield server


@pytest.fixture(scope="module")
def let_go() -> Iterator[None]:
    """Collect the sockets that client packages leave open, without their warnings."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
        gc.collect()
