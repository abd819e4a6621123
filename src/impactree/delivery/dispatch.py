"""The tracker's side: finished trees to exporters, spooled ones with one write for all."""

from __future__ import annotations

import time
from contextvars import copy_context
from itertools import islice
from typing import TYPE_CHECKING, Final

from impactree.delivery.errors import reason
from impactree.delivery.exporter import SpooledExporter
from impactree.delivery.spool import FLUSH_S, known_spool, spool
from impactree.loops import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from impactree.delivery.counts import Health
    from impactree.engine import Engine
    from impactree.runs import Exporter, Run

__all__ = ["Dispatch"]

_LARGE: Final = 2000
"""Runs: writing more would hold up the callback for more than about 30 ms."""


class Dispatch:
    """Hands runs to a tracker's exporters; what goes wrong is noted, never raised.

    Args:
        exporters: The tracker's.
        engine: The tracker's.
        note_problem: Where failures are counted.
    """

    def __init__(
        self,
        exporters: Sequence[Exporter],
        engine: Engine,
        note_problem: Callable[[str, BaseException | None], None],
    ) -> None:
        self._spooled = [e for e in exporters if isinstance(e, SpooledExporter)]
        self._direct = [e for e in exporters if not isinstance(e, SpooledExporter)]
        self._observers = [exporter for exporter in self._spooled if _observes(type(exporter))]
        self._engine = engine
        self._note_problem = note_problem
        self._writer = Worker()

    def run_ended(self, run: Run) -> None:
        """A single run has ended: for exporters that asked for single runs."""
        for exporter in self._observers:
            try:
                exporter.observe(run, self._engine.zone_of)
            except Exception as error:
                self._failed(type(exporter).__name__, error)

    def export(self, root: Run) -> None:
        """A root has finished, or a late end changed it. A large one is written by a thread."""
        if self._spooled:
            if next(islice(root.walk(), _LARGE, None), None) is None:
                self._put(root)
            else:  # in this context: exporters look at the active span
                self._writer.put(copy_context().run, self._put, root)
        for exporter in self._direct:
            try:
                exporter.export(root)
            except Exception as error:
                self._note_problem(f"{type(exporter).__name__} failed", error)

    def _put(self, root: Run) -> None:
        try:
            spool().put(root, self._engine.method.name, self._spooled, self._engine.zone_of)
        except Exception as error:
            self._failed("spool", error)

    def flush(self, timeout: float | None) -> bool:
        """Deliver what is pending; True when nothing is left and nothing was lost."""
        deadline = None if timeout is None else time.monotonic() + timeout

        def left() -> float | None:
            return None if deadline is None else max(0.0, deadline - time.monotonic())

        done = self._writer.wait(timeout)
        if self._spooled:
            done = self._flush_spool(left()) and done
        for exporter in self._direct:
            done = exporter.flush(left()) and done
        return done

    def close(self, timeout: float | None) -> bool:
        """Flush, then end the exporters' threads and connections; True when nothing is left."""
        deadline = time.monotonic() + (FLUSH_S if timeout is None else timeout)
        done = self.flush(timeout)
        self._writer.rest()
        if self._spooled:
            spool().rest(max(0.0, deadline - time.monotonic()), self._spooled)
        for exporter in self._direct:
            close = getattr(exporter, "close", None)
            if close is not None:
                try:
                    close()
                except Exception as error:
                    self._failed(type(exporter).__name__, error)
        return done

    def health(self) -> dict[str, Health]:
        """By destination (and owner), how the delivery goes."""
        current = known_spool() if self._spooled else None
        return {} if current is None else current.health(self._spooled)

    def problems(self) -> dict[str, int]:
        """What was lost or set aside on its way, for the report."""
        found = {}
        for address, health in self.health().items():
            for what, number in (
                ("lost on the way to", health["dropped"]),
                ("not taken, and set aside, by", health["set_aside"]),
            ):
                if number:
                    found[f"finished runs {what} {address}"] = number
        return found

    def _flush_spool(self, timeout: float | None) -> bool:
        try:
            return spool().flush(timeout, self._spooled)
        except Exception as error:  # an exporter that cannot name its destination
            self._failed("spool", error)
            return False

    def _failed(self, name: str, error: Exception) -> None:
        # Without a foreign error's text or traceback: they can hold keys.
        self._note_problem(f"{name} failed: {reason(error)}", None)


def _observes(kind: type[SpooledExporter]) -> bool:
    """Whether exporters of a kind ask for single runs."""
    base = SpooledExporter
    return kind.run_ended is not base.run_ended or kind.observe is not base.observe
