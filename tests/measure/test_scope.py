"""Which calls run on this machine, by names, addresses and who listens there."""

from __future__ import annotations

import pytest

from impactree import ModelCall
from impactree.measure import Measurement

listeners = pytest.importorskip("impactree.measure.listeners", exc_type=ImportError)


def judged(where="local", class_name=None, **call):
    return Measurement(where).scope.judge(ModelCall(**call), class_name)


@pytest.fixture
def listening(monkeypatch):
    """Says who listens on a port."""

    def says(**known):
        ports = {int(port.removeprefix("at_")): found for port, found in known.items()}
        monkeypatch.setattr(listeners, "listener_on", lambda port, host: ports.get(port))

    return says


OLLAMA = listeners.Listener("ollama", "Ollama", pids=frozenset({7}))


def test_ollama_is_asked_where_its_clients_look(listening, monkeypatch):
    listening(at_11434=OLLAMA, at_4321=OLLAMA._replace(pids=frozenset({8})))
    assert judged(provider="ollama", model="llama3.2").pids == {7}
    monkeypatch.setenv("OLLAMA_HOST", "0.0.0.0:4321")
    assert judged(provider="ollama", model="llama3.2").pids == {8}
    assert not judged(provider="ollama", model="llama3.2", base_url="http://gpu-box:11434").here


@pytest.mark.parametrize("name", ["gpt-oss:120b-cloud", "qwen3-coder:480b-cloud", "gpt-4o"])
def test_what_ollama_hands_on_is_not_measured(listening, name):
    listening(at_11434=OLLAMA)
    for where in ("local", ["http://localhost:11434"]):
        found = judged(where, provider="ollama", model=name)
        assert (found.here, found.note) == (False, "energy-behind-proxy")


@pytest.mark.parametrize(
    "address",
    ["http://localhost:8000/v1", "http://127.0.0.1:8000", "http://[::1]:8000/", "localhost:8000"],
)
def test_names_of_the_loopback_are_one(listening, address):
    listening(at_8000=listeners.Listener("python", "vLLM"))
    assert judged(provider="openai", model="qwen2.5-7b-instruct", base_url=address).here
    assert judged([address], provider="x", model="m", base_url="http://localhost:8000/v1").here


@pytest.mark.parametrize(
    ("provider", "class_name", "here"),
    [
        ("huggingface_pipeline", None, True),
        ("huggingface", "HuggingFacePipeline", True),
        ("huggingface", "HuggingFaceLLM", True),
        ("huggingface", "HuggingFaceEmbedding", True),
        ("huggingface", "ChatHuggingFace", False),
        ("huggingface_endpoint", "HuggingFaceEndpoint", False),
        ("llamacpp", "ChatLlamaCpp", True),
        ("openai", "ChatOpenAI", False),
        ("litellm", "ChatLiteLLM", False),
        (None, None, False),
    ],
)
def test_models_in_this_process_are_known_by_their_classes(provider, class_name, here):
    call = {"provider": provider, "model": "Qwen/Qwen2.5-0.5B"}
    assert judged(class_name=class_name, **call).here is here
    assert not judged(class_name=class_name, **{**call, "model": "gpt-4o"}).here
    assert not judged(["http://localhost:1"], class_name, **call).here


def test_a_chat_over_a_pipeline_is_seen_through():
    from impactree.langchain._answer import PendingCall

    pending = PendingCall(
        kind="chat",
        class_name="ChatHuggingFace",
        serialized={"repr": "ChatHuggingFace(llm=HuggingFacePipeline(model_id='gpt2'))"},
        metadata={"ls_provider": "huggingface", "ls_model_name": "gpt2"},
    )
    assert pending.asking().class_name == "HuggingFacePipeline"


def test_nobody_and_nothing_to_be_seen_are_unknown(listening):
    listening(at_9000=listeners.Listener(""))
    for port in (9000, 9001):
        call = {"provider": "openai", "model": "m", "base_url": f"http://localhost:{port}"}
        assert judged(**call).note == "energy-of-unknown-server"
        assert judged([call["base_url"]], **call).here


def test_this_machines_own_addresses_may_be_listed(listening):
    import socket

    name = socket.gethostname()
    listening(at_8000=listeners.Listener("", "vLLM"))
    call = {"provider": "openai", "model": "m", "base_url": f"http://{name}:8000/v1"}
    assert judged([f"http://{name}:8000"], **call).here
    assert not judged(**call).here  # by the network's name it may be reached from elsewhere
