"""What changed between two reports: the same paths side by side, and what made the difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from impactree.report._groups import Group, Grouped, as_group, regroup
from impactree.report._keys import TAG, plain_label
from impactree.report._tally import Tally, calls_of, gwp_mean, own_of
from impactree.values.formatting import clean

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from impactree.report._keys import Key
    from impactree.report._view import View
    from impactree.runs import Run

__all__ = ["Change", "Compared", "compare"]

_SAME: Final = 0.02
"""Token counts per call closer than this, relative, are no cause worth a word."""
_MAX_PATH: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The model calls of one path, or of one group, before and after."""

    path: tuple[str, ...]
    """Names from the root down to the call; of long ones the last. None of a group."""
    label: Mapping[str, Hashable] = field(default_factory=dict, hash=False)
    """Of a group: its label per key."""
    before: Group
    after: Group
    by_calls: float
    """Of the change, kgCO2eq: more or fewer calls, each as dear as before."""
    by_model: float
    """Other models, at what a call by each costs; 0 where only sums of the calls are kept."""
    by_size: float
    """Calls that cost more or less each: by the same models, where all are kept."""

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
        if not (_kept(self.before) and _kept(self.after)) or first == then or not first or not then:
            return ""
        gone, new = (_named(sorted(a - b)) for a, b in ((first, then), (then, first)))
        if gone and new:
            return f"another model: {gone} → {new}"
        return f"also by {new}" if new else f"no longer by {gone}"

    def _size_text(self) -> str:
        words = []
        for what, count in (("context", "input_tokens"), ("answers", "output_tokens")):
            first, then = _each(self.before, count), _each(self.after, count)
            if first is None or then is None or abs(then - first) <= _SAME * max(first, then):
                continue
            longer = "longer" if then > first else "shorter"
            words.append(f"{longer} {what}: {first:,.0f} → {then:,.0f} tokens a call")
        if not words and self.by_size and not (self.by_calls or self.by_model):
            words.append("dearer calls" if self.by_size > 0 else "cheaper calls")
        return ", ".join(words)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; changes in kgCO2eq."""
        label = {key: plain_label(label) for key, label in self.label.items()}
        return {
            **({"label": label} if label else {"path": list(self.path)}),
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

    by: tuple[str, ...] = ()
    """The keys whose groups are matched; none: calls are, by their path."""
    before: Group
    after: Group
    changes: tuple[Change, ...]
    older_runs: int = 0
    """How many finished runs are no longer kept and in no figure here."""
    credits: tuple[str, ...] = ()
    """What the licences of the electricity factors want to be shown."""

    @property
    def change(self) -> float:
        """After minus before, kgCO2eq (means); unless by tag, all changes add up to it."""
        return gwp_mean(self.after.total) - gwp_mean(self.before.total)

    @property
    def partition(self) -> bool:
        """Whether each call stands in one change. By tag it may not."""
        return TAG not in self.by

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "by": list(self.by),
            "partition": self.partition,
            "older_runs": self.older_runs,
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "change_kgco2eq": self.change,
            "changes": [change.to_dict() for change in self.changes],
            "credits": list(self.credits),
        }

    def __repr__(self) -> str:
        what = " / ".join(self.by) or "path"
        return f"<{type(self).__name__} by {what}: {len(self.changes)}, {self.change:+.2g} kgCO2eq>"


def compare(before: View, after: View, by: Key | Sequence[Key] | None) -> dict[str, Any]:
    """The changes from one report to another: what a :class:`Compared` is made of.

    Raises:
        ValueError: they were estimated by two methods, or an unknown key.
        TypeError: no key.
    """
    methods = {one.method or one.total.method for one in (before, after)} - {None}
    if len(methods) > 1:
        raise ValueError(
            f"reports by {' and '.join(sorted(map(str, methods)))} do not compare: estimate one "
            "anew, with handler.report(method=...)"
        )
    views = (before, after)
    places: dict[tuple[int, str], int] = {}
    if by is None:
        old, new = (_by_path(view, places) for view in views)
    else:
        keys = tuple(by) if isinstance(by, list | tuple) else (by,)
        old, new = (view.grouped(keys) for view in views)
    first, then = (
        as_group(side.tally, side.total, side.total, calls_of(view.runs))
        for side, view in zip((old, new), views, strict=True)
    )
    return {
        "by": old.by,
        "before": first,
        "after": then,
        "changes": tuple(_changes(old, new, list(places))),
        "older_runs": old.older_runs + new.older_runs,
        "credits": tuple(dict.fromkeys([*before.credits, *after.credits])),
    }


def _changes(old: Grouped, new: Grouped, places: list[tuple[int, str]]) -> list[Change]:
    """What changed, the most first; without keys the labels are places of paths."""
    changes = []
    for label in dict.fromkeys((*old, *new)):
        before, after = (side.get(label) or regroup([], side.total) for side in (old, new))
        by_calls, by_model, by_size = _causes(before, after)
        change = Change(
            path=() if old.by else _path(label, places),
            label=dict(zip(old.by, old.labels(label), strict=True)) if old.by else {},
            before=before,
            after=after,
            by_calls=by_calls,
            by_model=by_model,
            by_size=by_size,
        )
        changes.append(change)
    return sorted(changes, key=lambda change: -abs(change.change))


def _by_path(view: View, places: dict[tuple[int, str], int]) -> Grouped:
    """Calls by the number of their path: a tree may be 10,000 runs deep."""
    found: dict[int, list[Run]] = {}
    for root in view.runs:
        at: dict[Run | None, int] = {}
        for run in root.walk():
            key = (at.get(run.parent, -1), run.name)
            place = at[run] = places.setdefault(key, len(places))
            if run.call is not None:
                found.setdefault(place, []).append(run)
    whole = view.total
    groups = {place: regroup(runs, whole) for place, runs in found.items()}
    tally = Tally.of(calls_of(view.runs))
    return Grouped(groups, by=(), total=whole, tally=tally, older_runs=view.older_runs)


def _path(place: int, names: list[tuple[int, str]]) -> tuple[str, ...]:
    path: list[str] = []
    while place >= 0 and len(path) < _MAX_PATH:
        place, name = names[place]
        path.append(name)
    if place >= 0:
        path.append("…")
    return tuple(reversed(path))


def _causes(old: Group, new: Group) -> tuple[float, float, float]:
    """The change as the sum of three: how many calls, by which models, how dear each.

    With n calls of which the share w is by a model at g each: n1 g1 - n0 g0 = (n1 - n0) g0
    + n1 sum (w1 - w0) g0 + n1 sum w1 (g1 - g0), where a model's g0 is its g1 if it is new.
    """
    kept = _kept(old) and _kept(new)
    first, then = (_by_model(one.runs) if kept else _as_one_model(one) for one in (old, new))
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


def _kept(group: Group) -> bool:
    """Whether all its calls are at hand, and not only their sums."""
    return len(group.runs) == group.calls


def _as_one_model(group: Group) -> dict[str, tuple[int, float]]:
    return {"": (group.calls - group.total.unestimated_calls, gwp_mean(group.total))}


def _by_model(runs: Iterable[Run]) -> dict[str, tuple[int, float]]:
    """Per model its calls and their greenhouse gases."""
    found: dict[str, tuple[int, float]] = {}
    for run in runs:
        own = own_of(run)
        if run.call is not None and own.estimated:
            calls, cost = found.get(run.call.model, (0, 0.0))
            found[run.call.model] = calls + 1, cost + gwp_mean(own)
    return found


def _models(group: Group) -> set[str]:
    return {run.call.model for run in group.runs if run.call is not None}


def _named(models: list[str]) -> str:
    shown = ", ".join(clean(model)[:60] for model in models[:3])
    return f"{shown} and {len(models) - 3} more" if len(models) > 3 else shown


def _each(group: Group, field: str) -> float | None:
    count = getattr(group, field)
    reached = group.calls - group.cached
    return None if count is None or not reached else count / reached
