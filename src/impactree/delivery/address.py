"""Addresses: a destination, and whom what waits for it goes as.

As text: ``langsmith:https://host [workspace=...&project=...]``, or the destination alone where
there is no owner. What waits under one address is never delivered under another.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode

from impactree.delivery.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Address", "digest", "keyed_hash", "spool_folder"]

_KEY_FILE: Final = "owner.key"
_KEY_BYTES: Final = 32
_ESCAPED: Final = {ord(c): f"%{ord(c):02X}" for c in "%[\0"} | {
    code: f"%{code:02X}" for code in range(1, 32)
}


class Address(NamedTuple):
    """Where trees go, and as whom."""

    destination: str
    owner: Mapping[str, str]
    """Workspace, project, service, options: what another process must share to deliver for it."""

    def __str__(self) -> str:
        if not self.owner:
            return self.destination
        return f"{self.destination.translate(_ESCAPED)} [{urlencode(sorted(self.owner.items()))}]"

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address of a text."""
        destination, bracket, rest = text.rpartition(" [")
        if not bracket or not rest.endswith("]") or "=" not in rest:
            return cls(text, {})
        for code, escaped in _ESCAPED.items():
            if code != ord("%"):
                destination = destination.replace(escaped, chr(code))
        return cls(destination.replace("%25", "%"), dict(parse_qsl(rest[:-1], True)))


def digest(address: str) -> str:
    """A short name of an address: for files, and for people to type."""
    return hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()[:12]


_random_key: Final = secrets.token_bytes(_KEY_BYTES)


def keyed_hash(secret: str) -> str:
    """What tells two keys apart and says nothing else about them, for an exporter's ``owner``.

    The hash's own key is made once per spool; without a spool it lives as long as the process.
    """
    path = spool_folder()
    key = _random_key
    if path is not None:
        with (
            contextlib.suppress(OSError),
            contextlib.closing(Directory.open(path, make=True)) as base,
        ):
            key = _key_of(base)
    return hmac.new(key, secret.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:16]


def _key_of(base: Directory) -> bytes:
    found = base.read(_KEY_FILE)
    if len(found) >= 2 * _KEY_BYTES:
        return found
    draft = f".{_KEY_FILE}.{os.getpid()}.{threading.get_ident()}"
    base.append(draft, secrets.token_hex(_KEY_BYTES).encode())
    try:
        base.link(draft, _KEY_FILE)  # of several processes, one comes first
    finally:
        base.remove(draft)
    return base.read(_KEY_FILE)


def spool_folder() -> Path | None:
    """Where journals lie: ``IMPACTREE_SPOOL_DIR``, else the user's state folder.

    None where there is neither: a user without a home, as in some containers.
    """
    chosen = os.environ.get("IMPACTREE_SPOOL_DIR")
    if chosen:
        return Path(chosen).absolute()
    import platformdirs

    try:
        return platformdirs.user_state_path("impactree", appauthor=False).absolute() / "spool"
    except (RuntimeError, KeyError, OSError):
        return None
