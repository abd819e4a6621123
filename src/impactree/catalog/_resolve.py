"""From a name as a framework reports it to a model, a host and a grade."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from impactree.impacts import Range

if TYPE_CHECKING:
    from impactree.catalog._catalog import Catalog, ModelRecord

__all__ = ["Resolution", "nearest", "resolve_name"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a name stands for. Parameters in 10^9."""

    model: str | None
    """The catalog's id; None when nothing is known."""
    maker: str | None
    """Who trained it: a slug listed in ``data/models``."""
    host: str | None
    """Who runs it: a slug listed in ``data/hosts.toml``."""
    grade: str
    kind: str
    total_params: Range | None
    active_params: Range | None
    record: ModelRecord | None = None
    """The catalog entry behind the figures."""
    how: str = ""
    """One sentence: how the name was read."""


def resolve_name(
    catalog: Catalog,
    name: str,
    provider: str | None = None,
    *,
    requested: str | None = None,
    base_url: str | None = None,
    at: dt.date | None = None,
) -> Resolution:
    """Resolve a name against the catalog."""
    record = catalog.record(name, at)
    host = catalog.host(provider) or (catalog.host(record.maker) if record else None)
    if record is None:
        return Resolution(
            model=None,
            maker=None,
            host=host.id if host else None,
            grade="unknown",
            kind="chat",
            total_params=None,
            active_params=None,
            how=f"no entry has the name {name!r:.80}",
        )
    grade = "exact" if record.id.lower() == name.lower() else "alias"
    return Resolution(
        model=record.id,
        maker=record.maker,
        host=host.id if host else None,
        grade=grade,
        kind=record.kind,
        total_params=record.total,
        active_params=record.active,
        record=record,
        how=f"the catalog lists {name!r}",
    )


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that share most letter pairs with a given one.

    For error messages only: never to resolve.
    """
    wanted = _pairs(name[:100].lower())
    scored = []
    for candidate in known:
        pairs = _pairs(candidate.lower())
        score = 2 * len(wanted & pairs) / (len(wanted) + len(pairs) or 1)
        if score >= 0.4:
            scored.append((-score, candidate))
    return [candidate for _, candidate in sorted(scored)[:count]]


def _pairs(text: str) -> set[str]:
    return {text[i : i + 2] for i in range(len(text) - 1)}
