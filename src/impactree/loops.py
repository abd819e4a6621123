"""Never block an event loop: files are read and written in another thread."""

from __future__ import annotations

import _thread
import os
import sys
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor

__all__ = ["Worker", "ahead", "off_loop", "on_loop"]

_T = TypeVar("_T")


def on_loop() -> bool:
    """Whether this code runs on an event loop: blocking here holds up all its tasks."""
    events = sys.modules.get("asyncio.events")  # imported by whoever runs a loop
    return events is not None and events._get_running_loop() is not None


def off_loop(work: Callable[[], _T]) -> _T:
    """Do work that reads files; on an event loop, in a thread of its own.

    For what is short, and done once: its result is waited for.

    Raises:
        BaseException: what the work raises.
    """
    if not on_loop():
        return work()
    # Without threading's own start and wait: those take locks that guards of loops look at.
    from queue import SimpleQueue

    done: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def do() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))

    _thread.start_new_thread(do, ())
    result, error = done.get()
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]  # the work's


def ahead(work: Callable[[], object]) -> None:
    """On an event loop: begin work that will be needed soon, and do not wait for it."""
    if on_loop():
        _thread.start_new_thread(_quietly, (work,))


def _quietly(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        return  # it is done again, and told, when it is needed


class Worker:
    """One thread that does what it is given, in order. A process ends when all of it is done."""

    def __init__(self) -> None:
        _workers.add(self)
        self._threads: ThreadPoolExecutor | None = None
        self._latest: Future[object] | None = None
        self._thread: int | None = None

    @property
    def busy(self) -> bool:
        """Whether something is still to be done."""
        return self._latest is not None and not self._latest.done()

    def put(self, work: Callable[..., object], *arguments: Any) -> None:
        """Have it done, after all that was put before."""
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor

            self._threads = ThreadPoolExecutor(1, "impactree-journal", self._begun)
        self._latest = self._threads.submit(work, *arguments)

    def _begun(self) -> None:
        self._thread = _thread.get_ident()

    def wait(self, timeout: float | None) -> bool:
        """Wait for all that was put; whether it is done within ``timeout`` s.

        Its own thread does not wait for itself: what it was given may come back here.
        """
        if self._latest is None or self._thread == _thread.get_ident():
            return not self.busy
        from concurrent.futures import wait

        if timeout is not None:
            timeout = min(timeout, _thread.TIMEOUT_MAX)
        return not wait([self._latest], timeout).not_done

    def rest(self) -> None:
        """End the thread when its work is done; the next work starts it again."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=not on_loop())

    def forget(self) -> None:
        """In a forked child: the thread and its work are the parent's."""
        self._threads = self._latest = None


_workers: Final[WeakSet[Worker]] = WeakSet()


def _in_child() -> None:
    for worker in list(_workers):
        worker.forget()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_in_child)
