"""Fixtures of the wire tests."""

from .fixtures import let_go, wire_server

__all__ = ["let_go", "wire_server"]
