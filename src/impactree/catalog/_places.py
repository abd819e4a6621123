"""Who runs a call, and where: from the provider hint, the address and the name itself."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from impactree.catalog._catalog import Catalog
    from impactree.catalog._records import Host

__all__ = ["LOCAL", "UNKNOWN", "asked_host", "region_in"]

UNKNOWN: Final = "unknown"
LOCAL: Final = "local"
_MAX_URL: Final = 2000
_PRIVATE: Final = (".local", ".lan", ".internal", ".home", ".localhost", ".svc", ".test")
_PLACES: Final = re.compile(r"[a-z]+[a-z0-9-]*\d?")


def asked_host(catalog: Catalog, provider: str | None, base_url: str | None) -> Host | None:
    """The host that was asked; None when neither the provider nor the address says.

    An address decides over the provider hint, which is ``openai`` for every compatible server;
    only a gateway or a server of the user's own keeps its name at an address nobody knows.
    """
    hinted = catalog.host(provider)
    name = _host_name(base_url[:_MAX_URL]) if base_url else ""
    if not name:
        return hinted
    found = _by_address(catalog, name)
    if hinted is not None and found in (None, LOCAL) and (hinted.passes_through or _own(hinted)):
        return hinted
    return catalog.hosts[found or UNKNOWN]


def _own(host: Host) -> bool:
    return host.local or host.id == "self-hosted"


def _by_address(catalog: Catalog, name: str) -> str | None:
    labels = name.split(".")
    for start in range(len(labels)):
        found = catalog.url_hosts.get(".".join(labels[start:]))
        if found:
            return found
    return LOCAL if _is_private(name) else None


def _is_private(name: str) -> bool:
    """Whether an address is on the user's own machine or network."""
    try:
        address = ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_PRIVATE)
    return address.is_private or address.is_loopback


@lru_cache(maxsize=1024)
def _host_name(base_url: str) -> str:
    """The host name of an address, with or without a scheme; empty when there is none."""
    text = base_url.strip().lower()
    try:
        return urlsplit(text if "//" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""


def region_in(catalog: Catalog, host: Host | None, name: str, base_url: str | None) -> str | None:
    """The cloud region that an address, an ARN or a resource path states."""
    cloud = host.regions if host else None
    if cloud is None:
        return None
    address = _host_name(base_url[:_MAX_URL]) if base_url else ""
    texts = (address.replace("-aiplatform", ""), name if name.startswith(_PATHS) else "")
    for text in texts:
        for word in _PLACES.findall(text):
            region = catalog.regions.get(word)
            if region is not None and region.cloud == cloud:
                return region.id
    return None


_PATHS: Final = ("arn:", "bedrock/", "projects/")
