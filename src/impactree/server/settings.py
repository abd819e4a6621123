"""How the server is to be run: where it listens, who may ask, and how much."""

from __future__ import annotations

import ipaddress
import os
import secrets
import socket
from dataclasses import dataclass, field
from typing import Final

from impactree.exceptions import ConfigurationError

__all__ = ["TOKEN_VARIABLE", "ServeSettings", "host_name", "serve_settings"]

TOKEN_VARIABLE: Final = "IMPACTREE_SERVE_TOKEN"  # noqa: S105  # a variable's name
_LEAST_TOKEN: Final = 16
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  # compared with, not bound to
_MIB: Final = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """Where the server listens, who may ask, and how much. See :func:`serve_settings`."""

    host: str = "127.0.0.1"
    port: int = 8080
    db: str | None = None
    """URL of a database that the SQL exporter writes; it is read only."""
    token: str | None = field(default=None, repr=False)
    """What every request but ``/health`` must show; None: none is asked for."""
    names: frozenset[str] = _LOOPBACK
    """Host names that requests may be addressed to."""
    any_address: bool = False
    """Whether a request may be addressed to any IP address: no foreign name stands for one."""
    max_calls: int = 10_000
    """In one request."""
    max_body: int = 8 * _MIB
    """Bytes of a request."""
    max_report: int = 64 * _MIB
    """Bytes of a request that holds a report."""
    body_s: float = 30.0
    """Seconds for a request's body to arrive."""
    answer_s: float = 60.0
    """Seconds after which a client is told that the answer takes too long."""


def serve_settings(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    db: str | None = None,
    allow: tuple[str, ...] = (),
    open_to_all: bool = False,
) -> ServeSettings:
    """Settings with a token where one is needed: with a database, and beyond this machine.

    Args:
        host: Address to listen at.
        port: 0: a free one.
        db: Database URL.
        allow: Host names that requests may be addressed to, as a proxy sends them.
        open_to_all: Ask for no token though others can reach it: a calculator for all.

    Raises:
        ConfigurationError: a name or token that cannot be, or a database open to all.
    """
    if not host.strip():
        raise ConfigurationError("--host is empty; give an address such as 127.0.0.1, or 0.0.0.0")
    names = frozenset(map(_checked_name, allow)) | _LOOPBACK
    loopback = _is_loopback(host)
    if not loopback:
        names |= {socket.gethostname().lower(), *(() if host in _ANY else (host.lower(),))}
    if open_to_all and db is not None:
        raise ConfigurationError(
            "--no-token: a database is never shown without a token; leave out --db or --no-token"
        )
    needed = (db is not None or not loopback) and not open_to_all
    return ServeSettings(
        host=host,
        port=port,
        db=db,
        token=_token(needed),
        names=names,
        any_address=host in _ANY,
    )


def _token(needed: bool) -> str | None:
    given = os.environ.get(TOKEN_VARIABLE)
    if given is not None and (len(given) < _LEAST_TOKEN or not given.isascii() or " " in given):
        raise ConfigurationError(
            f"{TOKEN_VARIABLE} must have at least {_LEAST_TOKEN} ASCII characters without spaces"
        )
    return given or (secrets.token_urlsafe(32) if needed else None)


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_name(name: str) -> str:
    found = host_name(name)
    if found is None or found != name.strip().lower().strip("[]"):
        raise ConfigurationError(
            f"--allow-host takes a host's name such as impacts.example.org, not {name!r:.80}"
        )
    return found


def host_name(header: str) -> str | None:
    """The name in a ``Host`` header, without port and in small letters; None: it has none."""
    text = header.strip().lower()
    if text.startswith("["):
        name, closed, rest = text[1:].partition("]")
        fits = closed and (not rest or (rest[0] == ":" and rest[1:].isdecimal()))
        return name if fits else None
    name, colon, port = text.partition(":")
    if not name or (colon and not port.isdecimal()) or set(name) & set("/\\@?# \t"):
        return None
    return name.removesuffix(".")
