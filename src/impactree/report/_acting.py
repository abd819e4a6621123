"""What to do with a report's figures: what they would be otherwise, or come to when repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from impactree.report._view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from impactree.advice import Choice
    from impactree.engine import Engine
    from impactree.report._projection import Projection
    from impactree.report._shown import Advice, Comparison
    from impactree.runs import Run

__all__ = ["Acting"]


class Acting(View):
    """A view that leads to decisions; see :class:`impactree.Report`."""

    def at(self, runs_per_day: float, days: float = 365) -> Projection:
        """What the report's mean run comes to, so many times a day for so many days. Print it.

        Args:
            runs_per_day: Root runs a day, above 0.
            days: How many days, above 0; a year if not given.

        Raises:
            ValueError: a number that is not above 0, or a report without runs.
        """
        from impactree.report._projection import project

        things = self.catalog.equivalents
        return project(self.total, len(self.runs), things, runs_per_day, days)

    def what_if(
        self,
        *,
        model: Choice = None,
        provider: Choice = None,
        zone: Choice = None,
        region: Choice = None,
        deployment: Mapping[str, Any] | None = None,
        method: str | None = None,
    ) -> Self:
        """A report over the same calls by another model, elsewhere, or on other hardware.

        Token counts stay. A call that has all that already stays what it is; a latency counts on
        the model and host that it was measured on. Each of the first four is one value, or one per
        model, step or agent: ``what_if(model={"gpt-4o": "gpt-4o-mini"})``.

        Args:
            model: Another model: it answers the calls of its kind. Where the host does not run it,
                its maker does.
            provider: Another host.
            zone: Another electricity mix zone.
            region: Another region of the cloud that a call ran on.
            deployment: Other hardware, as for :class:`impactree.ImpactHandler`, by a method that
                plans with it.
            method: Another method; None: the report's own.

        Raises:
            ValueError: nothing to change, or a name that nothing knows or no call can take.
            ConfigurationError: an unknown method, or hardware.
        """
        from impactree.report._what_if import engine_of, what_if

        changes: dict[str, Any] = {"model": model, "provider": provider, "zone": zone}
        changes |= {"region": region, "deployment": deployment}
        return self._supposed(*what_if(self, engine_of(self, method), changes, method))

    def compare(
        self, alternatives: Iterable[Any] | Mapping[str, Any], *, method: str | None = None
    ) -> Comparison:
        """The calls as they are and as they would be, in one table with ranges. Print it.

        It says which rows cannot be told apart: what both depend on alike cancels (the batch; of
        one model its size, too).

        Args:
            alternatives: For each the arguments of :meth:`what_if` in a dict, or another model's
                name; or such by the names of the rows.
            method: Another method for all rows; None: the report's own.

        Raises:
            ValueError: no alternatives, too many, two of one name, or what :meth:`what_if` refuses.
            TypeError: an alternative that is neither a dict nor a name.
            ConfigurationError: an unknown method, or hardware.
        """
        from impactree.report._shown import Comparison
        from impactree.report._what_if import alternatives as compared

        return Comparison(*compared(self, alternatives, method, self._supposed))

    def advice(self) -> Advice:
        """What could be saved in these very runs, what saves most first. Print it.

        Context sent again, retrieved documents that outweigh the answer, reasoning that dominates,
        short answers of a large model, regions on lower-carbon electricity, failures, and what was
        asked before: each with its saving as a range, its calls and its evidence; only where it
        saves at least 1 % whatever the unknowns are. By ``impactree-1``, in which input has a cost,
        whatever the report's method.
        """
        from impactree.report._brief import advice_parts
        from impactree.report._shown import Advice

        return Advice(*advice_parts(self))

    def _supposed(self, runs: Iterable[Run], engine: Engine, words: str | None) -> Self:
        return type(self)(
            runs,
            method=engine.method.name,
            zone=engine.zone,
            catalog_version=engine.catalog.version,
            engine=engine,
            what_if=words,
        )
