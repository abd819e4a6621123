"""OpenTelemetry's SDK in a forked child: its locks are free, and it has connections of its own.

The SDK starts its threads again in a child, but not all that they held: a lock that the parent's
reader had while it collected stays taken, and an HTTP connection that both write to carries neither
one's requests whole.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401
import netrc  # noqa: F401
import threading
from typing import Any, Final

from impactree.exporters._sessions import reconnect

__all__ = ["renew"]

# netrc and encodings.idna: the first request of a thread imports them, and a child forked in the
# midst of an import waits for ever where it needs the same.
_FORKED: Final = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
)


def renew(*providers: Any) -> None:
    """Free every lock in these objects of the SDK, and those that they are made of."""
    seen: set[int] = set()
    left = list(providers)
    while left:
        found = left.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, _FORKED):
            found._at_fork_reinit()  # type: ignore[union-attr]
        elif isinstance(found, dict):
            left += found.values()
        elif isinstance(found, (list, tuple, set, frozenset)):
            left += found
        elif type(found).__module__.startswith("opentelemetry."):
            left += getattr(found, "__dict__", {}).values()
        else:
            reconnect(found)
