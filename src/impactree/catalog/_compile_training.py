"""Give each model's entries what was published of its training."""

from __future__ import annotations

from typing import Any

from impactree.catalog._near import near_text
from impactree.exceptions import CatalogError

__all__ = ["add_trainings"]


def add_trainings(files: list[tuple[str, Any]], records: list[dict[str, Any]]) -> None:
    """Enter each training under the models that it names; of a stage, its base with it.

    Raises:
        CatalogError: an unknown model or base, or two trainings of one model.
    """
    listed = [(where, entry) for where, file in files for entry in file.trainings]
    by_name = {entry.name: entry for _, entry in listed}
    for where, entry in listed:
        row = entry.model_dump(mode="json", exclude={"models"}, exclude_none=True)
        if entry.base is not None:
            if entry.base not in by_name:
                near = near_text(entry.base, by_name)
                raise CatalogError(
                    f"{where}: the training {entry.name!r} stands on {entry.base!r}, which is "
                    f"none; nearest: {near}"
                )
            base = by_name[entry.base]
            row["base"] = base.model_dump(mode="json", exclude={"models"}, exclude_none=True)
        for pattern in entry.models:
            _enter(pattern, row, records, where)


def _enter(pattern: str, row: dict[str, Any], records: list[dict[str, Any]], where: str) -> None:
    wanted = pattern.lower()
    begin = wanted.removesuffix("*")
    found = False
    for record in records:
        known = record["id"].lower()
        if known == wanted or (begin != wanted and known.startswith(begin)):
            found = True
            if record.get("training", row) is not row:
                raise CatalogError(f"{where}: {record['id']!r} has two trainings")
            record["training"] = row
    if not found:
        near = near_text(begin, [r["id"] for r in records])
        name = row["name"]
        raise CatalogError(
            f"{where}: the training {name!r} belongs to no model {pattern!r}; nearest: {near}"
        )
