"""Electricity factors of a zone: whose, of which year, of which kind, under which licence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from impactree.methods import Mix

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from impactree.catalog._records import Zone

__all__ = ["Electricity", "Factor", "FactorSet", "ecologits_electricity", "yearly_electricity"]

UNITS: Final = {
    "gwp": "kgCO2eq/kWh",
    "adpe": "kgSbeq/kWh",
    "pe": "MJ/kWh",
    "pe_nonrenewable": "MJ/kWh",
    "wue": "L/kWh",
}
_WORLD: Final = {
    "adpe": "electricity-mix-adpe-world",
    "pe": "electricity-mix-pe-world",
    "wue": "electricity-mix-wue-world",
}
_WORDS: Final = {"gwp": "GHG", "adpe": "ADPe", "pe": "primary energy", "wue": "water"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorSet:
    """One publication of factors."""

    id: str
    kind: str
    """``life-cycle``, ``direct`` (stacks alone), ``physical content``, ..."""
    title: str
    boundary: str
    licence: str
    credit: str | None
    """What the licence wants to be shown beside the figures."""
    sources: tuple[str, ...]
    checked: str


class Factor(NamedTuple):
    """One factor of one zone. ``value`` None: nobody publishes one that may be used."""

    metric: str
    value: float | None
    unit: str
    zone: str
    """Whose figure it is: the zone's own code, or that of its country or the world."""
    year: int | None
    """The year described; None: not stated."""
    source: FactorSet


class Electricity(NamedTuple):
    """All factors of one zone as one method uses them."""

    zone: Zone
    mix: Mix
    factors: tuple[Factor, ...]
    warnings: tuple[tuple[str, str | None], ...]
    """Codes, each with a detail or None."""

    @property
    def credits(self) -> tuple[str, ...]:
        """What licences want to be shown beside figures made with these factors."""
        found = (f.source.credit for f in self.factors if f.value is not None)
        return tuple(dict.fromkeys(filter(None, found)))


def ecologits_electricity(data: Mapping[str, Any], zone: Zone, asked: Zone) -> Electricity:
    """The zone's mix as EcoLogits, or the user's own file, gives it.

    Args:
        data: The catalog's head.
        zone: The zone with the mix.
        asked: The zone that was asked for: the same, or a part of it.
    """
    mix = zone.mix
    world = set(zone.warnings)
    values = {"gwp": mix.gwp, "adpe": mix.adpe, "pe": mix.pe, "wue": mix.wue}
    factors = tuple(
        Factor(
            metric=metric,
            value=value,
            unit=UNITS[metric],
            zone="WOR" if _WORLD.get(metric) in world else zone.id,
            year=zone.gwp_year if metric == "gwp" else None,
            source=_set_of_zone(data, zone, metric),
        )
        for metric, value in values.items()
    )
    warnings: dict[str, str | None] = dict.fromkeys(zone.warnings)
    if asked.id != zone.id:
        warnings["electricity-mix-country"] = f"(All of {zone.id} for {asked.id}.)"
    return Electricity(zone=zone, mix=mix, factors=factors, warnings=tuple(warnings.items()))


def yearly_electricity(
    data: Mapping[str, Any],
    zone: Zone,
    country: Zone,
    at: dt.date | None,
) -> Electricity:
    """The factors of the year of the call, each by the best set that has the zone.

    Args:
        data: The catalog's head.
        zone: The zone asked for.
        country: The same, or the country that it is a part of.
        at: The day of the call; None: the newest factors.
    """
    year = at.year if at is not None else None
    found: dict[str, Factor] = {}
    for metric in UNITS:
        factor = _dated(data, metric, (zone.id, country.id), year)
        found[metric] = factor or _undated(data, country, metric)
    warnings = tuple(_warn(found, zone, country))
    mix = Mix(**{m: math.nan if f.value is None else f.value for m, f in found.items()})
    return Electricity(zone=zone, mix=mix, factors=tuple(found.values()), warnings=warnings)


def _dated(
    data: Mapping[str, Any], metric: str, zones: tuple[str, ...], year: int | None
) -> Factor | None:
    """The entry of a year: the newest that is not younger, else the oldest."""
    for zone in zones:
        rows = data["factors"].get(f"{metric}/{zone}")
        if rows:
            held = [row for row in rows if year is None or row[0] <= year]
            described, value, name = held[-1] if held else rows[0]
            source = _factor_set(data, name)
            return Factor(
                metric=metric,
                value=value,
                unit=UNITS[metric],
                zone=zone,
                year=described,
                source=source,
            )
    return None


def _undated(data: Mapping[str, Any], country: Zone, metric: str) -> Factor:
    """EcoLogits' figure where it is the zone's own and not in dispute; else none."""
    world = _WORLD.get(metric) in country.warnings
    disputed = f"electricity-mix-{metric}-disputed" in country.warnings
    value = None if disputed else getattr(country.mix, metric)
    if metric == "pe_nonrenewable" or (world and metric != "wue"):
        value = None
    return Factor(
        metric=metric,
        value=value,
        unit=UNITS[metric],
        zone="WOR" if world else country.id,
        year=country.gwp_year if metric == "gwp" else None,
        source=_set_of_zone(data, country, metric),
    )


def _warn(found: dict[str, Factor], zone: Zone, country: Zone) -> list[tuple[str, str | None]]:
    gwp = found["gwp"]
    warnings: list[tuple[str, str | None]] = []
    if gwp.source.kind == "direct":
        warnings.append(("electricity-mix-gwp-direct", f"({gwp.zone}: {gwp.source.title}.)"))
    if gwp.year is None:
        warnings.append(("electricity-mix-gwp-undated", f"({gwp.zone}.)"))
    warnings += [
        (f"electricity-mix-{metric}-none", f"({zone.id}.)")
        for metric in ("adpe", "pe")
        if found[metric].value is None
    ]
    if found["wue"].zone == "WOR" and country.id != "WOR":
        warnings.append((_WORLD["wue"], None))
    lent = [_WORDS[m] for m in _WORDS if found[m].value is not None and found[m].zone == country.id]
    if zone.id != country.id and lent:
        warnings.append(
            ("electricity-mix-country", f"({country.id} for {zone.id}: {', '.join(lent)}.)")
        )
    return warnings


def _set_of_zone(data: Mapping[str, Any], zone: Zone, metric: str) -> FactorSet:
    name = data["zone_sets"].get(zone.file, {}).get(metric)
    if name is not None:
        return _factor_set(data, name)
    return FactorSet(
        id=zone.file,
        kind="not stated",
        title=zone.file,
        boundary="not stated",
        licence="not stated",
        credit=None,
        sources=zone.sources,
        checked=zone.checked,
    )


def _factor_set(data: Mapping[str, Any], name: str) -> FactorSet:
    raw = data["factor_sets"][name]
    return FactorSet(
        id=name,
        kind=raw["kind"],
        title=raw["title"],
        boundary=raw["boundary"],
        licence=raw["licence"],
        credit=raw.get("credit"),
        sources=tuple(raw["sources"]),
        checked=raw["checked"],
    )
