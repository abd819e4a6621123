"""What resolves of the ids that genai-prices lists, by provider, kind and grade.

Beside it, what EcoLogits' own repository finds when it is asked for the same provider and id;
below, how many of the names whose answer was written down before are right (``benchmarks.names``).
Run: python -m benchmarks.resolve_coverage [--json]
"""

import json
import sys
from collections import Counter, defaultdict
from typing import Any

from ecologits.model_repository import models as ecologits_models
from genai_prices.data_snapshot import get_snapshot
from rich.console import Console
from rich.table import Table

from benchmarks.names import scores
from impactree import resolve
from impactree.values.impacts import GRADES

SHOWN = GRADES[:-1]
# EcoLogits' names of the providers that it knows.
ECOLOGITS = {
    "anthropic": "anthropic",
    "azure": "openai",
    "cohere": "cohere",
    "google": "google_genai",
    "mistral": "mistralai",
    "openai": "openai",
}


def ecologits_finds(provider: str, name: str) -> bool:
    known = ECOLOGITS.get(provider, "huggingface_hub")
    return ecologits_models.find_model(provider=known, model_name=name) is not None


def measure() -> list[dict[str, Any]]:
    rows = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            found = resolve(model.id, provider.id)
            rows.append(
                {
                    "provider": provider.id,
                    "id": model.id,
                    "kind": found.kind,
                    "grade": found.grade,
                    "sized": found.total_params is not None,
                    "ecologits": ecologits_finds(provider.id, model.id),
                }
            )
    return rows


def table(title: str, rows: list[dict[str, Any]], column: str) -> Table:
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row[column]].append(row)
    made = Table(title=title, title_justify="left", box=None, padding=(0, 1))
    made.add_column(column)
    for name in ("ids", *SHOWN, "size known", "EcoLogits"):
        made.add_column(name, justify="right")
    ordered = sorted(groups.items(), key=lambda g: (-len(g[1]), g[0]))
    for name, group in [*ordered, ("all", rows)]:
        grades = Counter(row["grade"] for row in group)
        made.add_row(
            name,
            str(len(group)),
            *(str(grades[grade] or "") for grade in SHOWN),
            f"{sum(row['sized'] for row in group) / len(group):.1%}",
            f"{sum(row['ecologits'] for row in group) / len(group):.1%}",
        )
    return made


def main() -> None:
    rows = measure()
    if "--json" in sys.argv[1:]:
        print(json.dumps(rows, indent=1))
        return
    console = Console(width=150)
    console.print(table("By provider", rows, "provider"))
    console.print(table("By kind", rows, "kind"))
    found = scores()
    console.print(
        f"Of {found['names']} names whose answer was written down before {found['right']:.1%} "
        f"are right; of the right ones with a known size {found['warned']:.1%} warn of it."
    )


if __name__ == "__main__":
    main()
