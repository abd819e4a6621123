"""Running the server: its socket, what is printed, and the browser."""

from __future__ import annotations

import socket
import sys
import webbrowser
from threading import Timer
from typing import TYPE_CHECKING, Final

from impactree.delivery.errors import DeliveryRefusedError, RetryLaterError
from impactree.exceptions import ConfigurationError, MissingExtraError

try:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    from impactree.server.app import create_app
except ImportError as error:
    raise MissingExtraError("serve", error.name or "fastapi") from error

if TYPE_CHECKING:
    import asyncio

    from impactree.server.settings import ServeSettings

__all__ = ["configuration", "run"]

_AT_ONCE: Final = 256
"""Connections; more are told to come again."""
_HEADER_BYTES: Final = 2**16
_HEADER_S: Final = 20.0
"""For a request's header to arrive."""


class _Bounded(H11Protocol):
    """HTTP/1.1 that waits only so long for a header, of at most 64 KiB, and answers at once.

    uvicorn has no such bound, and whoever opens connections and says nothing would hold them all.
    """

    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does so only where a socket names TCP; a body then waits 40 ms for its header.
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._waits is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._waits is not None:
            self._waits.cancel()

    def _wait(self) -> None:
        self._waits = self.loop.call_later(_HEADER_S, self._look)

    def _look(self) -> None:
        self._waits = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering and self.timeout_keep_alive_task is None:
            self.transport.close()


def run(settings: ServeSettings, *, opens: bool = False) -> None:
    """Serve until interrupted. The address, with the token if one is needed, goes to stdout.

    Args:
        settings: See :func:`impactree.server.settings.serve_settings`.
        opens: Open the page in the browser.

    Raises:
        ConfigurationError: nothing can listen there, or the database cannot be read.
    """
    if settings.db is not None:
        _check(settings.db)
    with _listening(settings) as listening:
        address = _address(settings, listening.getsockname()[1])
        sys.stdout.write(f"impactree is at {address}\n")
        sys.stdout.flush()
        if opens:
            Timer(0.5, webbrowser.open, [address]).start()
        uvicorn.Server(configuration(settings)).run(sockets=[listening])


def _check(url: str) -> None:
    from impactree.service.stored import check

    try:
        check(url)
    except (DeliveryRefusedError, RetryLaterError) as error:
        raise ConfigurationError(f"--db cannot be read: {error}") from None


def configuration(settings: ServeSettings) -> uvicorn.Config:
    """How uvicorn is to run the application."""
    return uvicorn.Config(
        create_app(settings),
        access_log=False,  # addresses may hold the token
        h11_max_incomplete_event_size=_HEADER_BYTES,
        http=_Bounded,
        limit_concurrency=_AT_ONCE,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def _listening(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"nothing can listen at {settings.host} port {settings.port}: "
            f"{_why(error)}; choose another --port, or 0 for a free one"
        ) from None


def _why(error: OSError) -> str:
    """What the system says, without the address that Python adds."""
    return (error.strerror or str(error)).partition(" (while ")[0]


def _address(settings: ServeSettings, port: int) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    host = f"[{host}]" if ":" in host and "[" not in host else host
    query = f"?token={settings.token}" if settings.token else ""
    return f"http://{host}:{port}/{query}"
