"""Run trees by hand, and an engine whose figures can be added up in the head."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from impactree import Impacts, ImpactTracker, ModelCall
from impactree.values.figures import Figures
from impactree.values.messages import message

T0 = 1_800_000_000.0


class FlatEngine:
    """One output token costs 1 to 3 mWh, 1 to 3 mgCO2eq in use and 1 mgCO2eq embodied: 2 to 4 mg.

    A model called ``unknown...`` is in no catalog; embeddings are not covered.
    """

    zone = None
    method = SimpleNamespace(name="flat-1")
    catalog = SimpleNamespace(version="2026-11-24")

    def estimate(self, call, *, at=None):
        if call.model.startswith("unknown"):
            return Impacts.not_estimated(
                message("model-not-registered", f"Asked for {call.model!r:.120}.")
            )
        if call.kind == "embedding":
            return Impacts.not_estimated(message("kind-not-covered"), grade="exact")
        if call.output_tokens is None:
            return Impacts.not_estimated(message("output-tokens-unknown"), grade="exact")
        n = call.output_tokens * 1e-6
        range_, point = (n, 2 * n, 3 * n), (n, n, n)
        figures = Figures(*range_, *range_, *point * 6, 0, 0, 2 * n, 0, 0)
        warnings = [message("model-arch-not-released")]
        if call.tokens_source == "counted":
            warnings.append(message("token-count-approximate"))
        return Impacts(figures, method="flat-1", warnings=tuple(warnings), grade="exact")


class Builder:
    """A tracker fed from nested tuples; times in s after T0."""

    def __init__(self, max_runs=1000):
        self.tracker = ImpactTracker(engine=FlatEngine(), max_runs=max_runs)
        self._next = 0

    def start(self, parent=None, name="run", kind="chain", at=0.0, **more):
        self._next += 1
        run_id = f"r{self._next}"
        self.tracker.start(run_id, parent, name=name, kind=kind, start=T0 + at, **more)
        return run_id

    def end(self, run_id, at=1.0, **more):
        return self.tracker.end(run_id, end=T0 + at, **more)

    def chat(self, parent=None, model="gpt-4o", out=100, *, at=0.0, until=1.0, **more):
        """A model call that has ended."""
        known = {
            key: more.pop(key)
            for key in ("provider", "kind", "input_tokens", "tokens_source", "base_url")
            if key in more
        }
        ended = {key: more.pop(key) for key in ("cached", "status") if key in more}
        known.setdefault("input_tokens", 10)
        call = ModelCall(model=model, output_tokens=out, **known)
        run_id = self.start(parent, more.pop("name", "ChatOpenAI"), call.kind, at, **more)
        self.end(run_id, until, call=call, **ended)
        return run_id

    def report(self):
        return self.tracker.report()


@pytest.fixture
def build():
    return Builder()


@pytest.fixture(scope="session")
def builder():
    return Builder


@pytest.fixture
def agent(build):
    """What ``create_agent`` leaves: two model steps around two tool calls, the second failing."""
    root = build.start(name="research_agent", kind="agent", metadata={"lc_agent_name": "res"})
    steps = [("model", 1), ("tools", 2), ("tools", 2), ("model", 3)]
    for at, (node, step) in enumerate(steps):
        here = build.start(
            root, node, "node", at, metadata={"langgraph_node": node, "langgraph_step": step}
        )
        if node == "model":
            out, tokens = (50, 800) if step == 1 else (150, 1900)
            build.chat(here, "gpt-4o-2024-08-06", out, at=at, until=at + 0.9, input_tokens=tokens)
        else:
            tool = build.start(here, ("search", "weather")[at - 1], "tool", at)
            build.end(tool, at + 0.2, status="ok" if at == 1 else "error")
        build.end(here, at + 1)
    build.end(root, 4.0)
    return build.report()
