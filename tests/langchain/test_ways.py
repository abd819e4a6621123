"""Every way to run and to attach: events, runnables, places of the handler, several handlers."""

from __future__ import annotations

import asyncio
import copy
import http.server
import threading

import pytest
from langchain_core.callbacks import CallbackManager, StdOutCallbackHandler
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import (
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
)
from models import Chat, by_length, calls, healthy, tree

from impactree import ImpactHandler, ImpactTracker
from impactree.calls import counting
from impactree.exceptions import ConfigurationError

OK = ("ok", 100, 40, "reported")
FAILED = ("error", None, 0, "unknown")

pytestmark = pytest.mark.filterwarnings(
    # The old protocols are deprecated, the newest one is in beta.
    "ignore::DeprecationWarning",
    "ignore:.*beta.*",
)


def chain():
    return RunnableLambda(lambda text: text) | Chat() | StrOutputParser()


# Event streams


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_astream_events(handler, config, version):
    async def read():
        return [e async for e in chain().astream_events("Hi", config=config, version=version)]

    assert len(asyncio.run(read())) > 5
    assert calls(handler) == [OK]
    assert len(handler.runs) == 1
    assert healthy(handler)


def test_astream_log(handler, config):
    async def read():
        return [patch async for patch in chain().astream_log("Hi", config=config)]

    assert asyncio.run(read())
    assert calls(handler) == [OK]
    assert healthy(handler)


@pytest.mark.newest
@pytest.mark.parametrize("usage", [True, False])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_stream_events_v3(handler, config, way, usage, monkeypatch):
    monkeypatch.setattr(counting, "_use_vocabulary", False)

    async def read():
        stream = await Chat(usage=usage).astream_events("Hi", config=config, version="v3")
        return [text async for text in stream.text]

    if way == "sync":
        pieces = list(Chat(usage=usage).stream_events("Hi", config=config, version="v3").text)
    else:
        pieces = asyncio.run(read())
    assert "".join(pieces) == "one two three four"
    assert calls(handler) == [OK if usage else ("ok", 1, 5, "counted")]
    assert healthy(handler)


@pytest.mark.newest
def test_a_v3_stream_that_is_left_half_way_counts_what_it_gave(handler, config, monkeypatch):
    """LangChain never ends it: it is closed with the run around it."""
    monkeypatch.setattr(counting, "_use_vocabulary", False)

    def read_some(text, config):
        pieces = iter(Chat().stream_events(text, config=config, version="v3").text)
        return [next(pieces), next(pieces)]

    assert RunnableLambda(read_some).invoke("Hi", config=config) == ["one ", "two "]
    assert calls(handler) == [("abandoned", 1, by_length("one two "), "counted")]
    assert healthy(handler)


# Runnables


def branch():
    return RunnableBranch((lambda text: text == "no", Chat(written=1)), Chat())


def generator():
    def words(pieces):
        for piece in pieces:
            yield piece.upper()

    async def awords(pieces):
        async for piece in pieces:
            yield piece.upper()

    return Chat() | StrOutputParser() | RunnableGenerator(words, awords)


POINT = {
    "title": "Point",
    "description": "A point.",
    "type": "object",
    "properties": {"x": {"type": "integer"}},
}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: RunnableParallel(a=Chat(), b=Chat(written=7)), [OK, ("ok", 100, 7, "reported")]),
        (branch, [OK]),
        (generator, [OK]),
        (lambda: RunnableLambda(lambda text: [text] * 3) | Chat().map(), [OK] * 3),
        (lambda: Chat().with_structured_output(POINT, include_raw=True), [OK]),
    ],
    ids=["parallel", "branch", "generator", "each", "structured"],
)
@pytest.mark.parametrize("way", ["invoke", "ainvoke", "stream", "astream", "batch", "abatch"])
def test_composed_runnables(handler, config, make, expected, way):
    runnable = make()

    async def drain():
        return [chunk async for chunk in runnable.astream("Hi", config=config)]

    {
        "invoke": lambda: runnable.invoke("Hi", config=config),
        "ainvoke": lambda: asyncio.run(runnable.ainvoke("Hi", config=config)),
        "stream": lambda: list(runnable.stream("Hi", config=config)),
        "astream": lambda: asyncio.run(drain()),
        "batch": lambda: runnable.batch(["Hi", "Ho"], config=config),
        "abatch": lambda: asyncio.run(runnable.abatch(["Hi", "Ho"], config=config)),
    }[way]()
    roots = 2 if way.endswith("batch") else 1
    assert len(handler.runs) == roots
    assert sorted(calls(handler)) == sorted(expected * roots)
    assert healthy(handler)


# Where the handler stands


def at_construction(handler):
    Chat(callbacks=[handler]).invoke("Hi")


def at_call(handler):
    Chat().invoke("Hi", config={"callbacks": [handler]})


def in_with_config(handler):
    Chat().with_config(callbacks=[handler]).invoke("Hi")


def in_a_manager(handler):
    Chat().invoke("Hi", config={"callbacks": CallbackManager([handler])})


def in_a_manager_that_hands_it_down(handler):
    manager = CallbackManager([], inheritable_handlers=[handler])
    manager.add_handler(handler, inherit=True)
    chain().invoke("Hi", config={"callbacks": manager})


def everywhere(handler):
    model = Chat(callbacks=[handler]).with_config(callbacks=[handler])
    (RunnableLambda(lambda text: text) | model).invoke("Hi", config={"callbacks": [handler]})


def on_a_child_alone(handler):
    (RunnableLambda(lambda text: text) | Chat(callbacks=[handler])).invoke("Hi")


def of_a_chain_not_handed_down(handler):
    manager = CallbackManager([handler])  # no inheritable handlers
    chain().invoke("Hi", config={"callbacks": manager})


def at_the_chain_and_again_inside(handler):
    config = {"callbacks": [handler]}
    step = RunnableLambda(lambda text: Chat().invoke(text, config=config), name="step")
    step.invoke("Hi", config=config)


def in_a_chain_of_a_retriever(handler):
    config = {"callbacks": [handler]}
    step = RunnableLambda(lambda text: Chat().invoke(text, config=config), name="step")

    class Asking(BaseRetriever):
        def _get_relevant_documents(self, query, *, run_manager):
            below = {"callbacks": run_manager.get_child()}
            return [Document(step.invoke(query, config=below).text)]

    Asking().invoke("Hi", config=config)


def the_same_under_asyncio(handler):
    config = {"callbacks": [handler]}

    async def ask(text):
        return await Chat().ainvoke(text, config=config)

    asyncio.run(RunnableLambda(ask, name="step").ainvoke("Hi", config=config))


@pytest.mark.parametrize(
    ("attach", "shape"),
    [
        (at_construction, "Chat"),
        (at_call, "Chat"),
        (in_with_config, "Chat"),
        (in_a_manager, "Chat"),
        (
            in_a_manager_that_hands_it_down,
            ("RunnableSequence", ["RunnableLambda", "Chat", "StrOutputParser"]),
        ),
        (everywhere, ("RunnableSequence", ["RunnableLambda", "Chat"])),
        (on_a_child_alone, "Chat"),
        (at_the_chain_and_again_inside, ("step", ["Chat"])),
        (the_same_under_asyncio, ("step", ["Chat"])),
        (in_a_chain_of_a_retriever, ("Asking", [("step", ["Chat"])])),
    ],
)
def test_where_the_handler_stands(handler, attach, shape):
    attach(handler)
    assert [tree(root) for root in handler.runs] == [shape]
    assert calls(handler) == [OK]
    assert healthy(handler)


@pytest.mark.parametrize("make", [chain, lambda: Chat().with_fallbacks([Chat()]), Chat])
def test_what_runs_between_the_pieces_of_a_stream_is_no_part_of_it(handler, make):
    config = {"callbacks": [handler]}
    aside = Chat().with_config(run_name="aside")
    for _ in make().stream("Hi", config=config):
        aside.invoke("Hi", config=config)

    async def read():
        async for _ in make().astream("Hi", config=config):
            await aside.ainvoke("Hi", config=config)

    asyncio.run(read())
    runs = [run for root in handler.runs for run in root.walk() if run.name == "aside"]
    assert len(runs) > 2
    assert all(run.parent is None for run in runs)


def test_a_handler_that_is_not_handed_down_sees_the_chain_alone(handler):
    of_a_chain_not_handed_down(handler)
    assert [tree(root) for root in handler.runs] == ["RunnableSequence"]
    assert calls(handler) == []
    assert healthy(handler)


def test_a_child_of_an_unknown_run_is_a_root_that_remembers_it(handler):
    on_a_child_alone(handler)
    assert handler.last_run.parent is None
    assert handler.last_run.parent_id is not None


# Several handlers


def test_two_handlers_count_each_for_itself():
    one, two = ImpactHandler(), ImpactHandler()
    model = Chat(callbacks=[two])
    (RunnableLambda(lambda text: text) | model).invoke("Hi", config={"callbacks": [one]})
    assert calls(one) == calls(two) == [OK]
    assert healthy(one)
    assert healthy(two)


def test_two_handlers_that_share_a_tracker_count_a_run_once(monkeypatch):
    monkeypatch.setattr(counting, "_use_vocabulary", False)
    tracker = ImpactTracker()
    one, two = ImpactHandler(tracker=tracker), ImpactHandler(tracker=tracker)
    config = {"callbacks": [one, two]}
    chain().invoke("Hi", config=config)
    Chat(callbacks=[two]).invoke("Hi", config={"callbacks": [one]})
    assert calls(one) == [OK, OK]
    # A stream that is counted piece by piece, closed with the run around it.
    held = []

    def keep(text, config):
        held.append(Chat().stream(text, config=config))
        next(held[0])

    RunnableLambda(keep).invoke("Hi", config=config)
    assert calls(one)[2] == ("abandoned", 1, by_length("one "), "counted")
    assert healthy(one)


def test_beside_other_handlers(handler, capsys):
    usage = pytest.importorskip("langchain_core.callbacks").UsageMetadataCallbackHandler()
    chain().invoke("Hi", config={"callbacks": [StdOutCallbackHandler(), usage, handler]})
    assert calls(handler) == [OK]
    assert usage.usage_metadata["gpt-4o-mini"]["output_tokens"] == 40
    assert "Entering new RunnableSequence" in capsys.readouterr().out


def test_a_copied_chain_goes_on_reporting(handler):
    copied = copy.deepcopy(chain().with_config(callbacks=[handler]))
    copied.invoke("Hi")
    assert calls(handler) == [OK]
    assert copy.copy(handler) is handler


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes whatever LangSmith's client sends."""

    def _take(self) -> None:
        self.server.asked.append(self.path)
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST = do_PATCH = _take  # noqa: N815

    def log_message(self, *args):
        pass


@pytest.mark.filterwarnings("ignore")
def test_with_langsmith_tracing_on(handler, config, monkeypatch):
    from langchain_core.tracers.langchain import wait_for_all_tracers
    from langsmith.utils import get_env_var

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("LANGSMITH_API_KEY", "k")
    get_env_var.cache_clear()
    try:
        chain().invoke("Hi", config=config)
        asyncio.run(chain().ainvoke("Hi", config=config))
        wait_for_all_tracers()
        assert calls(handler) == [OK, OK]
        assert len(handler.runs) == 2
        assert server.asked  # LangSmith was told as well
        assert healthy(handler)
    finally:
        monkeypatch.undo()
        get_env_var.cache_clear()
        server.shutdown()
        server.server_close()


# Middleware of agents


def agent(model, *middleware):
    from langchain.agents import create_agent

    return create_agent(model, middleware=list(middleware))


ASKED = {"messages": [("user", "Hi")]}


@pytest.mark.newest
@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_model_retry_middleware(handler, config, way):
    from langchain.agents.middleware import ModelRetryMiddleware

    failing = Chat(outcomes=[ValueError("1"), ValueError("2")])
    retrying = agent(failing, ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False))
    run(retrying, way, config)
    assert calls(handler) == [FAILED, FAILED, OK]
    assert len(handler.runs) == 1
    assert handler.report().by("step")["1 model"].calls == 3
    assert healthy(handler)


@pytest.mark.parametrize("way", ["invoke", "ainvoke"])
def test_model_fallback_middleware(handler, config, way):
    from langchain.agents.middleware import ModelFallbackMiddleware

    failing = Chat(outcomes=[ValueError("down")], model_name="gpt-4o")
    run(agent(failing, ModelFallbackMiddleware(Chat())), way, config)
    assert calls(handler) == [FAILED, OK]
    assert [r.call.model for r in handler.last_run.calls] == ["gpt-4o", "gpt-4o-mini"]
    by_model = handler.report().by("model")
    assert (by_model["gpt-4o"].output_tokens, by_model["gpt-4o-mini"].output_tokens) == (0, 40)
    assert healthy(handler)


def run(runnable, way, config):
    if way == "invoke":
        return runnable.invoke(ASKED, config=config)
    return asyncio.run(runnable.ainvoke(ASKED, config=config))


@pytest.mark.parametrize("given", [{"zone": "FRA"}, {"max_runs": 5}, {"exporters": [object()]}])
def test_what_a_shared_tracker_would_ignore_is_refused(given):
    tracker = ImpactHandler().tracker
    with pytest.raises(ConfigurationError, match=f"{next(iter(given))} must be given to the"):
        ImpactHandler(tracker=tracker, **given)


def test_one_metadata_key_is_not_its_letters():
    with pytest.raises(ConfigurationError, match="metadata_keys must be several keys"):
        ImpactHandler(metadata_keys="user_id")
