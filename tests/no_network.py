"""Blocks every connection beyond this machine: tests and examples need no network."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from typing import Any, Final

__all__ = ["NetworkBlockedError", "block"]

_RESERVED: Final = ("connect", "connect_ex", "sendto")


class NetworkBlockedError(RuntimeError):
    """Something tried to reach another machine."""


def block() -> None:
    """Make sockets of this process refuse every address but loopback, names included."""
    for name in _RESERVED:
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _check(host)
        return resolve(host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo
    # Nobody shows a certificate here, and each client would read those of all authorities first.
    ssl.SSLContext.load_verify_locations = lambda *_, **__: None


def _guarded(method: Any) -> Any:
    def checked(self: socket.socket, *args: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _check(args[-1][0])
        return method(self, *args)

    return checked


def _check(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name is None or name in ("", "localhost"):
        return
    try:
        if ipaddress.ip_address(name).is_loopback:
            return
    except ValueError:
        pass
    raise NetworkBlockedError(f"the tests need no network, but something asked for {host!r}")
