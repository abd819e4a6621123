"""Who runs a call, and where: from the provider hint, the address and the name itself."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from impactree.catalog._catalog import Catalog
    from impactree.catalog._records import Host

__all__ = ["LOCAL", "UNKNOWN", "addressed", "asked_host", "is_ollama", "region_in"]

UNKNOWN: Final = "unknown"
LOCAL: Final = "local"
_MAX_URL: Final = 2000
_PRIVATE: Final = (".local", ".lan", ".internal", ".home", ".localhost", ".svc", ".test")
_SHARED: Final = ip_network("100.64.0.0/10")
"""Carrier-grade and tailnet addresses (RFC 6598), which Python does not count as private."""
_OLLAMA_PORT: Final = 11434
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
    if found == LOCAL and hinted is not None and _own(hinted):
        return catalog.hosts[LOCAL]  # a server's kind, on the user's own network
    if hinted is not None and found in (None, LOCAL) and (hinted.passes_through or _own(hinted)):
        return hinted
    return catalog.hosts[found or UNKNOWN]


def addressed(catalog: Catalog, base_url: str) -> Host:
    """The host at an address, whoever else stands between."""
    return catalog.hosts[_by_address(catalog, _host_name(base_url[:_MAX_URL])) or UNKNOWN]


def is_ollama(host: Host | None, provider: str | None, base_url: str | None) -> bool:
    """Whether Ollama itself was asked, whose bare names have defaults: by hint, port or name."""
    if host is None or not _own(host):
        return False
    if base_url:
        name, port = _address(base_url[:_MAX_URL])
        if port == _OLLAMA_PORT or "ollama" in name:
            return True
    return "ollama" in (provider or "").lower()


def _own(host: Host) -> bool:
    return host.local or host.id == "self-hosted"


def _by_address(catalog: Catalog, name: str) -> str | None:
    labels = name.split(".")
    for start in range(len(labels)):
        for end in (labels[start:], [*labels[start : start + 1], "*", *labels[start + 2 :]]):
            found = catalog.url_hosts.get(".".join(end))
            if found:
                return found
    return LOCAL if _is_private(name) else None


def _is_private(name: str) -> bool:
    """Whether an address is on the user's own machine or network."""
    try:
        address = ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(_PRIVATE)
    return address.is_private or address.is_loopback or address in _SHARED


def _host_name(base_url: str) -> str:
    """The host name of an address, with or without a scheme; empty when there is none."""
    return _address(base_url)[0]


@lru_cache(maxsize=1024)
def _address(base_url: str) -> tuple[str, int | None]:
    text = base_url.strip().lower()
    try:
        parts = urlsplit(text if "//" in text else f"//{text}")
        return parts.hostname or "", parts.port
    except ValueError:
        return "", None


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
