"""Shares readings out among the calls that were open meanwhile: what is read is given once.

Readings cut time into slices. A slice's energy belongs to the calls that were open in it, by the
tokens that each read and wrote per second of its own time; to nobody where none was. So the shares
and what is unattributed add up to what was read, whatever the interleaving.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from impactree.loops import off_loop
from impactree.measure.clocks import awake, passed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from impactree.measure.meter import Meter, Reading

__all__ = ["Claim", "Ledger"]

_J_PER_KWH: Final = 3.6e6
_MOST_KW: Final = 20.0
"""Of one component: more is a counter that was reset, not a machine."""
_ASLEEP_S: Final = 2.0
"""By so much the one clock goes ahead of the other when a machine has slept."""


_JUST_S: Final = 0.005
"""A reading so young is the start of a call, too: in a chain one follows another's end."""


@dataclass(slots=True, eq=False, repr=False)
class Claim:
    """A call that is, or was, open while readings were taken."""

    started: float
    ended: float | None = None
    tokens: float | None = None
    """What it read and wrote; None: not known."""
    closed: bool = False
    """Whether all that its share depends on is known."""
    failed: str | None = None
    """Why it cannot be measured: its share is then nobody's."""
    shares: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """kWh by source, of the slices that are shared out."""
    waiting: set[_Slice] = field(default_factory=set)
    """Those that are not: another call of theirs is still open."""
    overlapped: bool = False
    """Whether others had a part in what was read in its time."""
    notes: tuple[str, ...] = ()
    """Codes of what is to be said of its share."""
    on_settled: list[Callable[[], None]] = field(default_factory=list)
    """Called once all of it is shared out, if that is after its end."""

    @property
    def rate(self) -> float | None:
        """Tokens per second."""
        if self.tokens is None or self.ended is None:
            return None
        return self.tokens / max(self.ended - self.started, 1e-9)


@dataclass(slots=True, eq=False, repr=False)
class _Slice:
    """A piece of time in which the same calls were open."""

    energies: dict[str, float]
    claims: list[Claim]


class Ledger:
    """One meter's readings, and whose they are. Thread-safe.

    Args:
        meter: What is read.
        baseline_w: Power of the idle machine, W: that much is nobody's.
        note: Told what went wrong, by name.
        clock: Monotonic, s, which stands still while the machine sleeps.
        wall: One that goes on, s: tells whether it slept.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        baseline_w: float = 0.0,
        note: Callable[[str, BaseException | None], None],
        clock: Callable[[], float] = awake,
        wall: Callable[[], float] = passed,
    ) -> None:
        self.meter = meter
        self._baseline_kw = baseline_w / 1000
        self._note = note
        self._clock, self._wall = clock, wall
        self._lock = threading.RLock()
        self._open: dict[Claim, None] = {}
        self._slice: _Slice | None = None
        """The last one, as long as the same calls are open."""
        self._nobodys: defaultdict[str, float] = defaultdict(float)
        self._read: defaultdict[str, float] = defaultdict(float)
        self._ever = False
        self._last = self._last_wall = 0.0

    def start(self) -> None:
        """From now on; may raise."""
        with self._lock:
            self.meter.start()
            self._last, self._last_wall = self._clock(), self._wall()

    # Calls

    def open(self) -> Claim:
        """A call starts, as of a reading that was just taken or of another now."""
        with self._lock:
            if self._clock() - self._last > _JUST_S:
                self._advance()
            claim = Claim(self._clock())
            self._open[claim] = None
            self._slice = None
            return claim

    def stop(self, claim: Claim) -> None:
        """A call has ended; :meth:`close` or :meth:`cancel` says what it was."""
        with self._lock:
            if claim in self._open:
                self._advance()
                del self._open[claim]
                self._slice = None
                claim.ended = self._clock()

    def close(self, claim: Claim, tokens: float | None) -> bool:
        """A call has run here. Returns whether all of its share is known already."""
        with self._lock:
            self.stop(claim)
            if claim.closed:
                return not claim.waiting
            claim.closed, claim.tokens = True, tokens
            if not self._ever:
                claim.failed = "energy-no-reading"
            settled = self._share_out(claim.waiting)
            known = not claim.waiting
            if known and not claim.failed and not math.fsum(claim.shares.values()) > 0:
                self._fail(claim, "energy-reading-zero")
        for each in settled:
            if each is not claim:
                self._tell(each)
        return known

    def cancel(self, claim: Claim) -> None:
        """A call that has not run here after all: the others of its time share without it."""
        with self._lock:
            self.stop(claim)
            if claim.closed:
                return
            claim.closed = True
            for one in claim.waiting:
                one.claims.remove(claim)
            settled = self._share_out(claim.waiting)
            claim.waiting = set()
        for each in settled:
            self._tell(each)

    def so_far(self, claim: Claim) -> dict[str, float]:
        """Its share by source, kWh; of slices not shared out yet, as if all went on alike."""
        with self._lock:
            found = defaultdict(float, claim.shares)
            for one in claim.waiting:
                place = one.claims.index(claim)
                part = _weights(one.claims)[place]
                for source, kwh in one.energies.items():
                    found[source] += part * kwh
            return dict(found)

    # Readings

    @property
    def idle(self) -> bool:
        """Whether no call is open."""
        return not self._open

    def tick(self) -> None:
        """Take a reading."""
        with self._lock:
            self._advance()

    def unattributed(self) -> dict[str, float]:
        """What no call can claim, kWh by source, up to the last reading."""
        with self._lock:
            return dict(self._nobodys)

    def read_so_far(self) -> dict[str, float]:
        """All that was read, kWh by source."""
        with self._lock:
            return dict(self._read)

    def renew(self) -> None:
        """In a forked child: the lock's holder and the calls that were open are the parent's.

        Nothing is read until the next :meth:`start`.
        """
        self._lock = threading.RLock()
        for claim in self._open:
            claim.failed, claim.waiting = "energy-reading-failed", set()
        self._open, self._slice = {}, None
        self._nobodys, self._read = defaultdict(float), defaultdict(float)

    # Inside, with the lock held

    def _advance(self) -> None:
        """Take a reading, and say whose it is."""
        now, wall = self._clock(), self._wall()
        seconds, beyond = now - self._last, (wall - self._last_wall) - (now - self._last)
        if seconds <= 0:
            return
        self._last, self._last_wall = now, wall
        energies, failed = self._energies(seconds)
        if beyond > _ASLEEP_S:
            failed = "the machine slept, or its clock was set"
        if failed:
            self._note(f"energy reading: {failed}", None)
            for claim in self._open:
                claim.failed = claim.failed or "energy-reading-failed"
        if beyond > _ASLEEP_S:
            return  # counters may have been reset meanwhile
        self._give(energies, seconds)

    def _energies(self, seconds: float) -> tuple[dict[str, float], str]:
        """What was read, kWh by source, and what could not be."""
        energies: defaultdict[str, float] = defaultdict(float)
        failed = ""
        for reading in self._readings(seconds):
            kwh = reading.kwh
            if kwh is None or not 0 <= kwh <= _MOST_KW * max(seconds, 1.0) / 3600:
                failed = f"{reading.component} could not be read"
                continue
            self._ever = True
            energies[reading.source] += kwh
        return energies, failed

    def _readings(self, seconds: float) -> Sequence[Reading]:
        try:
            return off_loop(lambda: self.meter.read(seconds))
        except Exception as error:
            self._note(f"energy reading: {type(error).__name__}", error)
            for claim in self._open:
                claim.failed = claim.failed or "energy-reading-failed"
            return ()

    def _give(self, energies: dict[str, float], seconds: float) -> None:
        """To the calls that are open, less what the idle machine takes."""
        for source, kwh in energies.items():
            self._read[source] += kwh
        total = math.fsum(energies.values())
        idle = self._baseline_kw * seconds / 3600
        kept = max(0.0, 1 - idle / total) if total else 0.0
        if not self._open:
            kept = 0.0
        for source, kwh in energies.items():
            self._nobodys[source] += kwh * (1 - kept)
        if not kept:
            return
        if self._slice is None:
            self._slice = _Slice(dict.fromkeys(energies, 0.0), list(self._open))
            for claim in self._open:
                claim.waiting.add(self._slice)
        for source, kwh in energies.items():
            known = self._slice.energies
            known[source] = known.get(source, 0.0) + kwh * kept

    def _share_out(self, slices: Iterable[_Slice]) -> list[Claim]:
        """Share out what no open call has a part in. Returns the calls that this was all for."""
        touched: dict[Claim, None] = {}
        for one in list(slices):
            if not all(claim.closed for claim in one.claims):
                continue
            weights = _weights(one.claims)
            for claim, part in zip(one.claims, weights, strict=True):
                claim.waiting.discard(one)
                claim.overlapped |= len(one.claims) > 1
                touched[claim] = None
                for source, kwh in one.energies.items():
                    if claim.failed:
                        self._nobodys[source] += kwh * part
                    else:
                        claim.shares[source] += kwh * part
            if not one.claims:
                for source, kwh in one.energies.items():
                    self._nobodys[source] += kwh
        return [claim for claim in touched if not claim.waiting]

    def _fail(self, claim: Claim, why: str) -> None:
        """What it was given is nobody's."""
        claim.failed = why
        for source, kwh in claim.shares.items():
            self._nobodys[source] += kwh
        claim.shares.clear()

    def _tell(self, claim: Claim) -> None:
        while claim.on_settled:
            claim.on_settled.pop()()


def _weights(claims: list[Claim]) -> list[float]:
    """Each call's part of a slice: by its tokens per second, one that is not known as the mean."""
    rates = [claim.rate for claim in claims]
    known = [rate for rate in rates if rate is not None]
    mean = math.fsum(known) / len(known) if known else 1.0
    if not claims:
        return []
    filled = [mean if rate is None else rate for rate in rates]
    total = math.fsum(filled)
    if not total > 0:
        return [1 / len(claims)] * len(claims)
    return [rate / total for rate in filled]
