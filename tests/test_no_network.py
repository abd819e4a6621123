"""The block that tests/conftest.py sets up for the whole session."""

from __future__ import annotations

import asyncio
import socket

import pytest

from no_network import NetworkBlockedError


def test_other_machines_are_out_of_reach() -> None:
    with pytest.raises(NetworkBlockedError, match=r"pypi\.org"):
        socket.create_connection(("pypi.org", 443))
    with socket.socket() as stream, pytest.raises(NetworkBlockedError, match=r"192\.0\.2\.1"):
        stream.connect(("192.0.2.1", 80))
    with (
        socket.socket(type=socket.SOCK_DGRAM) as datagram,
        pytest.raises(NetworkBlockedError, match=r"192\.0\.2\.1"),
    ):
        datagram.sendto(b"", ("192.0.2.1", 53))


async def test_under_asyncio_too() -> None:
    with pytest.raises(NetworkBlockedError, match=r"192\.0\.2\.1"):
        await asyncio.open_connection("192.0.2.1", 80)


def test_this_machine_is_not() -> None:
    with socket.create_server(("localhost", 0)) as server:
        socket.create_connection(server.getsockname()[:2]).close()
