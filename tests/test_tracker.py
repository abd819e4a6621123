"""ImpactTracker: events in any order become trees whose totals are the sums of their calls."""

from __future__ import annotations

import asyncio
import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from impactree import Impacts, ImpactTracker, ModelCall, estimate
from impactree.exceptions import ConfigurationError


def call(tokens=100, model="gpt-4o-mini"):
    return ModelCall(provider="openai", model=model, output_tokens=tokens)


def gwp(impacts):
    return impacts.gwp.value.mean


def test_a_tree_rolls_up_its_calls():
    tracker = ImpactTracker()
    tracker.start("root", name="chain")
    tracker.start("agent", "root", name="agent", kind="agent")
    tracker.start("a", "agent", name="model", kind="chat")
    tracker.start("b", "root", name="model", kind="chat")
    tracker.end("a", call=call(100))
    # readable while it runs
    open_root = tracker.open_roots[0]
    assert gwp(open_root.total) == pytest.approx(gwp(estimate(call(100))))
    tracker.end("agent")
    tracker.end("b", call=call(300))
    tracker.end("root")

    (root,) = tracker.runs
    assert [run.name for run in root.walk()] == ["chain", "agent", "model", "model"]
    parts = [estimate(call(n)) for n in (100, 300)]
    assert gwp(root.total) == pytest.approx(sum(map(gwp, parts)), rel=1e-12)
    assert gwp(root.children[0].total) == pytest.approx(gwp(parts[0]), rel=1e-12)
    assert root.own is None
    assert tracker.total == root.total
    assert tracker.last_run is root
    assert [run.id for run in root.calls] == ["a", "b"]
    assert [run.id for run in root.calls[0].ancestors()] == ["agent", "root"]
    assert all(run.root is root for run in root.walk())
    assert all(run.latency_s is not None for run in root.walk())


def test_a_run_without_calls_totals_zero_and_one_without_estimates_totals_none():
    tracker = ImpactTracker()
    tracker.start(1, name="empty")
    tracker.end(1)
    assert tracker.last_run.total == Impacts.zero()
    tracker.start(2, name="unknown", kind="chat")
    tracker.end(2, call=ModelCall(model="gpt-4o", output_tokens=None))
    assert tracker.last_run.total.gwp is None
    assert not tracker.last_run.total.estimated
    assert tracker.total.gwp is None


def test_interleaved_roots_stay_apart():
    tracker = ImpactTracker()
    for root in "xy":
        tracker.start(root, name=root)
    for root, tokens in zip("xyxy", (1, 10, 100, 1000), strict=True):
        run = uuid.uuid4()
        tracker.start(run, root, name="m", kind="chat")
        tracker.end(run, call=call(tokens))
    tracker.end("y")
    tracker.end("x")
    y, x = tracker.runs
    assert (y.name, x.name) == ("y", "x")
    assert sum(r.call.output_tokens for r in x.calls) == 101
    assert sum(r.call.output_tokens for r in y.calls) == 1010


def test_an_unknown_parent_makes_a_root_that_keeps_the_id():
    tracker = ImpactTracker()
    tracker.start("child", "never seen", name="m", kind="chat")
    tracker.end("child", call=call())
    assert tracker.last_run.id == "child"
    assert tracker.last_run.parent is None
    assert tracker.last_run.parent_id == "never seen"


def test_a_child_may_end_after_its_parent():
    tracker = ImpactTracker()
    tracker.start("root", name="r")
    tracker.start("parent", "root", name="p")
    tracker.start("child", "parent", name="m", kind="chat")
    tracker.end("parent")
    tracker.end("child", call=call())
    tracker.end("root")
    assert gwp(tracker.last_run.total) == pytest.approx(gwp(estimate(call())))
    assert tracker.last_run.revision == 0


class Seen:
    """An exporter that keeps what it is given."""

    def __init__(self):
        self.got = []

    def export(self, root):
        self.got.append((root.id, root.revision, root.total.estimated_calls))

    def flush(self, timeout=None):
        return True


def test_a_late_end_replaces_abandoned_once_and_exports_again():
    seen = Seen()
    tracker = ImpactTracker(exporters=[seen])
    tracker.start("root", name="r")
    tracker.start("model", "root", name="m", kind="chat")
    tracker.end("root")
    (root,) = tracker.runs
    assert root.children[0].status == "abandoned"
    assert root.total == Impacts.zero()
    tracker.end("model", call=call())
    assert root.children[0].status == "ok"
    assert root.revision == 1
    assert gwp(root.total) == gwp(tracker.total) == pytest.approx(gwp(estimate(call())))
    tracker.end("model", call=call())  # the same end once more
    assert root.revision == 1
    assert gwp(tracker.total) == pytest.approx(gwp(estimate(call())))
    assert seen.got == [("root", 0, 0), ("root", 1, 1)]
    assert tracker.runs == [root]


class Half:
    """An adapter's state of a stream that got half-way."""

    def __init__(self, tokens):
        self.tokens = tokens

    def produced(self):
        return call(self.tokens)


def test_an_abandoned_run_counts_what_it_produced_until_its_late_end():
    tracker = ImpactTracker()
    tracker.start("root", name="r")
    tracker.start("model", "root", name="m", kind="chat", pending=Half(40))
    tracker.end("root")
    assert tracker.last_run.calls[0].call.output_tokens == 40
    assert gwp(tracker.total) == pytest.approx(gwp(estimate(call(40))))
    tracker.end("model", call=call(90))
    assert tracker.last_run.calls[0].call.output_tokens == 90
    assert gwp(tracker.total) == pytest.approx(gwp(estimate(call(90))))


def test_a_run_started_under_a_finished_tree_joins_it():
    tracker = ImpactTracker()
    tracker.start("root", name="r")
    tracker.end("root")
    tracker.start("late", "root", name="m", kind="chat")
    tracker.end("late", call=call())
    (root,) = tracker.runs
    assert root.revision == 1
    assert gwp(root.total) == pytest.approx(gwp(estimate(call())))


def test_a_cached_call_costs_nothing_and_says_what_it_avoided():
    tracker = ImpactTracker()
    tracker.start(1, name="m", kind="chat")
    tracker.end(1, call=call(), cached=True)
    run = tracker.last_run
    assert run.cached
    assert run.own == run.total == Impacts.zero()
    assert gwp(run.avoided) == pytest.approx(gwp(estimate(call())))


def test_a_run_id_counts_once():
    tracker = ImpactTracker()
    assert tracker.start(1, name="m") is tracker.start(1, name="again")
    tracker.end(1, call=call())
    assert tracker.end(1, call=call()) is None
    assert tracker.end("never started", call=call()) is None
    assert len(tracker.runs) == 1
    assert gwp(tracker.total) == pytest.approx(gwp(estimate(call())))


def test_a_run_that_ended_as_abandoned_has_ended():
    tracker = ImpactTracker()
    tracker.start(1, name="m", kind="chat")
    tracker.end(1, status="abandoned", call=call(10))
    assert tracker.end(1, call=call(20)) is None
    assert tracker.last_run.call.output_tokens == 10
    assert tracker.total == tracker.last_run.total


def test_an_id_used_again_is_another_run():
    tracker = ImpactTracker()
    tracker.start("root", name="r")
    for _ in range(2):  # below an open root
        tracker.start("job", "root", name="m", kind="chat")
        tracker.end("job", call=call())
    again = tracker.start("job", name="m", kind="chat")  # and as a root that outlives it
    tracker.end("root")
    assert tracker.start("job", name="m") is again
    for _ in range(2000):
        tracker.record(call())
    assert tracker.end("job", call=call()) is again
    assert tracker.total.estimated_calls == 2003


def test_a_root_that_is_no_longer_kept_leaves_the_rest_whole():
    tracker = ImpactTracker(max_runs=1)
    tracker.start("root", name="r")
    step = tracker.start("step", "root", name="s")
    assert step.total == Impacts.zero()
    tracker.start("model", "step", name="m", kind="chat")
    tracker.end("model", call=call())
    tracker.end("root")
    tracker.start("late", "root", name="l")
    tracker.start("later", "late", name="m", kind="chat")
    for _ in range(1100):
        tracker.record(call())
    assert step.parent is None
    assert step.total.estimated_calls == 1
    assert tracker.end("later", call=call()).total.estimated_calls == 1
    assert tracker.end("late").total.estimated_calls == 1
    assert tracker.total.estimated_calls == 1102


def test_finished_trees_are_bounded_and_totals_are_not():
    tracker = ImpactTracker(max_runs=3)
    for i in range(10):
        tracker.start(i, name=str(i), kind="chat")
        tracker.end(i, call=call())
    assert [run.id for run in tracker.runs] == [7, 8, 9]
    assert tracker.finished_runs == 10
    assert gwp(tracker.total) == pytest.approx(10 * gwp(estimate(call())), rel=1e-12)


def test_open_runs_are_bounded():
    tracker = ImpactTracker(max_open=10)
    for i in range(100):
        tracker.start(i, name="never ends", kind="chat", pending=Half(5))
    assert len(tracker.open_roots) == 10
    assert tracker.finished_runs == 90
    assert {run.status for run in tracker.runs} == {"abandoned"}
    assert tracker.problems["open-runs-evicted"] == 90
    assert tracker.total.estimated_calls == 90


def test_late_starts_that_never_end_are_bounded_too():
    tracker = ImpactTracker(max_open=10)
    tracker.start("root", name="r")
    tracker.end("root")
    for i in range(100):
        tracker.start(i, "root", name="late")
    assert sum(run.end is None for run in tracker.runs[0].walk()) == 10


def test_a_tree_ten_thousand_deep_works():
    tracker = ImpactTracker()
    depth = 10_000
    for i in range(depth):
        tracker.start(i, i - 1 if i else None, name="n", kind="chain")
    tracker.start("model", depth - 1, name="m", kind="chat")
    tracker.end("model", call=call())
    for i in reversed(range(depth)):
        tracker.end(i)
    root = tracker.last_run
    assert sum(1 for _ in root.walk()) == depth + 1
    assert gwp(root.total) == pytest.approx(gwp(estimate(call())))
    assert {gwp(run.total) for run in root.walk()} == {gwp(root.total)}


def test_many_threads_lose_and_double_nothing():
    tracker = ImpactTracker(max_runs=10_000)
    barrier = threading.Barrier(16)

    def work(worker):
        barrier.wait()
        for i in range(50):
            root, model = (worker, i), (worker, i, "m")
            tracker.start(root, name="r")
            tracker.start(model, root, name="m", kind="chat")
            if i % 3:
                tracker.end(model, call=call(i))
                tracker.end(root)
            else:
                tracker.end(root)
                tracker.end(model, call=call(i))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(work, range(16)))
    assert tracker.finished_runs == 800
    assert tracker.total.estimated_calls == 800
    assert sum(run.call.output_tokens for root in tracker.runs for run in root.calls) == 16 * sum(
        range(50)
    )
    together = Impacts.sum(run.total for run in tracker.runs)
    assert gwp(together) == pytest.approx(gwp(tracker.total), rel=1e-12)


@pytest.mark.parametrize(
    ("settings_", "text"),
    [
        ({"max_runs": 0}, "max_runs"),
        ({"max_runs": 1.5}, "max_runs"),
        ({"max_open": -1}, "max_open"),
        ({"zone": "FRANCE"}, "FRANCE"),
        ({"zone": "fra"}, "FRA"),
        ({"method": "ecologits-9"}, "ecologits-0.11"),
    ],
)
def test_bad_settings_are_refused_with_the_right_ones(settings_, text):
    with pytest.raises(ConfigurationError, match=text):
        ImpactTracker(**settings_)


def test_the_zone_applies_to_calls_that_name_none():
    tracker = ImpactTracker(zone="SWE")
    tracker.start(1, name="m", kind="chat")
    tracker.end(1, call=call())
    assert tracker.total == estimate(call(), zone="SWE")
    assert gwp(tracker.total) < gwp(estimate(call(), zone="POL"))


def test_an_exporter_that_fails_is_counted_and_harms_nothing():
    class Broken(Seen):
        def export(self, root):
            raise RuntimeError("down")

    seen = Seen()
    tracker = ImpactTracker(exporters=[Broken(), seen])
    tracker.start(1, name="m")
    tracker.end(1)
    assert sum(tracker.problems.values()) == 1
    assert seen.got == [(1, 0, 0)]


def test_calls_made_outside_the_frameworks_can_be_recorded():
    tracker = ImpactTracker()
    tracker.start("root", name="tool", kind="tool")
    tracker.record(call(50), "root", name="raw SDK call")
    tracker.end("root")
    tracker.record(call(70))
    under, alone = tracker.runs
    assert under.children[0].name == "raw SDK call"
    assert alone.name == "gpt-4o-mini"
    assert alone.kind == "chat"


class Interleavings(RuleBasedStateMachine):
    """Starts, ends, late, repeated and missing ends in any order."""

    runs = Bundle("runs")

    def __init__(self):
        super().__init__()
        self.tracker = ImpactTracker(max_runs=10_000)
        self.started = set()
        self.ended = {}

    @rule(target=runs, tokens=st.integers(0, 1000))
    def start_root(self, tokens):
        run = uuid.uuid4()
        self.tracker.start(run, name="root")
        self.started.add(run)
        return run, tokens

    @rule(target=runs, parent=runs, tokens=st.integers(0, 1000))
    def start_child(self, parent, tokens):
        run = uuid.uuid4()
        self.tracker.start(run, parent[0], name="child", kind="chat")
        self.started.add(run)
        return run, tokens

    @rule(run=runs)
    def end_with_call(self, run):
        run_id, tokens = run
        if self.tracker.end(run_id, call=call(tokens)) is not None:
            assert run_id not in self.ended
            self.ended[run_id] = tokens

    @rule(run=consumes(runs), target=runs)
    def end_without_call(self, run):
        if self.tracker.end(run[0], status="error") is not None:
            assert run[0] not in self.ended
            self.ended[run[0]] = None
        return multiple()

    @invariant()
    def totals_are_the_sums_of_the_calls(self):
        tokens = [t for t in self.ended.values() if t is not None]
        expected = Impacts.sum(estimate(call(t)) for t in tokens)
        assert self.tracker.total.estimated_calls == len(tokens)
        assert self.tracker.total.figures == pytest.approx(expected.figures, rel=1e-9, abs=1e-30)
        roots = [*self.tracker.runs, *self.tracker.open_roots]
        seen = [run.id for root in roots for run in root.walk()]
        assert len(seen) == len(set(seen))
        assert set(seen) == self.started
        together = Impacts.sum(root.total for root in roots)
        assert together.figures == pytest.approx(expected.figures, rel=1e-9, abs=1e-30)

    def teardown(self):
        for run in list(self.started):
            self.tracker.end(run)
        assert self.tracker.open_roots == []
        for root in self.tracker.runs:
            assert all(run.end is not None for run in root.walk())


Interleavings.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestInterleavings = Interleavings.TestCase


@given(st.lists(st.integers(0, 500), min_size=1, max_size=30), st.randoms())
@settings(deadline=None, max_examples=50)
def test_a_random_tree_totals_its_calls(tokens, random):
    tracker = ImpactTracker()
    tracker.start(0, name="root")
    for i, _ in enumerate(tokens, 1):
        tracker.start(i, random.randrange(i), name="m", kind="chat")
    order = list(enumerate(tokens, 1))
    random.shuffle(order)
    for i, count in order:
        tracker.end(i, call=call(count))
    tracker.end(0)
    expected = Impacts.sum(estimate(call(t)) for t in tokens)
    assert tracker.last_run.total.figures == pytest.approx(expected.figures, rel=1e-12)
    for run in tracker.last_run.walk():
        below = Impacts.sum(r.own for r in run.walk() if r.own)
        assert run.total.figures == pytest.approx(below.figures, rel=1e-12)


EVENTS = st.tuples(
    st.sampled_from(["start", "start", "end", "end", "abandon", "read"]),
    st.integers(0, 5),
    st.none() | st.integers(0, 5),
    st.sampled_from(["ok", "error", "abandoned"]),
    st.booleans(),
)


@settings(deadline=None, max_examples=200)
@given(events=st.lists(EVENTS, max_size=60), max_open=st.sampled_from([1, 3, 100]))
def test_events_in_any_order_count_each_call_once(events, max_open):
    """Few ids, used again and again, under each other, open ones evicted."""
    tracker = ImpactTracker(max_open=max_open)
    for event, run_id, parent_id, status, model in events:
        if event == "start":
            tracker.start(
                run_id,
                None if parent_id == run_id else parent_id,
                name="r",
                pending=Half(5) if model else None,
            )
        elif event == "end":
            tracker.end(run_id, status=status, call=call() if model else None)
        elif event == "abandon":
            tracker.abandon(run_id)
        else:
            assert all(run.total.unestimated_calls == 0 for run in tracker.open_roots)
    roots = [*tracker.runs, *tracker.open_roots]
    runs = [run for root in roots for run in root.walk()]
    assert len(set(map(id, runs))) == len(runs)
    counted = sum(run.own is not None for run in runs)
    assert tracker.total.estimated_calls == counted
    assert sum(root.total.estimated_calls for root in roots) == counted
    assert sum(run.end is None for run in runs) <= max_open


class Told:
    """Pending state whose question brings up what a finalizer would, in the midst of an event."""

    def __init__(self, tell):
        self.tell = tell

    def produced(self):
        self.tell()


def test_what_finalizers_leave_is_handled_in_order_before_anything_is_read():
    tracker = ImpactTracker()
    asked = []
    for i in range(1000):
        tracker.start(i, name=str(i), pending=Told(lambda i=i: asked.append(i)))
    for i in range(1000):
        tracker.let_go(i)
    assert asked == []
    assert len(tracker.runs) == 1000
    assert asked == list(range(1000))


def test_an_event_within_another_is_handled_at_once_where_nothing_is_being_changed():
    """A stream that the collector closes ends its run in the midst of anything."""
    tracker, order = ImpactTracker(), []
    tracker.start("inner", name="inner")
    tracker.start("outer", name="outer", pending=Told(lambda: order.append(tracker.end("inner"))))
    tracker.abandon("outer")
    assert [run.id for run in order] == ["inner"]
    assert [(run.name, run.status) for run in tracker.runs] == [
        ("outer", "abandoned"),
        ("inner", "ok"),
    ]


def test_an_event_within_a_change_waits_for_it():
    tracker = ImpactTracker()
    tracker.start("inner", name="inner")
    with tracker._trees._lock:  # as the collector finds it in the midst of another event
        assert tracker.end("inner") is None
        assert tracker.find("inner").end is None
    assert [(run.name, run.status) for run in tracker.runs] == [("inner", "ok")]


def test_an_interrupt_within_an_event_stops_nothing_that_comes_after():
    tracker = ImpactTracker()
    interrupts = [KeyboardInterrupt()]

    def interrupted():
        if interrupts:
            raise interrupts.pop()

    tracker.start("a", name="a", pending=Told(interrupted))
    with pytest.raises(KeyboardInterrupt):
        tracker.abandon("a")
    tracker.start("b", name="b")
    tracker.end("b")
    assert [(run.name, run.status) for run in tracker.runs] == [("a", "abandoned"), ("b", "ok")]


def test_what_a_left_event_raises_is_a_counted_problem(monkeypatch):
    tracker = ImpactTracker()

    def broken(run_id, now):
        raise KeyError("x")

    monkeypatch.setattr(tracker._trees, "abandon", broken)
    tracker.start("r", name="r")
    tracker.let_go("r")
    assert [run.id for run in tracker.open_roots] == ["r"]
    assert tracker.problems == {"broken: KeyError": 1}


def test_readers_wait_for_left_events_that_another_thread_is_handling():
    tracker = ImpactTracker()
    entered, go_on = threading.Event(), threading.Event()

    def slow():
        entered.set()
        assert go_on.wait(10)

    tracker.start("r", name="r", pending=Told(slow))
    tracker.let_go("r")
    handling = threading.Thread(target=lambda: tracker.find("r"))
    handling.start()
    assert entered.wait(10)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(lambda: tracker.runs)
        go_on.set()
        assert [run.id for run in read.result(10)] == ["r"]
    handling.join()


class Exports:
    def export(self, root): ...

    def flush(self, timeout=None):
        return True


@pytest.mark.parametrize("wrong", [Exports(), [Exports], ["impacts.jsonl"], "impacts.jsonl"])
def test_what_is_no_list_of_exporters_is_refused_at_once(wrong):
    with pytest.raises(ConfigurationError, match="exporters takes a list of exporters, such as"):
        ImpactTracker(exporters=wrong)
    assert ImpactTracker(exporters=(e for e in [Exports()])).exporters


# Small faults of the way


def test_the_end_of_an_alias_leaves_its_parent_open():
    tracker = ImpactTracker()
    tracker.start("parent", name="parent")
    tracker.alias("hidden", "parent")
    assert tracker.end("hidden") is None
    assert [run.id for run in tracker.open_roots] == ["parent"]
    assert tracker.find("hidden") is None  # the unit of work is over
    tracker.alias("hidden", "parent")
    tracker.abandon("hidden")
    assert [run.status for run in tracker.open_roots] == ["running"]


def test_a_recorded_call_shows_how_long_it_took():
    tracker = ImpactTracker()
    run = tracker.record(ModelCall(model="gpt-4o-mini", output_tokens=9, latency_s=3.2))
    assert run.latency_s == pytest.approx(3.2, abs=1e-3)


def test_an_end_during_eviction_is_no_fault():
    """Closing the oldest tree asks what it has produced; meanwhile it ends after all."""
    tracker = ImpactTracker(max_open=1)
    finished = []

    class Ends:
        def produced(self):
            with ThreadPoolExecutor(1) as pool:  # as another thread would
                finished.append(pool.submit(lambda: tracker.end("old", call=call())).result(10))

    tracker.start("old", name="old", pending=Ends())
    tracker.start("new", name="new")
    assert [run.status for run in finished] == ["ok"]
    assert [(run.id, run.status) for run in tracker.runs] == [("old", "ok")]
    assert tracker.total.estimated_calls == 1
    assert [run.id for run in tracker.open_roots] == ["new"]
    assert tracker.problems == {"open-runs-evicted": 1}


def test_annotations_hold_for_what_has_started_below_and_for_nothing_that_says_other():
    tracker = ImpactTracker()
    tracker.start("graph", name="graph", metadata={"thread_id": "t"})
    tracker.start("before", "graph", name="before")
    tracker.start("other", "graph", name="other", labels={"agent": "other"})
    tracker.annotate("graph", kind="agent", metadata={"tier": 1}, labels={"agent": "late"})
    after = tracker.start("after", "before", name="after")
    graph, before, other = map(tracker.find, ("graph", "before", "other"))
    assert (graph.kind, graph.metadata) == ("agent", {"thread_id": "t", "tier": 1})
    assert [run.agent for run in (graph, before, other, after)] == ["late", "late", "other", "late"]
    assert {run.thread for run in graph.walk()} == {"t"}
    tracker.annotate("nobody", metadata={"x": 1})
    assert tracker.problems == {}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"kind": "chian"}, "unknown kind 'chian'; did you mean 'chain'? There are: agent, chain"),
        ({"kind": ["chat"]}, "unknown kind ['chat']"),
        ({"labels": {"agnt": "x"}}, "unknown label 'agnt'; did you mean 'agent'? There are: agent"),
        ({"labels": {"tier": "x"}}, "unknown label 'tier'. There are: agent, node, step, thread"),
    ],
)
def test_what_no_run_has_is_named_and_changes_nothing(said, expected):
    tracker = ImpactTracker()
    tracker.start("a", name="a")
    for event in (
        lambda: tracker.annotate("a", metadata={"x": 1}, **said),
        lambda: tracker.annotate("nobody", **said),
        lambda: tracker.start("b", "a", name="b", **said),
    ):
        with pytest.raises(ValueError, match=re.escape(expected)):
            event()
    tracker.end("a")
    (run,) = tracker.runs
    assert (run.kind, dict(run.metadata), run.children, run.labels) == ("chain", {}, (), {})


def test_a_run_says_what_it_works_for_and_the_nearest_word_holds():
    tracker = ImpactTracker()
    metadata = {"lc_agent_name": "boss", "langgraph_node": "model", "langgraph_step": 1}
    tracker.start("a", name="a", kind="agent", metadata={**metadata, "user_id": 7})
    tool = tracker.start("b", "a", name="search", kind="tool", metadata=metadata)
    inner = tracker.start("c", "b", name="c", metadata={"agent_name": "helper"})
    # The outer agent's name comes down with its metadata: the helper's still holds.
    model = tracker.start("d", "c", name="d", kind="chat", metadata=metadata)
    assert (tool.agent, tool.tool, tool.step, tool.user) == ("boss", "search", "1 model", "7")
    assert (inner.agent, inner.tool, inner.own_labels) == ("helper", "search", {"agent": "helper"})
    assert model.step == "1 model"
    assert tool.labels is not inner.labels


def test_a_total_that_is_asked_after_every_call_is_that_of_all_of_them():
    """As a budget asks: the root's sum is kept running, and is the same as a fresh one."""
    tracker = ImpactTracker()
    root = tracker.start("root", name="root")
    for number in range(50):
        tracker.start(number, "root", name="m", kind="chat", pending=Half(5))
        tracker.end(number, call=call(number), cached=number % 7 == 0)
        assert root.total.estimated_calls == sum(n % 7 != 0 for n in range(number + 1))
    tracker.start("late", "root", name="m", kind="chat", pending=Half(5))
    running = root.total
    root._total = None
    assert root.total.estimated_calls == running.estimated_calls
    assert running.gwp.value.max == pytest.approx(root.total.gwp.value.max, rel=1e-12)
    tracker.end("root")
    before = root.total.estimated_calls
    tracker.end("late", call=call())  # instead of the half that stood for it
    assert root.total.estimated_calls == before


def test_a_late_child_hangs_under_its_parent_for_as_long_as_the_tree_is_kept():
    """A background task is told of a parent that has ended, as its root has."""
    tracker = ImpactTracker(max_runs=2)
    tracker.start("root", name="root")
    tracker.start("step", "root", name="step")
    tracker.end("step")
    tracker.end("root")
    for number in range(1):
        tracker.start(number, name="another")
        tracker.end(number)
    late = tracker.start("late", "step", name="late")
    tracker.end("late", call=call())
    root = tracker.runs[0]
    assert (late.root, late.parent.id, root.revision) == (root, "step", 1)
    assert root.total.estimated_calls == 1
    assert len(tracker.runs) == 2
    for number in range(2):  # now it is gone
        tracker.start(f"more {number}", name="another")
        tracker.end(f"more {number}")
    orphan = tracker.start("later", "step", name="later")
    assert (orphan.parent, orphan.parent_id) == (None, "step")
    assert tracker.find("step") is None


def test_what_is_remembered_is_bounded_by_what_is_kept():
    tracker = ImpactTracker(max_runs=3)
    for number in range(5000):
        tracker.start(f"root {number}", name="root")
        for child in range(2):
            tracker.start(f"{number} {child}", f"root {number}", name="r", pending=Half(5))
        tracker.end(f"{number} 0")
        tracker.end(f"root {number}")
    assert len(tracker._trees._runs) < 3 * 3 + 2 * 1024 + 9


def test_what_an_exporter_runs_itself_on_the_journals_thread_does_not_wait_for_itself():
    seen = []

    class Curious:
        def export(self, root):
            seen.append(root.name)
            if root.name == "outer":
                tracker.start("inner", name="inner")
                tracker.end("inner")

        def flush(self, timeout=None):
            return True

    tracker = ImpactTracker(exporters=[Curious()])

    async def on_loop():
        tracker.start("outer", name="outer")
        tracker.end("outer")

    asyncio.run(on_loop())
    assert tracker.flush(10)
    assert seen == ["outer", "inner"]


def test_an_id_with_another_start_is_another_run_an_abandoned_one_too():
    tracker = ImpactTracker()
    calls = []
    for start in (1.0, 2.0, 2.0, 3.0):
        tracker.start("root", name="root", start=start)
        tracker.start("model", "root", name="model", kind="chat", start=start)
        calls.append(tracker.end("root", end=start + 0.5))  # the model is abandoned
    assert [root.start for root in tracker.runs] == [1.0, 2.0, 3.0]
    call = ModelCall(model="gpt-4o-mini", provider="openai", output_tokens=100)
    tracker.end("model", call=call)  # late: that of the last run
    assert [root.total.estimated_calls for root in tracker.runs] == [0, 0, 1]
    assert tracker.total == tracker.runs[-1].total
