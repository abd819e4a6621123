"""What following a stream of 1,500 chunks adds, in both frameworks, over a real client."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import nullcontext
from statistics import median
from typing import Any

from langchain_openai import ChatOpenAI
from llama_index.llms.openai_like import OpenAILike
from pydantic import SecretStr

from benchmarks._measure import Result, at_most, rounds, seconds_each
from impactree import ImpactHandler
from impactree.llama_index import ImpactHandler as LlamaIndexHandler

CHUNKS = 1_500
ROUNDS = 21
_SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
body = sys.stdin.buffer.read()
class Server(BaseHTTPRequestHandler):
    def log_message(self, *args): pass
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        self.wfile.write(body)
server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
print(server.server_port, flush=True)
server.serve_forever()
"""


def _body() -> bytes:
    base: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1}
    base["model"] = "gpt-4o-mini"
    choice = {"index": 0, "delta": {"role": "assistant", "content": "word "}, "finish_reason": None}
    usage = {"prompt_tokens": 10, "completion_tokens": CHUNKS, "total_tokens": 10 + CHUNKS}
    events = [{**base, "choices": [choice]}] * CHUNKS + [{**base, "choices": [], "usage": usage}]
    return "".join(f"data: {json.dumps(e)}\n\n" for e in events).encode() + b"data: [DONE]\n\n"


def _langchain(url: str, callbacks: list[Any]) -> float:
    model = ChatOpenAI(
        base_url=url, api_key=SecretStr("none"), model="gpt-4o-mini", stream_usage=True
    )
    return seconds_each(lambda _: list(model.stream("Hi", {"callbacks": callbacks})), 1)


def _llama_index(url: str, context: Any) -> float:
    model = OpenAILike(model="gpt-4o-mini", api_base=url, api_key="none")
    with context:
        return seconds_each(lambda _: list(model.stream_complete("Hi")), 1)


def run() -> list[Result]:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    if server.stdin is None or server.stdout is None:
        raise RuntimeError("the server has no pipes")
    try:
        server.stdin.write(_body())
        server.stdin.close()
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        variants = {
            "langchain": lambda _: _langchain(url, []),
            "langchain, followed": lambda _: _langchain(url, [ImpactHandler()]),
            "llama_index": lambda _: _llama_index(url, nullcontext()),
            "llama_index, followed": lambda _: _llama_index(url, LlamaIndexHandler().instrument()),
        }
        rounds(variants, 1)  # warm up
        taken = rounds(variants, ROUNDS)
    finally:
        server.kill()
        server.wait()
    found = []
    for name in ("langchain", "llama_index"):
        bare, followed = taken[name], taken[f"{name}, followed"]
        added = median(b / a for a, b in zip(bare, followed, strict=True)) - 1
        found.append(
            at_most(f"{name}: a stream of {CHUNKS:,} chunks, more CPU", 100 * added, 10, "%")
        )
    return found
