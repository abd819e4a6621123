"""What the catalog and the methods hold, as rows of plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from impactree.catalog._near import near_text
from impactree.engine import shared_engine
from impactree.engine.training import published_text
from impactree.exceptions import ConfigurationError
from impactree.methods import METHODS, media_method
from impactree.values.range import Range

if TYPE_CHECKING:
    from collections.abc import Iterable

    from impactree.catalog import Catalog, Host, ModelRecord, Region, Zone

__all__ = [
    "accelerators",
    "disclosures",
    "methods",
    "models",
    "providers",
    "regions",
    "resolved",
    "zones",
]

_KINDS = ("chat", "completion", "embedding", "rerank", "image", "video", "speech", "transcription")


def models(
    search: str = "", maker: str | None = None, kind: str | None = None
) -> list[dict[str, Any]]:
    """The models whose id, alias or maker holds a text.

    Raises:
        ConfigurationError: no model is of that kind.
    """
    records = shared_engine().catalog.records()
    kinds = {record.kind for record in records}
    if kind is not None and kind.lower() not in kinds:
        raise ConfigurationError(
            f"kind: {kind!r:.80} is none of {', '.join(sorted(kinds))}; "
            f"nearest: {near_text(kind, kinds)}"
        )
    return [
        _model_row(record)
        for record in records
        if (maker is None or record.maker == maker.lower())
        and (kind is None or record.kind == kind.lower())
        and _holds(search, (record.id, record.maker, *record.aliases))
    ]


def zones(search: str = "") -> list[dict[str, Any]]:
    """The electricity mix zones whose code or name holds a text.

    The figures of ecologits-0.11, of parts of countries the country's; then the yearly GHG factor.
    """
    catalog = shared_engine().catalog
    return [
        _zone_row(catalog, zone)
        for zone in filter(None, map(catalog.zone, catalog.zone_codes))
        if _holds(search, (zone.id, zone.name))
    ]


def providers(search: str = "") -> list[dict[str, Any]]:
    """The hosts whose slug, name or framework's name holds a text."""
    return [
        _host_row(host)
        for host in shared_engine().catalog.hosts.values()
        if _holds(search, (host.id, host.name, *host.names))
    ]


def regions(search: str = "") -> list[dict[str, Any]]:
    """The clouds' regions whose id or name holds a text; ``cloud`` as hosts have it."""
    return [
        {
            "region": region.id,
            "name": region.name,
            "cloud": region.cloud,
            "zone": region.subzone or region.zone,
            **_site_row(region),
        }
        for region in shared_engine().catalog.regions.values()
        if _holds(search, (region.id, region.name or ""))
    ]


def methods() -> list[dict[str, Any]]:
    """The methods: what each covers, its constants and where they are from."""
    return [_method_row(name) for name in METHODS]


def disclosures() -> list[dict[str, Any]]:
    """What makers published about their own models and services."""
    return [one._asdict() for one in shared_engine().catalog.disclosures]


def accelerators() -> list[str]:
    """Ids of the accelerators whose energy can be estimated."""
    sheets = shared_engine().catalog.accelerators.values()
    return [one["id"] for one in sheets if {"power", "bandwidth", "bf16"} <= one.keys()]


def resolved(name: str, **asked: Any) -> dict[str, Any]:
    """How a model's name is read: ``asked`` as for :func:`impactree.resolve`."""
    from impactree.catalog import resolve

    return resolve(name, **asked).to_dict()


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
    return {
        "provider": host.id,
        "name": host.name,
        "zone": host.zone,
        "cloud": host.regions,
        **_site_row(host),
    }


def _site_row(place: Host | Region) -> dict[str, Any]:
    site = place.site
    return {
        "pue": Range(site.pue_min, site.pue_max),
        "wue_l_per_kwh": Range(site.wue_min, site.wue_max),
        "checked": place.checked,
    }


def _method_row(name: str) -> dict[str, Any]:
    method = METHODS[name]
    return {
        "method": name,
        "citation": method.citation,
        "checked": method.checked,
        "interval": method.interval,
        "covers": [k for k in _KINDS if method.covers(k) or media_method(name, k)],
        "factors": method.factors,
        "plans_hardware": method.plans_hardware,
        "constants": [constant._asdict() for constant in method.constants()],
    }
