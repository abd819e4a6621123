"""The server as it runs: uvicorn in a thread."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager

import uvicorn

from impactree.server.running import configuration

TOKEN = "a-token-that-nobody-shall-see-in-a-log"


@contextmanager
def serving(settings):
    """A server with these settings; gives its address."""
    server = uvicorn.Server(configuration(settings))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()
