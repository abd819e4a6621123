"""Addresses of this machine: which are one, and which are the loopback's."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

__all__ = ["LOCALHOST", "Place", "asked_at", "ip_of", "is_loopback", "place_of"]

Place = tuple[str, int]
"""A host and a port."""
LOCALHOST: Final = "localhost"
_NAMES: Final = frozenset({LOCALHOST, "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
_USUAL: Final = frozenset(map(ipaddress.ip_address, ("127.0.0.1", "::1", "0.0.0.0", "::")))  # noqa: S104
_PORTS: Final = {"http": 80, "https": 443}


def place_of(address: str) -> Place | None:
    """Host and port; the usual names of the loopback are one."""
    try:
        host, port = _split(address)
    except ValueError:
        return None
    if not host:
        return None
    ip = ip_of(host)
    if ip in _USUAL or _is_name_of_loopback(host):
        host = LOCALHOST
    elif ip is not None:
        host = str(ip)
    return host, port or _PORTS.get(address.partition(":")[0], 80)


def asked_at(address: str | None, place: Place) -> Place:
    """Where a client asks: an address as it is written, which says the family."""
    ip = ip_of(_split(address)[0]) if address else None
    return (place[0] if ip is None else str(ip)), place[1]


def _split(address: str) -> tuple[str, int | None]:
    parts = urlsplit(address if "//" in address else f"http://{address}")
    return (parts.hostname or "").lower().rstrip("."), parts.port


def ip_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A numeric address, one of IPv4 written as IPv6 as what it is; None: it is a name."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _is_name_of_loopback(host: str) -> bool:
    return host in _NAMES or host.endswith(".localhost")


def is_loopback(host: str) -> bool:
    """Whether a host can be reached from this machine alone."""
    ip = ip_of(host)
    return _is_name_of_loopback(host) if ip is None else ip.is_loopback
