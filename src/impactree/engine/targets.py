"""The setting ``deployments``: what a user's own name stands for, checked."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from impactree.catalog._near import near_text
from impactree.catalog._resolve import resolve_name
from impactree.catalog._text import clean

if TYPE_CHECKING:
    from impactree.catalog import Catalog

__all__ = ["ANY_HOST", "target_fault"]

ANY_HOST: Final = "litellm"
"""A provider hint under which the first part of a path names the host."""
_ALIKE: Final = 0.83
"""From this share of common letters on an unlisted organization is a misspelt host: ``opneai``."""


def target_fault(catalog: Catalog, target: str) -> str | None:
    """Why a target is no model at a host, with the nearest right one; None: it is one."""
    found = resolve_name(catalog, target, ANY_HOST)
    if found.model is None and found.grade == "prior":
        near = near_text(target, catalog.model_names())
        return f"{target!r} is no model's name; nearest known names: {near}"
    closed = found.record is not None and found.record.is_closed
    orgs = catalog.rules.unwrap(clean(target))[-1].orgs
    for place, org in enumerate(orgs):
        if _is_listed(catalog, org) or (place and not closed):
            continue
        known = [*catalog.hosts, *catalog.makers]
        alike = get_close_matches(org, known, cutoff=0.7 if closed else _ALIKE)
        if alike or closed:  # nobody else publishes a closed model
            hint = "" if closed else f"; an organization of its own: 'vllm/{target}'"
            names = ", ".join(dict.fromkeys(alike)) or found.maker
            return f"{org!r} in {target!r} is no provider that is known; nearest: {names}{hint}"
    return None


def _is_listed(catalog: Catalog, org: str) -> bool:
    rules = catalog.rules
    return (
        catalog.host(org) is not None
        or org in catalog.makers
        or org in rules.org_makers
        or org in rules.copies
        or org in rules.no_orgs
        or org in rules.shared_orgs
        or org in rules.lines
        or any(name.startswith(f"{org}/") for name in catalog.model_names())
    )
