"""Give each model that makes films its regression, with machine and operator."""

from __future__ import annotations

from typing import Any

from impactree.catalog._near import near_text
from impactree.exceptions import CatalogError

__all__ = ["add_videos"]


def add_videos(
    files: list[tuple[str, Any]], names: dict[str, list[int]], records: list[dict[str, Any]]
) -> None:
    """Enter each under its model.

    Raises:
        CatalogError: an unknown model, machine or operator.
    """
    machines = {m.id: m for _, file in files for m in file.video_machines}
    operators = {o.id: (o, file) for _, file in files for o in file.video_operators}
    for where, file in files:
        for entry in file.videos:
            lines = names.get(entry.model.lower())
            known = (("model", entry.model, names), ("machine", entry.machine, machines))
            for what, name, where_known in (*known, ("operator", entry.operator, operators)):
                if name.lower() not in where_known:
                    near = near_text(name, where_known)
                    raise CatalogError(
                        f"{where}: the film model {entry.model!r} has an unknown {what} {name!r}; "
                        f"nearest: {near}"
                    )
            operator, its_file = operators[entry.operator]
            host = operator.model_dump(mode="json", exclude_none=True)
            host["licence"] = its_file.licence or "not stated"
            row = machines[entry.machine].model_dump(mode="json", exclude={"id"})
            row |= entry.model_dump(mode="json", exclude={"model", "operator"})
            row["host"] = host
            for line in lines or ():
                records[line]["video"] = row
