"""For all tests: no network beyond this machine, no time limit for examples, no width."""

from __future__ import annotations

import pytest
from hypothesis import settings

import browsing
import no_network
from impactree import ImpactTracker, ModelCall


def pytest_configure() -> None:
    no_network.block()
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests begin first: at the end, the other workers would wait for them."""
    longest = ("test_schemathesis", "test_every_figure_and_warning_equals_ecologits")
    items.sort(key=lambda item: not item.name.startswith(longest))


@pytest.fixture(autouse=True)
def _no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs the tests in parallel says how wide its own terminal is."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="module")
def browser():
    """Of one module alone: its event loop would be in the way of asynchronous tests."""
    with browsing.chromium() as opened:
        yield opened


@pytest.fixture
def mixed():
    """A chat, an embedding, a film and a picture, with a share of training."""

    def made(method, exporters=(), more=()):
        tracker = ImpactTracker(method=method, include_training=True, exporters=exporters)
        tracker.start("root", name="root", kind="agent")
        tracker.start("tool", "root", name="studio", kind="tool")
        llama = "meta-llama/Meta-Llama-3-70B-Instruct"
        calls = [
            ModelCall(model=llama, provider="together", input_tokens=90, output_tokens=40),
            ModelCall(
                model="text-embedding-3-small", provider="openai", kind="embedding", input_tokens=9
            ),
        ]
        film = ModelCall(
            model="sora-2-pro",
            provider="openai",
            kind="video",
            resolution="720p",
            seconds=4,
            sound=False,
        )
        picture = ModelCall(model="gpt-image-1", provider="openai", kind="image", count=2)
        for call in (*calls, *more):
            tracker.record(call, "root")
        tracker.record(film, "tool")
        tracker.record(picture, "tool")
        tracker.end("tool")
        tracker.end("root")
        return tracker

    return made
