"""Which process of this machine listens on a port, and whether it is an inference server."""

from __future__ import annotations

import re
import socket
import threading
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from impactree.exceptions import MissingExtraError
from impactree.measure.addresses import LOCALHOST, ip_of

try:
    import psutil
except ImportError as error:
    raise MissingExtraError("measure", "psutil") from error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet

__all__ = ["Listener", "listener_on", "names_of_machine", "others_among"]

_SERVERS: Final = {
    "llama.cpp": re.compile(
        r"^(llama-server|llama-cpp-server)(\.exe)?$|^llama_cpp\.server|^llamafile|.*\.llamafile$"
    ),
    "Ollama": re.compile(r"^ollama(\.exe)?$"),
    "vLLM": re.compile(r"^(vllm($|\.exe|\.entrypoints)|vllm::)"),
    "LM Studio": re.compile(r"^(lm[ _-]?studio|lms($|\.exe)|llmster)"),
}
_BETWEEN: Final = re.compile(
    r"^(litellm|ssh|autossh|sshd|plink"
    r"|nginx|openresty|haproxy|envoy|traefik|caddy|httpd|apache2|socat|ncat?|ngrok|cloudflared"
    r"|tailscaled?|kubectl|k3s|pagekite|frpc?|bore|mitm|portkey|bifrost|one-api|new-api|gomodel)"
)
"""Proxies, gateways and tunnels: the model runs behind them, here or elsewhere."""
_LITELLM: Final = re.compile(r"(^|[\\/\[ ])litellm[\\/.]")
_RELAYS: Final = re.compile(
    r"^(docker-proxy|rootlessport|rootlesskit|com\.docker\.|vpnkit|gvproxy|wslrelay|slirp4netns|pasta)"
)
"""They pass a container's port on: which processes run the model is not to be seen."""
_INTERPRETERS: Final = re.compile(
    r"^(python|pypy|node|bun|deno|java|(ba|z|da)?sh$|uv$|uvx|uvicorn|gunicorn|hypercorn)"
)
_LOOPBACK: Final = frozenset({ip_of("127.0.0.1"), ip_of("::1")})
_KEPT_S: Final = 30.0
_NOBODY_KEPT_S: Final = 1.0
"""A server may be about to start."""


class Listener(NamedTuple):
    """Who listens on a port."""

    name: str
    """Of the process; empty: not to be told."""
    server: str | None = None
    """Which inference server it is; None: none that is known."""
    between: bool = False
    """Whether it is a proxy or tunnel."""
    pids: frozenset[int] = frozenset()
    """It, or the first of its kind above it: what they start runs the model. Empty: not known."""


_lock: Final = threading.Lock()
_known: dict[tuple[str, int], tuple[float, Listener | None]] = {}


def listener_on(port: int, host: str = LOCALHOST) -> Listener | None:
    """Who listens on a port of this machine; None: nobody that can be seen.

    Looked up again after half a minute, and when the process has ended.

    Args:
        port: Of TCP.
        host: An address of this machine; a name stands for all of them, "localhost" for both
            families' usual one.
    """
    now = time.monotonic()
    with _lock:
        found = _known.get((host, port))
        if found is None or not _still(*found, now):
            if len(_known) > 1000:
                _known.clear()
            found = _known[host, port] = now, _look(port, host)
        return found[1]


def _still(since: float, listener: Listener | None, now: float) -> bool:
    if listener is None:
        return now - since < _NOBODY_KEPT_S
    return now - since < _KEPT_S and all(psutil.pid_exists(pid) for pid in listener.pids)


def _look(port: int, host: str) -> Listener | None:
    try:
        pids = {
            one.pid
            for one in psutil.net_connections(kind="tcp")
            if one.status == psutil.CONN_LISTEN
            and one.laddr
            and one.laddr.port == port
            and _answers(one.laddr.ip, host)
        }
    except (psutil.Error, OSError, RuntimeError):  # macOS tells root alone
        return Listener("")
    if not pids:
        return None
    several = [Listener("") if pid is None else _described(pid) for pid in pids]
    for one in several:
        if one.between:
            return one
    if len({one.server for one in several}) > 1:
        return Listener("")  # which of them answers is not to be told
    return several[0]._replace(pids=frozenset().union(*(one.pids for one in several)))


def _answers(bound: str, host: str) -> bool:
    """Whether who is bound to an address is who answers on another."""
    here, asked = ip_of(bound), ip_of(host)
    if here is None or here.is_unspecified:
        return True
    if asked is not None and not asked.is_unspecified:
        return here == asked
    return here in _LOOPBACK or (asked is None and host != LOCALHOST)


def _described(pid: int) -> Listener:
    try:
        process = psutil.Process(pid)
        told = _told(process)
    except (psutil.Error, OSError):  # of another user, or gone
        return Listener("")
    if any(map(_BETWEEN.match, told)) or any(map(_LITELLM.search, told)):
        return Listener(told[0], None, True, frozenset({pid}))
    if any(map(_RELAYS.match, told)):
        return Listener(told[0])
    server = _server(told)
    return Listener(told[0], server, False, frozenset({_first_of(process, server)}))


def _told(process: psutil.Process) -> list[str]:
    """What a process is called: its name, and the program on its command line."""
    words = process.cmdline()
    told = [process.name(), *words[:1]]
    if words and _INTERPRETERS.match(_last(words[0])):
        told += _of_interpreter(words[1:])
    return [_last(word) for word in told] + [word.lower() for word in told]


def _last(word: str) -> str:
    return re.split(r"[\\/]", word)[-1].lower()


def _of_interpreter(words: Sequence[str]) -> Iterator[str]:
    """What it runs: the first word that is no option, or ``run``, or an option's value."""
    before = ""
    for word in words:
        if not word.startswith("-") and word != "run" and before not in ("-X", "-W"):
            yield word
            return
        before = word


def _server(told: Sequence[str]) -> str | None:
    return next((kind for kind, form in _SERVERS.items() if any(map(form.match, told))), None)


def _first_of(process: psutil.Process, server: str | None) -> int:
    """Of a server that is several processes, the one that has started the others."""
    pid = process.pid
    try:
        for above in process.parents() if server else ():
            if _server(_told(above)) != server:
                break
            pid = above.pid
    except (psutil.Error, OSError):
        return int(pid)
    return int(pid)


def others_among(users: AbstractSet[int], pids: AbstractSet[int]) -> bool:
    """Whether there are processes among some that are not given ones, nor started by them.

    Those that cannot be seen are not known to be others: the driver tells a container the
    machine's numbers.
    """
    return any(not _is_of(user, pids) for user in users)


def _is_of(user: int, pids: AbstractSet[int]) -> bool:
    if user in pids:
        return True
    try:
        return any(above.pid in pids for above in psutil.Process(user).parents())
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OSError):
        return False


def names_of_machine() -> frozenset[str]:
    """This machine's own names and addresses."""
    found = {socket.gethostname().lower()}
    for several in psutil.net_if_addrs().values():
        found |= {one.address.partition("%")[0].lower() for one in several}
    return frozenset(found)
