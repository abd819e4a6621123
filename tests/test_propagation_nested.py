"""A service that asks a service: three processes, and every call counts once."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from impactree import ImpactTracker, ModelCall
from impactree.propagation import HEADER, capture, dump, merge, restore, trees_for
from impactree.runs.current import remote_parent

if TYPE_CHECKING:
    from collections.abc import Callable

CALL = ModelCall(provider="openai", model="gpt-4o-mini", input_tokens=100, output_tokens=40)

# Runs itself once more as the service behind it, merges what comes back, and sends all of it on.
SERVICE = """
import json, subprocess, sys
from impactree import ImpactTracker, ModelCall
from impactree.propagation import HEADER, merge, restore, trees_for
from impactree.runs.current import remote_parent

headers, own, behind = json.loads(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
tracker = ImpactTracker()
with restore(headers):
    tracker.start(f"service-{own}", remote_parent.get(), name=f"service-{own}")
for _ in range(own):
    tracker.record(ModelCall(provider="openai", model="gpt-4o-mini", output_tokens=40),
                   f"service-{own}")
if behind:
    asked = [sys.executable, __file__, json.dumps({HEADER: f"service-{own}"}), *behind]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    merge(tracker, json.loads(done.stdout))
tracker.end(f"service-{own}")
print(json.dumps(trees_for(tracker, headers)))
"""


def test_three_processes(tmp_path: Any) -> None:
    """Two calls of the service, three of the one behind it, one of the caller's."""
    script = tmp_path / "service.py"
    script.write_text(SERVICE)
    tracker = ImpactTracker()
    tracker.start("caller", name="caller")
    tracker.record(CALL, "caller")
    asked = [sys.executable, str(script), json.dumps({HEADER: "caller"}), "2", "3"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    for _ in range(2):
        merge(tracker, json.loads(done.stdout))
    tracker.end("caller")
    (root,) = tracker.runs
    services = [run.name for run in root.walk() if run.call is None]
    assert services == ["caller", "service-2", "service-3"]
    assert len(root.calls) == root.total.estimated_calls == tracker.total.estimated_calls == 6


class _Open:
    """A stream that is still read."""

    def produced(self) -> ModelCall:
        return ModelCall(model="gpt-4o-mini", tokens_source="unknown")


class _Chain:
    """A caller, a service that it asks, and one that this asks, in steps of any order."""

    def __init__(self, dice: random.Random, *, ids_again: bool) -> None:
        self.dice, self.ids_again = dice, ids_again
        self.caller, self.service, self.behind = (ImpactTracker() for _ in range(3))
        self.made = self.named = 0
        self.streams: list[str] = []
        self.caller.start("caller", name="caller")
        with restore({HEADER: "caller"}):
            for _ in range(dice.randint(1, 2)):
                self.ask_service()

    def ask_service(self) -> None:
        name = self.begin(self.service, "service")
        with restore({HEADER: name}):
            for _ in range(self.dice.randint(0, 2)):
                asked = self.begin(self.behind, "behind")
                if self.dice.random() < 0.4:
                    self.streams.append(f"stream {self.made}")
                    self.made += 1
                    self.behind.start(
                        self.streams[-1], asked, name="stream", kind="chat", pending=_Open()
                    )
                self.behind.end(asked)
                if self.dice.random() < 0.7:
                    self.send_back(self.behind, self.service, name)
        self.service.end(name)
        if self.dice.random() < 0.5:
            self.send_back(self.service, self.caller, "caller")

    def begin(self, tracker: ImpactTracker, who: str) -> str:
        """A run for whoever asked, with one or two calls; a program may give ids again."""
        self.named += 1
        name = who if self.ids_again else f"{who}-{self.named}"
        tracker.start(name, remote_parent.get(), name=who)
        for _ in range(self.dice.randint(1, 2)):
            tracker.record(CALL, name)
            self.made += 1
        return name

    def send_back(self, source: ImpactTracker, target: ImpactTracker, name: Any) -> None:
        merge(target, json.loads(json.dumps(trees_for(source, {HEADER: str(name)}))))

    def later(self) -> list[Callable[[], None]]:
        """What may come in any order, and any number of times."""

        def behind_to(target: ImpactTracker) -> None:
            for run in self.service.runs:
                self.send_back(self.behind, target, run.id)

        return [
            lambda: behind_to(self.service),
            lambda: behind_to(self.caller),
            lambda: self.send_back(self.service, self.caller, "caller"),
            lambda: self.behind.end(self.streams.pop(), call=CALL) if self.streams else None,
        ]


@pytest.mark.parametrize("ids_again", [False, True])
def test_every_call_counts_once_in_whatever_order_trees_come(ids_again: bool) -> None:
    for seed in range(150):
        dice = random.Random(seed)
        chain = _Chain(dice, ids_again=ids_again)
        steps = chain.later()
        for _ in range(dice.randint(0, 6)):
            dice.choice(steps)()
        while chain.streams:
            steps[3]()
        steps[0]()
        steps[2]()
        chain.caller.end("caller")
        for _ in range(2):
            dice.choice(steps)()
        total = chain.caller.total
        assert (total.estimated_calls, total.unestimated_calls) == (chain.made, 0), seed
        assert sum(len(root.calls) for root in chain.caller.runs) == chain.made, seed
        reports = [t.report() for t in (chain.caller, chain.service, chain.behind)]
        assert reports[0].merge(*reports[1:]).calls == chain.made, seed


def test_two_runs_of_one_id_in_one_tree() -> None:
    """A program that names its runs itself names two alike: each has its own call."""
    service = ImpactTracker()
    service.start("work", "caller", name="work", start=1.0)
    for number in (1, 2):
        service.start("step", "work", name=f"step {number}", start=1.0 + number)
        service.start("chat", "step", name="chat", kind="chat", start=1.5 + number)
        service.end("chat", call=CALL, end=1.75 + number)
        service.end("step", end=1.8 + number)
    service.end("work", end=9.0)
    tracker = ImpactTracker()
    tracker.start("caller", name="caller")
    for _ in range(2):
        merge(tracker, json.loads(json.dumps([dump(service.last_run)])))
    tracker.end("caller")
    (root,) = tracker.runs
    (work,) = root.children
    assert [(run.id, run.name, len(run.calls)) for run in work.children] == [
        ("step", "step 1", 1),
        ("step", "step 2", 1),
    ]
    assert [run.parent_id for run in work.walk()] == ["caller", "work", "step", "work", "step"]
    assert tracker.total.estimated_calls == 2


def test_trees_without_the_starts_of_parents_are_read() -> None:
    """As versions before 1.0 sent them."""
    service = ImpactTracker()
    service.start("work", "caller", name="work")
    service.record(CALL, "work")
    service.end("work")
    tree = dump(service.last_run)
    for run in tree:
        del run["parent_start"]
    tracker = ImpactTracker()
    tracker.start("caller", name="caller")
    merge(tracker, [tree])
    tracker.end("caller")
    assert [run.name for run in tracker.last_run.walk()] == ["caller", "work", "gpt-4o-mini"]


def test_what_comes_back_to_its_own_process_is_there_already() -> None:
    """The service asks its caller's process, whose trees travel there and back."""
    tracker, service = ImpactTracker(), ImpactTracker()
    tracker.start("caller", name="caller")
    service.start("service", "caller", name="service")
    with restore({HEADER: "service"}):
        tracker.record(CALL)
        assert capture(tracker) == {HEADER: "service"}
    merge(service, trees_for(tracker, {HEADER: "service"}))
    service.end("service")
    merge(tracker, trees_for(service, {HEADER: "caller"}))
    tracker.end("caller")
    assert service.total.estimated_calls == tracker.total.estimated_calls == 1
    assert sum(len(root.calls) for root in tracker.runs) == 1
