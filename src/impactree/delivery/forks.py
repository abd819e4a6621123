"""Forks: nobody forks while a thread of ours is where a child could not go on from.

A child has only the thread that forked. What another thread held at that moment, such as a lock, a
SQLite transaction or a half-done import, stays so in the child for ever. Threads of ours do such
things inside :func:`held_off`, in short pieces; a fork waits until they are out.
"""

from __future__ import annotations

import logging  # noqa: F401 (before us: see the end)
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["around_forks", "free_in_child", "held_off"]

_Lock = TypeVar("_Lock")
_LONGEST_S: Final = 10.0
"""What a fork waits at most: a disk that hangs must not hang the parent as well."""


class _Gate:
    """Open while nobody forks; closed, and empty, while somebody does."""

    def __init__(self) -> None:
        self._state = threading.Condition(threading.RLock())
        self._inside: dict[int, int] = {}
        self._forking: int | None = None

    def enter(self) -> None:
        me = threading.get_ident()
        with self._state:
            # A thread that goes in and out all the time would never leave a gap for the fork.
            while self._forking not in (None, me) and me not in self._inside:
                self._state.wait()
            self._inside[me] = self._inside.get(me, 0) + 1

    def leave(self) -> None:
        me = threading.get_ident()
        with self._state:
            self._inside[me] -= 1
            if not self._inside[me]:
                del self._inside[me]
                self._state.notify_all()

    def close(self) -> None:
        """Wait until the others are out, and keep everybody out: the lock stays taken."""
        me, deadline = threading.get_ident(), time.monotonic() + _LONGEST_S
        self._state.acquire()
        self._forking = me
        while any(thread != me for thread in self._inside):
            if not self._state.wait(max(0.0, deadline - time.monotonic())):
                return

    def open(self) -> None:
        self._forking = None
        self._state.notify_all()
        self._state.release()


_gate = _Gate()
_before: Final[list[Callable[[], None]]] = []
_in_parent: Final[list[Callable[[], None]]] = []
_in_child: Final[list[Callable[[], None]]] = []


@contextmanager
def held_off() -> Iterator[None]:
    """No fork happens within: for what a child cannot go on from. Keep it short."""
    gate = _gate
    gate.enter()
    try:
        yield
    finally:
        gate.leave()


def around_forks(
    *,
    before: Callable[[], None] | None = None,
    in_parent: Callable[[], None] | None = None,
    in_child: Callable[[], None] | None = None,
) -> None:
    """What to do around every fork: ``before`` it with all threads of ours at rest.

    Those after it run in the order they were registered in, those before it the other way round.
    """
    if before is not None:
        _before.insert(0, before)
    if in_parent is not None:
        _in_parent.append(in_parent)
    if in_child is not None:
        _in_child.append(in_child)


def free_in_child(lock: _Lock) -> _Lock:
    """A module's lock, free in a forked child whoever held it when the parent forked.

    For what is whole between any two steps, such as one dictionary.
    """
    _in_child.append(lock._at_fork_reinit)  # type: ignore[attr-defined]
    return lock


def _on_fork() -> None:
    _gate.close()
    for call in _before:
        call()


def _after_in_parent() -> None:
    for call in _in_parent:
        call()
    _gate.open()


def _after_in_child() -> None:
    global _gate
    _gate = _Gate()
    for call in _in_child:
        call()


# What is registered last runs first: were logging's hook later than ours, a fork would hold the
# lock of all loggers while it waits for a thread of ours that wants it.
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_on_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
