"""``impactree models``, ``zones`` and ``providers``: what the catalog holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from impactree.cli._printing import as_json_option, show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.catalog import Catalog, Host, ModelRecord, Zone

__all__ = ["models", "providers", "zones"]

_search = click.argument("search", required=False, default="")


@click.command()
@_search
@click.option("--maker", help="Only the models of one maker.")
@click.option("--kind", help="Only one kind: chat, embedding, ...")
@as_json_option
def models(search: str, maker: str | None, kind: str | None, as_json: bool) -> int:
    """List the models of the catalog whose id, alias or maker holds SEARCH."""
    records = _catalog().records()
    kinds = sorted({record.kind for record in records})
    if kind is not None and kind.lower() not in kinds:
        raise click.BadParameter(f"{kind!r} is none of {', '.join(kinds)}", param_hint="--kind")
    rows = [
        _model_row(record)
        for record in records
        if (maker is None or record.maker == maker.lower())
        and (kind is None or record.kind == kind.lower())
        and _holds(search, (record.id, record.maker, *record.aliases))
    ]
    return show(rows, as_json)


@click.command()
@_search
@as_json_option
def zones(search: str, as_json: bool) -> int:
    """List the electricity mix zones whose code or name holds SEARCH.

    The figures of ecologits-0.11, of parts of countries the country's; then the yearly GHG factor.
    """
    catalog = _catalog()
    rows = [
        _zone_row(catalog, zone)
        for zone in filter(None, map(catalog.zone, catalog.zone_codes))
        if _holds(search, (zone.id, zone.name))
    ]
    return show(rows, as_json)


@click.command()
@_search
@as_json_option
def providers(search: str, as_json: bool) -> int:
    """List the hosts whose slug, name or framework's name holds SEARCH."""
    rows = [
        _host_row(host)
        for host in _catalog().hosts.values()
        if _holds(search, (host.id, host.name, *host.names))
    ]
    return show(rows, as_json)


def _catalog() -> Catalog:
    from impactree.engine import shared_engine

    return shared_engine().catalog


def _holds(search: str, texts: Iterable[str]) -> bool:
    wanted = search.lower()
    return any(wanted in text.lower() for text in texts)


def _model_row(record: ModelRecord) -> dict[str, Any]:
    return {
        "model": record.id,
        "maker": record.maker,
        "kind": record.kind,
        "total_1e9": record.total,
        "active_1e9": record.active,
        "basis": record.basis,
        "training": _trained(record.training),
        "from": record.valid_from,
        "checked": record.checked,
    }


def _trained(facts: dict[str, Any] | None) -> str | None:
    """What is published of a training: its scope and figures, and what it stands on."""
    from impactree.engine.training import published_text

    if facts is None:
        return None
    said = f"{facts['scope']}: {published_text(facts)}"
    if "conflict" in facts:
        said += f" (not taken: {facts['conflict']})"
    return said if "base" not in facts else f"{said}; on top of {facts['base']['name']}"


def _zone_row(catalog: Catalog, zone: Zone) -> dict[str, Any]:
    yearly = catalog.electricity(zone, "yearly").factors[0]
    return {
        "zone": zone.id,
        "name": zone.name,
        "country": zone.parent or zone.id,
        "gwp_kgco2eq_per_kwh": zone.mix.gwp,
        "adpe_kgsbeq_per_kwh": zone.mix.adpe,
        "pe_mj_per_kwh": zone.mix.pe,
        "water_l_per_kwh": zone.mix.wue,
        "yearly_gwp_kgco2eq_per_kwh": yearly.value,
        "year": yearly.year,
        "kind": yearly.source.kind,
    }


def _host_row(host: Host) -> dict[str, Any]:
    from impactree.values.range import Range

    site = host.site
    return {
        "provider": host.id,
        "name": host.name,
        "zone": host.zone,
        "pue": Range(site.pue_min, site.pue_max),
        "wue_l_per_kwh": Range(site.wue_min, site.wue_max),
        "checked": host.checked,
    }
