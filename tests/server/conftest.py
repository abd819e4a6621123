"""Servers that tests ask over HTTP."""

from __future__ import annotations

import httpx
import pytest
from server_helpers import TOKEN, serving

from impactree.server.settings import ServeSettings


@pytest.fixture(scope="session")
def address():
    """A calculator, open to all of this machine."""
    with serving(ServeSettings()) as found:
        yield found


@pytest.fixture(scope="session")
def guarded():
    """A server that asks for a token."""
    with serving(ServeSettings(token=TOKEN)) as found:
        yield found


@pytest.fixture
def ask(address):
    with httpx.Client(base_url=address, timeout=60) as client:
        yield client
