"""What a model call costs the planet, and the arithmetic of it.

The usage phase has all five criteria, the embodied phase gwp, adpe and pe. Totals are usage plus
embodied. Nothing here knows a model, a method or a framework.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Self

from impactree.values.criteria import ADPE, CRITERIA, ENERGY, GWP, GWP_MARKET, PE, WCF
from impactree.values.figures import PARTS, ZERO, Figures, added, same_figures, sum_of_all
from impactree.values.grades import GRADES, worst_grade
from impactree.values.impact import (
    EmbodiedPhase,
    Impact,
    UsagePhase,
    draft,
    impact_of,
    known_impact,
    rebuilt,
    shape_of,
    usage_and_embodied,
)
from impactree.values.messages import Message, merge
from impactree.values.sources import MIXED, added_by_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.values.sources import BySource, Source
    from impactree.values.training import TrainingPhase

__all__ = [
    "GRADES",
    "EmbodiedPhase",
    "Impact",
    "Impacts",
    "UsagePhase",
    "impacts_of_call",
]


class Impacts:
    """The impacts of one model call, or of a sum of them. Immutable.

    Every criterion is an :class:`Impact`, or None when nothing could be estimated: an unknown is
    never a zero. ``adpe`` and ``pe`` are None too where the electricity has no such factor. A sum
    over calls of which some could not be estimated is a lower bound (:attr:`lower_bound`). Adding
    is associative; :meth:`zero` is its neutral element.
    """

    __slots__ = (
        "by_source",
        "errors",
        "estimated_calls",
        "figures",
        "grade",
        "market",
        "method",
        "training",
        "unestimated_calls",
        "warnings",
    )

    figures: Figures | None
    """The raw floats; None when not estimated."""
    warnings: tuple[Message, ...]
    errors: tuple[Message, ...]
    grade: str | None
    """How the model's name was resolved (see GRADES); of a sum the least certain one; None when
    there was no call."""
    market: tuple[float, float, float] | None
    """Raw floats of :attr:`gwp_market_based`."""
    method: str | None
    """Name of the method behind the figures; None: no method's equations are."""
    by_source: BySource | None
    """Raw form of :attr:`energy_by_source`; None: whatever there is, is estimated."""
    training: TrainingPhase | None
    """The share of training the models: in no criterion; None unless asked for, and known."""
    estimated_calls: int
    unestimated_calls: int

    def __new__(
        cls,
        figures: Figures | None,
        *,
        method: str | None = None,
        market: tuple[float, float, float] | None = None,
        training: TrainingPhase | None = None,
        by_source: BySource | None = None,
        warnings: tuple[Message, ...] = (),
        errors: tuple[Message, ...] = (),
        grade: str | None = None,
        estimated_calls: int | None = None,
        unestimated_calls: int | None = None,
    ) -> Self:
        """Make it whole: nothing of it can be set later."""
        made = _ImpactsDraft()
        made.figures = figures
        made.warnings = warnings
        made.errors = errors
        made.grade = grade
        made.market = market
        made.training = training
        made.by_source = by_source
        made.method = method
        if estimated_calls is None:
            estimated_calls = 0 if figures is None else 1
        if unestimated_calls is None:
            unestimated_calls = 1 if figures is None else 0
        made.estimated_calls = estimated_calls
        made.unestimated_calls = unestimated_calls
        if cls is not Impacts:
            return rebuilt(made, cls)
        made.__class__ = cls
        return made  # type: ignore[no-any-return]  # it is one now

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"Impacts is immutable: cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"Impacts is immutable: cannot delete {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in Impacts.__slots__}
        for name in ("warnings", "errors"):  # without what some look up when they are read
            fields[name] = tuple(Message(m.code, m.message) for m in fields[name])
        return _restore, (fields,)

    @classmethod
    def zero(cls) -> Impacts:
        """What no model call at all costs: every criterion zero."""
        return _ZERO_IMPACTS

    @classmethod
    def not_estimated(cls, *errors: Message, grade: str = "unknown") -> Impacts:
        """A call that could not be estimated, and why."""
        return cls(None, errors=errors, grade=grade)

    @property
    def estimated(self) -> bool:
        """Whether the criteria hold values; False: they are None."""
        return self.figures is not None

    @property
    def lower_bound(self) -> bool:
        """Whether some of the calls summed could not be estimated."""
        return self.estimated_calls > 0 and self.unestimated_calls > 0

    @property
    def energy(self) -> Impact | None:
        """Electricity, kWh."""
        f = self.figures
        return None if f is None else impact_of(ENERGY, f[0], f[1], f[2])

    @property
    def gwp(self) -> Impact | None:
        """Global warming potential, usage plus embodied, kgCO2eq."""
        f = self.figures
        return None if f is None else usage_and_embodied(GWP, f, 3, 15)

    @property
    def gwp_market_based(self) -> Impact | None:
        """As :attr:`gwp`, its usage by the factors that operators claim by their contracts.

        None where an operator publishes none; of a sum, unless every estimated call has one.
        """
        return None if self.market is None else impact_of(GWP_MARKET, *self.market)

    @property
    def adpe(self) -> Impact | None:
        """Abiotic depletion potential of elements, usage plus embodied, kgSbeq.

        None, in sums too, where nobody publishes an open factor of a call's electricity.
        """
        f = self.figures
        return None if f is None else usage_and_embodied(ADPE, f, 6, 18)

    @property
    def pe(self) -> Impact | None:
        """Primary energy, usage plus embodied, MJ."""
        f = self.figures
        return None if f is None else usage_and_embodied(PE, f, 9, 21)

    @property
    def wcf(self) -> Impact | None:
        """Water consumption, usage only, L."""
        f = self.figures
        return None if f is None else impact_of(WCF, f[12], f[13], f[14])

    @property
    def energy_by_source(self) -> dict[Source, float] | None:
        """The expected energy by where it comes from, kWh; see ``values.sources.Source``."""
        if self.figures is None:
            return None
        if self.by_source is not None:
            return dict(self.by_source)
        return {"estimated": self.figures.energy_mean} if self.estimated_calls else {}

    @property
    def source(self) -> str | None:
        """Where the energy's figure comes from; ``mixed``: from several; None: there is none."""
        sources = list(self.energy_by_source or ())
        return sources[0] if len(sources) == 1 else MIXED if sources else None

    @property
    def energy_parts(self) -> dict[str, float] | None:
        """What the expected energy goes into, kWh.

        ``input``, ``cached``, ``output``, ``host``, ``overhead``; None where nothing was
        estimated, or nobody recorded them.
        """
        f = self.figures
        if f is None or math.isnan(math.fsum(f[24:])):
            return None
        return dict(zip(PARTS, f[24:], strict=True))

    @property
    def usage(self) -> UsagePhase | None:
        """The usage phase: all five criteria."""
        f = self.figures
        if f is None:
            return None
        return UsagePhase(
            energy=impact_of(ENERGY, *f[0:3]),
            gwp=impact_of(GWP, *f[3:6]),
            adpe=known_impact(ADPE, *f[6:9]),
            pe=known_impact(PE, *f[9:12]),
            wcf=impact_of(WCF, *f[12:15]),
        )

    @property
    def embodied(self) -> EmbodiedPhase | None:
        """The embodied phase: gwp, adpe, pe."""
        f = self.figures
        if f is None:
            return None
        return EmbodiedPhase(
            gwp=impact_of(GWP, *f[15:18]),
            adpe=impact_of(ADPE, *f[18:21]),
            pe=impact_of(PE, *f[21:24]),
        )

    def __add__(self, other: Impacts) -> Impacts:
        if not isinstance(other, Impacts):
            return NotImplemented
        return Impacts.sum((self, other))

    def __radd__(self, other: object) -> Impacts:
        return self if other == 0 else NotImplemented  # sum() starts from 0

    @classmethod
    def sum(cls, items: Iterable[Impacts]) -> Impacts:
        """The sum of any number of impacts, of none zero. ValueError: figures of two methods."""
        estimated = unestimated = 0
        figures: list[Figures] = []
        markets: list[tuple[float, float, float] | None] = []
        trainings: list[TrainingPhase] = []
        warnings: tuple[Message, ...] = ()
        errors: tuple[Message, ...] = ()
        grade: str | None = None
        method: str | None = None
        for item in (items := tuple(items)):
            estimated += item.estimated_calls
            unestimated += item.unestimated_calls
            if item.figures is not None:
                figures.append(item.figures)
                if item.estimated_calls:
                    markets.append(item.market)
            if item.training is not None:
                trainings.append(item.training)
            if item.warnings is not warnings:
                warnings = merge(warnings, item.warnings)
            if item.errors is not errors:
                errors = merge(errors, item.errors)
            if item.grade != grade:
                grade = worst_grade(grade, item.grade)
            if item.method != method and item.method is not None:
                method = _one_method(method, item.method)
        total = None if unestimated and not estimated else added(figures)
        return cls(
            total,
            market=None if total is None else sum_of_all(markets),
            training=trainings[0].sum(trainings) if trainings else None,
            by_source=None if total is None else added_by_source(items),
            warnings=warnings,
            errors=errors,
            grade=grade,
            method=method,
            estimated_calls=estimated,
            unestimated_calls=unestimated,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Impacts):
            return NotImplemented
        names = [name for name in Impacts.__slots__ if name != "figures"]
        same = all(getattr(self, name) == getattr(other, name) for name in names)
        return same and same_figures(self.figures, other.figures)

    def __hash__(self) -> int:
        return hash(
            (
                self.figures and self.figures[:6],
                self.warnings,
                self.errors,
                self.grade,
                self.estimated_calls,
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """The shape of EcoLogits' ``ImpactsOutput``, every value as min, mean and max.

        Adds ``energy_by_source``, ``source``, ``method``, ``grade``, ``estimated_calls``,
        ``unestimated_calls`` and ``lower_bound``.
        """
        usage, embodied = self.usage, self.embodied
        out: dict[str, Any] = {c.key: shape_of(getattr(self, c.key)) for c in CRITERIA}
        out["gwp_market_based"] = shape_of(self.gwp_market_based)
        out["usage"] = None if usage is None else usage.to_dict()
        out["embodied"] = None if embodied is None else embodied.to_dict()
        out["energy_parts"] = self.energy_parts
        out["energy_by_source"] = self.energy_by_source
        out["source"] = self.source
        out["training"] = None if self.training is None else self.training.to_dict()
        out["warnings"] = [m.to_dict() for m in self.warnings] or None
        out["errors"] = [m.to_dict() for m in self.errors] or None
        out["method"] = self.method
        out["grade"] = self.grade
        out["estimated_calls"] = self.estimated_calls
        out["unestimated_calls"] = self.unestimated_calls
        out["lower_bound"] = self.lower_bound
        return out

    def __str__(self) -> str:
        if not self.estimated:
            why = "; ".join(str(error) for error in self.errors) or "no reason given"
            return f"not estimated: {why}"
        text = ", ".join(
            f"{c.label} unknown" if (impact := getattr(self, c.key)) is None else str(impact)
            for c in CRITERIA
        )
        return f"at least {text}" if self.lower_bound else text

    def __repr__(self) -> str:
        return f"<Impacts {self}>"


_ImpactsDraft: Final = draft(Impacts)


def impacts_of_call(
    figures: Figures,
    method: str,
    market: tuple[float, float, float] | None,
    warnings: tuple[Message, ...],
    grade: str,
    training: TrainingPhase | None = None,
) -> Impacts:
    """The impacts of one estimated call, in a third of the time of ``Impacts(...)``."""
    made = _ImpactsDraft()
    made.figures = figures
    made.warnings = warnings
    made.errors = ()
    made.grade = grade
    made.market = market
    made.training = training
    made.by_source = None
    made.method = method
    made.estimated_calls = 1
    made.unestimated_calls = 0
    made.__class__ = Impacts
    return made  # type: ignore[no-any-return]  # it is one now


def _one_method(method: str | None, other: str) -> str:
    if method is not None:
        raise ValueError(
            f"cannot add impacts by {other} to impacts by {method}: estimate all calls with one "
            "method (estimate(call, method=...), or a report of one handler)"
        )
    return other


def _restore(fields: dict[str, Any]) -> Impacts:
    """Rebuild after a copy or a trip to another process."""
    return Impacts(fields.pop("figures"), **fields)


_ZERO_IMPACTS: Final = Impacts(ZERO, market=(0.0, 0.0, 0.0), estimated_calls=0, unestimated_calls=0)
