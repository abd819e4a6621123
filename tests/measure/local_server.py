"""A server that answers as OpenAI's does, on a port of this machine; in a process of any name."""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hi"},
            "finish_reason": "stop",
        }
    ],
}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    usage: ClassVar[dict] = {}
    headers_more: ClassVar[dict] = {}
    takes_s = 0.0

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(self.takes_s)
        if self.path.endswith("/embeddings"):
            vectors = [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]
            body = {"object": "list", "data": vectors, "usage": {"prompt_tokens": 3}}
        else:
            usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
            body = {**ANSWER, "usage": {**usage, **self.usage}}
        body["model"] = asked["model"]
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in self.headers_more.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def serve(**fields):
    """A server in this process; its port is ``server_port``."""
    return ThreadingHTTPServer(("127.0.0.1", 0), type("Fake", (Handler,), fields))


if __name__ == "__main__":  # python local_server.py [takes_s]: prints its port
    server = serve(takes_s=float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()
