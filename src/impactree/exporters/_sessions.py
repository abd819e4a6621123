"""Sessions of ``requests`` in a forked child."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["reconnect"]

_parents: Final[list[Any]] = []
"""Pools of before a fork: one that is dropped closes its connections, under the parent's locks."""


def reconnect(session: Any) -> None:
    """New pools: on a connection that parent and child write to, neither's requests stay whole."""
    adapters = getattr(session, "adapters", None)
    for adapter in adapters.values() if isinstance(adapters, dict) else ():
        if hasattr(adapter, "init_poolmanager"):
            _parents.append((adapter.poolmanager, adapter.proxy_manager))
            adapter.proxy_manager = {}
            sizes = (adapter._pool_connections, adapter._pool_maxsize, adapter._pool_block)
            adapter.init_poolmanager(*sizes)
    lock = getattr(getattr(session, "cookies", None), "_cookies_lock", None)
    if lock is not None:
        lock._at_fork_reinit()
