"""A lane: one background thread that brings trees from the spool to one destination, in order."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

from impactree.delivery.errors import DeliveryRefusedError, reason
from impactree.delivery.journal import BATCH
from impactree.delivery.memory import Memory
from impactree.delivery.replay import Replay
from impactree.delivery.retry import Retry
from impactree.delivery.sender import Sender
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from impactree.delivery.aside import Kept
    from impactree.delivery.counts import Counts
    from impactree.delivery.house import House
    from impactree.delivery.writer import Writer

__all__ = ["Lane"]

_log: Final = logging.getLogger("impactree")
_SAY_EVERY_S: Final = 60.0
_RECHECK_S: Final = 30.0  # for what processes that died meanwhile have left


class Lane:
    """Delivers to one address. Starts its thread at the first sign of work.

    Args:
        address: Where to, and as whom.
        writer: The exporter.
        house: The spool's folder.
        counts: Where to count.
    """

    def __init__(self, address: str, writer: Writer, house: House, counts: Counts) -> None:
        self.address = address
        self.writer = writer
        self.counts = counts
        self.memory = Memory()
        self._house = house
        self._retry = Retry()
        self._sender = Sender(address, counts, self._keep, self._sleep)
        self._replay = Replay(house, address, self._resend, lambda: self._stopping)
        self._state = threading.Condition()
        self._thread: threading.Thread | None = None
        self._work = self._refused = False
        self._stopping = self._resting = False
        self._asked = self._seen = self._answered = 0  # flushes
        self._taken_over = False
        self._said = ""  # what of the present failure was logged
        self._said_at: dict[str, float] = {}

    # From other threads

    def wake(self) -> None:
        """There is something to deliver."""
        with self._state:
            known, self._work = self._work, True
            if self._resting:  # a thread that is still at its last delivery simply goes on
                self._stopping = self._resting = False
            if not self._stopping and (self._thread is None or not self._thread.is_alive()):
                name = f"impactree {type(self.writer).__name__}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
            if not known:  # else it is at it, or waits for its next attempt
                self._state.notify_all()

    def keep_in_memory(self, line: bytes) -> None:
        """A tree that the disk did not take."""
        self._given_up(self.memory.put(line))

    def offer(self, writer: Writer) -> None:
        """Another exporter for the same address: takes over where the first one is refused."""
        if writer is self.writer:
            return
        with self._state:
            if not self._refused:
                return
            self.writer, old = writer, self.writer
            self._refused, self._taken_over = False, True
            self._state.notify_all()
        old.close()

    def ask(self) -> int:
        """Try all that is pending at once. Returns a ticket to wait with."""
        with self._state:
            self._asked += 1
            self._refused = False
            ticket = self._asked
            self._state.notify_all()
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
        """End the thread, which closes the exporter; what it was delivering stays in the spool.

        Args:
            timeout_s: How long to wait for a delivery that is under way.
            for_good: Else the next sign of work starts it again.
        """
        with self._state:
            self._stopping, self._resting = True, not for_good
            thread = self._thread
            self._state.notify_all()
        if thread is not None:
            thread.join(timeout_s)

    # The thread

    def _run(self) -> None:
        while self._wait_for_work():
            self.counts.say()
            with self._state:
                asked = self._asked
            if asked > self._answered:
                self._replay.look_again()
            if self._drain():
                with self._state:
                    self._answered = max(self._answered, asked)
                    self._state.notify_all()
        self._close()

    def _wait_for_work(self) -> bool:
        """Until there is some, and a batch of it. False: the thread ends."""
        with self._state:
            self._state.wait_for(lambda: self._work or self._hurried(), _RECHECK_S)
            # Collects a batch, and leaves the interpreter to the chain.
            self._state.wait_for(self._hurried, self.writer.linger_s)
            self._work = False
            if self._stopping:
                self._thread = None
            return not self._stopping

    def _hurried(self) -> bool:
        return self._stopping or self._asked > self._answered

    def _drain(self) -> bool:
        """Deliver until nothing is left. False: told to stop."""
        while not self._stopping:
            with self._state:
                self._seen, self._taken_over = self._asked, False
            try:
                if not self._step():
                    return True
            except BaseException as error:  # a panic of a library in Rust is no Exception
                self._failed(error)
                self.counts.say()
                self._wait(self._retry.wait_s(error))
            else:
                self._succeeded()
        return False

    def _step(self) -> bool:
        """Deliver one batch, from memory, this process's journal or a dead one's. False: none."""
        own = self._house.own
        most = min(BATCH, self._retry.most)
        if lines := self.memory.take(most):
            try:
                self._send(lines)
            except BaseException:
                self._given_up(self.memory.give_back(lines))
                raise
            return True
        batch = own and own.read(self.address, most)
        if own and batch:
            self._send(batch.lines)
            try:
                own.check_off(self.address, batch)
            except OSError as error:
                # A hint for the next process: without it a delivery comes twice at worst.
                _log.debug("impactree: spool not updated: %s", reason(error))
            return True
        return self._replay.step(most)

    def _send(self, lines: Sequence[bytes]) -> None:
        self._sender.send(self.writer, lines, doubles=False)

    def _resend(self, lines: Sequence[bytes]) -> None:
        self._sender.send(self.writer, lines, doubles=True)

    def _wait(self, seconds: float) -> None:
        """Before the next attempt; a flush, another exporter or the end cut it short."""
        with self._state:
            self._state.wait_for(
                lambda: self._stopping or self._taken_over or self._asked != self._seen, seconds
            )

    def _sleep(self, seconds: float) -> bool:
        """Wait, also in a flush. False: the end."""
        with self._state:
            return not self._state.wait_for(lambda: self._stopping, seconds)

    def _failed(self, error: BaseException) -> None:
        refused = isinstance(error, DeliveryRefusedError)
        self.counts.failing = reason(error)
        said = "refused" if refused else "failing"
        now = time.monotonic()
        # A disk that is nearly full fails and succeeds by turns.
        lately = now - self._said_at.get(said, -_SAY_EVERY_S) < _SAY_EVERY_S
        if not lately and (not self._said or (refused and self._said != said)):
            level, text = logging.WARNING, "%s: %s; impacts wait in the spool, retrying"
            if refused:
                level, text = logging.ERROR, "%s refuses (%s); impacts wait in the spool"
            _log.log(level, "impactree: " + text, clean(self.address), reason(error))
            self._said, self._said_at[said] = said, now
        if refused:
            with self._state:
                self._refused = True
                self._state.notify_all()

    def _succeeded(self) -> None:
        self._retry.reset()
        self.counts.failing = None
        if self._said:
            self._said = ""
            _log.info("impactree: %s takes impacts again", clean(self.address))

    def _keep(self, kept: Kept) -> None:
        self._house.aside.put(kept)

    def _given_up(self, number: int) -> None:
        if number:
            self.counts.drop(number, "the spool takes none, and the memory for them is full")

    def _close(self) -> None:
        try:
            self.writer.close()
        except Exception as error:
            _log.debug("impactree: closing %s: %s", clean(self.address), reason(error))
