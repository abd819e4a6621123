"""Calls in plain threads: seen nowhere, and said to be, where a run is at it meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from langchain_core.runnables import RunnableLambda
from llama_index.core.llms import MockLLM
from llama_index.core.tools import FunctionTool

from impactree import ImpactHandler, track_impacts
from impactree.llama_index import ImpactHandler as LlamaIndexHandler

if TYPE_CHECKING:
    from collections.abc import Callable

UNSEEN = "a call in a plain thread was not seen, while a run was open"
CURE = "cure: track_impacts(everywhere=True)"


def chat() -> FakeListChatModel:
    return FakeListChatModel(responses=["yes"])


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def in_a_pool(work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()


def times(tracker: Any) -> int:
    return sum(n for name, n in tracker.problems.items() if name.startswith(UNSEEN))


WORK: dict[str, Callable[[], object]] = {
    "invoke": lambda: chat().invoke("Hi"),
    "stream": lambda: list(chat().stream("Hi")),
    "completion": lambda: FakeListLLM(responses=["yes"]).invoke("Hi"),
    "in a chain": lambda: (RunnableLambda(str) | chat()).invoke("Hi"),
    "on a loop of its own": lambda: asyncio.run(chat().ainvoke("Hi")),
}


@pytest.mark.parametrize("start", [in_a_thread, in_a_pool])
@pytest.mark.parametrize("work", WORK.values(), ids=list(WORK))
def test_a_handler_alone_says_what_it_was_not_told_of(work, start):
    handler = ImpactHandler()
    RunnableLambda(lambda _: start(work)).invoke("x", {"callbacks": [handler]})
    assert handler.report().calls == 0
    assert times(handler.tracker) == 1
    text = " ".join(str(handler.report()).split())
    assert UNSEEN in text
    assert CURE in text


def test_a_block_says_it_too():
    with track_impacts() as tracker:
        RunnableLambda(lambda _: in_a_thread(WORK["invoke"])).invoke("x")
    assert (tracker.report().calls, times(tracker)) == (0, 1)


def test_the_cure_sees_the_call():
    with track_impacts(everywhere=True) as tracker:
        RunnableLambda(lambda _: in_a_thread(WORK["invoke"])).invoke("x")
    assert (tracker.report().calls, times(tracker)) == (1, 0)


HOW: dict[str, Callable[[ImpactHandler], object]] = {
    "copied context": lambda _: in_a_thread(
        partial(contextvars.copy_context().run, WORK["invoke"])
    ),
    "handler of its own": lambda _: in_a_thread(
        lambda: chat().invoke("Hi", {"callbacks": [ImpactHandler()]})
    ),
    "the handler passed on": lambda handler: in_a_thread(
        lambda: chat().invoke("Hi", {"callbacks": [handler]})
    ),
    "LangChain's own threads": lambda _: chat().batch(["a", "b"]),
    "asyncio's threads": lambda _: asyncio.run(asyncio.to_thread(WORK["invoke"])),
    "the same thread": lambda _: chat().invoke("Hi"),
}


@pytest.mark.parametrize("how", HOW.values(), ids=list(HOW))
def test_what_is_told_to_some_handler_is_not_said_to_be_unseen(how):
    handler = ImpactHandler()
    RunnableLambda(lambda _: how(handler)).invoke("x", {"callbacks": [handler]})
    assert times(handler.tracker) == 0


def test_a_call_while_a_model_answers_or_after_the_run_is_somebody_else_s():
    handler = ImpactHandler()

    class Slow(FakeListChatModel):
        def _call(self, *args: Any, **kwargs: Any) -> str:
            in_a_thread(WORK["invoke"])  # as another request of a server meanwhile
            return "yes"

    Slow(responses=[]).invoke("Hi", {"callbacks": [handler]})
    in_a_thread(WORK["invoke"])
    assert (handler.report().calls, times(handler.tracker)) == (1, 0)


def test_a_block_says_it_of_llama_index():
    def work() -> str:
        in_a_thread(lambda: MockLLM(max_tokens=5).complete("Hi"))
        return "done"

    with track_impacts() as tracker:
        FunctionTool.from_defaults(work)()
    assert (tracker.report().calls, times(tracker)) == (0, 1)
    with LlamaIndexHandler().instrument() as handler:
        FunctionTool.from_defaults(work)()
    assert (handler.report().calls, times(handler.tracker)) == (1, 0)


def test_a_handler_alone_asks_nothing_of_langchain_before_its_first_run():
    code = (
        "import sys; from impactree import ImpactHandler; ImpactHandler();"
        "assert 'langchain_core.tracers.context' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
