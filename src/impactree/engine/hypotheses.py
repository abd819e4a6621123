"""The figures that an estimate takes as given from the place where the model runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from impactree.values.formatting import exact

if TYPE_CHECKING:
    from collections.abc import Iterator

    from impactree.catalog import Factor
    from impactree.engine.reading import Reading

__all__ = ["Hypothesis", "of_place", "stated"]

_SYMBOLS: Final = {
    "gwp": "F_gwp",
    "adpe": "F_adpe",
    "pe": "F_pe",
    "pe_nonrenewable": "F_pe, non-renewable part",
    "wue": "WUE_grid",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One figure that the estimate takes as given."""

    name: str
    value: str
    unit: str
    basis: str
    """``published``, ``leaked``, ``benchmark``, ``price``, ``name``, ``prior``, or who says so."""
    note: str = ""
    sources: tuple[str, ...] = ()
    checked: str = ""
    kind: str = ""
    """What a factor counts; a direct one and a life-cycle one are not the same figure."""
    year: str = ""
    """The year that a factor describes, or ``not stated``; empty for what is no factor."""
    licence: str = ""
    """Under which licence a factor stands, or ``not stated``; empty for what is no factor."""


def stated(year: int | str | None) -> str:
    """A year as it is shown."""
    return "not stated" if year is None else str(year)


def of_place(found: Reading) -> Iterator[Hypothesis]:
    """PUE and WUE of the data centre, and every factor of its electricity."""
    place, site = found.place, found.site
    told: dict[str, Any] = {
        "basis": f"{'host' if place is found.host else 'region'} {place.id}",
        "note": place.note or "",
        "sources": place.sources,
        "checked": place.checked,
        "licence": place.licence,
    }
    pue, wue = exact(site.pue_min, site.pue_max), exact(site.wue_min, site.wue_max)
    yield Hypothesis(name="PUE", value=pue, unit="", year=stated(place.pue_year), **told)
    name = "WUE_dc, data centre"
    yield Hypothesis(name=name, value=wue, unit="L/kWh", year=stated(place.wue_year), **told)
    if found.electricity is not None:
        for factor in found.electricity.factors:
            yield _of_factor(factor, found)
    if place.market is not None:
        claim = {**told, "kind": "market-based; the operator's claim, by its contracts"}
        yield Hypothesis(
            name="F_gwp, market-based",
            value=f"{place.market.value:g}",
            unit="kgCO2eq/kWh",
            year=stated(place.market.year),
            **claim,
        )


def _of_factor(factor: Factor, found: Reading) -> Hypothesis:
    source, zone = factor.source, found.zone
    own = zone is not None and factor.zone == zone.id
    name = f" ({zone.name})" if zone is not None and own else ""
    missing = "; no open figure" if factor.value is None else ""
    return Hypothesis(
        name=f"{_SYMBOLS[factor.metric]}, electricity",
        value="unknown" if factor.value is None else f"{factor.value:.6g}",
        unit=factor.unit,
        basis=f"zone {factor.zone}{name}",
        kind=f"{source.kind}; {source.boundary}",
        note=f"chosen by {found.zone_origin}{missing}",
        sources=source.sources,
        checked=source.checked,
        year=stated(factor.year),
        licence=source.licence,
    )
