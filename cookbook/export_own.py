"""An exporter of your own, in twenty lines: run totals to a chat's or a team's webhook. Offline."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from impactree import ImpactTracker, ModelCall
from impactree.exporters import SpooledExporter, Tree


class WebhookExporter(SpooledExporter):
    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def destination(self) -> str:  # the spool and logs show it: a webhook's URL is a secret
        return "webhook:team"

    def deliver(self, trees: Sequence[Tree]) -> None:  # in the background; an error: once more
        totals = [
            {"id": t.root.id, "name": t.root.name, "gwp": str(t.root.total.gwp)} for t in trees
        ]
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url, json.dumps(totals).encode(), headers)
        urllib.request.urlopen(request, timeout=10).close()


class Webhook(BaseHTTPRequestHandler):
    """The other side, for this example."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for total in json.loads(body):
            print(f"received: {total['name']} {total['gwp']}")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def main() -> None:
    server = HTTPServer(("127.0.0.1", 0), Webhook)
    Thread(target=server.serve_forever, daemon=True).start()
    exporter = WebhookExporter(f"http://127.0.0.1:{server.server_port}/")
    tracker = ImpactTracker(exporters=[exporter])
    tracker.record(ModelCall(provider="openai", model="gpt-4o-mini", output_tokens=400))
    print("delivered:", tracker.flush(timeout=10))
    server.shutdown()


if __name__ == "__main__":
    main()
