"""Draw ``docs/gallery.md``: reports of typical runs, as the terminal shows them.

Run from the repository's root: ``python docs/gallery/make.py``.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

from impactree import ImpactTracker, ModelCall, Report

START_S: Final = 1_800_000_000.0


class Scene:
    """A tracker fed by hand; times in s."""

    def __init__(self) -> None:
        self.tracker = ImpactTracker()
        self._next = 0

    def start(self, parent: int | None, name: str, kind: str, at: float, **metadata: object) -> int:
        self._next += 1
        self.tracker.start(
            self._next, parent, name=name, kind=kind, start=START_S + at, metadata=metadata or None
        )
        return self._next

    def end(self, run: int, at: float, status: str = "ok", call: ModelCall | None = None) -> None:
        self.tracker.end(run, end=START_S + at, status=status, call=call)

    def chat(self, parent: int, at: float, model: str, read: int, wrote: int) -> None:
        run = self.start(parent, "ChatOpenAI", "chat", at)
        call = ModelCall(
            provider="openai", model=model, input_tokens=read, output_tokens=wrote, latency_s=1.5
        )
        self.end(run, at + 1.5, call=call)

    def report(self) -> Report:
        return self.tracker.report()


def chain() -> Report:
    """A prompt, a model, a parser."""
    scene = Scene()
    root = scene.start(None, "answer", "chain", 0)
    scene.chat(root, 0, "gpt-4o-mini", 500, 100)
    parser = scene.start(root, "StrOutputParser", "chain", 1.5)
    scene.end(parser, 1.51)
    scene.end(root, 1.6)
    return scene.report()


def agent(rounds: int, model: str = "gpt-4o-mini") -> Report:
    """An agent whose context grows with every round."""
    scene = Scene()
    root = scene.start(None, "research_agent", "agent", 0, lc_agent_name="research", user_id="ann")
    for turn in range(rounds):
        at = 2.0 * turn
        node = scene.start(root, "model", "node", at, langgraph_node="model")
        scene.chat(node, at, model, 500 + 300 * turn, 80 + 5 * turn)
        scene.end(node, at + 1.5)
        node = scene.start(root, "tools", "node", at + 1.5, langgraph_node="tools")
        tool = scene.start(node, ("search", "weather")[turn % 2], "tool", at + 1.5)
        scene.end(tool, at + 1.9, "error" if turn == 7 else "ok")
        scene.end(node, at + 2)
    node = scene.start(root, "model", "node", 2.0 * rounds, langgraph_node="model")
    scene.chat(node, 2.0 * rounds, model, 500 + 300 * rounds, 600)
    scene.end(node, 2.0 * rounds + 1.5)
    scene.end(root, 2.0 * rounds + 2)
    return scene.report()


def map_reduce(parts: int) -> Report:
    """Many small calls, one large."""
    scene, chance = Scene(), random.Random(1)
    root = scene.start(None, "map_reduce", "graph", 0)
    for _ in range(parts):
        node = scene.start(root, "map", "node", 0)
        scene.chat(node, 0, "gpt-4o-mini", chance.randint(200, 4000), chance.randint(50, 400))
        scene.end(node, 2)
    node = scene.start(root, "reduce", "node", 2)
    scene.chat(node, 2, "gpt-4o", 90_000, 1500)
    scene.end(node, 4)
    scene.end(root, 4)
    return scene.report()


def page() -> str:
    """The whole gallery."""
    loop = agent(400)
    shown = {
        "A chain": chain(),
        "An agent of 60 runs": agent(14),
        "The same, at 60 columns": agent(14).to_text(60),
        "A loop of 400 steps": loop,
        "A map-reduce of 2,000": map_reduce(2000),
        "By tool and model": agent(14).by("user", "agent", "model"),
        "What changed": agent(20, "gpt-4o").diff(agent(14)),
    }
    parts = ["# Gallery", "Drawn by `docs/gallery/make.py`. How to read it: [reports](report.md)."]
    for title, report in shown.items():
        text = report if isinstance(report, str) else report.to_text(100)
        parts += [f"## {title}", f"```text\n{text}\n```"]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    Path("docs/gallery.md").write_text(page(), "utf-8")
