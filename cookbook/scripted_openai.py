"""A local stand-in for OpenAI: its chat-completions wire format over HTTP, with scripted answers.

Whole and streamed, text and tool calls, with token usage; and embeddings, by the words used. The
token counts are a rule of thumb (4 characters each); names, shapes and pace are the service's.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

# OpenAI answers with a dated name.
_ANSWERS_AS = {"gpt-4o": "gpt-4o-2024-08-06", "gpt-4o-mini": "gpt-4o-mini-2024-07-18"}


@dataclass(frozen=True)
class Turn:
    """One answer of a model: text, or calls of tools as (name, arguments)."""

    text: str = ""
    tool_calls: tuple[tuple[str, dict[str, Any]], ...] = ()


Script = Callable[[str, list[dict[str, Any]]], Turn]
"""From the requested model and the messages so far to the next turn."""


class ScriptedOpenAI:
    """Serves a script on a free loopback port, as ``OPENAI_BASE_URL`` while the block runs.

    Args:
        script: What to answer.
        tokens_per_s: Pace of the answers.
        first_token_s: Wait before an answer begins, s.
    """

    def __init__(
        self, script: Script, *, tokens_per_s: float = 80.0, first_token_s: float = 0.3
    ) -> None:
        self.script = script
        self.token_s = 1 / tokens_per_s
        self.first_token_s = first_token_s
        handler = type("Handler", (_Handler,), {"service": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        url = f"http://127.0.0.1:{self._http.server_port}/v1"
        # OpenAI's own variable: clients go here, and believe that they ask OpenAI.
        stand_in = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "scripted", "NO_PROXY": "127.0.0.1"}
        self._environment = patch.dict(os.environ, stand_in)

    def __enter__(self) -> Self:
        self._environment.start()
        os.environ.pop("OPENAI_API_BASE", None)  # it would go first
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._environment.stop()
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: ScriptedOpenAI

    def do_POST(self) -> None:  # the name that http.server looks for
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/embeddings":
            self._whole(200, _embeddings(request))
            return
        if self.path != "/v1/chat/completions":
            self._whole(404, {"error": {"message": f"no such path: {self.path}"}})
            return
        turn = self.service.script(request["model"], request["messages"])
        answer = _Answer(request, turn)
        time.sleep(self.service.first_token_s)
        if request.get("stream"):
            self._stream(answer)
        else:
            time.sleep(self.service.token_s * answer.usage["completion_tokens"])
            self._whole(200, answer.whole())

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal for the demo."""

    def _whole(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, answer: _Answer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        chunks = list(answer.chunks())
        pause = self.service.token_s * answer.usage["completion_tokens"] / len(chunks)
        for chunk in chunks:
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
            self.wfile.flush()
            time.sleep(pause)
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True


class _Answer:
    """One turn in the service's wire format."""

    def __init__(self, request: dict[str, Any], turn: Turn) -> None:
        self.turn = turn
        self.with_usage = (request.get("stream_options") or {}).get("include_usage", False)
        self.finish = "tool_calls" if turn.tool_calls else "stop"
        self.calls = [
            {"id": f"call_{n}", "type": "function", "function": _function(*call)}
            for n, call in enumerate(turn.tool_calls)
        ]
        asked = _tokens(json.dumps([request["messages"], request.get("tools", [])]))
        answered = _tokens(turn.text + "".join(json.dumps(c["function"]) for c in self.calls))
        self.usage: dict[str, Any] = {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }
        self.head = {
            "id": f"chatcmpl-{time.time_ns()}",
            "created": int(time.time()),
            "model": _ANSWERS_AS.get(request["model"], request["model"]),
        }

    def whole(self) -> dict[str, Any]:
        """The body of an answer that is not streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": self.turn.text or None}
        if self.calls:
            message["tool_calls"] = self.calls
        choice = {"index": 0, "message": message, "finish_reason": self.finish}
        return {
            **self.head,
            "object": "chat.completion",
            "choices": [choice],
            "usage": self.usage,
        }

    def chunks(self) -> Iterator[dict[str, Any]]:
        """The events of a streamed answer."""
        yield self._chunk({"role": "assistant", "content": ""})
        for word in self.turn.text.split(" ") if self.turn.text else ():
            yield self._chunk({"content": f"{word} "})
        for number, call in enumerate(self.calls):
            yield self._chunk({"tool_calls": [{"index": number, **call}]})
        yield self._chunk({}, self.finish)
        if self.with_usage:
            yield {**self._chunk({}), "choices": [], "usage": self.usage}

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {**self.head, "object": "chat.completion.chunk", "choices": [choice]}


def _embeddings(request: dict[str, Any]) -> dict[str, Any]:
    """One vector per text: how often it uses each word, folded into 256 numbers."""
    texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
    data = []
    for number, text in enumerate(texts):
        vector = [0.0] * 256
        for word in re.findall(r"[a-z0-9]+", text.lower()):
            vector[zlib.crc32(word.encode()) % 256] += 1
        data.append({"object": "embedding", "index": number, "embedding": vector})
    tokens = sum(map(_tokens, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "model": request["model"], "data": data, "usage": usage}


def _function(name: str, arguments: dict[str, Any]) -> dict[str, str]:
    return {"name": name, "arguments": json.dumps(arguments)}


def _tokens(text: str) -> int:
    return -(-len(text) // 4)
