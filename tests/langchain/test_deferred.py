"""Events within events, in the collector and in forks: none is lost, nobody waits for ever."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import uuid

import pytest
from langchain_core.runnables import RunnableLambda
from models import Chat, calls, healthy

from impactree import ImpactHandler
from impactree.runs.trees import RunTrees


def test_a_keyboard_interrupt_inside_loses_no_event(handler, monkeypatch):
    end, interrupts = RunTrees.end, [KeyboardInterrupt]

    def interrupted(*args):
        if interrupts:
            raise interrupts.pop()
        return end(*args)

    monkeypatch.setattr(RunTrees, "end", interrupted)
    with pytest.raises(KeyboardInterrupt):
        RunnableLambda(str).invoke("Hi", {"callbacks": [handler]})
    assert [run.status for run in handler.runs] == ["ok"]
    RunnableLambda(str).invoke("Hi", {"callbacks": [handler]})  # this thread goes on
    assert [run.status for run in handler.runs] == ["ok", "ok"]
    assert healthy(handler)


def test_a_reader_waits_for_what_another_thread_is_handling(handler, monkeypatch):
    """A run was let go of before the read: that it is being closed elsewhere hides nothing."""
    entered, go_on = threading.Event(), threading.Event()
    abandon = RunTrees.abandon

    def slow(*args):
        entered.set()
        go_on.wait(5)
        abandon(*args)

    monkeypatch.setattr(RunTrees, "abandon", slow)
    handler.tracker.start("late", name="late")
    handler.tracker.let_go("late")
    worker = threading.Thread(target=lambda: handler.tracker.find("late"))
    worker.start()
    entered.wait(5)
    threading.Timer(0.05, go_on.set).start()
    assert [run.name for run in handler.runs] == ["late"]
    worker.join()


def test_an_event_of_the_collector_within_another_is_no_deadlock(handler):
    """A stream in a cycle is closed wherever the collector runs, the lock held or not."""

    def left_in_a_cycle(number):
        stream = Chat(usage=False).stream("Hi", {"callbacks": [handler]})
        next(stream)
        cycle = [stream]
        cycle.append(cycle)
        return number

    left = sum(1 for number in range(40) if left_in_a_cycle(number) >= 0)
    tracker = handler.tracker
    for _ in range(200):  # others wait already
        tracker.let_go("unknown")
    done = threading.Event()

    def collect_inside():
        with tracker._trees._lock, tracker._lock:
            gc.collect()
        done.set()

    worker = threading.Thread(target=collect_inside, daemon=True)
    worker.start()
    assert done.wait(10)
    assert [status for status, *_ in calls(handler)] == ["abandoned"] * left


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_that_was_forked_while_a_thread_was_handling_can_read():
    """In a process of its own: forking a test runner with threads is asking for trouble."""
    code = """
import os, signal, threading
from impactree import ImpactHandler
handler = ImpactHandler()
entered, go_on, parent = threading.Event(), threading.Event(), os.getpid()
class Slow:
    def produced(self):
        if os.getpid() == parent:
            with handler.tracker._lock, handler.tracker._trees._lock:
                entered.set()
                go_on.wait(5)
handler.tracker.start("slow", name="slow", pending=Slow())
handler.tracker.let_go("slow")
thread = threading.Thread(target=lambda: handler.runs)
thread.start()
entered.wait(5)
child = os.fork()
if child == 0:
    signal.alarm(5)
    handler.on_chain_start({}, {}, run_id=1, name="chain")
    handler.on_chain_end({}, run_id=1)
    os._exit(0 if [run.name for run in handler.runs] == ['slow', 'chain'] else 1)
go_on.set()
thread.join()
print(os.waitpid(child, 0)[1])
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout == "0\n", done.stderr


def test_what_waits_at_the_end_of_a_process_can_be_read_there():
    code = """
import atexit
from impactree import ImpactHandler
handler = ImpactHandler()
atexit.register(lambda: print(handler.tracker.finished_runs))
handler.on_chain_start({}, {}, run_id=1, name="chain")
handler.on_chain_end({}, run_id=1)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "1\n", done.stderr


class Exporter:
    """Remembers the trees it was given."""

    def __init__(self):
        self.taken = []

    def export(self, root):
        self.taken.append((root.name, root.status, root.revision))

    def flush(self, timeout=None):
        return True


def test_with_an_exporter_a_root_is_out_when_its_last_callback_returns():
    exporter = Exporter()
    handler = ImpactHandler(exporters=[exporter])
    root = uuid.uuid4()
    handler.on_chain_start({}, {}, run_id=root, name="chain")
    handler.on_chain_end({}, run_id=root)
    handler.flush()
    assert exporter.taken == [("chain", "ok", 0)]
    # One that nobody ends goes out with the next event or read.
    handler.on_chat_model_start({}, [[]], run_id=uuid.uuid4())
    gc.collect()
    handler.flush()
    assert exporter.taken[1:] == [("chat", "abandoned", 0)]
