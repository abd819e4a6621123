"""Where a call ran: its cloud region and its electricity mix zone, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from impactree.catalog._near import nearest
from impactree.catalog._places import UNKNOWN
from impactree.values.messages import Message, message

if TYPE_CHECKING:
    from impactree.calls import ModelCall
    from impactree.catalog import Catalog, Region, Resolution
    from impactree.catalog._records import Host
    from impactree.engine.settings import Settings
    from impactree.methods import Method

__all__ = ["place_warnings", "region_of", "zone_error", "zone_of"]


def region_of(
    catalog: Catalog, settings: Settings, call: ModelCall, found: Resolution, host: Host
) -> Region | None:
    """The region of the host's own that the call, the name or the settings say, in this order."""
    if host.regions is None:
        return None
    for name in (call.region, found.region, settings.region):
        region = catalog.regions.get(name.strip().lower()) if name else None
        if region is not None and region.cloud == host.regions:
            return region
    return None


def place_warnings(
    catalog: Catalog,
    settings: Settings,
    call: ModelCall,
    host: Host,
    region: Region | None,
    *,
    is_said: bool,
) -> tuple[Message, ...]:
    """What was said of the place and is not used; ``is_said``: the user says the zone."""
    found = _of_provider(catalog, call, host)
    return found if is_said else found + _of_region(catalog, settings, call, host, region)


def _of_provider(catalog: Catalog, call: ModelCall, host: Host) -> tuple[Message, ...]:
    """A provider that names no host, without an address: the model's name told who runs it."""
    said = (call.provider or "").strip()
    if not said or call.base_url or host.id == UNKNOWN or catalog.host(said) is not None:
        return ()
    near = nearest(said.lower(), catalog.hosts)
    hint = f" Nearest known: {', '.join(near)}." if near else ""
    text = f"Asked for {said!r:.40}; {host.id} is taken, by the model's name.{hint}"
    return (message("provider-not-registered", text),)


def _of_region(
    catalog: Catalog, settings: Settings, call: ModelCall, host: Host, used: Region | None
) -> tuple[Message, ...]:
    """A region that was asked for and is not used: nobody's, or one of another cloud."""
    said = (call.region or (None if used else settings.region) or "").strip().lower()
    if not said or (used is not None and used.id == said):
        return ()
    region = catalog.regions.get(said)
    if region is None:
        return (message("region-not-registered", f"Asked for {said!r:.40}."),)
    there = sorted(
        r.id for r in catalog.regions.values() if r.cloud == host.regions and r.zone == region.zone
    )
    own = f"{host.id}'s in {region.zone}: {', '.join(there)}." if there else ""
    asked = f"{said!r} is a region of {region.cloud}, and {host.id} answered."
    return (message("region-elsewhere", f"{asked} {own}".strip()),)


def zone_of(
    catalog: Catalog,
    settings: Settings,
    call: ModelCall,
    found: Resolution,
    host: Host,
    region: Region | None,
    method: Method,
) -> tuple[str, str, bool]:
    """The zone, who says so, and whether that is the user; the most specific goes first."""
    if call.zone and call.zone.strip():
        return call.zone.strip(), "the call", True
    for name, zone in settings.provider_zones.items():
        named = catalog.host(name)
        if named is not None and named.id == host.id:
            return zone, f"the setting {settings.where('provider_zones')}", True
    if settings.zone:
        return settings.zone, f"the setting {settings.where('zone')}", True
    if found.zone:  # a profile that spreads its calls over a continent
        return found.zone, "the model's name", False
    place = region or host
    zone = place.subzone if place.subzone and method.factors == "yearly" else place.zone
    return zone, f"the {'region' if region else 'host'} {place.id}", False


def zone_error(catalog: Catalog, zone: str) -> Message:
    """A zone is not in the catalog."""
    names = nearest(zone, catalog.zone_codes)
    hint = f" Nearest known: {', '.join(names)}." if names else ""
    allowed = "use ISO 3166-1 alpha-3, a code like US-VA, or WOR (see `impactree zones`)"
    return message("zone-not-registered", f"Asked for {zone!r:.40}; {allowed}.{hint}")
