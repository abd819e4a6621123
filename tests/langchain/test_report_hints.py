"""Hints that only trees show, from the frameworks' own objects: remote graphs, plain threads."""

from __future__ import annotations

import contextvars
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langgraph.graph import END, START, StateGraph

from impactree import ImpactHandler


class State(TypedDict):
    x: int


def graph(**nodes):
    """The nodes in a row."""
    builder = StateGraph(State)
    before = START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    builder.add_edge(before, END)
    return builder.compile()


def hint(handler, code):
    return [text for text in " ".join(str(handler.report()).split()).split(" Cure") if code in text]


class Server(BaseHTTPRequestHandler):
    """What a LangGraph server streams: events of the state's values."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        time.sleep(0.002)  # a server that thinks for less than this is none
        events = (("metadata", {"run_id": "1"}), ("values", {"x": 1}), ("values", {"x": 2}))
        body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


@pytest.fixture
def url():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_remote_graph_is_told_as_what_cannot_be_seen(url):
    """RemoteGraph fires no event: its node has nothing below, but takes a request's time."""
    remote = pytest.importorskip("langgraph.pregel.remote")
    handler = ImpactHandler()
    flow = graph(helper=remote.RemoteGraph("agent", url=url))
    assert flow.invoke({"x": 0}, config={"callbacks": [handler]}) == {"x": 2}
    (node,) = handler.last_run.children
    assert (node.kind, node.children) == ("node", ())
    (told,) = hint(handler, "remote-graph")
    assert "helper" in told


def test_a_node_that_calls_a_model_here_is_no_remote_one(url):
    pytest.importorskip("langgraph.pregel.remote")
    handler = ImpactHandler()
    model = FakeListChatModel(responses=["yes"])

    def here(state: State) -> State:
        model.invoke("?")
        return {"x": state["x"] + 1}

    graph(here=here).invoke({"x": 0}, config={"callbacks": [handler]})
    assert handler.report().calls == 1
    assert not hint(handler, "remote-graph")


@pytest.mark.parametrize("cured", [False, True])
def test_a_plain_thread_loses_the_context_and_the_report_says_so(cured):
    """A handler on the model alone sees the call, but not whose it is; a copied context does."""
    handler = ImpactHandler()
    model = FakeListChatModel(responses=["yes"], callbacks=[handler])

    def node(state: State) -> State:
        run = contextvars.copy_context().run if cured else lambda work, *given: work(*given)
        thread = threading.Thread(target=run, args=(model.invoke, "?"))
        thread.start()
        thread.join()
        return {"x": state["x"] + 1}

    graph(node=node).invoke({"x": 0}, config={"callbacks": [handler]})
    assert handler.report().calls == 1
    assert len(handler.runs) == (1 if cured else 2)
    assert bool(hint(handler, "context-lost (1 call)")) is not cured
