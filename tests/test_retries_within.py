"""Clients that ask again by themselves: the frameworks see one call, and the report says so.

Each client asks a server that fails once. Whether it asks again is seen there.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai import OpenAI

from impactree import ImpactHandler, ModelCall
from impactree.llama_index import ImpactHandler as LlamaIndexHandler
from wire import clients
from wire.fixtures import wire_server
from wire.model import Answer

__all__ = ["wire_server"]

# No client waits longer than that before it asks again, where it heeds the header.
FAILS_ONCE = Answer(status=500, headers={"retry-after-ms": "1", "retry-after": "0"})
IDS = ["openai", "azure", "anthropic", "cohere", "groq", "deepseek", "xai", "mistral", "ollama"]
CLIENTS = [client for client in clients.CLIENTS if client.id in IDS]
HINT = "retries-not-seen (1 call)"


def said(handler: Any) -> str:
    return " ".join(str(handler.report()).split())


@pytest.mark.parametrize("given", ["nothing", "max_retries=0"])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)
def test_langchain(client, given, wire_server, monkeypatch):
    if given == "nothing":
        make = clients._chat

        def with_defaults(name: str, **settings: Any) -> Any:
            settings.pop("max_retries", None)
            return make(name, **settings)

        monkeypatch.setattr(clients, "_chat", with_defaults)
    model = client.make(wire_server.url)
    wire_server.script(FAILS_ONCE)
    handler = ImpactHandler()
    try:
        model.invoke("Hi", {"callbacks": [handler]})
    except Exception:
        assert len(wire_server.requests) == 1
    asked_again = len(wire_server.requests) == 2
    assert (HINT in said(handler)) is asked_again
    assert len(handler.last_run.calls) == 1
    if asked_again:
        assert "Cure: max_retries=0 on the client" in said(handler)
        assert handler.last_run.metadata["client_may_retry"] is True
        assert handler.last_run.call.tokens_source == "reported"


def test_the_cure_makes_each_attempt_a_call(wire_server):
    client = next(client for client in CLIENTS if client.id == "openai")
    wire_server.script(FAILS_ONCE)
    handler = ImpactHandler()
    model = client.make(wire_server.url).with_retry(wait_exponential_jitter=False)
    model.invoke("Hi", {"callbacks": [handler]})
    assert [run.status for run in handler.last_run.calls] == ["error", "ok"]
    assert "retries-not-seen" not in said(handler)


@pytest.mark.parametrize("way", ["instrument", "manager"])
@pytest.mark.parametrize("retries", [0, 1])
def test_llama_index(retries, way, wire_server):
    def ask(**more: Any) -> None:
        model = OpenAI(
            model="gpt-4o-mini",
            api_base=f"{wire_server.url}/openai/v1",
            api_key="k",
            max_retries=retries,
            **more,
        )
        model.chat([ChatMessage(content="Hi")])

    handler = LlamaIndexHandler()
    if retries:
        wire_server.script(FAILS_ONCE)
    if way == "instrument":
        with handler.instrument():
            ask()
    else:
        ask(callback_manager=CallbackManager([handler]))
    assert len(wire_server.requests) == 1 + retries
    assert (HINT in said(handler)) is bool(retries)


@pytest.mark.parametrize(
    ("class_name", "told", "again"),
    [
        ("ChatGoogleGenerativeAI", 6, True),
        ("ChatGoogleGenerativeAI", 1, False),  # it counts the first attempt
        ("ChatBedrockConverse", None, True),
        ("ChatBedrockConverse", 0, False),
        ("ChatLiteLLM", 0, True),  # its SDK does not heed it
        ("ChatOpenRouter", 0, True),
        ("MyOwnChat", None, False),
        ("MyOwnChat", 3, True),
        ("MyOwnChat", "many", False),
    ],
)
def test_what_a_start_event_tells(class_name, told, again):
    """Of clients that take seconds before they ask again: what was seen of them by hand."""
    handler = ImpactHandler()
    assert isinstance(handler, BaseCallbackHandler)
    told = {} if told is None else {"max_retries": told}
    for serialized in (
        {"name": class_name, "kwargs": told},
        {"name": class_name, "repr": f"{class_name}(max_retries={told.get('max_retries')}, x=1)"},
    ):
        run_id = uuid4()
        handler.on_chat_model_start(serialized, [[]], run_id=run_id)
        open_run = handler.tracker.find(run_id)
        assert open_run.metadata.get("client_may_retry", False) is again
        handler.tracker.end(open_run.id)


def _blocks(seconds: list[float], status: str = "ok", wrote: int = 20) -> dict[str, str]:
    """What the report of calls that took so long says, by heading."""
    handler = ImpactHandler()
    for took in seconds:
        run_id = uuid4()
        handler.on_chat_model_start({"name": "ChatOpenAI", "kwargs": {}}, [[]], run_id=run_id)
        last = took == seconds[-1]
        call = ModelCall(
            provider="openai",
            model="gpt-4o-mini",
            output_tokens=wrote if last else 20,
            latency_s=took,
        )
        handler.tracker.end(run_id, call=call, status=status if last else "ok")
    parts = handler.report().to_markdown().split("\n\n")
    return {part.partition(":\n")[0]: part for part in parts if "retries" in part}


@pytest.mark.parametrize(
    ("seconds", "more", "found"),
    [
        ([1.2], {}, {"footnotes": 1}),
        ([1.2], {"status": "error"}, {"warnings": 1}),
        # 3 s is more than twice the median, 1.2 s; a client waits 0.375 s at least.
        ([1.1, 1.2, 1.2, 3.0], {}, {"footnotes": 3, "warnings": 1}),
        ([0.1, 0.1, 0.1, 0.3], {}, {"footnotes": 4}),
        # 200 tokens take longer than 20: 15 ms for each, where the median takes 60.
        ([1.1, 1.2, 1.2, 3.0], {"wrote": 200}, {"footnotes": 4}),
        ([1.1, 3.0], {}, {"footnotes": 2}),  # what is usual is not known
    ],
)
def test_it_is_a_warning_only_where_something_points_to_it(seconds, more, found):
    blocks = _blocks(seconds, **more)
    assert blocks.keys() == found.keys()
    for heading, number in found.items():
        assert f"retries-not-seen ({number} call" in blocks[heading].replace("\\", "")
        assert "Cure: max" in blocks[heading].replace("\\", "")
