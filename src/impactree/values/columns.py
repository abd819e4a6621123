"""Impacts as flat columns: what SQL, Parquet, CSV and dataframes have in common."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, Final

from impactree.values.criteria import FLAT_COLUMNS, MARKET_COLUMNS, PART_COLUMNS
from impactree.values.sources import SOURCE_COLUMNS, source_cells
from impactree.values.training import TRAINING_COLUMNS, training_cells

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.values.figures import Figures
    from impactree.values.impacts import Impacts

    Cell = float | str | None

__all__ = ["FIGURE_COLUMNS", "figure_cells", "figure_columns"]

FIGURE_COLUMNS: Final = (
    *(*FLAT_COLUMNS, *PART_COLUMNS, *MARKET_COLUMNS),
    *(*TRAINING_COLUMNS, *SOURCE_COLUMNS),
)
"""Min, mean and max of the criteria, the energy's parts and sources, and the share of training."""

_NO_FIGURES: Final = (None,) * (len(FLAT_COLUMNS) + len(PART_COLUMNS))
_NO_MARKET: Final = (None,) * len(MARKET_COLUMNS)
_NOTHING: Final = (None,) * len(FIGURE_COLUMNS)


def figure_cells(impacts: Impacts | None) -> tuple[Cell, ...]:
    """In the order of FIGURE_COLUMNS; None where unknown."""
    if impacts is None:
        return _NOTHING
    figures = _NO_FIGURES if impacts.figures is None else _known(impacts.figures)
    market = impacts.market or _NO_MARKET
    return (*figures, *market, *training_cells(impacts.training), *source_cells(impacts))


def _known(f: Figures) -> tuple[float | None, ...]:
    cells = (*f.totals, *f[24:])
    if math.isnan(sum(cells)):
        return tuple(None if math.isnan(cell) else cell for cell in cells)
    return cells


def figure_columns(several: Iterable[Impacts | None]) -> dict[str, list[Cell]]:
    """The columns of any number of impacts."""
    cells = list(chain.from_iterable(map(figure_cells, several)))
    number = len(FIGURE_COLUMNS)
    return {name: cells[place::number] for place, name in enumerate(FIGURE_COLUMNS)}
