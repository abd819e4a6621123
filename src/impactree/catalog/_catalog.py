"""The compiled catalog in memory: lazy records, hosts, regions and zones."""

from __future__ import annotations

import datetime as dt
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from impactree.catalog._compile import (
    FORMAT,
    compile_folder,
    data_files,
    fingerprint,
    write_atomically,
)
from impactree.exceptions import CatalogError
from impactree.impacts import Range
from impactree.methods import Mix, Site

__all__ = ["Catalog", "Host", "ModelRecord", "Zone", "load_catalog"]

_PACKAGED: Final = Path(__file__).with_name("compiled.jsonl")
_SOURCES: Final = Path(__file__).parents[3] / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """One entry of ``data/models``. Parameters in 10^9; times in s."""

    id: str
    maker: str
    kind: str = "chat"
    total: Range | None = None
    active: Range | None = None
    tps: float | None = None
    ttft: float | None = None
    weights: str = "closed"
    precision: str | None = None
    warnings: tuple[str, ...] = ()
    basis: str | None = None
    rationale: str | None = None
    via: str | None = None
    sources: tuple[str, ...] = ()
    checked: str = ""
    valid_from: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """Who runs a model: zone, PUE and WUE (L/kWh)."""

    id: str
    name: str
    zone: str
    site: Site
    names: tuple[str, ...] = ()
    base_urls: tuple[str, ...] = ()
    regions: str | None = None
    passes_through: bool = False
    local: bool = False
    warnings: tuple[str, ...] = ()
    note: str | None = None
    via: str | None = None
    sources: tuple[str, ...] = ()
    checked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """An electricity mix."""

    id: str
    name: str
    mix: Mix
    warnings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    checked: str = ""


def _span(value: Any) -> tuple[float, float]:
    return (value[0], value[1])


class Catalog:
    """The compiled catalog. Records are decoded when first asked for; thread-safe."""

    def __init__(self, text: str) -> None:
        head, *self._lines = text.splitlines()
        data = json.loads(head)
        self.version: str = data["version"]
        """The newest date on which an entry was checked."""
        self.makers: dict[str, dict[str, str | None]] = data["makers"]
        self.names: dict[str, list[int]] = data["names"]
        """Lower-case names of models to the numbers of their records, oldest first."""
        self.moving: dict[str, list[list[str]]] = data["moving"]
        self.families: dict[str, list[str]] = data["families"]
        self.hosts: dict[str, Host] = {h["id"]: _host(h) for h in data["hosts"]}
        self.host_names: dict[str, str] = {
            name: host.id for host in self.hosts.values() for name in (host.id, *host.names)
        }
        self.regions: dict[str, dict[str, Any]] = {r["id"]: r for r in data["regions"]}
        self._zones: dict[str, list[Any]] = data["zones"]
        self._records: dict[int, ModelRecord] = {}

    def record(self, name: str, at: dt.date | None = None) -> ModelRecord | None:
        """The entry of an exact name or alias (any letter case), as it held on a day."""
        lines = self.names.get(name.lower())
        if not lines:
            return None
        if at is None or len(lines) == 1:
            return self._record(lines[-1])
        day = at.isoformat()
        dated = [self._record(line) for line in lines]
        valid = [r for r in dated if r.valid_from is None or r.valid_from <= day]
        return valid[-1] if valid else dated[0]

    def _record(self, line: int) -> ModelRecord:
        record = self._records.get(line)
        if record is None:
            record = self._records[line] = _model(json.loads(self._lines[line]))
        return record

    def records(self) -> list[ModelRecord]:
        """Every entry."""
        return [self._record(line) for line in range(len(self._lines))]

    def zone(self, code: str) -> Zone | None:
        """An electricity mix by its code."""
        row = self._zones.get(code)
        if row is None:
            return None
        gwp, adpe, pe, wue, name, warnings, sources, checked = row
        return Zone(
            id=code,
            name=name,
            mix=Mix(gwp, adpe, pe, wue),
            warnings=tuple(warnings),
            sources=tuple(sources),
            checked=checked,
        )

    @property
    def zone_codes(self) -> list[str]:
        """Every zone's code."""
        return list(self._zones)

    def host(self, name: str | None) -> Host | None:
        """A host by its slug or by any name that frameworks give it."""
        slug = self.host_names.get(name.lower()) if name else None
        return self.hosts[slug] if slug else None


def _model(raw: dict[str, Any]) -> ModelRecord:
    total = Range(*raw["total"]) if "total" in raw else None
    return ModelRecord(
        id=raw["id"],
        maker=raw["maker"],
        kind=raw.get("kind", "chat"),
        total=total,
        active=Range(*raw["active"]) if "active" in raw else total,
        tps=raw.get("tps"),
        ttft=raw.get("ttft"),
        weights=raw.get("weights", "closed"),
        precision=raw.get("precision"),
        warnings=tuple(raw.get("warnings", ())),
        basis=raw.get("basis"),
        rationale=raw.get("rationale"),
        via=raw.get("via"),
        sources=tuple(raw["sources"]),
        checked=raw["checked"],
        valid_from=raw.get("from"),
        aliases=tuple(raw.get("aliases", ())),
    )


def _host(raw: dict[str, Any]) -> Host:
    return Host(
        id=raw["id"],
        name=raw["name"],
        zone=raw["zone"],
        site=Site(*_span(raw["pue"]), *_span(raw["wue"])),
        names=tuple(n.lower() for n in raw.get("names", ())),
        base_urls=tuple(raw.get("base_urls", ())),
        regions=raw.get("regions"),
        passes_through=raw.get("passes_through", False),
        local=raw.get("local", False),
        warnings=tuple(raw.get("warnings", ())),
        note=raw.get("note"),
        via=raw.get("via"),
        sources=tuple(raw["sources"]),
        checked=raw["checked"],
    )


_lock = threading.Lock()
_loaded: Catalog | None = None


def load_catalog() -> Catalog:
    """The shipped catalog, read once per process.

    In a source checkout it is compiled anew whenever a file under ``data/`` has changed.
    """
    global _loaded
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded = Catalog(_compiled_text())
    return _loaded


def _compiled_text() -> str:
    if not (_SOURCES.parent / "pyproject.toml").is_file():  # installed, not a checkout
        try:
            return _PACKAGED.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise CatalogError("the compiled catalog is missing; reinstall impactree") from None
    mark = f"{FORMAT}|{fingerprint(data_files(_SOURCES))}"
    try:
        text = _PACKAGED.read_text(encoding="utf-8")
        if f'"fingerprint":{json.dumps(mark)}' in text[: len(mark) + 100]:
            return text
    except FileNotFoundError:
        pass
    text = compile_folder(_SOURCES, mark)
    try:
        write_atomically(_PACKAGED, text)
    except OSError:
        pass  # a read-only checkout compiles in each process
    return text
