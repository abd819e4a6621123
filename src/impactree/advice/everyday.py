"""What an impact means in daily life: so many of something, and a ladder of things to stand on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from impactree.values.criteria import CRITERIA, GWP
from impactree.values.figures import Figures
from impactree.values.formatting import clean, quantity, range_text
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from impactree.catalog import Equivalent
    from impactree.values.range import Range

__all__ = ["Equivalence", "Equivalents", "Rung", "scaled"]

_UNITS: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "km": (("km", 1.0), ("m", 1e-3), ("cm", 1e-5), ("mm", 1e-6)),
    "h": (
        *(("years", 365.25 * 24), ("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60)),
        *(("seconds", 1 / 3600), ("milliseconds", 1e-3 / 3600)),
    ),
    "L": (("m³", 1e3), ("L", 1.0), ("mL", 1e-3), ("µL", 1e-6)),
    "one": (("", 1.0),),
}
"""By the unit of an entry, the units that a number is shown in, largest first."""
_READABLE: Final = (0.99, 10_000.0)
_SHOWN: Final = ("gwp", "energy", "wcf")
_LABELS: Final = {criterion.key: criterion.label for criterion in CRITERIA}


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """An impact as so many of something of daily life."""

    thing: Equivalent
    count: Range
    """In the thing's own unit."""

    def __str__(self) -> str:
        return self.text(self.count.min, self.count.max)

    @property
    def short(self) -> str:
        """The expected number alone: ``21 mm by car (France, 2025)``."""
        return self.text(self.count.mean, self.count.mean)

    def text(self, low: float, high: float) -> str:
        """The number from ``low`` to ``high``, with unit and name."""
        unit, size = _unit(self.thing, self.count.mean)
        shown = _range(low / size, self.count.mean / size, high / size)
        name = self.thing.name
        if unit == "" and shown == "1":
            name = self.thing.single or name
        return clean(" ".join(filter(None, (shown, unit, name, _where(self.thing)))))

    @property
    def distance(self) -> float:
        """Powers of ten from a number that reads well, 1 to 10,000; 0: it does."""
        shown = self.count.mean / _unit(self.thing, self.count.mean)[1]
        return max(math.log10(_READABLE[0] / shown), math.log10(shown / _READABLE[1]), 0.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the number, its text, the factor and where that comes from."""
        return {
            "id": self.thing.id,
            "criterion": self.thing.metric,
            "text": str(self),
            "short": self.short,
            "count": self.count.to_dict(),
            **_factor(self.thing),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A thing on the ladder: what one of it emits, and how many such reports that is."""

    thing: Equivalent
    reports: float

    @property
    def gwp_kgco2eq(self) -> float:
        """Of one: 1 km, 1 h, 1 L or 1 piece."""
        return self.thing.value

    def __str__(self) -> str:
        name = f"1 {self.thing.single or f'{self.thing.unit} {self.thing.name}'}"
        return clean(f"{name} {_where(self.thing)}".strip())

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "id": self.thing.id,
            "text": str(self),
            "gwp_kgco2eq": self.gwp_kgco2eq,
            "reports": self.reports,
            **_factor(self.thing),
        }


class Equivalents:
    """What impacts mean in daily life. Iterate over what reads well; print it for the ladder.

    Args:
        total: Impacts; what is not estimated, or zero, has no equivalents.
        things: Those of a catalog.
    """

    def __init__(self, total: Impacts, things: Iterable[Equivalent]) -> None:
        self.total = total
        self.every: tuple[Equivalence, ...] = tuple(
            Equivalence(thing=thing, count=value / thing.value)
            for thing in things
            if (value := _value(total, thing.metric)) is not None
        )
        """All things, in the catalog's order."""

    @property
    def readable(self) -> tuple[Equivalence, ...]:
        """Of greenhouse gases, energy and water the first thing whose number reads best."""
        found = []
        for criterion in _SHOWN:
            own = [e for e in self.every if e.thing.metric == criterion]
            if own:
                found.append(min(own, key=lambda e: e.distance))
        return tuple(found)

    @property
    def ladder(self) -> tuple[Rung, ...]:
        """Things by the greenhouse gases of one of them, least first."""
        rungs = (
            Rung(thing=e.thing, reports=1 / e.count.mean)
            for e in self.every
            if e.thing.metric == GWP.key
        )
        return tuple(sorted(rungs, key=lambda rung: rung.gwp_kgco2eq))

    @property
    def credits(self) -> tuple[str, ...]:
        """What licences of the factors want to be shown beside the ladder."""
        return tuple(dict.fromkeys(e.thing.credit for e in self.every if e.thing.credit))

    @property
    def line(self) -> str:
        """One sentence; empty where there is nothing to say."""
        parts = [f"{_LABELS[e.thing.metric]} as {e.short}" for e in self.readable]
        least = "at least " if parts and self.total.lower_bound else ""
        return least + ", ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: ``readable``, ``ladder``, ``credits``."""
        return {
            "readable": [e.to_dict() for e in self.readable],
            "ladder": [rung.to_dict() for rung in self.ladder],
            "credits": list(self.credits),
        }

    def __iter__(self) -> Iterator[Equivalence]:
        return iter(self.readable)

    def __len__(self) -> int:
        return len(self.readable)

    def __str__(self) -> str:
        return "\n".join(_ladder(self))

    def __repr__(self) -> str:
        return f"<Equivalents {self.line or 'none'}>"


def scaled(impacts: Impacts, factor: float) -> Impacts:
    """Impacts times a number; what they say of calls stays."""
    f, market = impacts.figures, impacts.market
    return Impacts(
        None if f is None else Figures(*(x * factor for x in f)),
        market=market and (market[0] * factor, market[1] * factor, market[2] * factor),
        training=impacts.training and impacts.training.scaled(factor),
        method=impacts.method,
        warnings=impacts.warnings,
        errors=impacts.errors,
        grade=impacts.grade,
        estimated_calls=impacts.estimated_calls,
        unestimated_calls=impacts.unestimated_calls,
    )


def _value(total: Impacts, criterion: str) -> Range | None:
    impact = getattr(total, criterion)
    return impact.value if impact is not None and 0 < impact.value.mean < math.inf else None


def _unit(thing: Equivalent, count: float) -> tuple[str, float]:
    units: Sequence[tuple[str, float]] = _UNITS[thing.unit]
    return next((unit for unit in units if count >= 0.995 * unit[1]), units[-1])


def _range(low: float, mean: float, high: float) -> str:
    if mean < 1000:
        return range_text(low, mean, high)
    middle, first, last = map(_rounded, (mean, low, high))
    return middle if first == last else f"{middle} ({first} to {last})"


def _where(thing: Equivalent) -> str:
    """Where and when the factor holds; a convention holds everywhere."""
    if thing.basis != "published":
        return ""
    return f"({', '.join(filter(None, (thing.place, str(thing.year))))})"


def _factor(thing: Equivalent) -> dict[str, Any]:
    names = ("value", "unit", "year", "place", "basis", "note", "licence", "credit", "checked")
    return {**{name: getattr(thing, name) for name in names}, "sources": list(thing.sources)}


def _ladder(found: Equivalents) -> Iterator[str]:
    """Rungs from the highest down, with the impacts' own place among them."""
    if not found.every:
        yield "no equivalents: nothing was estimated, or it is zero"
        return
    whole = _value(found.total, GWP.key)
    here = whole.mean if whole else 0.0
    rows = [(rung.gwp_kgco2eq, f"{rung}: {_times(rung.reports)}") for rung in found.ladder]
    least = "at least " if found.total.lower_bound else ""
    rows += ((here, f"<- here: {least}{e.short}") for e in found.readable[:1])
    for value, text in sorted(rows, key=lambda row: -row[0]):
        yield f"{_mass(value):>9}  {text}"
    yield from (f"{'':>9}  {credit}" for credit in found.credits)


def _mass(kg: float) -> str:
    return f"{_rounded(kg)} kg" if kg >= 1 else quantity(*(kg * 1e3,) * 3, "g")


def _times(reports: float) -> str:
    """How many such reports one of a thing is, or the other way round."""
    return f"{_rounded(reports)} of these" if reports >= 1 else f"1/{_rounded(1 / reports)} of this"


def _rounded(number: float) -> str:
    """Two significant digits, thousands apart."""
    return f"{float(f'{number:.2g}'):,.6g}" if number < 1e6 else f"{float(f'{number:.2g}'):,.0f}"
