"""Compile ``data/*.toml`` into one file that loads in milliseconds, whatever the catalog's size.

The compiled catalog is sections, of which each is decoded only when somebody asks for it: tables as
JSON (hosts, regions, zones, rules, ...), three sorted indexes (``name TAB places``) that are
searched as they lie, without parsing, then one line of JSON per model.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter, defaultdict
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impactree.catalog._compile_factors import add_factors
from impactree.catalog._compile_media import add_videos
from impactree.catalog._compile_training import add_trainings
from impactree.catalog._near import near_text, nearest
from impactree.catalog._rules import Rules
from impactree.catalog._sections import written
from impactree.catalog._sources import data_files
from impactree.catalog._text import clean, key, squashed, without_active
from impactree.exceptions import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["compile_files", "compile_folder", "write_atomically"]

_INDEXES = ("names", "keys", "reduced")
_LISTS = ("hosts", "regions", "disclosures", "equivalents")
_TABLES = (
    *("makers", "host_names", "accelerators", "zones", "factor_sets", "zone_sets", "factors"),
    *("subzones", "moving", "families"),
)
_RULES = ("words", "mixture", "sizes", "orgs", "lines", "local", "prior", "training_rule")


def compile_folder(folder: Path, mark: str = "") -> str:
    """Read, check and compile every file of a data folder.

    Raises:
        CatalogError: an entry is wrong, or two entries claim one name.
    """
    from impactree.catalog._schema import read_file

    files = data_files(folder)
    if not files:
        raise CatalogError(f"no catalog files in {folder}")
    checked = [(f.name, read_file(f)) for f in files]
    _check_makers(checked)
    return compile_files(checked, mark)


def _check_makers(files: list[tuple[str, Any]]) -> None:
    """One file per maker, named after it."""
    for where, file in files:
        if file.maker and where != f"{file.maker}.toml":
            raise CatalogError(f"{where}: the models of {file.maker!r} belong in {file.maker}.toml")


def compile_files(
    files: list[tuple[str, Any]],
    mark: str = "",
    *,
    rules: dict[str, Any] | None = None,
    known: Iterable[str] = (),
    zones: Iterable[str] = (),
    hardware: Iterable[str] = (),
) -> str:
    """Compile checked files.

    Args:
        files: Each file's name and its checked content.
        mark: Stored as the fingerprint.
        rules: Rules for reading names, where the files bring none of their own.
        known: Names of models outside these files that aliases and families may point to.
        zones: Codes of zones outside these files that hosts and regions may lie in.
        hardware: Ids of accelerators outside these files, in small letters, that hosts may name.
    """
    head = _head(files, rules)
    names, records = _models(files)
    _add_architectures(files, names, records)
    add_trainings(files, records)
    add_videos(files, names, records)
    days = [r["checked"] for r in records] + [zone[-1] for zone in head["zones"].values()]
    version = max(days, default="")
    head["org_makers"] = _org_makers(records)
    _check_targets(head, {*names, *(name.lower() for name in known)})
    _check_zones(files, {*head["zones"], *head["subzones"], *zones})
    _check_hardware(files, {*head["accelerators"], *hardware})
    keys, reduced = _spellings(names, records, Rules(head["rules"]))
    lines = [f"{_json(record)}\n" for record in records]
    places = [0, *accumulate(map(len, lines))]
    sections = {name: _json(table) for name, table in head.items()}
    for name, index in zip(_INDEXES, (names, keys, reduced), strict=True):
        found = ((spelling, (str(places[n]) for n in where)) for spelling, where in index.items())
        sections[name] = "\n".join(sorted(f"{key}\t{','.join(at)}" for key, at in found))
    sections["records"] = "".join(lines)
    return written({"fingerprint": mark, "version": version}, sections)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _models(files: list[tuple[str, Any]]) -> tuple[dict[str, list[int]], list[dict[str, Any]]]:
    """Every name with the numbers of its entries, and the entries."""
    records: list[dict[str, Any]] = []
    names: dict[str, list[int]] = {}
    owner: dict[str, tuple[str, str]] = {}
    for where, file in files:
        for model in file.models:
            record = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            record["maker"] = file.maker
            _claim_names(names, owner, len(records), model, where)
            records.append(record)
    return names, records


def _add_architectures(
    files: list[tuple[str, Any]], names: dict[str, list[int]], records: list[dict[str, Any]]
) -> None:
    """Give each model's entries the architecture that stands under its name."""
    for where, file in files:
        for entry in file.architectures:
            lines = names.get(entry.id.lower())
            if lines is None:
                near = near_text(entry.id, names)
                raise CatalogError(
                    f"{where}: the architecture {entry.id!r} belongs to no model; nearest: {near}"
                )
            for line in lines:
                records[line]["architecture"] = entry.model_dump(
                    mode="json", exclude={"id"}, exclude_defaults=True
                )


def _head(files: list[tuple[str, Any]], rules: dict[str, Any] | None) -> dict[str, Any]:
    """Everything but the models."""
    lists: dict[str, Any] = {name: [] for name in _LISTS}
    tables: dict[str, Any] = {name: {} for name in _TABLES}
    head = {**lists, **tables, "rules": dict(rules or {})}
    for where, file in files:
        if file.maker:
            known = head["makers"].get(file.maker, {})
            head["makers"][file.maker] = {
                "name": file.name or known.get("name") or file.maker,
                "url": file.url or known.get("url"),
            }
        _add_aliases(head, file)
        for name in ("hosts", "regions"):
            entries = getattr(file, name)
            head[name] += [_place_row(entry, file) for entry in entries]
        for sheet in file.accelerators:
            head["accelerators"][sheet.id.lower()] = sheet.model_dump(
                mode="json", exclude_defaults=True
            )
        for host in file.hosts:
            for name in (host.id, *host.names):
                head["host_names"][name.lower()] = host.id
        for zone in file.zones:
            head["zones"][zone.id] = _zone_row(zone, file, where)
        add_factors(head, where, file)
        _add_rules(head["rules"], file)
    for name, host_id in list(head["host_names"].items()):
        head["host_names"].setdefault(squashed(name), host_id)
    return head


def _place_row(place: Any, file: Any) -> dict[str, Any]:
    row: dict[str, Any] = place.model_dump(mode="json", exclude_defaults=True)
    row.setdefault("licence", _licence(place, file))
    return row


def _licence(entry: Any, file: Any) -> str:
    """Figures carried over from EcoLogits keep its licence, whatever the file's others have."""
    via = getattr(entry, "via", None) or ""
    return "MPL-2.0 (EcoLogits)" if via.startswith("ecologits") else file.licence or "not stated"


def _zone_row(zone: Any, file: Any, where: str) -> list[Any]:
    sources = zone.sources or list(dict.fromkeys(file.sources.values()))
    mix = [zone.gwp, zone.adpe, zone.pe, zone.wue]
    told = [zone.name, zone.warnings, sources, zone.checked.isoformat()]
    return [*mix, zone.gwp_year, where, *told]


def _add_aliases(head: dict[str, Any], file: Any) -> None:
    for moving in file.moving:
        targets = [[t.from_.isoformat(), t.model] for t in moving.targets]
        place = f"{moving.host}/" if moving.host else ""
        head["moving"][place + key(clean(moving.name))] = targets
    for family in file.families:
        for prefix in (clean(family.prefix), clean(family.prefix).replace(".", "-")):
            head["families"].setdefault(prefix, [family.model, file.maker])


def _add_rules(rules: dict[str, Any], file: Any) -> None:
    for name in ("wrappers", "kinds"):
        found = [e.model_dump(mode="json", exclude_defaults=True) for e in getattr(file, name)]
        rules[name] = [*rules.get(name, ()), *found]
    for name in _RULES:
        section = getattr(file, name)
        if section is not None:
            rules[name] = section.model_dump(mode="json")


def _claim_names(
    index: dict[str, list[int]],
    owner: dict[str, tuple[str, str]],
    line: int,
    model: Any,
    where: str,
) -> None:
    """Enter a model's names; a later dated entry of the same model joins the earlier ones."""
    for name in dict.fromkeys(n.lower() for n in (model.id, *model.aliases)):
        if name in owner and owner[name] != (where, model.id):
            raise CatalogError(
                f"{where}: {name!r} of {model.id!r} is already a name of "
                f"{owner[name][1]!r} in {owner[name][0]}"
            )
        owner[name] = (where, model.id)
        lines = index.setdefault(name, [])
        if lines and model.from_ is None:
            raise CatalogError(f"{where}: {name!r} is listed twice; a later figure needs 'from'")
        lines.append(line)


def _org_makers(records: list[dict[str, Any]]) -> dict[str, str]:
    """Who publishes under an organization's name, read from the ids (``org/name``)."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        org, slash, _ = record["id"].lower().rpartition("/")
        if slash:
            votes[org][record["maker"]] += 1
    return {org: count.most_common(1)[0][0] for org, count in votes.items()}


def _spellings(
    names: dict[str, list[int]], records: list[dict[str, Any]], rules: Rules
) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """Two more indexes: by key, and by reduced key.

    Of one maker's names that share a key, those count that had to be changed least; the maker
    whose names had to be changed least comes first.
    """
    keys: dict[str, dict[str, tuple[int, list[int]]]] = {}
    reduced: dict[str, dict[str, tuple[int, list[int]]]] = {}
    for name, lines in names.items():
        maker = records[lines[0]]["maker"]
        for level, step in enumerate(rules.unwrap(clean(name))):
            _claim(keys.setdefault(key(step.text), {}), maker, level, lines)
            _claim(reduced.setdefault(rules.reduced(step.text), {}), maker, level, lines)
            bare = without_active(step.text)  # ``qwen3-235b`` for ``qwen3-235b-a22b``
            if bare != step.text:
                _claim(reduced.setdefault(rules.reduced(bare), {}), maker, level + 1, lines)
    return _flat(keys), _flat(reduced)


def _claim(
    makers: dict[str, tuple[int, list[int]]], maker: str, level: int, lines: list[int]
) -> None:
    best, known = makers.get(maker, (level, []))
    if level > best:
        return
    if level < best:
        known = []
    makers[maker] = (level, [*known, *(n for n in lines if n not in known)])


def _flat(index: dict[str, dict[str, tuple[int, list[int]]]]) -> dict[str, list[int]]:
    return {
        spelling: [n for _, lines in sorted(makers.values(), key=lambda m: m[0]) for n in lines]
        for spelling, makers in index.items()
        if any(c.isalpha() for c in spelling)
    }


def _check_targets(head: dict[str, Any], names: Iterable[str]) -> None:
    for name, targets in head["moving"].items():
        for _, target in targets:
            if target.lower() not in names:
                raise CatalogError(
                    f"moving alias {name!r} points to {target!r}, not in the catalog"
                )
    for prefix, (target, _) in head["families"].items():
        if target.lower() not in names:
            raise CatalogError(
                f"family {prefix!r} points to {target!r}, which is not in the catalog"
            )


def _check_zones(files: list[tuple[str, Any]], zones: set[str]) -> None:
    for where, file in files:
        named = [(place.id, place.zone) for place in (*file.hosts, *file.regions)]
        named += [(p.id, p.subzone) for p in (*file.hosts, *file.regions) if p.subzone]
        named += [(part.id, part.parent) for part in file.subzones]
        named += [(entry.id, zone) for entry in file.factor_sets for zone in entry.values]
        for name, zone in named:
            if zone not in zones:
                hint = ", ".join(nearest(zone, zones)) or "see `impactree zones`"
                raise CatalogError(
                    f"{where}: {name!r} lies in zone {zone!r}, which is not in the "
                    f"catalog; nearest: {hint}"
                )


def _check_hardware(files: list[tuple[str, Any]], known: set[str]) -> None:
    for where, file in files:
        for host in file.hosts:
            for name in host.accelerators:
                if name.lower() not in known:
                    raise CatalogError(
                        f"{where}: the host {host.id!r} runs on {name!r}, no accelerator of "
                        f"the catalog; known: {', '.join(sorted(known))}"
                    )


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that readers see the old one or the new one, never half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise
