"""Which process of this machine listens on a port, and whether it is an inference server."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import Final, NamedTuple

from impactree.exceptions import MissingExtraError

try:
    import psutil
except ImportError as error:
    raise MissingExtraError("measure", "psutil") from error

__all__ = ["Listener", "listener_on", "names_of_machine"]

_SERVERS: Final = {
    "llama.cpp": re.compile(r"^(llama-server|llama-cpp-server|llama_cpp\.server|llamafile)"),
    "Ollama": re.compile(r"^ollama"),
    "vLLM": re.compile(r"^(vllm($|\.exe|\.entrypoints)|vllm::)"),
    "LM Studio": re.compile(r"^(lm[ _-]?studio|lms($|\.exe)|llmster)"),
}
_BETWEEN: Final = re.compile(
    r"^(litellm|ssh|autossh|sshd|plink"
    r"|nginx|openresty|haproxy|envoy|traefik|caddy|httpd|apache2|socat|ncat?|ngrok|cloudflared"
    r"|tailscaled?|kubectl|k3s|pagekite|frpc?|bore|mitm|portkey|bifrost|one-api|new-api|gomodel)"
)
"""Proxies, gateways and tunnels: the model runs behind them, here or elsewhere."""
_WORDS: Final = 4
"""Of a command line: the interpreter, its options, the program. What comes later are arguments."""
_KEPT_S: Final = 30.0


class Listener(NamedTuple):
    """Who listens on a port."""

    name: str
    """Of the process; empty: not to be told."""
    server: str | None = None
    """Which inference server it is; None: none that is known."""
    between: bool = False
    """Whether it is a proxy or tunnel."""
    pids: frozenset[int] = frozenset()
    """It and the processes it has started."""


_lock: Final = threading.Lock()
_known: dict[int, tuple[float, Listener | None]] = {}


def listener_on(port: int) -> Listener | None:
    """Who listens on a port of this machine; None: nobody that can be seen.

    Looked up again after half a minute.
    """
    now = time.monotonic()
    with _lock:
        found = _known.get(port)
        if found is None or now - found[0] > _KEPT_S:
            found = _known[port] = now, _look(port)
            if len(_known) > 1000:
                _known.clear()
        return found[1]


def _look(port: int) -> Listener | None:
    pids = set()
    try:
        for one in psutil.net_connections(kind="tcp"):
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port:
                pids.add(one.pid)
    except (psutil.Error, OSError, RuntimeError):  # macOS tells root alone
        return Listener("")
    if not pids:
        return None
    pid = next((pid for pid in pids if pid is not None), None)
    return Listener("") if pid is None else _described(pid)


def _described(pid: int) -> Listener:
    try:
        process = psutil.Process(pid)
        name, words = process.name(), process.cmdline()[:_WORDS]
    except (psutil.Error, OSError):  # of another user, or gone
        return Listener("")
    try:
        below = [child.pid for child in process.children(recursive=True)]
    except (psutil.Error, OSError):
        below = []
    told = [re.split(r"[\\/]", word)[-1].lower() for word in (name, *words)]
    between = any(_BETWEEN.match(word) for word in told)
    server = next(
        (kind for kind, form in _SERVERS.items() if any(form.match(word) for word in told)), None
    )
    return Listener(name, None if between else server, between, frozenset({pid, *below}))


def names_of_machine() -> frozenset[str]:
    """This machine's own names and addresses."""
    found = {socket.gethostname().lower()}
    for several in psutil.net_if_addrs().values():
        found |= {one.address.partition("%")[0].lower() for one in several}
    return frozenset(found)
