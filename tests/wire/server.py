"""The test server: scripted answers over real HTTP on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from .formats import PROVIDERS, error, find
from .model import Answer, Reply, Request, ToolCall, Usage

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Answer", "Request", "ToolCall", "Usage", "WireServer"]

Responder = Callable[[Request], Answer | None]


class WireServer:
    """A loopback server that answers in every supported wire format.

    Clients point at `url`, or at `base(provider)` where several providers share a
    path. Answers come from `script`, then `respond`, then the payload defaults.
    """

    def __init__(self) -> None:
        """Prepare a server; it listens once entered or started."""
        self.requests: list[Request] = []
        self.sent: list[Usage] = []
        self.unfinished: list[Usage] = []
        self._queue: deque[Answer] = deque()
        self._responder: Responder | None = None
        self._lock = threading.Lock()
        self._count = 0
        self._http: _Http | None = None

    def __enter__(self) -> Self:
        """Start listening."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening."""
        self.stop()

    def start(self) -> None:
        """Listen on a free loopback port."""
        self._http = _Http(self)
        serve = self._http.serve_forever
        threading.Thread(target=serve, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close the listener and every open connection."""
        if self._http is not None:
            self._http.shutdown()
            self._http.close_all()
            self._http = None

    @property
    def url(self) -> str:
        """Return the root URL, without a trailing slash."""
        if self._http is None:
            raise RuntimeError("the server is not running")
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def base(self, provider: str) -> str:
        """Return the URL prefix whose paths are answered as `provider` would."""
        if provider not in PROVIDERS:
            raise ValueError(f"unknown provider: {provider}")
        return f"{self.url}/{provider}"

    def script(self, *answers: Answer, **fields: Any) -> None:
        """Queue the next answers, given whole or as the fields of one."""
        queued = [*answers, Answer(**fields)] if fields or not answers else answers
        with self._lock:
            self._queue.extend(queued)

    def respond(self, responder: Responder | None) -> None:
        """Compute answers from requests whenever nothing is queued."""
        self._responder = responder

    def reset(self) -> None:
        """Forget scripts and records."""
        with self._lock:
            self._queue.clear()
            self._responder = None
            self.requests.clear()
            self.sent.clear()
            self.unfinished.clear()

    def handle(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> _Plan:
        """Record a request and return what to send."""
        request = self._record(method, target, headers, raw)
        found = find(request.path)
        if found is None:
            missing = Answer(status=404, error=f"no such path: {request.path}")
            return _Plan(error("openai", request, missing)[0], missing, {})
        answer = self._next(request)
        provider, handler = found
        if answer.status >= 400:
            reply, kind = error(provider, request, answer)
            extra = {"x-amzn-ErrorType": kind} if provider == "bedrock" else {}
            return _Plan(reply, answer, {**extra, **answer.headers})
        reply = handler(request, answer)
        self._note(reply, answer)
        return _Plan(reply, answer, dict(answer.headers))

    def _record(self, method: str, target: str, headers: dict[str, str], raw: bytes) -> Request:
        parts = urlsplit(target)
        body = _parse(raw)
        with self._lock:
            self._count += 1
            query = dict(parse_qsl(parts.query))
            request = Request(method, parts.path, query, headers, body, self._count)
            self.requests.append(request)
        return request

    def _next(self, request: Request) -> Answer:
        with self._lock:
            if request.method == "POST" and self._queue:
                return self._queue.popleft()
            responder = self._responder
        return (responder(request) if responder else None) or Answer()

    def _note(self, reply: Reply, answer: Answer) -> None:
        if reply.usage is None:
            return
        with self._lock:
            (self.unfinished if answer.cut else self.sent).append(reply.usage)


class _Plan:
    """A reply with its pacing."""

    __slots__ = ("answer", "headers", "reply")

    def __init__(self, reply: Reply, answer: Answer, headers: dict[str, str]) -> None:
        self.reply = reply
        self.answer = answer
        self.headers = headers


def _parse(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw


class _Http(ThreadingHTTPServer):
    """Threading server that can close its open connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 2048
    allow_reuse_address = False

    def __init__(self, wire: WireServer) -> None:
        self.wire = wire
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that hang up; raise nothing in their threads."""

    def close_all(self) -> None:
        """Close the listener and the open connections."""
        self.server_close()
        with self._guard:
            left = list(self._open)
        for item in left:
            try:
                item.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    """One keep-alive connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    server: _Http

    def do_POST(self) -> None:
        """Answer a call."""
        self._answer()

    def do_GET(self) -> None:
        """Answer a look-up."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Keep test output quiet."""

    def _answer(self) -> None:
        headers = {key.lower(): value for key, value in self.headers.items()}
        plan = self.server.wire.handle(self.command, self.path, headers, self._body(headers))
        if plan.answer.delay:
            time.sleep(plan.answer.delay)
        if plan.reply.stream:
            self._send_stream(plan)
        else:
            self._send_whole(plan)

    def _body(self, headers: dict[str, str]) -> bytes:
        if "chunked" not in headers.get("transfer-encoding", ""):
            return self.rfile.read(int(headers.get("content-length") or 0))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _head(self, plan: _Plan, length: int | None) -> None:
        self.send_response(plan.reply.status)
        self.send_header("Content-Type", plan.reply.content_type)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        for name, value in plan.headers.items():
            self.send_header(name, value)

    def _send_whole(self, plan: _Plan) -> None:
        body = b"".join(plan.reply.chunks)
        self._head(plan, len(body))
        shown = body[: len(body) // 2] if plan.answer.cut else body
        self.end_headers()
        self.wfile.write(shown)
        self.close_connection = self.close_connection or plan.answer.cut

    def _send_stream(self, plan: _Plan) -> None:
        self._head(plan, None)
        chunks = plan.reply.chunks
        if plan.answer.cut:
            chunks = chunks[: max(len(chunks) // 2, 1)]
        framed = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks]
        if plan.answer.cut:
            self.close_connection = True
        else:
            framed[-1] += b"0\r\n\r\n"
        self.end_headers()
        for frame in framed:
            self.wfile.write(frame)
            self.wfile.flush()
            if plan.answer.chunk_delay:
                time.sleep(plan.answer.chunk_delay)
