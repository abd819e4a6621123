"""A server on this machine whose answers a test writes word by word, as no client's maker would."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Reply = Callable[[dict[str, Any]], Any]


@contextmanager
def serving(reply: Reply) -> Iterator[str]:
    """The address of a server; ``reply`` gets the body of a request.

    It returns a dict, for an answer as a whole; a list, for a stream, of dicts or of pairs of an
    event's name and a dict; or a status.
    """

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = reply(body)
            status = answer if isinstance(answer, int) else 200
            streams = isinstance(answer, list)
            text = "".join(map(_event, answer)) if streams else json.dumps(answer)
            self.send_response(status)
            self.send_header("content-type", "text/event-stream" if streams else "application/json")
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _event(event: Any) -> str:
    name, data = event if isinstance(event, tuple) else (None, event)
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


def usage(read: int, wrote: int, total: int | None = None, **more: Any) -> dict[str, Any]:
    """OpenAI's."""
    total = read + wrote if total is None else total
    return {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": total, **more}


def openai(
    told: Any = None,
    message: dict[str, Any] | None = None,
    chunks: Callable[[list[dict[str, Any]], dict[str, Any]], list[Any]] | None = None,
) -> Reply:
    """Chat completions, "It rains in Berlin today".

    Args:
        told: The usage, of a stream in a last chunk if the client asks for it.
        message: The answer instead.
        chunks: Makes the stream of its five chunks and of what each chunk holds.
    """
    words = ("It ", "rains ", "in ", "Berlin ", "today")

    def reply(body: dict[str, Any]) -> Any:
        base = {"id": "c", "created": 1, "model": "gpt-4o-mini"}
        if not body.get("stream"):
            answer = message or {"role": "assistant", "content": "".join(words)}
            choice = {"index": 0, "message": answer, "finish_reason": "stop"}
            return {**base, "object": "chat.completion", "choices": [choice], "usage": told}
        base["object"] = "chat.completion.chunk"
        pieces = [{**base, "choices": [_choice(word)]} for word in words]
        if chunks is not None:
            return [*chunks(pieces, base), "[DONE]"]
        if (body.get("stream_options") or {}).get("include_usage"):
            pieces.append({**base, "choices": [], "usage": told})
        return [*pieces, "[DONE]"]

    return reply


def _choice(word: str) -> dict[str, Any]:
    return {"index": 0, "delta": {"role": "assistant", "content": word}, "finish_reason": None}
