"""The compiled catalog in memory: lazy records, hosts, regions and zones."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from impactree.catalog._factors import Electricity, ecologits_electricity, yearly_electricity
from impactree.catalog._records import Disclosure, Equivalent, Host, ModelRecord, Region, Zone
from impactree.catalog._rules import Rules
from impactree.catalog._sections import Index, Sections
from impactree.catalog._text import dotted, squashed
from impactree.exceptions import CatalogError
from impactree.loops import off_loop

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from impactree.methods import FactorChoice

__all__ = ["Catalog", "load_catalog"]

_PACKAGED: Final = Path(__file__).with_name("compiled.jsonl")
_SOURCES: Final = Path(__file__).parents[3] / "data"


class Catalog:
    """The compiled catalog. Records are decoded when first asked for; thread-safe.

    Args:
        text: What :mod:`impactree.catalog._compile` made of the files.
        base: A catalog that this one is laid over: what is not found here is looked up there.
    """

    def __init__(self, text: str, base: Catalog | None = None) -> None:
        self._base = base
        self._data: Sections = Sections(text, base._data if base else None)
        self._names, self._keys, self._reduced = (
            Index(self._data, name) for name in ("names", "keys", "reduced")
        )
        self._records: dict[int, ModelRecord] = {}
        self._electricity: dict[tuple[object, ...], Electricity] = {}
        self.version: str = max(self._data.head["version"], base.version if base else "")
        """The newest date on which an entry was checked."""

    @cached_property
    def makers(self) -> dict[str, dict[str, str | None]]:
        """Who trained models: name and address by slug."""
        return self._data["makers"]  # type: ignore[no-any-return]

    @cached_property
    def org_makers(self) -> dict[str, str]:
        """Who publishes under an organization's name."""
        return self._data["org_makers"]  # type: ignore[no-any-return]

    @cached_property
    def hosts(self) -> dict[str, Host]:
        """Who runs models, by slug."""
        own = ((raw["id"], Host.read(raw)) for raw in self._data.own("hosts"))
        return {**(self._base.hosts if self._base else {}), **dict(own)}

    @cached_property
    def url_hosts(self) -> dict[str, str]:
        """Ends of the host names of addresses to hosts."""
        return {end: host.id for host in self.hosts.values() for end in host.base_urls}

    @cached_property
    def regions(self) -> dict[str, Region]:
        """The clouds' regions, by id."""
        own = ((raw["id"], Region.read(raw)) for raw in self._data.own("regions"))
        return {**(self._base.regions if self._base else {}), **dict(own)}

    @cached_property
    def accelerators(self) -> dict[str, dict[str, Any]]:
        """Data sheets by id in small letters, as in ``data/accelerators.toml``."""
        return self._data["accelerators"]  # type: ignore[no-any-return]

    @cached_property
    def disclosures(self) -> tuple[Disclosure, ...]:
        """What makers published about their own models."""
        own = map(Disclosure.read, self._data.own("disclosures"))
        return (*(self._base.disclosures if self._base else ()), *own)

    @cached_property
    def _own_zones(self) -> frozenset[str]:
        """Zones whose mix a user gives: it goes before any factor of ours."""
        base = self._base
        return base._own_zones | frozenset(self._data.own("zones")) if base else frozenset()

    @cached_property
    def equivalents(self) -> tuple[Equivalent, ...]:
        """Things of daily life: the user's own first, then those that read best."""
        own = tuple(map(Equivalent.read, self._data["equivalents"]))
        return (*own, *(self._base.equivalents if self._base else ()))

    @cached_property
    def rules(self) -> Rules:
        """How names are read."""
        return Rules({**self._data["rules"], "org_makers": self.org_makers})

    @cached_property
    def _family_ends(self) -> dict[str, list[int]]:
        """By the first two letters of family prefixes, their lengths, the longest first."""
        found: dict[str, set[int]] = {}
        for prefix in self._data["families"]:
            found.setdefault(prefix[:2], set()).add(len(prefix))
        return {start: sorted(ends, reverse=True) for start, ends in found.items()}

    def named(self, name: str) -> list[ModelRecord]:
        """The entries of a lower-case id or alias, oldest first."""
        return self._read(self._names.get(name)) or (self._base.named(name) if self._base else [])

    def spelled(self, spelling: str) -> list[ModelRecord]:
        """The entries whose id or alias has this key, best first."""
        found = self._read(self._keys.get(spelling))
        return found or (self._base.spelled(spelling) if self._base else [])

    def reduced(self, spelling: str) -> list[ModelRecord]:
        """The entries whose id or alias has this key without packing, tuning and serving."""
        found = self._read(self._reduced.get(spelling))
        return found or (self._base.reduced(spelling) if self._base else [])

    def record(self, name: str, at: dt.date | None = None) -> ModelRecord | None:
        """The entry of an exact name or alias (any letter case), as it held on a day."""
        return as_of(self.named(name.lower()), at)

    def moved(
        self, spelling: str, at: dt.date | None = None, host: str | None = None
    ) -> ModelRecord | None:
        """What a moving alias, given by its key, meant on a day (None: now) at a host."""
        moving = self._data["moving"]
        bare = spelling.removesuffix("latest")
        names = (f"{host}/{bare}", spelling, bare)
        targets = next((moving[name] for name in names if name in moving), None)
        if not targets:
            return None
        day = at.isoformat() if at else "9999"
        meant = [model for since, model in targets if since <= day] or [targets[0][1]]
        return self.record(meant[-1], at)

    def family(self, name: str) -> tuple[str, str, str] | None:
        """The longest family prefix that a name begins with, its model, and what follows it."""
        ends = self._family_ends.get(name[:2])
        if ends is None:
            return None
        families: dict[str, list[str]] = self._data["families"]
        name = dotted(name)
        for text in (name, name.replace(".", "-")):
            for end in ends:
                target = families.get(text[:end]) if end <= len(text) else None
                if target and _parts(text, end):
                    return text[:end], target[0], text[end:]
        return None

    def _read(self, places: list[int]) -> list[ModelRecord]:
        return [self._record(place) for place in places]

    def _record(self, place: int) -> ModelRecord:
        record = self._records.get(place)
        if record is None:
            raw = json.loads(self._data.line("records", place))
            record = self._records[place] = ModelRecord.read(raw)
        return record

    def records(self) -> list[ModelRecord]:
        """Every entry."""
        own: list[ModelRecord] = []
        place = 0
        for line in self._data.text("records").split("\n")[:-1]:
            own.append(self._record(place))
            place += len(line) + 1
        return [*(self._base.records() if self._base else ()), *own]

    def model_names(self) -> Iterator[str]:
        """Every id and alias, in lower case."""
        yield from self._names
        if self._base:
            yield from self._base.model_names()

    @cached_property
    def cores(self) -> dict[str, list[tuple[str, str]]]:
        """By the letters that names begin with: names without what is in front, and whole.

        In front may be the maker's name twice: ``meta-llama/meta-llama-3-8b``.
        """
        found: dict[str, list[tuple[str, str]]] = {}
        for name in self.model_names():
            org, _, core = name.rpartition("/")
            for text in dict.fromkeys((core, core.removeprefix(f"{org.partition('-')[0]}-"))):
                word = text[: next((i for i, c in enumerate(text) if not "a" <= c <= "z"), None)]
                if len(word) > 1 or (text == core and core[1:2].isdigit()):  # ``o3``
                    found.setdefault(word, []).append((text, name))
        return found

    def begins_some(self, name: str) -> bool:
        """Whether some model's name begins with the letters that a name begins with."""
        end = next((i for i, c in enumerate(name) if not "a" <= c <= "z"), len(name))
        return name[:end] in self.cores

    def zone(self, code: str) -> Zone | None:
        """A zone by its code: ISO 3166-1 alpha-3, ISO 3166-2, or the grid operator's."""
        if (row := self._data["zones"].get(code)) is not None:
            return Zone.read(code, row)
        part = self._data["subzones"].get(code)
        country = self.zone(part[2]) if part else None
        if country is None:
            return None
        return country._replace(id=code, name=part[0], level=part[1], parent=country.id)

    def electricity(
        self, zone: Zone, factors: FactorChoice, at: dt.date | None = None
    ) -> Electricity:
        """The factors of a zone.

        Args:
            zone: A zone of this catalog.
            factors: ``ecologits-0.11.3`` as published, or ``yearly``.
            at: The day of the call, for yearly ones; None: the newest.
        """
        asked = zone.id, factors, at and at.year
        found = self._electricity.get(asked)
        if found is None:
            country = (self.zone(zone.parent) if zone.parent else None) or zone
            own = factors != "yearly" or country.id in self._own_zones
            found = self._electricity[asked] = (
                ecologits_electricity(self._data, country, zone)
                if own
                else yearly_electricity(self._data, zone, country, at)
            )
        return found

    def credits_for(
        self, zones: Iterable[str], factors: FactorChoice, at: dt.date | None = None
    ) -> tuple[str, ...]:
        """What licences want to be shown beside figures made with the factors of these zones."""
        known = filter(None, map(self.zone, dict.fromkeys(zones)))
        found = (self.electricity(zone, factors, at).credits for zone in known)
        return tuple(dict.fromkeys(credit for each in found for credit in each))

    def disclosed(self, record: ModelRecord | None) -> tuple[Disclosure, ...]:
        """What the maker of a model published about it, or about a service that it answers in."""
        if record is None:
            return ()
        name = record.id.lower()
        return tuple(
            d for d in self.disclosures if d.maker == record.maker and name.startswith(d.models)
        )

    @property
    def zone_codes(self) -> list[str]:
        """Every zone's code."""
        return [*self._data["zones"], *self._data["subzones"]]

    def host(self, name: str | None) -> Host | None:
        """A host by its slug or by any name that frameworks give it."""
        slugs: dict[str, str] = self._data["host_names"]
        slug = name and (slugs.get(name.strip().lower()) or slugs.get(squashed(name)))
        return self.hosts[slug] if slug else None

    def extended(self, files: list[tuple[str, dict[str, Any]]]) -> Catalog:
        """This catalog with more entries laid over it: each file's name and its parsed content.

        Raises:
            CatalogError: an entry is wrong; the message names the file and the key.
        """
        from impactree.catalog._compile import compile_files
        from impactree.catalog._schema import check

        checked = [(where, check(raw, where)) for where, raw in files]
        _tell_replaced(self, checked)
        text = compile_files(
            checked,
            rules=self._data["rules"],
            known=self.model_names(),
            zones=self.zone_codes,
            hardware=self.accelerators,
        )
        return Catalog(text, base=self)


_told: set[tuple[str, str]] = set()


def _tell_replaced(base: Catalog, files: list[tuple[str, Any]]) -> None:
    """Say once, in the log, which built-in hosts, models and zones a user's files replace."""
    import logging

    log, zones = logging.getLogger(__name__), set(base.zone_codes)
    for where, file in files:
        names = [("host", host.id) for host in file.hosts if host.id in base.hosts]
        names += [("model", m.id) for m in file.models if base.record(m.id) is not None]
        names += [("zone", zone.id) for zone in file.zones if zone.id in zones]
        for kind, name in names:
            if (where, name) not in _told:
                _told.add((where, name))
                log.warning("%s: the %s %r replaces the built-in one", where, kind, name)


def as_day(at: dt.date | str | None) -> dt.date | None:
    """A day that may be written ``YYYY-MM-DD``.

    Raises:
        TypeError: neither a date nor text.
        ValueError: the text is no date.
    """
    if at is None:
        return None
    import datetime as dt

    if isinstance(at, dt.date):
        return at
    if not isinstance(at, str):
        raise TypeError(f"at: a date or YYYY-MM-DD is needed, not {at!r:.40}")
    try:
        return dt.date.fromisoformat(at)
    except ValueError as error:
        raise ValueError(f"at: {at!r:.40} is no date like 2026-11-24 ({error})") from None


def as_of(records: list[ModelRecord], at: dt.date | None) -> ModelRecord | None:
    """Of the dated entries of one model, the one that held on a day; None: holds now."""
    if not records:
        return None
    same = [r for r in records if r.id == records[0].id]
    if at is None or len(same) == 1:
        return same[-1]
    day = at.isoformat()
    valid = [r for r in same if r.valid_from is None or r.valid_from <= day]
    return valid[-1] if valid else same[0]


def _parts(text: str, end: int) -> bool:
    """Whether a prefix ends where a word does: not within ``gpt-4`` of ``gpt-4o`` or ``gpt-40``."""
    if end == len(text) or not text[end].isalnum() or not text[end - 1].isalnum():
        return True
    return text[end].isdigit() and text[end - 2 : end] in ("-v", "_v")


_lock = threading.Lock()
_loaded: Catalog | None = None


def _in_child() -> None:
    """In a forked child: the thread that read the catalog, or worked out a rule, is not there."""
    _lock.release()
    for kind in (Catalog, Index, Rules):
        for value in vars(kind).values():
            if isinstance(value, cached_property) and hasattr(value, "lock"):  # Python 3.11
                value.lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # not on Windows; nobody forks while the catalog is read
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_in_child
    )


def load_catalog() -> Catalog:
    """The shipped catalog, read once per process.

    In a source checkout it is compiled anew whenever a file under ``data/`` has changed.
    """
    return _loaded or off_loop(_load)


def _load() -> Catalog:
    global _loaded
    with _lock:
        if _loaded is None:
            _loaded = Catalog(_compiled_text())
    return _loaded


def _compiled_text() -> str:
    if not (_SOURCES / "names.toml").is_file():  # installed, not a checkout
        try:
            return _PACKAGED.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise CatalogError("the compiled catalog is missing; reinstall impactree") from None
    from impactree.catalog._sources import data_files, fingerprint

    mark = fingerprint(data_files(_SOURCES))
    try:
        text = _PACKAGED.read_text(encoding="utf-8")
        if f'"fingerprint":{json.dumps(mark)}' in text[: len(mark) + 100]:
            return text
    except FileNotFoundError:
        pass
    from impactree.catalog import _compile as compiler  # only a checkout compiles

    text = compiler.compile_folder(_SOURCES, mark)
    with suppress(OSError):  # a read-only checkout compiles in each process
        compiler.write_atomically(_PACKAGED, text)
    return text
