"""What every method takes and returns.

A method plans once per model and place, then turns the quantities of each call into figures. What
it does per call uses only ``+ - * /`` and one choice (``where``), so that the very same lines run
on floats, on numpy arrays and on columns of a table; all else belongs into the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from impactree.methods.situation import FactorChoice, Situation
    from impactree.values.figures import Figures
    from impactree.values.messages import Message

__all__ = ["Constant", "Judgement", "Method", "Step", "choose", "result_steps"]

_T = TypeVar("_T")


def choose(condition: Any, then: _T, otherwise: _T) -> _T:
    """``where`` for floats; ``numpy.where`` and ``ibis.ifelse`` are the others."""
    return then if condition else otherwise


class Step(NamedTuple):
    """One intermediate of the equations, for people who want to check them."""

    symbol: str
    name: str
    min: float
    mean: float
    max: float
    unit: str
    equation: str


def result_steps(
    figures: Sequence[float], energy: str, water: str, made: Sequence[str]
) -> list[Step]:
    """The last steps of every method: the figures of the phases.

    Args:
        figures: As in ``Figures``.
        energy: The equation of the energy.
        water: The equation of the water.
        made: The equations of embodied gwp, adpe and pe.
    """
    rows = (
        ("E", "energy", "kWh", energy),
        ("gwp_u", "usage GWP", "kgCO2eq", "E F_gwp"),
        ("adpe_u", "usage ADPe", "kgSbeq", "E F_adpe"),
        ("pe_u", "usage PE", "MJ", "E F_pe"),
        ("wcf", "water", "L", water),
        ("gwp_e", "embodied GWP", "kgCO2eq", made[0]),
        ("adpe_e", "embodied ADPe", "kgSbeq", made[1]),
        ("pe_e", "embodied PE", "MJ", made[2]),
    )
    ends = zip(*(iter(figures[:24]),) * 3, strict=True)
    return [
        Step(symbol, name, *values, unit, equation)
        for (symbol, name, unit, equation), values in zip(rows, ends, strict=True)
    ]


class Constant(NamedTuple):
    """One figure of the equations that holds for every model and place."""

    symbol: str
    name: str
    value: float
    unit: str
    note: str
    source: str
    year: int | None = None
    """The year described; None: not stated."""
    licence: str = "not stated"


class Judgement(NamedTuple):
    """What is unknown of a call's quantities: warnings, and errors that rule an estimate out."""

    warnings: tuple[Message, ...] = ()
    errors: tuple[Message, ...] = ()


class Method(Protocol):
    """A named, versioned set of equations and constants.

    Quantities are the call's :class:`impactree.Tokens`, or what another kind of call has; tokens
    that nobody counted are None there, and what that means is the method's business.
    """

    @property
    def name(self) -> str:
        """Name and version, e.g. ``ecologits-0.11``."""
        ...

    @property
    def citation(self) -> str:
        """The publication the equations come from."""
        ...

    @property
    def checked(self) -> str:
        """The day on which the constants were checked against the publication."""
        ...

    @property
    def interval(self) -> str:
        """What the range from low to high is a range of, in one sentence; empty: see the page."""
        ...

    @property
    def plans_hardware(self) -> bool:
        """Whether plans depend on architecture and accelerators, so that warnings name them."""
        ...

    @property
    def linear(self) -> bool:
        """Whether requests cost together what one costs with the sum of their tokens.

        What each pays once, such as the time to its first token, apart.
        """
        ...

    @property
    def factors(self) -> FactorChoice:
        """Whose electricity factors the equations are used with."""
        ...

    def covers(self, kind: str, *, via: str | None = None) -> bool:
        """Whether the equations hold for calls to a model of this kind.

        Args:
            kind: What the model makes: ``chat``, ``embedding``, ``image``, ...
            via: Where the catalog has the model's figure from, e.g. ``ecologits-0.11.3``.
        """
        ...

    def constants(self) -> list[Constant]:
        """Every constant of the equations, with its source."""
        ...

    def plan(self, situation: Situation) -> Any:
        """Everything that no single call changes: a flat named tuple of numbers."""
        ...

    def judge(self, quantities: Any, kind: str = "chat", plan: Any = None) -> Judgement:
        """What of a call's quantities is unknown. With an error, :meth:`impacts` is not asked.

        Args:
            quantities: Of the call.
            kind: Of the call.
            plan: What :meth:`plan` made; what lies beyond what it holds for is then named.
        """
        ...

    def impacts(
        self,
        plan: Any,
        quantities: Any,
        latency_s: Any = None,
        *,
        where: Callable[[Any, Any, Any], Any] = choose,
    ) -> Figures:
        """The figures of one call, or of a column of them.

        Args:
            plan: What :meth:`plan` made; of a column, the same fields as columns.
            quantities: Token counts by class; of a column, columns.
            latency_s: Measured duration of each request, s; None: not measured.
            where: Chooses between two values by a condition.
        """
        ...

    def steps(self, plan: Any, quantities: Any, latency_s: float | None = None) -> list[Step]:
        """Every intermediate of :meth:`impacts`, in order, made by the same lines."""
        ...
