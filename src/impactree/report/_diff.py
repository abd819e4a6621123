"""What changed between two reports: the same paths side by side, and what made the difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from impactree.report._groups import Group, regroup
from impactree.report._tally import calls_of, gwp_mean, own_of
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from impactree.report._view import View
    from impactree.runs import Run

__all__ = ["Change", "Compared", "compare"]

_SAME: Final = 0.02
"""Token counts per call closer than this, relative, are no cause worth a word."""
_MAX_PATH: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The model calls of one path, before and after."""

    path: tuple[str, ...]
    """Names from the root down to the call; of long ones the last."""
    before: Group
    after: Group
    by_calls: float
    """Of the change, kgCO2eq: more or fewer calls, each as dear as before."""
    by_model: float
    """Other models, at what a call by each costs."""
    by_size: float
    """Calls by the same models that cost more or less each: context, answers, latency."""

    @property
    def change(self) -> float:
        """After minus before, kgCO2eq (means); the three causes add up to it."""
        return gwp_mean(self.after.total) - gwp_mean(self.before.total)

    @property
    def causes(self) -> list[str]:
        """What made the difference, in words; the one that weighs most first."""
        told = [
            (self.by_calls, self._calls_text()),
            (self.by_model, self._model_text()),
            (self.by_size, self._size_text()),
        ]
        return [text for weight, text in sorted(told, key=lambda one: -abs(one[0])) if text]

    def _calls_text(self) -> str:
        first, then = self.before.calls, self.after.calls
        if first == then:
            return ""
        if not first or not then:
            return "new" if then else "gone"
        return f"{'more' if then > first else 'fewer'} calls: {first:,} → {then:,}"

    def _model_text(self) -> str:
        first, then = _models(self.before), _models(self.after)
        if first == then or not first or not then:
            return ""
        return f"another model: {_named(first)} → {_named(then)}"

    def _size_text(self) -> str:
        words = []
        for what, field in (("context", "input_tokens"), ("answers", "output_tokens")):
            first, then = _each(self.before, field), _each(self.after, field)
            if first is None or then is None or abs(then - first) <= _SAME * max(first, then):
                continue
            longer = "longer" if then > first else "shorter"
            words.append(f"{longer} {what}: {first:,.0f} → {then:,.0f} tokens a call")
        if not words and self.by_size and not (self.by_calls or self.by_model):
            words.append("dearer calls" if self.by_size > 0 else "cheaper calls")
        return ", ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; changes in kgCO2eq."""
        return {
            "path": list(self.path),
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "change_kgco2eq": self.change,
            "by_calls_kgco2eq": self.by_calls,
            "by_model_kgco2eq": self.by_model,
            "by_size_kgco2eq": self.by_size,
            "causes": self.causes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Two reports side by side; the largest change first."""

    before: Group
    after: Group
    changes: tuple[Change, ...]
    credits: tuple[str, ...] = ()
    """What the licences of the electricity factors want to be shown."""

    @property
    def change(self) -> float:
        """After minus before, kgCO2eq (means); the changes of all paths add up to it."""
        return gwp_mean(self.after.total) - gwp_mean(self.before.total)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "change_kgco2eq": self.change,
            "changes": [change.to_dict() for change in self.changes],
            "credits": list(self.credits),
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.changes)} paths, {self.change:+.2g} kgCO2eq>"


def compare(before: View, after: View) -> Compared:
    """The changes from one report to another.

    Raises:
        ValueError: they were estimated by two methods.
    """
    methods = {one.method or one.total.method for one in (before, after)} - {None}
    if len(methods) > 1:
        raise ValueError(
            f"reports by {' and '.join(sorted(map(str, methods)))} do not compare: estimate one "
            "anew, with handler.report(method=...)"
        )
    places: dict[tuple[int, str], int] = {}
    olds, news = _by_path(before.runs, places), _by_path(after.runs, places)
    names = list(places)
    first, then = before.total, after.total
    changes = []
    for place in dict.fromkeys([*olds, *news]):
        old, new = olds.get(place, []), news.get(place, [])
        by_calls, by_model, by_size = _causes(old, new)
        change = Change(
            path=_path(place, names),
            before=regroup(old, first),
            after=regroup(new, then),
            by_calls=by_calls,
            by_model=by_model,
            by_size=by_size,
        )
        changes.append(change)
    changes.sort(key=lambda change: -abs(change.change))
    return Compared(
        before=regroup(calls_of(before.runs), first),
        after=regroup(calls_of(after.runs), then),
        changes=tuple(changes),
        credits=tuple(dict.fromkeys([*before.credits, *after.credits])),
    )


def _by_path(roots: Sequence[Run], places: dict[tuple[int, str], int]) -> dict[int, list[Run]]:
    """Calls by the number of their path: a tree may be 10,000 runs deep."""
    found: dict[int, list[Run]] = {}
    for root in roots:
        at: dict[Run | None, int] = {}
        for run in root.walk():
            key = (at.get(run.parent, -1), run.name)
            place = at[run] = places.setdefault(key, len(places))
            if run.call is not None:
                found.setdefault(place, []).append(run)
    return found


def _path(place: int, names: list[tuple[int, str]]) -> tuple[str, ...]:
    path: list[str] = []
    while place >= 0 and len(path) < _MAX_PATH:
        place, name = names[place]
        path.append(name)
    if place >= 0:
        path.append("…")
    return tuple(reversed(path))


def _causes(old: list[Run], new: list[Run]) -> tuple[float, float, float]:
    """The change as the sum of three: how many calls, by which models, how dear each.

    With n calls of which the share w is by a model at g each: n1 g1 - n0 g0 = (n1 - n0) g0
    + n1 sum (w1 - w0) g0 + n1 sum w1 (g1 - g0), where a model's g0 is its g1 if it is new.
    """
    first, then = _by_model(old), _by_model(new)
    n0, n1 = (sum(n for n, _ in one.values()) for one in (first, then))
    total0, total1 = (sum(total for _, total in one.values()) for one in (first, then))
    if not n0 or not n1:
        return total1 - total0, 0.0, 0.0
    by_calls = (n1 - n0) * total0 / n0
    by_model = 0.0
    for model in first.keys() | then.keys():
        m0, cost0 = first.get(model, (0, 0.0))
        m1, cost1 = then.get(model, (0, 0.0))
        each = cost0 / m0 if m0 else cost1 / m1
        by_model += n1 * (m1 / n1 - m0 / n0) * each
    return by_calls, by_model, total1 - total0 - by_calls - by_model


def _by_model(runs: Iterable[Run]) -> dict[str, tuple[int, float]]:
    """Per model its calls and their greenhouse gases."""
    found: dict[str, tuple[int, float]] = {}
    for run in runs:
        own = own_of(run)
        if run.call is not None and own.estimated:
            calls, cost = found.get(run.call.model, (0, 0.0))
            found[run.call.model] = calls + 1, cost + gwp_mean(own)
    return found


def _models(group: Group) -> list[str]:
    return sorted({run.call.model for run in group.runs if run.call is not None})


def _named(models: list[str]) -> str:
    shown = ", ".join(clean(model)[:60] for model in models[:3])
    return f"{shown} and {len(models) - 3} more" if len(models) > 3 else shown


def _each(group: Group, field: str) -> float | None:
    count = getattr(group, field)
    reached = group.calls - group.cached
    return None if count is None or not reached else count / reached
