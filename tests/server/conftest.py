"""Servers that tests ask over HTTP."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import httpx
import pytest
from server_helpers import TOKEN, serving

from browsing import WIDE
from impactree import ImpactTracker, ModelCall
from impactree.exporters import SQLExporter
from impactree.server.settings import ServeSettings

REFUSED = re.compile("status of (409|422)")
"""What a browser says of answers that the page shows in words."""


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


@pytest.fixture
def visit(browser, address):
    """Opens the page; afterwards nothing was asked of another host, and nothing complained."""
    asked, said, contexts = [], [], []

    def visit(mode, size=WIDE, where=address, **fields):
        context = browser.new_context(viewport=size)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(f"{where}/#{urlencode({'mode': mode, **fields})}")
        page.wait_for_selector("main.app section")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert {
        url for url in asked if not url.startswith(("http://127.0.0.1", "data:", "file:"))
    } == set()
    assert [text for text in said if not REFUSED.search(text)] == []  # what it then says
