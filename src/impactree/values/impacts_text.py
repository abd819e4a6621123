"""``Impacts.to_dict()`` as JSON, in a fraction of the time that the dictionary takes."""

from __future__ import annotations

from functools import cache
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from impactree.values.figures import ZERO, Figures
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from impactree.values.sources import Source

    Encode = Callable[[Any], str]

__all__ = ["ImpactsText", "numbers_text", "remember"]

_LAST: Final = "energy_by_source"
"""The last of the figures in ``Impacts.to_dict()``; what follows many calls have in common."""
_MAX_KNOWN: Final = 10_000


class ImpactsText:
    """Writes impacts as JSON. What many have in common is written once, their figures into a form.

    Args:
        encode: Writes plain values as JSON.
    """

    def __init__(self, encode: Encode) -> None:
        self._encode = encode
        self._ends: dict[object, str] = {}
        # What comes next is often the same: the impacts of the run above.
        self._impacts: Impacts | None = None
        self._texts: tuple[str, ...] = ()

    def __call__(self, impacts: Impacts) -> tuple[str, ...]:
        """One's ``to_dict()``, in pieces."""
        if impacts is not self._impacts:
            figures = _figures_text(impacts, self._encode)
            self._impacts, self._texts = impacts, (figures, self._end(impacts))
        return self._texts

    def _end(self, impacts: Impacts) -> str:
        """What follows the figures: the same for many calls."""
        key = (
            impacts.warnings,
            impacts.errors,
            impacts.method,
            impacts.grade,
            impacts.estimated_calls,
            impacts.unestimated_calls,
            impacts.training,
            impacts.by_source and impacts.source,
            impacts.figures is None,
        )
        known = self._ends.get(key)
        if known is None:
            _, rest = _parts(impacts.to_dict())
            known = f", {self._encode(rest)[1:]}"
            remember(self._ends, key, known)
        return known


def _parts(shown: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The figures, and what follows them."""
    place = [*shown].index(_LAST) + 1
    return dict([*shown.items()][:place]), dict([*shown.items()][place:])


def remember(known: dict[Any, Any], key: object, value: object) -> None:
    """Keep a value, and never too many."""
    if len(known) >= _MAX_KNOWN:
        known.clear()
    known[key] = value


@cache
def _form(
    market: bool, unknown: tuple[int, ...], sources: tuple[Source, ...], encode: Encode
) -> list[str]:
    """The figures of ``Impacts.to_dict()`` in pieces, every second one for a number.

    Args:
        market: Whether there is a market-based figure.
        unknown: Which of the figures are not a number.
        sources: Where the energy comes from.
        encode: Writes plain values as JSON.
    """
    figures = Figures(*(nan if place in unknown else 0.0 for place in range(len(ZERO))))
    by_source = tuple((source, 0.0) for source in sources)
    told = (0.0, 0.0, 0.0) if market else None
    form, _ = _parts(Impacts(figures, market=told, by_source=by_source).to_dict())
    text = encode(_holes(form))[:-1]
    return [piece for part in text.split('"%s"') for piece in (part, "")][:-1]


def _holes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _holes(one) for key, one in value.items()}
    return "%s" if isinstance(value, float) else value


@cache
def _no_figures(encode: Encode) -> str:
    figures, _ = _parts(Impacts.not_estimated().to_dict())
    return encode(figures)[:-1]


def _figures_text(impacts: Impacts, encode: Encode) -> str:
    f = impacts.figures
    if f is None:
        return _no_figures(encode)
    market = impacts.market
    energies = impacts.energy_by_source or {}
    numbers = [*f.totals, *(market or ()), *f, *energies.values()]
    unknown: tuple[int, ...] = ()
    if isnan(f[6] + f[9] + f[24]):
        unknown = tuple(place for place, number in enumerate(f) if isnan(number))
        numbers = [number for number in numbers if not isnan(number)]
    pieces = _form(market is not None, unknown, (*energies,), encode).copy()
    pieces[1::2] = numbers_text(numbers)
    return "".join(pieces)


def numbers_text(numbers: Sequence[float | None]) -> list[str]:
    """Numbers as JSON, several times as fast as one by one."""
    return to_json(numbers, inf_nan_mode="constants").decode()[1:-1].split(",")
