"""The same runs by another model, elsewhere, on other hardware: estimated anew, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

from impactree.advice import Difference, Pair, Scenario, difference
from impactree.engine import Engine, shared_engine
from impactree.methods import DEFAULT_METHOD
from impactree.report._copy import estimated_anew
from impactree.report._tally import calls_of, gwp_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from impactree.report._view import View
    from impactree.values.impacts import Impacts

__all__ = ["Alternative", "Alternatives", "alternatives", "engine_of", "what_if"]

_CHANGES: Final = ("model", "provider", "zone", "region", "deployment")
_AS_IT_IS: Final = "as it is"
_MOST: Final = 50
_ROUNDING: Final = 1e-9


def engine_of(view: View, method: str | None = None) -> Engine:
    """What estimates a report's calls anew: its own engine; of one that was read, the present one.

    Args:
        view: The report.
        method: Another method's name; None: the report's own.

    Raises:
        ConfigurationError: an unknown method.
    """
    engine = view.engine
    if not isinstance(engine, Engine):
        engine = shared_engine(zone=view.zone)
    wanted = method or view.method or view.total.method or DEFAULT_METHOD
    return engine if wanted == engine.method.name else engine.by(wanted)


def what_if(
    view: View, engine: Engine, changes: Mapping[str, Any], method: str | None = None
) -> tuple[Any, ...]:
    """The runs as they would be, the engine that says so, and what is otherwise, in words.

    Args:
        view: The report.
        engine: From :func:`engine_of`.
        changes: What shall be otherwise.
        method: The name of the engine's method, where it was asked for.

    Raises:
        ValueError: nothing to change, or a name that nothing knows or no call can take.
        ConfigurationError: an unknown method, or hardware.
    """
    said = {name: value for name, value in changes.items() if value is not None}
    unknown = set(said) - set(_CHANGES)
    if unknown or not (said or method):
        raise ValueError(
            f"what_if takes {', '.join(_CHANGES)} and method, at least one of them"
            + (f", not {', '.join(sorted(unknown))}" if unknown else "")
        )
    deployment = said.pop("deployment", None)
    scenario = Scenario(engine=engine, **said)
    other = engine if deployment is None else engine.served_by(deployment)
    runs = [estimated_anew(root, other, scenario.apply) for root in view.runs]
    scenario.check_used(run for root in view.runs for run in root.walk())
    words = [str(scenario)] if said else []
    words += [f"deployment {deployment}"] if deployment is not None else []
    words += [f"method {method}"] if method else []
    return runs, other, ", ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One row: the calls as they would be."""

    name: str
    report: Any
    """A :class:`impactree.Report` over them."""
    change: Difference
    """Against the calls as they are."""

    @property
    def total(self) -> Impacts:
        """Impacts of all calls."""
        return self.report.total  # type: ignore[no-any-return]

    @property
    def relative(self) -> float | None:
        """The expected change by what all the calls cost as they are; None: not known."""
        before = gwp_mean(self.total) - self.change.mean
        return self.change.mean / before if before > 0 and not self.change.unestimated else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "name": self.name,
            "total": self.total.to_dict(),
            "change_gwp_kgco2eq": self.change.to_dict(),
            "relative_change": self.relative,
        }


class Alternatives:
    """The calls as they are and as they would be, those with least greenhouse gases first.

    Args:
        rows: The alternatives; the first one is the calls as they are.
        method: By which all were estimated.
        notes: What is to be said beside the table.
    """

    def __init__(self, rows: list[Alternative], method: str, notes: Iterable[str]) -> None:
        self.base, *_ = rows
        self.rows: tuple[Alternative, ...] = tuple(
            sorted(rows, key=lambda row: (not row.total.estimated, gwp_mean(row.total)))
        )
        self.method = method
        self._notes = tuple(notes)
        self._by_name = {row.name: row for row in rows}
        self.alike: tuple[tuple[str, str], ...] = tuple(
            (a.name, b.name)
            for a, b in combinations(self.rows, 2)
            if self.difference(a.name, b.name).verdict == "cannot be told apart"
        )
        """Names of rows that cannot be told apart: the sign of their difference is not certain."""

    def __getitem__(self, name: str) -> Alternative:
        try:
            return self._by_name[name]
        except KeyError:
            raise KeyError(f"no row {name!r:.80}; there are {', '.join(self._by_name)}") from None

    def difference(self, one: str, other: str) -> Difference:
        """What the other row costs more (above 0) or less than the one; shared unknowns cancel."""
        first, then = self[one].report, self[other].report
        return difference(_pairs(first, then), first.engine, then.engine)

    @property
    def notes(self) -> tuple[str, ...]:
        """What stands under the table."""
        numbers = {row.name: number for number, row in enumerate(self.rows, 1)}
        alike = [f"{numbers[a]} and {numbers[b]}" for a, b in self.alike]
        told = (f"Cannot be told apart: {', '.join(alike)}.",) if alike else ()
        read = (
            f"{row.name}: {w.message}"
            for row in self.rows
            for w in row.total.warnings
            if row is not self.base and w.code == "model-family"
        )
        return (*told, *read, *self._notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``method``, ``rows``, ``cannot_be_told_apart``, ``notes``."""
        return {
            "method": self.method,
            "rows": [row.to_dict() for row in self.rows],
            "cannot_be_told_apart": [list(pair) for pair in self.alike],
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.rows)} rows by {self.method}>"


def alternatives(
    view: View,
    asked: Iterable[Any] | Mapping[str, Any],
    method: str | None,
    make: Callable[..., Any],
) -> tuple[list[Alternative], str, list[str]]:
    """The rows of a comparison, the method, and notes.

    Args:
        view: The report as it is.
        asked: Changes as for :meth:`impactree.Report.what_if`, or another model's name; or such
            by their names.
        method: Another method for all of them.
        make: Makes a report of runs and its arguments.

    Raises:
        ValueError: no alternatives, too many, one of another method, or two of one name.
        TypeError: neither changes nor a name.
    """
    engine = engine_of(view, method)
    base = make([estimated_anew(root, engine) for root in view.runs], engine, None)
    rows = [Alternative(name=_AS_IT_IS, report=base, change=_NONE)]
    for name, changes in _asked(asked):
        runs, other, words = what_if(view, engine, changes)
        report = make(runs, other, words)
        change = difference(_pairs(base, report), engine, other)
        rows.append(Alternative(name=str(name or words), report=report, change=change))
    names = [row.name for row in rows]
    if len(set(names)) < len(names):
        raise ValueError(f"two alternatives have the same name: {', '.join(names)}")
    return rows, engine.method.name, list(_notes(view, base, engine))


def _asked(asked: Iterable[Any] | Mapping[str, Any]) -> Iterable[tuple[str | None, Any]]:
    """Names, where there are any, and changes."""
    if isinstance(asked, str):
        raise TypeError(f"compare takes a list of alternatives, such as [{asked!r:.80}]")
    named = list(asked.items()) if hasattr(asked, "items") else [(None, one) for one in asked]
    if not 1 <= len(named) <= _MOST:
        raise ValueError(f"compare takes 1 to {_MOST} alternatives, not {len(named)}")
    for name, said in named:
        changes = {"model": said} if isinstance(said, str) else said
        if not hasattr(changes, "items"):
            raise TypeError(
                "compare takes changes such as {'model': 'gpt-4o-mini'} or a model's name, not "
                f"{changes!r:.80}"
            )
        if "method" in changes:
            raise ValueError("one method for all alternatives: compare([...], method=...)")
        yield name, changes


_NONE: Final = Difference(min=0.0, mean=0.0, max=0.0, before=0.0)


def _pairs(first: View, then: View) -> Iterable[Pair]:
    """Each call as it is in two copies of the same trees."""
    for one, other in zip(calls_of(first.runs), calls_of(then.runs), strict=True):
        if one.call is not None and other.call is not None:
            yield Pair(run=one, now=one.call, then=other.call)


def _notes(view: View, base: View, engine: Engine) -> Iterable[str]:
    recorded, anew = view.total, base.total
    if view.method != engine.method.name:
        return
    change = abs(gwp_mean(recorded) - gwp_mean(anew))
    if change > _ROUNDING * gwp_mean(recorded) or recorded.estimated != anew.estimated:
        yield (
            f"The report says {recorded.gwp or 'not estimated'}; by the present catalog and "
            f"settings the same calls are {anew.gwp or 'not estimated'}, which is what is compared."
        )
