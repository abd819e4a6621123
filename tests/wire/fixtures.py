"""Pytest fixtures; import them in a conftest to share them."""

from __future__ import annotations

import gc
import warnings
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from .server import WireServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@cache
def _read_amazons_models_once() -> None:
    """Each of its clients would parse the megabytes of JSON again that describe its services."""
    if find_spec("botocore"):
        from botocore import session

        session.create_loader = cache(session.create_loader)


@pytest.fixture
def wire_server() -> Iterator[WireServer]:
    """Run a fresh server for one test."""
    _read_amazons_models_once()
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
