"""Compile ``data/*.toml`` into one file that loads in milliseconds, whatever the catalog's size.

The compiled catalog is JSON lines: the first line holds what every process needs (index, hosts,
regions, zones), each later line one model, decoded only when somebody asks for it.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from impactree.exceptions import CatalogError

__all__ = ["compile_files", "compile_folder", "data_files", "fingerprint", "write_atomically"]

FORMAT = 1


def data_files(folder: Path) -> list[Path]:
    """The catalog's files, in a fixed order."""
    return sorted([*folder.glob("*.toml"), *folder.glob("models/*.toml")])


def fingerprint(files: Iterable[Path]) -> str:
    """Changes when any file does: names, sizes and modification times."""
    stats = ((f.name, f.stat()) for f in files)
    return ";".join(f"{name}:{s.st_size}:{s.st_mtime_ns}" for name, s in stats)


def compile_folder(folder: Path, mark: str = "") -> str:
    """Read, check and compile every file of a data folder.

    Raises:
        CatalogError: an entry is wrong, or two entries claim one name.
    """
    from impactree.catalog._schema import read_file

    files = data_files(folder)
    if not files:
        raise CatalogError(f"no catalog files in {folder}")
    return compile_files([(f.name, read_file(f)) for f in files], mark)


def compile_files(files: list[tuple[str, Any]], mark: str = "") -> str:
    """Compile checked files; ``mark`` is stored as the fingerprint."""
    records: list[dict[str, Any]] = []
    index: dict[str, list[int]] = {}
    head: dict[str, Any] = {
        "format": FORMAT,
        "fingerprint": mark,
        "makers": {},
        "hosts": [],
        "regions": [],
        "zones": {},
        "moving": {},
        "families": {},
    }
    days: list[str] = []
    owner: dict[str, tuple[str, str]] = {}
    for where, file in files:
        if file.maker:
            known = head["makers"].get(file.maker, {})
            head["makers"][file.maker] = {
                "name": file.name or known.get("name") or file.maker,
                "url": file.url or known.get("url"),
            }
        for model in file.models:
            record = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
            record["maker"] = file.maker
            days.append(record["checked"])
            _claim_names(index, owner, len(records), model, where)
            records.append(record)
        for moving in file.moving:
            head["moving"][moving.name.lower()] = [
                [t.from_.isoformat(), t.model] for t in moving.targets
            ]
        for family in file.families:
            head["families"][family.prefix.lower()] = [family.model, file.maker]
        for host in file.hosts:
            head["hosts"].append(host.model_dump(mode="json", exclude_defaults=True))
        for region in file.regions:
            head["regions"].append(region.model_dump(mode="json", exclude_defaults=True))
        for zone in file.zones:
            head["zones"][zone.id] = [
                zone.gwp,
                zone.adpe,
                zone.pe,
                zone.wue,
                zone.name,
                zone.warnings,
                zone.sources or list(dict.fromkeys(file.sources.values())),
                zone.checked.isoformat(),
            ]
            days.append(zone.checked.isoformat())
    head["version"] = max(days, default="")
    head["names"] = index
    _check_targets(head, index)
    lines = [json.dumps(head, separators=(",", ":"), ensure_ascii=False)]
    lines += [json.dumps(r, separators=(",", ":"), ensure_ascii=False) for r in records]
    return "\n".join(lines) + "\n"


def _claim_names(
    index: dict[str, list[int]],
    owner: dict[str, tuple[str, str]],
    line: int,
    model: Any,
    where: str,
) -> None:
    """Enter a model's names; a later dated entry of the same model joins the earlier ones."""
    for name in (model.id, *model.aliases):
        key = name.lower()
        if key in owner and owner[key] != (where, model.id):
            raise CatalogError(
                f"{where}: {name!r} of {model.id!r} is already a name of "
                f"{owner[key][1]!r} in {owner[key][0]}"
            )
        owner[key] = (where, model.id)
        lines = index.setdefault(key, [])
        if lines and model.from_ is None:
            raise CatalogError(f"{where}: {name!r} is listed twice; a later figure needs 'from'")
        lines.append(line)


def _check_targets(head: dict[str, Any], index: dict[str, list[int]]) -> None:
    for name, targets in head["moving"].items():
        for _, target in targets:
            if target.lower() not in index:
                raise CatalogError(f"moving alias {name!r} points to {target!r}, not in the catalog")
    for prefix, (target, _) in head["families"].items():
        if target.lower() not in index:
            raise CatalogError(f"family {prefix!r} points to {target!r}, which is not in the catalog")


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that readers see the old one or the new one, never half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
