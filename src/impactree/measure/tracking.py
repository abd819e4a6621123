"""What a tracker does with energy that need not be estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactree.calls.reported_energy import ReportedEnergy, read_reported

if TYPE_CHECKING:
    from impactree.calls import ModelCall
    from impactree.engine import Engine
    from impactree.runs import Run

__all__ = ["KnowsEnergy"]


class KnowsEnergy:
    """Puts known energy on calls; a tracker inherits this."""

    engine: Engine
    knows_energy = False
    """Whether any call may have some."""
    _reported: ReportedEnergy | None = None

    if TYPE_CHECKING:

        def note_problem(self, name: str, error: BaseException | None = None) -> None:  # noqa: D102
            ...

    def watch_energy(self) -> None:
        """Read the settings.

        Raises:
            ConfigurationError: one is wrong.
        """
        settings = getattr(self.engine, "settings", None)  # a user's own engine may have none
        self._reported = read_reported(settings.reported_energy) if settings else None
        self.knows_energy = self._reported is not None

    def with_energy(self, call: ModelCall, run: Run | None, *, cached: bool) -> ModelCall:
        """The call with the energy that is known of it; never raises."""
        try:
            if self._reported is not None and not cached:
                call = self._reported.of(call, getattr(run and run.pending, "places", ()))
        except Exception as error:
            self.note_problem(f"reported energy: {type(error).__name__}", error)
        return call
