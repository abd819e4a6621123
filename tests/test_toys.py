"""What CONTRIBUTING says a framework, a method, an exporter, a renderer and a command need."""

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from impactree import ImpactTracker, ModelCall, Report, estimate
from impactree.adapters.guarding import guarded, status_of


class Toyflow:
    """A framework: it tells a listener what starts and ends, with ids of its own."""

    def __init__(self, listener: Any) -> None:
        self.listener = listener

    def run(self, agent: str, prompts: list[str]) -> str:
        self.listener.began(0, None, agent, is_agent=True)
        for number, prompt in enumerate(prompts, 1):
            self.listener.began(number, 0, "model")
            self.listener.answered(number, {"model": "gpt-4o-mini", "in": len(prompt), "out": 9})
        self.listener.finished(0, None)
        return "done"


class ToyflowEvents:
    """Its adapter: events of the framework as events of the tracker, and nothing else."""

    def __init__(self, tracker: ImpactTracker) -> None:
        self.tracker = tracker

    @guarded
    def began(self, id: int, parent: int | None, name: str, *, is_agent: bool = False) -> None:
        kind: Any = "agent" if is_agent else "chat"
        labels: Any = {"agent": name} if is_agent else None
        self.tracker.start(id, parent, name=name, kind=kind, labels=labels)

    @guarded
    def answered(self, id: int, told: dict[str, Any]) -> None:
        call = ModelCall(
            model=told["model"],
            provider="openai",
            input_tokens=told["in"],
            output_tokens=told["out"],
        )
        self.tracker.end(id, call=call)

    @guarded
    def finished(self, id: int, error: BaseException | None) -> None:
        self.tracker.end(id, status=status_of(error))


class Names:
    """An exporter: what is called for each finished tree, and again when it changed."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, int]] = []

    def export(self, root: Any) -> None:
        self.taken.append((root.name, root.revision))

    def flush(self, timeout: float | None = None) -> bool:
        return True


def test_a_toy_framework_and_a_toy_exporter() -> None:
    exporter = Names()
    tracker = ImpactTracker(exporters=[exporter])
    assert Toyflow(ToyflowEvents(tracker)).run("toy", ["Hi", "Ho!"]) == "done"
    assert tracker.problems == {}
    assert exporter.taken == [("toy", 0)]
    (group,) = tracker.report().by("agent").values()
    assert (group.calls, group.input_tokens, group.output_tokens) == (2, 5, 18)


def test_a_fault_in_a_toy_adapter_changes_nothing_and_is_counted() -> None:
    class Broken(ToyflowEvents):
        @guarded
        def answered(self, id: int, told: dict[str, Any]) -> None:
            raise KeyError("in")

    tracker = ImpactTracker()
    assert Toyflow(Broken(tracker)).run("toy", ["Hi"]) == "done"
    assert tracker.problems == {"answered: KeyError": 1}


def test_a_toy_renderer_and_a_toy_command_stand_on_a_report() -> None:
    tracker = ImpactTracker()
    Toyflow(ToyflowEvents(tracker)).run("toy", ["Hi"])

    def render_lines(report: Report) -> str:
        return "\n".join(f"{run.name}: {run.total.estimated_calls}" for run in report.runs)

    @click.command()
    def lines() -> None:
        click.echo(render_lines(tracker.report()))

    assert CliRunner().invoke(lines).output == "toy: 1\n"


def test_a_toy_method_is_asked_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It puts a plan together once per model and place, and says its steps from the same lines."""
    from impactree.methods import METHODS

    known = METHODS["ecologits-0.11"]

    class Half:
        """Half of another method's figures."""

        name = "toy-1"

        def __getattr__(self, name: str) -> Any:
            return getattr(known, name)

        def impacts(self, plan: Any, tokens: Any, latency_s: Any) -> Any:
            made = known.impacts(plan, tokens, latency_s)
            return type(made)(*(value / 2 for value in made))

    monkeypatch.setitem(METHODS, "toy-1", Half())
    call = ModelCall(model="gpt-4o-mini", provider="openai", output_tokens=100)
    whole, half = estimate(call), estimate(call, method="toy-1")
    assert half.method == "toy-1"
    assert half.gwp is not None
    assert whole.gwp is not None
    assert half.gwp.value.max == pytest.approx(whole.gwp.value.max / 2, rel=1e-12)
