"""Runs by hand, and the scripted stand-in for OpenAI of the cookbook."""

from __future__ import annotations

from pathlib import Path

import pytest

from impactree import ImpactTracker, ModelCall

COOKBOOK = Path(__file__).parents[2] / "cookbook"


class Bench:
    """A tracker fed by hand."""

    def __init__(self, **settings):
        self.tracker = ImpactTracker(**settings)
        self._next = 0

    def start(self, parent=None, name="agent", kind="agent", **more):
        self._next += 1
        self.tracker.start(self._next, parent, name=name, kind=kind, **more)
        return self._next

    def chat(self, parent, model, read, wrote, status="ok", **more):
        run = self.start(parent, "ChatModel", "chat")
        call = ModelCall(model=model, input_tokens=read, output_tokens=wrote, **more)
        self.tracker.end(run, call=call, status=status)
        return run

    def end(self, run, status="ok"):
        self.tracker.end(run, status=status)

    def report(self, **how):
        return self.tracker.report(**how)


@pytest.fixture
def bench():
    return Bench


@pytest.fixture
def scripted(monkeypatch):
    """The cookbook's ``scripted_openai``."""
    monkeypatch.syspath_prepend(str(COOKBOOK))
    import scripted_openai

    return scripted_openai
