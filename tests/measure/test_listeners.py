"""Who listens on a port of this machine, seen in processes that really listen."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import pytest
from fake_meter import FakeMeter
from langchain_core.callbacks import BaseCallbackHandler
from langchain_openai import ChatOpenAI

from impactree import ImpactHandler, ModelCall
from impactree.measure import Measurement

listeners = pytest.importorskip("impactree.measure.listeners", exc_type=ImportError)

LISTEN = """
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
s = socket.create_server((host, port), family=family)
print(s.getsockname()[1], flush=True)
sys.stdin.read()
"""
ANSWERS = """
import http.server, json, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "hi"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        body = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m",
                           "choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
server = http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def listen():
    """Starts a process of a name that listens; returns it and its port."""
    started = []

    def start(*argv, host="127.0.0.1", port=0, code=LISTEN, **more):
        words = argv if len(argv) > 1 else [*argv, "-Ic", code]
        for _ in range(1 if port else 20):
            # Below those that the system gives to clients, which may take one at any time.
            number = port or random.randrange(15_000, 30_000)
            process = subprocess.Popen(
                [*words, host, str(number)],
                executable=sys.executable,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **more,
            )
            started.append(process)
            if said := process.stdout.readline():
                return process, int(said)
        if ":" in host:
            pytest.skip("no IPv6 here")
        raise AssertionError(process.communicate()[1])

    yield start
    for process in started:
        end(process)


def end(process):
    process.kill()
    if not process.stdout.closed:
        process.communicate()


def judged(address, where="local"):
    call = ModelCall(provider="openai", model="gemma-3-270m", base_url=address)
    return Measurement(where).scope.judge(call)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://localhost.:{}/v1"),
        ("127.0.0.1", "http://LOCALHOST:{}/v1"),
        ("127.0.0.1", "http://models.localhost:{}"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]:{}"),
        ("127.0.0.1", "http://0.0.0.0:{}"),
        ("0.0.0.0", "http://127.0.0.3:{}"),
        ("127.0.0.2", "http://127.0.0.2:{}"),
        ("::1", "http://[::1]:{}/v1"),
        ("::1", "http://localhost:{}"),
        ("::", "http://127.0.0.1:{}"),
    ],
)
def test_the_loopback_by_every_name(listen, host, address):
    process, port = listen("llama-server", host=host)
    found = judged(address.format(port))
    assert (found.here, found.pids) == (True, {process.pid})
    assert judged(address.format(port), [address.format(port)]).here


def test_the_same_port_of_other_addresses_is_anothers(listen):
    server, port = listen("llama-server", host="127.0.0.2")
    listen("nginx", host="127.0.0.1", port=port)
    assert judged(f"http://127.0.0.2:{port}").pids == {server.pid}
    for host in ("127.0.0.1", "localhost"):
        assert judged(f"http://{host}:{port}").note == "energy-behind-proxy"
    listed = [f"http://127.0.0.2:{port}"]
    assert judged(f"http://127.0.0.2:{port}", listed).here
    assert judged(f"http://127.0.0.1:{port}", listed) == (False, None, frozenset())


def test_one_family_each_and_a_name_for_both(listen):
    server, port = listen("ollama", host="::1")
    listen("my-server", host="127.0.0.1", port=port)
    assert judged(f"http://[::1]:{port}").pids == {server.pid}
    for host in ("127.0.0.1", "localhost"):  # which of them answers is not to be told
        assert judged(f"http://{host}:{port}").note == "energy-of-unknown-server"


def module(folder, name):
    path = folder.joinpath(*name.split("."), "__main__.py")
    path.parent.mkdir(parents=True)
    path.write_text(LISTEN)
    return ("python", "-X", "utf8", "-m", name)


@pytest.mark.parametrize(
    ("name", "server", "between"),
    [
        ("llama_cpp.server", "llama.cpp", False),
        ("vllm.entrypoints.openai.api_server", "vLLM", False),
        ("litellm", None, True),
        ("litellm.proxy", None, True),
        ("my_server", None, False),
    ],
)
def test_a_module_that_python_runs(listen, tmp_path, name, server, between):
    _, port = listen(*module(tmp_path, name), cwd=tmp_path)
    found = listeners.listener_on(port)
    assert (found.server, found.between) == (server, between)


@pytest.mark.parametrize(
    ("words", "server", "between"),
    [
        (["/usr/local/bin/vllm", "nginx/proxy-7b"], "vLLM", False),  # a model's name is none
        (["python3", "my_proxy.py", "ollama"], None, False),  # nor is an argument a server
        (["node", "gateway.js", "--to", "llama-server"], None, False),
        (["ollama-gateway", "serve"], None, False),
        (["/home/me/gemma.llamafile", "--server"], "llama.cpp", False),
        (["python3", "/opt/litellm/proxy/proxy_cli.py"], None, True),
        (["uvicorn", "litellm.proxy.proxy_server:app"], None, True),
        (["gunicorn: master [litellm.proxy.proxy_server:app]"], None, True),
        (["ssh: /run/user/7/mux [mux]"], None, True),
    ],
)
def test_the_program_counts_and_not_its_arguments(listen, words, server, between, monkeypatch):
    _, port = listen("x")
    monkeypatch.setattr(listeners.psutil.Process, "cmdline", lambda self: words)
    monkeypatch.setattr(listeners.psutil.Process, "name", lambda self: "x")
    found = listeners.listener_on(port)
    assert (found.server, found.between) == (server, between)


def test_a_server_of_another_user_is_unknown_unless_listed(listen, monkeypatch):
    """Linux tells others that somebody listens, and not who."""
    _, port = listen("llama-server")
    seen = listeners.psutil.net_connections
    monkeypatch.setattr(
        listeners.psutil, "net_connections", lambda kind: [c._replace(pid=None) for c in seen(kind)]
    )
    url = f"http://127.0.0.1:{port}"
    assert judged(url).note == "energy-of-unknown-server"
    assert judged(url, [url]) == (True, None, frozenset())


def test_where_nobody_may_be_asked_a_server_is_unknown(monkeypatch):
    """On macOS to all but root."""

    def denied(kind):
        raise listeners.psutil.AccessDenied(1)

    monkeypatch.setattr(listeners.psutil, "net_connections", denied)
    assert judged("http://127.0.0.1:7").note == "energy-of-unknown-server"


def test_a_listed_port_of_a_container_says_nothing_of_who_runs_the_model(listen):
    _, port = listen("docker-proxy")
    url = f"http://127.0.0.1:{port}"
    assert judged(url).note == "energy-of-unknown-server"
    assert judged(url, [url]) == (True, None, frozenset())


def test_who_takes_a_port_over_is_seen_at_once(listen):
    server, port = listen("llama-server")
    url = f"http://127.0.0.1:{port}"
    assert judged(url).here
    end(server)
    assert judged(url).note == "energy-of-unknown-server"
    time.sleep(listeners._NOBODY_KEPT_S)
    listen("litellm", port=port)
    assert judged(url).note == "energy-behind-proxy"


class Ends(BaseCallbackHandler):
    """Ends a server once it has answered."""

    def __init__(self, process):
        self.process = process

    def on_llm_end(self, *args, **more):
        end(self.process)


def test_a_port_that_closes_midway(listen):
    """What has answered was there; what has not fails as it would without a meter."""
    server, port = listen("llama-server", code=ANSWERS)
    chat = ChatOpenAI(
        model="gemma-3-270m", base_url=f"http://127.0.0.1:{port}/v1", api_key="-", max_retries=0
    )
    handler = ImpactHandler(measure=Measurement(meter=FakeMeter()))
    chat.invoke("Hello?", config={"callbacks": [Ends(server), handler]})
    assert handler.last_run.calls[0].own.source == "measured"
    with pytest.raises(Exception, match=r"[Cc]onnection"):
        chat.invoke("Hello?", config={"callbacks": [handler]})
    assert not handler.tracker.problems
    left = sum(handler.tracker.unattributed.energy_by_source.values())
    read = sum(handler.tracker._measurement.measuring().ledger.read_so_far().values())
    told = sum(handler.total.energy_by_source.values())
    assert told + left == pytest.approx(read, rel=1e-9)


def test_what_a_server_starts_belongs_to_it(listen):
    process, port = listen("ollama")
    judged(f"http://127.0.0.1:{port}")
    assert not listeners.others_among({process.pid}, {process.pid})
    assert not listeners.others_among({process.pid}, {os.getpid()})  # its child's, likewise
    assert listeners.others_among({process.pid, os.getppid()}, {os.getpid()})
    end(process)
    assert not listeners.others_among({process.pid}, {os.getpid()})  # a number seen from outside


def test_a_server_of_several_processes_is_one(listen, tmp_path):
    """The one that listens may be a worker, and the models its sisters'."""
    code = tmp_path / "vllm"
    code.write_text(f"""
import subprocess, sys
child = subprocess.Popen(["vllm::apiserver_0", "-Ic", {LISTEN!r}, *sys.argv[1:]],
                         executable={sys.executable!r})
child.wait()
""")
    process, port = listen("python", str(code))
    assert listeners.listener_on(port).pids == {process.pid}
