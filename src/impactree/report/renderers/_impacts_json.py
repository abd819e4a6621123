"""Impacts as JSON, several times as fast as from their dictionaries."""

from __future__ import annotations

import json
from functools import cache
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

from impactree.values.figures import ZERO, Figures
from impactree.values.impacts import Impacts

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ImpactsWriter", "encode", "keep", "quoted", "texts_of"]

_PARTS: Final = "energy_parts"
_MAX_KNOWN: Final = 10_000
encode: Final = json.JSONEncoder().encode
quoted: Final = json.encoder.encode_basestring_ascii


class ImpactsWriter:
    """Writes ``Impacts.to_dict()``: figures into a form, and what many have in common once."""

    def __init__(self) -> None:
        # With what the keys are the ids of: while it is held, no other gets them.
        self._ends: dict[object, tuple[str, object, object]] = {}
        # What the next often is too: of the run above.
        self._impacts: Impacts | None = None
        self._texts: tuple[str, ...] = ()

    def pieces(self, impacts: Impacts) -> tuple[str, ...]:
        """The text in pieces."""
        if impacts is not self._impacts:
            self._impacts, self._texts = impacts, (_figures_text(impacts), self._end(impacts))
        return self._texts

    def _end(self, impacts: Impacts) -> str:
        """What follows the figures: the same for many calls."""
        warnings, errors = impacts.warnings, impacts.errors
        key = (
            id(warnings),  # the same tuple for many; to hash it takes longer
            id(errors),
            impacts.method,
            impacts.grade,
            impacts.estimated_calls,
            impacts.unestimated_calls,
            impacts.training,
        )
        known = self._ends.get(key)
        if known is None:
            data = impacts.to_dict()
            names = list(data)
            rest = {name: data[name] for name in names[names.index(_PARTS) + 1 :]}
            known = f", {encode(rest)[1:]}", warnings, errors
            keep(self._ends, key, known)
        return known[0]


def keep(known: dict[object, Any], key: object, value: object) -> None:
    if len(known) >= _MAX_KNOWN:
        known.clear()
    known[key] = value


@cache
def _form(market: bool, unknown: tuple[int, ...]) -> list[str]:
    """The figures of ``Impacts.to_dict()`` in pieces, every second one for a number.

    Args:
        market: Whether there is a market-based figure.
        unknown: Which of the figures are not a number.
    """
    figures = Figures(*(nan if place in unknown else 0.0 for place in range(len(ZERO))))
    data = Impacts(figures, market=(0.0, 0.0, 0.0) if market else None).to_dict()
    names = list(data)
    form = {name: _holes(data[name]) for name in names[: names.index(_PARTS) + 1]}
    return [piece for text in encode(form)[:-1].split('"%s"') for piece in (text, "")][:-1]


def _holes(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _holes(one) for key, one in value.items()}
    return "%s" if isinstance(value, float) else value


_NOTHING: Final = Impacts.not_estimated().to_dict()
_NO_FIGURES: Final = encode(
    {name: _NOTHING[name] for name in [*_NOTHING][: [*_NOTHING].index(_PARTS) + 1]}
)[:-1]


def _figures_text(impacts: Impacts) -> str:
    f = impacts.figures
    if f is None:
        return _NO_FIGURES
    totals = (
        *(f[3] + f[15], f[4] + f[16], f[5] + f[17]),
        *(f[6] + f[18], f[7] + f[19], f[8] + f[20]),
        *(f[9] + f[21], f[10] + f[22], f[11] + f[23]),
    )
    market = impacts.market
    numbers = [*f[:3], *totals, *f[12:15], *(market or ()), *f]
    unknown: tuple[int, ...] = ()
    if isnan(f[6] + f[9] + f[24]):
        unknown = tuple(place for place, number in enumerate(f) if isnan(number))
        numbers = [number for number in numbers if not isnan(number)]
    pieces = _form(market is not None, unknown).copy()
    pieces[1::2] = texts_of(numbers)
    return "".join(pieces)


def texts_of(numbers: Sequence[float | None]) -> list[str]:
    """Numbers as JSON, several times as fast as one by one."""
    return to_json(numbers, inf_nan_mode="constants").decode()[1:-1].split(",")
