"""Compile factor sets, sub-national zones, disclosures and equivalents into the catalog's head."""

from __future__ import annotations

from typing import Any

from impactree.exceptions import CatalogError

__all__ = ["add_factors"]


def add_factors(head: dict[str, Any], where: str, file: Any) -> None:
    """Enter one file's factors: ``metric/zone`` to ``[year, value, set]``, oldest first.

    Raises:
        CatalogError: two sets or equivalents of one name, or two figures of one zone for one year.
    """
    for entry in file.factor_sets:
        if entry.id in head["factor_sets"]:
            raise CatalogError(f"{where}: factor set {entry.id!r} is listed twice")
        head["factor_sets"][entry.id] = entry.model_dump(
            mode="json", exclude={"values"}, exclude_none=True
        )
        if not entry.values:
            head["zone_sets"].setdefault(where, {})[entry.metric] = entry.id
        for zone, years in entry.values.items():
            _enter(head["factors"], f"{entry.metric}/{zone}", entry.id, years, where)
    for part in file.subzones:
        head["subzones"][part.id] = [part.name, part.level, part.parent]
    head["disclosures"] += [d.model_dump(mode="json", exclude_none=True) for d in file.disclosures]
    for thing in file.equivalents:
        if any(thing.id == other["id"] for other in head["equivalents"]):
            raise CatalogError(f"{where}: the equivalent {thing.id!r} is listed twice")
        head["equivalents"].append(thing.model_dump(mode="json", exclude_none=True))


def _enter(
    factors: dict[str, list[list[Any]]], name: str, entry: str, years: dict[int, float], where: str
) -> None:
    rows = factors.setdefault(name, [])
    for year, value in years.items():
        other = next((row[2] for row in rows if row[0] == year), None)
        if other is not None:
            raise CatalogError(f"{where}: {name} of {year} stands in {other!r} and in {entry!r}")
        rows.append([year, value, entry])
    rows.sort()
