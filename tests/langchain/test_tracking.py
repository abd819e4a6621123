"""track_impacts(): everything inside a block, without any config."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from fakes import Reporting
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tracers.context import _configure_hooks

from impactree import ImpactHandler, ModelCall, track_impacts


def chain(model=None):
    return RunnableLambda(lambda x: x) | (model or Reporting(asked=[]))


def test_everything_inside_is_followed_and_nothing_outside():
    with track_impacts() as tracker:
        chain().invoke("a")
        chain().batch(["b", "c"])
        RunnableParallel(x=chain(), y=chain()).invoke("d")
    chain().invoke("outside")
    assert tracker.total.estimated_calls == 5
    assert len(tracker.runs) == 4


async def test_async_blocks_follow_tasks():
    async with track_impacts() as tracker:
        await asyncio.gather(*(chain().ainvoke(str(i)) for i in range(20)))
        await asyncio.create_task(chain().ainvoke("task"))
        await asyncio.to_thread(chain().invoke, "thread")
    await chain().ainvoke("outside")
    assert tracker.total.estimated_calls == 22


def test_a_plain_thread_is_followed_through_the_context():
    with track_impacts() as tracker:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(chain().invoke, "x"))
        thread.start()
        thread.join()
    assert tracker.total.estimated_calls == 1


def test_blocks_nest_and_the_inner_counts_in_both():
    with track_impacts() as outer:
        chain().invoke("a")
        with track_impacts(zone="FRA") as inner:
            chain().invoke("b")
        chain().invoke("c")
    assert outer.total.estimated_calls == 3
    assert inner.total.estimated_calls == 1
    assert inner.total.gwp.value.mean < outer.runs[1].total.gwp.value.mean  # FRA against USA


async def test_concurrent_blocks_stay_apart():
    async def request(n):
        with track_impacts() as tracker:
            for _ in range(n):
                await chain().ainvoke("x")
                await asyncio.sleep(0)
        return tracker.total.estimated_calls

    assert await asyncio.gather(*(request(n) for n in range(1, 8))) == list(range(1, 8))


def test_an_error_detaches_too():
    with pytest.raises(RuntimeError, match="boom"), track_impacts() as tracker:
        chain(Reporting(answers=[RuntimeError("boom")], asked=[])).invoke("a")
    chain().invoke("outside")
    assert [run.status for run in tracker.runs] == ["error"]


async def test_a_block_inside_an_async_generator_detaches():
    async def stream():
        with track_impacts() as tracker:
            async for chunk in chain().astream("x"):
                yield tracker, chunk

    generator = stream()
    tracker, _ = await anext(generator)
    await asyncio.create_task(_close(generator))
    await chain().ainvoke("outside")
    assert tracker.total.estimated_calls == 1


async def _close(generator):
    await generator.aclose()


def test_blocks_leave_no_hooks_behind():
    from langchain_core.tracers import context

    for _ in range(3):
        with track_impacts():
            pass
    before = len(context._configure_hooks)
    for _ in range(50):
        with track_impacts():
            chain().invoke("x")
    assert len(context._configure_hooks) == before


def test_a_block_and_a_handler_count_each_for_itself():
    handler = ImpactHandler()
    with track_impacts() as tracker:
        chain().invoke("x", config={"callbacks": [handler]})
    assert handler.total.estimated_calls == tracker.total.estimated_calls == 1
    assert handler.last_run.id == tracker.last_run.id


def test_recorded_calls_hang_on_the_current_run():
    call = ModelCall(provider="openai", model="gpt-4o-mini", output_tokens=7)

    def uses_an_sdk(text):
        tracker.record(call, name="raw SDK")
        return text

    with track_impacts() as tracker:
        RunnableLambda(uses_an_sdk).invoke("x")
        tracker.record(call)
    under, alone = tracker.runs
    assert [r.name for r in under.walk()] == ["uses_an_sdk", "raw SDK"]
    assert alone.call is call


def test_settings_are_the_trackers():
    with track_impacts(zone="POL", max_runs=1) as tracker:
        chain().invoke("a")
        chain().invoke("b")
    assert len(tracker.runs) == 1
    with pytest.raises(ValueError, match="Nowhere"):
        track_impacts(zone="Nowhere")


def test_a_block_that_is_open_cannot_be_entered_again():
    block = track_impacts()
    with block as tracker:
        with pytest.raises(RuntimeError, match="open already"), block:
            pass
        chain().invoke("a")
    with block:  # in turn it can
        chain().invoke("b")
    assert tracker.total.estimated_calls == 2


def in_thread(work):
    """What people write in a node: the thread knows nothing of the run around it."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_everywhere_follows_threads_and_executors_without_a_context():
    pool = ThreadPoolExecutor(1)

    async def on_loop():
        await asyncio.get_running_loop().run_in_executor(pool, chain().invoke, "executor")

    def node(x):
        in_thread(lambda: Reporting(asked=[]).invoke("thread"))
        pool.submit(chain().invoke, "pool").result()
        asyncio.run(on_loop())
        return x

    with track_impacts(everywhere=True) as tracker:
        RunnableLambda(node).invoke("a")
        chain().invoke("b")
    in_thread(lambda: chain().invoke("outside"))
    chain().invoke("outside")
    pool.shutdown()
    assert tracker.total.estimated_calls == 4
    assert len(tracker.runs) == 5  # the node's, the thread's, two of the pool, the last
    assert list(tracker.problems) == [
        "a model call in another thread was seen without the run around it; start what a thread "
        "does through contextvars.copy_context().run"
    ]


def test_without_everywhere_such_calls_are_not_seen_and_that_is_said():
    with track_impacts() as tracker:
        RunnableLambda(lambda x: in_thread(lambda: chain().invoke("t")) or x).invoke("a")
    assert tracker.total.estimated_calls == 0
    (problem,) = tracker.problems.items()
    assert problem[1] == 1
    assert "a plain thread was not seen" in problem[0]
    assert "cure: track_impacts(everywhere=True)" in problem[0]


def test_blocks_that_follow_everything_nest_and_undo_themselves():
    before = len(_configure_hooks)
    for _ in range(3):
        with track_impacts(everywhere=True) as outer:
            chain().invoke("a")
            with track_impacts(everywhere=True) as inner, track_impacts() as innermost:
                in_thread(lambda: chain().invoke("b"))
                chain().invoke("c")
        chain().invoke("outside")
        counted = [t.total.estimated_calls for t in (outer, inner, innermost)]
        assert counted == [3, 2, 1]
    assert len(_configure_hooks) <= before + 3


def test_a_stream_of_an_everywhere_block_that_is_read_after_it_is_whole():
    with track_impacts(everywhere=True) as tracker:
        stream = chain().stream("a")
        next(stream)
    for _ in stream:
        pass
    assert tracker.total.estimated_calls == 1
    assert len(tracker.runs) == 1
