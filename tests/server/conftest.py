"""Servers that tests ask over HTTP."""

from __future__ import annotations

import httpx
import pytest
from server_helpers import TOKEN, serving

from impactree import ImpactTracker, ModelCall
from impactree.exporters import SQLExporter
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


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """The URL of a database with two runs of two users."""
    found = f"sqlite:///{tmp_path_factory.mktemp('db') / 'impacts.db'}"
    tracker = ImpactTracker(exporters=[SQLExporter(found)])
    for user, tokens in (("ada", 500), ("bob", 100)):
        tracker.start(user, None, name=f"run of {user}", kind="chain", metadata={"user_id": user})
        call = ModelCall(model="gpt-4o", provider="openai", output_tokens=tokens)
        tracker.record(call, user)
        tracker.end(user)
    assert tracker.flush(20)
    return found
