"""A lane: one background thread that brings trees from the spool to one destination, in order."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from impactree.exporters._codec import decode
from impactree.exporters._errors import (
    DeliveryRefusedError,
    RetryLaterError,
    TreeRejectedError,
    reason,
)
from impactree.exporters._journal import Folder, folders, leftover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import tenacity

    from impactree.exporters._base import SpooledExporter
    from impactree.exporters._codec import Tree
    from impactree.exporters._spool import Spool

__all__ = ["Lane"]

_log: Final = logging.getLogger("impactree")
_LINGER_S: Final = 0.05  # collects a batch, and leaves the interpreter to the chain
_RECHECK_S: Final = 30.0  # for what processes that died meanwhile have left
_MAX_WAIT_S: Final = 60.0
_MAX_MEMORY: Final = 1000
_MEMORY_BATCH: Final = 200
_MAX_RECENT: Final = 4096


class Lane:
    """Delivers to one destination. Starts its thread at the first sign of work."""

    def __init__(self, spool: Spool, exporter: SpooledExporter) -> None:
        self._spool = spool
        self.destination = exporter.destination
        self.exporter = exporter
        self.memory: deque[bytes] = deque(maxlen=_MAX_MEMORY)
        """Trees while the journal cannot be written: bounded, lost with the process."""
        self.dropped = 0
        """Trees that the destination rejected."""
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._state = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = self._resting = False
        self._asked = self._answered = self._seen = 0  # flushes
        self._refused = False
        self._next_replay = 0.0
        self._recent: dict[tuple[str, int], None] = {}
        self._not_for_us: set[Path] = set()
        self._failing = False  # as of the last attempt: what to log, and to look for doubles

    def wake(self) -> None:
        """There is something to deliver."""
        if self._thread is None or self._resting:
            self._start()
        self._wake.set()

    def offer(self, exporter: SpooledExporter) -> None:
        """Another exporter for the same destination: takes over where the first one is refused."""
        with self._state:
            if exporter is self.exporter or not self._refused:
                return
            self.exporter, old = exporter, self.exporter
            self._refused = False
        old.close()

    def ask(self) -> int:
        """Try all that is pending at once. Returns a ticket to wait with."""
        with self._state:
            self._asked += 1
            self._refused = False
            self._hurry.set()
            ticket = self._asked
        self.wake()
        return ticket

    def wait(self, ticket: int, deadline: float) -> bool:
        """True once nothing was left after the ticket was given, leftovers included."""
        with self._state:
            self._state.wait_for(
                lambda: self._answered >= ticket or self._refused or self._stopping,
                max(0.0, deadline - time.monotonic()),
            )
            return self._answered >= ticket

    def stop(self, timeout_s: float, *, for_good: bool = True) -> None:
        """End the thread and close the exporter; what it was delivering stays in the spool.

        Args:
            timeout_s: How long to wait for a delivery that is under way.
            for_good: Else the next sign of work starts it again.
        """
        with self._state:
            self._stopping, self._resting = True, not for_good
            self._state.notify_all()
        self._wake.set()
        self._hurry.set()
        if self._thread is None:
            return
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._thread = None
        try:
            self.exporter.close()
        except Exception as error:
            _log.debug("impactree: closing %s: %s", self.destination, reason(error))

    def _start(self) -> None:
        with self._state:
            if self._resting and (self._thread is None or not self._thread.is_alive()):
                self._thread, self._stopping, self._resting = None, False, False
            if self._thread is None and not self._stopping:
                name = f"impactree {type(self.exporter).__name__}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(_RECHECK_S)
            if not (self._hurry.is_set() or self._stopping):
                self._hurry.wait(_LINGER_S)
            self._wake.clear()
            with self._state:
                asked, refused = self._asked, self._refused
                self._seen = asked
            if asked > self._answered:
                self._next_replay = 0.0
            if not refused and self._drain():
                with self._state:
                    self._answered = max(self._answered, asked)
                    self._state.notify_all()

    def _drain(self) -> bool:
        """Deliver until nothing is left. False: refused, or told to stop."""
        try:
            retrying = self._retrying()
            while not self._stopping:
                if not retrying(self._step):
                    self._hurry.clear()
                    return True
        except DeliveryRefusedError as error:
            self._say(logging.ERROR, "%s refuses (%s); impacts wait in the spool", error)
            with self._state:
                self._refused = True
                self._state.notify_all()
        except Exception as error:
            if not self._stopping:
                self._say(logging.ERROR, "%s: delivering stopped (%s)", error)
        return False

    def _retrying(self) -> tenacity.Retrying:
        import tenacity

        backoff = tenacity.wait_exponential(0.5, max=_MAX_WAIT_S) + tenacity.wait_random(0, 0.5)

        def wait(state: tenacity.RetryCallState) -> float:
            error = None if state.outcome is None else state.outcome.exception()
            asked = error.after_s if isinstance(error, RetryLaterError) else None
            return backoff(state) if asked is None else min(asked, 10 * _MAX_WAIT_S)

        return tenacity.Retrying(
            wait=wait,
            stop=lambda _: self._stopping,
            retry=tenacity.retry_if_not_exception_type(DeliveryRefusedError),
            before_sleep=self._note_failure,
            sleep=self._sleep,
            reraise=True,
        )

    def _sleep(self, seconds: float) -> None:
        with self._state:
            if self._asked != self._seen:  # asked during the attempt: try again at once
                self._seen = self._asked
                return
            self._hurry.clear()
        self._hurry.wait(seconds)

    def _note_failure(self, state: tenacity.RetryCallState) -> None:
        error = None if state.outcome is None else state.outcome.exception()
        if error is not None and not self._failing:
            self._say(logging.WARNING, "%s: %s; impacts wait in the spool, retrying", error)
        self._failing = True

    def _say(self, level: int, text: str, error: BaseException) -> None:
        _log.log(level, "impactree: " + text, self.destination, reason(error))

    # One step: one batch

    def _step(self) -> bool:
        """Deliver one batch, from memory, this process's journal or a dead one's. False: none."""
        if self.memory:
            lines = [self.memory.popleft() for _ in range(min(_MEMORY_BATCH, len(self.memory)))]
            try:
                self._deliver(lines, doubles=self._failing)
            except Exception:
                self.memory.extendleft(reversed(lines))
                raise
            return True
        own = self._spool.own
        batch = own and own.read(self.destination)
        if own and batch:
            self._deliver(batch.lines, doubles=self._failing)
            _unless_io_fails(lambda: own.check_off(self.destination, batch))
            return True
        return time.monotonic() >= self._next_replay and self._replay()

    def _replay(self) -> bool:
        """What one dead process has left for this destination. False: nothing anywhere."""
        spool = self._spool
        busy = False
        for path in folders(spool.base):
            if path in self._not_for_us or (spool.own is not None and path == spool.own.path):
                continue
            if not spool.claim(path):
                busy = True
                continue
            try:
                lock = leftover(path)
                if lock is not None:
                    with contextlib.closing(lock):
                        if self._replay_folder(path):
                            return True
            except FileNotFoundError:
                continue  # another process finished it
            finally:
                spool.replaying.discard(path)
        if busy:  # another lane of this process has a folder: look again when it is through
            self._hurry.wait(_LINGER_S)
        else:
            self._next_replay = time.monotonic() + _RECHECK_S
        return busy

    def _replay_folder(self, path: Path) -> bool:
        folder = Folder.load(path)
        done = False
        while not self._stopping and (batch := folder.read(self.destination)):
            self._deliver(batch.lines, doubles=True)
            folder.check_off(self.destination, batch)
            done = True
        if not folder.pending(self.destination):
            self._not_for_us.add(path)
        _unless_io_fails(folder.remove_if_empty)
        return done

    def _deliver(self, lines: Sequence[bytes], *, doubles: bool) -> None:
        trees = {}
        for line in lines:
            tree = self._decoded(line)
            # Two late ends at the same moment export the same revision twice.
            if tree is not None and tree.key not in self._recent:
                trees[tree.key] = tree
        if doubles and trees:
            for key in self.exporter.delivered(trees.keys()):
                trees.pop(key, None)
        if trees:
            try:
                self.exporter.deliver(list(trees.values()))
            except TreeRejectedError as error:
                self._one_by_one(list(trees.values()), error)
            self._remember(trees)
        if self._failing:
            self._failing = False
            _log.info("impactree: %s takes impacts again", self.destination)

    def _decoded(self, line: bytes) -> Tree | None:
        try:
            return decode(line, self.destination)
        except ValueError as error:
            self._drop(error)
            return None

    def _remember(self, keys: Iterable[tuple[str, int]]) -> None:
        self._recent.update(dict.fromkeys(keys))
        while len(self._recent) > _MAX_RECENT:
            del self._recent[next(iter(self._recent))]

    def _one_by_one(self, trees: list[Tree], error: TreeRejectedError) -> None:
        """Find which trees of a batch are rejected; the others go through."""
        for tree in trees:
            if len(trees) > 1:
                try:
                    self.exporter.deliver([tree])
                    continue
                except TreeRejectedError as own_error:
                    error = own_error
            self._drop(error)

    def _drop(self, error: Exception) -> None:
        self.dropped += 1
        if self.dropped == 1:
            self._say(logging.ERROR, "%s cannot take a run (%s); it is dropped", error)


def _unless_io_fails(write: Callable[[], object]) -> None:
    """Checking off is a hint for the next process: without it a delivery comes twice at worst."""
    try:
        write()
    except OSError as error:
        _log.debug("impactree: spool not updated: %s", reason(error))
