"""What a tracker looks after when it is made: its exporters, and children of this process."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet

from impactree.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.runs.run import Exporter

__all__ = ["checked_exporters", "unlock_in_children"]


def checked_exporters(exporters: Iterable[Exporter]) -> tuple[Exporter, ...]:
    """What else would be noticed only when the first root ends, and spoil all its exports."""
    lone = not hasattr(exporters, "__iter__")
    listed = () if lone else tuple(exporters)
    wrong: list[object] = [e for e in listed if isinstance(e, type) or not hasattr(e, "export")]
    if lone or wrong:
        raise ConfigurationError(
            "exporters takes a list of exporters, such as [JSONLExporter('impacts.jsonl')], "
            f"not {wrong[0] if wrong else exporters!r:.80}"
        )
    return listed


class _Locking(Protocol):
    def _unlock(self) -> None: ...


def unlock_in_children(tracker: _Locking) -> None:
    """A forked child renews the tracker's locks: the threads that held them are not there."""
    _locking().add(tracker)


@cache
def _locking() -> WeakSet[_Locking]:
    trackers: WeakSet[_Locking] = WeakSet()

    def renew() -> None:
        for tracker in trackers:
            tracker._unlock()

    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=renew)
    return trackers
