"""A LangSmith on loopback: the endpoints that the client and the exporter use, with checks.

Every payload is validated against what the service documents; a violation is kept in
``problems`` and answered with 422. ``faults`` holds answers to give first.
"""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
import socket
import threading
import time
import uuid
from collections import defaultdict
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "lsv2-planted-secret-key"
_FEEDBACK = {
    *("id", "run_id", "trace_id", "session_id", "key", "score", "value", "comment"),
    *("feedback_source", "start_time", "created_at", "modified_at", "correction"),
}

_SELECT = {  # of a query: what the official client asks for, and feedback_stats
    *("id", "trace_id", "parent_run_id", "run_type", "name", "start_time", "end_time", "extra"),
    *("prompt_tokens", "completion_tokens", "feedback_stats"),
}


class LangSmith:
    """What the service holds."""

    def __init__(self) -> None:
        self.url = ""
        self.version = "0.12.0"
        self.key = KEY
        self.runs: dict[str, dict[str, Any]] = {}
        self.feedback: dict[str, dict[str, Any]] = {}
        self.sessions: dict[str, str] = {}
        self.configs: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.ports: set[int] = set()
        """Of the connections that requests came on."""
        self.operations: list[set[str]] = []
        """Of each multipart request."""
        self.problems: list[str] = []
        self.faults: list[Any] = []
        """Status, (status, headers), "reset", or seconds to sleep, for the next requests.

        With the header X-Page the answer is a page, as a proxy gives it; with X-Empty there is
        nothing in it; with X-Names its detail names the runs it was asked about.
        """
        self.refuses = b"planted: never in a request"
        """A request with this in it is answered with 422, as LangSmith answers some records."""
        self.only = ""
        """Faults hit paths that begin so."""
        self.lock = threading.Lock()

    def by_key(self) -> dict[str, dict[str, float]]:
        """Run id -> feedback key -> score."""
        out: dict[str, dict[str, float]] = defaultdict(dict)
        for item in self.feedback.values():
            out[item["run_id"]][item["key"]] = item["score"]
        return out

    def count(self, path: str) -> int:
        return sum(p == path for _, p in self.requests)

    # Endpoints

    def get_info(self, query: Any, body: Any) -> Any:
        return 200, {
            "version": self.version,
            "instance_flags": {"zstd_compression_enabled": True},
            "batch_ingest_config": {
                "use_multipart_endpoint": True,
                "scale_up_qsize_trigger": 1000,
                "scale_up_nthreads_limit": 16,
                "scale_down_nempty_trigger": 4,
                "size_limit": 100,
                "size_limit_bytes": 20_971_520,
            },
        }

    def get_sessions(self, query: Any, body: Any) -> Any:
        name = query["name"][0]
        return 200, [{"id": self.sessions[name], "name": name}] if name in self.sessions else []

    def post_sessions(self, query: Any, body: Any) -> Any:
        self.check(query.get("upsert") == ["True"], "sessions without upsert")
        return 200, {"id": self.session(body["name"]), "name": body["name"]}

    def post_feedback_configs(self, query: Any, body: Any) -> Any:
        key = body["feedback_key"]
        self.check(body["feedback_config"]["type"] == "continuous", "config type")
        if key in self.configs:
            return 400, {"detail": "Feedback config already exists"}
        self.configs[key] = body
        return 200, body

    def post_feedback(self, query: Any, body: Any) -> Any:
        self.take_feedback(body)
        return 200, body

    def post_runs_query(self, query: Any, body: Any) -> Any:
        self.check(
            set(body) <= {"session", "select", "is_root", "trace", "start_time", "cursor"},
            f"unknown query keys {sorted(body)}",
        )
        self.check(set(body["select"]) <= _SELECT, f"unknown fields {sorted(body['select'])}")
        found = [
            run | {"feedback_stats": self.stats(run["id"])}
            for run in self.runs.values()
            if (not body.get("is_root") or run.get("parent_run_id") is None)
            and (not body.get("trace") or run["trace_id"] == body["trace"])
            and run["start_time"] >= body.get("start_time", "")
        ]
        start = int(body.get("cursor") or 0)
        page = [{key: run.get(key) for key in body["select"]} for run in found[start : start + 3]]
        following = str(start + 3) if start + 3 < len(found) else None
        return 200, {"runs": page, "cursors": {"next": following}}

    def get_run(self, run_id: str) -> Any:
        run = self.runs.get(run_id)
        return (200, run) if run else (404, {"detail": "Run not found"})

    def post_runs_multipart(self, parts: list[tuple[str, Any]]) -> Any:
        posted = [name[5:] for name, _ in parts if re.fullmatch(r"post\.[0-9a-f-]{36}", name)]
        if any(run_id in self.runs for run_id in posted):
            return 409, {"detail": "payloads already received"}
        self.operations.append({name.partition(".")[0] for name, _ in parts})
        for name, body in parts:
            operation, _, rest = name.partition(".")
            run_id, _, field = rest.partition(".")
            if operation == "feedback":
                self.check(run_id == body["id"], "feedback part's name and run_id differ")
                self.take_feedback(body)
            elif field:
                run = self.runs.get(run_id)
                self.check(run is not None, f"part {name} before its run")
                if run is not None:
                    run[field] = body
            elif operation in ("post", "patch"):
                self.take_run(operation, run_id, body)
            else:
                self.check(operation == "attachment", f"unknown part {name}")
        return 202, {"message": "ok"}

    # Checks

    def check(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)
            raise ValueError(problem)

    def session(self, name: str) -> str:
        return self.sessions.setdefault(name, str(uuid.uuid4()))

    def stats(self, run_id: str) -> dict[str, Any]:
        return {f["key"]: {"n": 1} for f in self.feedback.values() if f["run_id"] == run_id}

    def take_run(self, operation: str, id: str, body: dict[str, Any]) -> None:
        self.check(id == body["id"] and bool(uuid.UUID(id)), "run part's name and id differ")
        order = body.get("dotted_order") or ""
        pattern = r"(\d{8}T\d{12}Z[0-9a-f-]{36})(\.\d{8}T\d{12}Z[0-9a-f-]{36})*"
        self.check(bool(re.fullmatch(pattern, order)), f"dotted_order {order!r}")
        self.check(order.endswith(id), "dotted_order does not end in the run's id")
        self.check(order.partition("Z")[2].startswith(body["trace_id"]), "trace_id is not first")
        if operation == "post":
            self.check(
                body["run_type"]
                in ("chain", "llm", "tool", "retriever", "embedding", "prompt", "parser"),
                f"run_type {body['run_type']}",
            )
            self.check(bool(body["name"]), "no name")
            self.session(body.get("session_name") or "default")
        known = self.runs.setdefault(id, {})
        known.update({key: value for key, value in body.items() if value is not None})

    def take_feedback(self, body: dict[str, Any]) -> None:
        self.check(set(body) <= _FEEDBACK, f"unknown feedback keys {sorted(set(body) - _FEEDBACK)}")
        for name in ("id", "run_id", "trace_id", "session_id"):
            uuid.UUID(body[name])
        self.check(body["session_id"] in self.sessions.values(), "feedback of no project")
        score = body["score"]
        self.check(isinstance(score, int | float) and round(score, 4) == score, f"score {score}")
        self.check(len(body["key"]) <= 180 and len(json.dumps(body["value"])) < 1000, "too long")
        if body.get("start_time"):
            datetime.fromisoformat(body["start_time"])
        self.feedback[body["id"]] = body


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: LangSmith

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.answer("GET")

    def do_POST(self) -> None:
        self.answer("POST")

    def answer(self, method: str) -> None:
        service = self.service
        url = urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = self.chunks()
        with service.lock:
            service.requests.append((method, url.path))
            service.ports.add(self.client_address[1])
            fault = (
                service.faults.pop(0)
                if service.faults and url.path.startswith(service.only)
                else None
            )
        if isinstance(fault, float):
            time.sleep(fault)
        elif fault == "reset":
            linger = (1).to_bytes(4, "little") + bytes(4)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
            return
        elif fault == "page":
            self.reply(200, None, {}, data=b"<html>Log in</html>")
            return
        elif fault is not None:
            status, headers = fault if isinstance(fault, tuple) else (fault, {})
            headers = dict(headers)
            page = b"<html>Bad</html>" if headers.pop("X-Page", None) else None
            page = b"" if headers.pop("X-Empty", None) else page
            named = re.findall(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", data)
            told = (
                f"fault for run_id:{named[0].decode()}" if headers.pop("X-Names", None) else "fault"
            )
            self.reply(status, {"detail": told}, headers, data=page)
            return
        if service.refuses in data:
            self.reply(422, {"detail": "int too big to convert"}, {})
            return
        if url.path == "/login":
            self.reply(200, {"please": "log in"}, {})
            return
        if self.headers.get("x-api-key") != service.key:
            self.reply(401, {"detail": "Invalid token"}, {})
            return
        with service.lock:
            try:
                status, body = self.route(method, url.path, parse_qs(url.query), data)
            except (ValueError, KeyError, TypeError) as error:
                service.problems.append(repr(error))
                status, body = 422, {"detail": str(error)}
        self.reply(status, body, {})

    def route(self, method: str, path: str, query: Any, data: bytes) -> Any:
        service = self.service
        if path == "/runs/multipart":
            return service.post_runs_multipart(list(self.parts(data)))
        if method == "GET" and path.startswith("/runs/"):
            return service.get_run(path.removeprefix("/runs/"))
        name = f"{method.lower()}{path.replace('/', '_').replace('-', '_')}"
        endpoint = getattr(service, name, None)
        if path.startswith("/wrong"):
            return 404, {"detail": "Not found"}
        if endpoint is None:
            service.problems.append(f"unknown endpoint {method} {path}")
            return 404, {"detail": "Not found"}
        return endpoint(query, json.loads(data) if data else None)

    def parts(self, data: bytes) -> Iterator[tuple[str, Any]]:
        if self.headers.get("Content-Encoding") == "zstd":
            import zstandard

            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + data)
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            self.service.check(part.get_content_type() == "application/json", f"type of {name}")
            length = part["Content-Length"]
            self.service.check(length is None or int(length) == len(content), f"length of {name}")
            yield name, json.loads(content)

    def chunks(self) -> bytes:
        out = b""
        while size := int(self.rfile.readline(), 16):
            out += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return out

    def reply(
        self, status: int, body: Any, headers: dict[str, str], *, data: bytes | None = None
    ) -> None:
        data = json.dumps(body).encode() if data is None else data
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        """A client that went away."""


@contextmanager
def serve(service: LangSmith | None = None, port: int = 0) -> Iterator[LangSmith]:
    service = service or LangSmith()
    server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"service": service}))
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
