"""What fails inside the handler never reaches the chain; it is counted, logged once and shown."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import socket
import subprocess
import sys

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from models import Chat, Completion

from impactree import ImpactHandler, ImpactTracker
from impactree.calls import counting
from impactree.engine import Engine
from impactree.langchain import (
    _answer,
    _current,
    _handler,
    _kinds,
    _names,
    _open_calls,
    _usage,
)


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query, *, run_manager):
        if query == "lost":
            raise LookupError(query)
        return [Document(query)]


@tool
def double(text: str) -> str:
    """Say it twice."""
    if text == "mute":
        raise ValueError(text)
    return text * 2


def work(callbacks):
    """All that a caller sees of chains that make every callback fire."""
    config = {"callbacks": callbacks}
    chain = RunnableLambda(lambda text: text) | Chat(usage=False) | StrOutputParser()
    broken = Chat(break_after=2)

    async def read(runnable):
        return [str(chunk) async for chunk in runnable.astream("Hi", config=config)]

    return [
        caught(lambda: chain.invoke("Hi", config=config)),
        caught(lambda: list(chain.stream("Hi", config=config))),
        caught(lambda: asyncio.run(read(chain))),
        caught(lambda: asyncio.run(chain.ainvoke("Hi", config=config))),
        caught(lambda: [c.content for c in Chat().stream("Hi", config=config)]),
        caught(lambda: list(broken.stream("Hi", config=config))),
        caught(lambda: Completion().batch(["a", "b"], config=config)),
        caught(lambda: Completion(failure=ValueError("no")).invoke("a", config=config)),
        caught(lambda: double.invoke("ab", config=config)),
        caught(lambda: double.invoke("mute", config=config)),
        caught(lambda: [d.page_content for d in Shelf().invoke("x", config=config)]),
        caught(lambda: Shelf().invoke("lost", config=config)),
        caught(lambda: fallback().invoke("Hi", config=config).content),
        caught(lambda: left_half_way(config)),
    ]


def caught(ask):
    try:
        return ask()
    except Exception as error:
        return type(error), error.args


def fallback():
    return Chat(outcomes=[ValueError("down")]).with_fallbacks([Chat()])


def left_half_way(config):
    stream = Chat().stream("Hi", config=config)
    first = next(stream)
    stream.close()
    return first.content


def functions_of(owner, *, of_module=None):
    """A class's own methods but for the callbacks, or a module's functions."""
    return [
        (owner, name)
        for name, value in vars(owner).items()
        if inspect.isfunction(value)
        and not name.startswith(("__", "on_"))
        and (of_module is None or value.__module__.startswith(of_module))
    ]


READERS = {"report", "flush"}
POINTS = [
    *((ImpactTracker, name) for name in ("start", "end", "find", "annotate", "let_go")),
    (Engine, "estimate"),
    *functions_of(_answer.PendingCall),
    *functions_of(_answer.Batches),
    *(point for point in functions_of(ImpactHandler) if point[1] not in READERS),
    *functions_of(_answer, of_module="impactree"),
    *functions_of(_usage, of_module="impactree"),
    *functions_of(_names, of_module="impactree"),
    *functions_of(_kinds, of_module="impactree"),
    *functions_of(_handler, of_module="impactree"),
    *functions_of(_current, of_module="impactree"),
    *functions_of(_open_calls.OpenCalls),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("owner", "name"), POINTS, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_fault_at_any_point_changes_nothing_and_is_shown(owner, name, monkeypatch, caplog):
    without = work([])
    handler = ImpactHandler()

    hits = []

    def fail(*args, **kwargs):
        hits.append(1)
        raise RuntimeError("a fault inside")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, "impactree"):
        patch.setattr(owner, name, fail)
        # In a context of its own: a fault may leave a retriever's scope open in it.
        assert contextvars.copy_context().run(work, [handler]) == without
        total = handler.total  # what finalizers left has happened
    assert total is not None
    problems = handler.tracker.problems
    assert bool(problems) == bool(hits)
    # Once in the log, however often it happened.
    ours = [record for record in caplog.records if record.name == "impactree"]
    assert len(ours) == len(problems)
    # What runs afterwards is whole, and the report still tells.
    contextvars.Context().run(Chat().invoke, "Hi", config={"callbacks": [handler]})
    shown = str(handler.report())
    assert all(problem in shown for problem in problems)
    # (What the fault left open is closed in between, so it need not be the last to finish.)
    assert any(
        run.status == "ok" and run.call.output_tokens == 40 for run in handler.runs if run.call
    )


def callbacks_of(cls):
    return sorted(name for name in vars(cls) if name.startswith("on_"))


@pytest.mark.parametrize("name", callbacks_of(ImpactHandler))
def test_every_callback_is_guarded(name, monkeypatch):
    """Whatever it asks for fails: it says so in the tracker, and raises nothing."""
    handler = ImpactHandler()
    handler.on_chat_model_start({}, [[AIMessage("Hi")]], run_id=1)
    assert handler.tracker.open_roots

    def fail(*args, **kwargs):
        raise RuntimeError("a fault inside")

    for asked in ("start", "end", "find", "annotate"):
        monkeypatch.setattr(handler.tracker, asked, fail)
    for asked in ("streamed", "streamed_event", "call", "failed_call"):
        monkeypatch.setattr(_answer.PendingCall, asked, fail)
    first = ValueError("x") if name.endswith("error") else {}
    more = ([["Hi"]],) if name.endswith("start") else ()
    contextvars.copy_context().run(getattr(handler, name), first, *more, run_id=1)
    problems = handler.tracker.problems
    assert problems.pop(f"{name}: RuntimeError") == 1
    # The call is closed all the same, where that works.
    assert problems in ({}, {"_let_go: RuntimeError": 1})


def test_a_call_whose_end_could_not_be_read_is_closed_as_unknown(monkeypatch):
    def fail(*args):
        raise RuntimeError("a fault inside")

    monkeypatch.setattr(_handler, "read_answer", fail)
    handler = ImpactHandler()
    Chat().invoke("Hi", config={"callbacks": [handler]})
    assert [(run.status, run.call.output_tokens) for run in handler.runs] == [("abandoned", None)]
    assert handler.total.unestimated_calls == 1
    assert not handler.tracker.open_roots


def test_the_handler_takes_every_event_that_means_work():
    """What LangChain can tell and the handler does not hear is listed here on purpose."""
    deaf = {"on_agent_action", "on_agent_finish", "on_custom_event", "on_retry", "on_text"}
    told = {name for name in dir(BaseCallbackHandler) if name.startswith("on_")}
    assert told - set(callbacks_of(ImpactHandler)) == deaf


def test_a_fault_in_an_exporter_is_counted():
    class Broken:
        def export(self, root):
            raise OSError("disk full")

        def flush(self, timeout=None):
            return True

    handler = ImpactHandler(exporters=[Broken()])
    assert Chat().invoke("Hi", config={"callbacks": [handler]}).content
    assert handler.tracker.problems == {"Broken failed": 1}


# The network


def test_counting_opens_no_socket(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    counting._encoding.cache_clear()  # the vocabulary is loaded anew
    handler = ImpactHandler()
    with monkeypatch.context() as patch:
        for name in ("socket", "create_connection", "getaddrinfo"):
            patch.setattr(socket, name, refuse)
        Chat(usage=False).invoke("Hi", config={"callbacks": [handler]})
        list(Chat(usage=False).stream("Hi", config={"callbacks": [handler]}))
        Completion().batch(["a", "b"], config={"callbacks": [handler]})
        str(handler.report())
    assert handler.tracker.problems == {}
    assert [run.call.tokens_source for run in handler.runs] == ["counted"] * 4


ALONE = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("a socket was opened")
socket.socket.connect = socket.getaddrinfo = refuse
sys.modules["tiktoken"] = None if {without} else sys.modules.get("tiktoken")
if sys.modules["tiktoken"] is None and not {without}:
    del sys.modules["tiktoken"]
from impactree.calls.counting import count_tokens
print(count_tokens("Hello from the wire."))
"""


@pytest.mark.parametrize("without", [True, False])
def test_counting_in_a_fresh_process_needs_no_network(without):
    """With tiktoken and a shipped vocabulary or without: 20 letters are 5 or 6 tokens."""
    code = ALONE.format(without=without)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) in {5, 6}
