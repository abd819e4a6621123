"""What resolves of the names in LiteLLM's list of models and prices, by kind and grade.

A name counts as text where LiteLLM's mode is ``chat``, ``completion`` or ``responses``.
Run: python -m benchmarks.litellm_names [--json | --list GRADE]
"""

import importlib.util
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from impactree import resolve
from impactree.values.impacts import GRADES

TEXT_MODES = ("chat", "completion", "responses")
BETTER = tuple(grade for grade in GRADES if grade not in ("prior", "unsupported"))


def listed() -> dict[str, dict[str, Any]]:
    """LiteLLM's list as its package carries it; nothing is imported of it, nothing downloaded."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        raise SystemExit("install litellm: its list of names is what is measured")
    path = Path(spec.origin).with_name("model_prices_and_context_window_backup.json")
    names: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {name: entry for name, entry in names.items() if name != "sample_spec"}


def measure() -> list[dict[str, Any]]:
    rows = []
    for name, entry in listed().items():
        found = resolve(name, "litellm")
        record = found.record
        rows.append(
            {
                "name": name,
                "mode": entry.get("mode", "none"),
                "text": entry.get("mode") in TEXT_MODES,
                "kind": found.kind,
                "grade": found.grade,
                "host": found.host,
                "maker": found.maker,
                "price": entry.get("output_cost_per_token"),
                "estimated": found.kind in ("chat", "completion")
                or (record is not None and record.is_from_ecologits),
                "own": record is not None and record.is_from_ecologits,
            }
        )
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares of text names, and the names that must not be there."""
    text = [row for row in rows if row["text"]]
    return {
        "text names": len(text),
        "estimated": sum(row["estimated"] for row in text) / len(text),
        "better than prior": sum(row["grade"] in BETTER for row in text) / len(text),
        "other names": len(rows) - len(text),
        "other names estimated as text": sorted(
            row["name"]
            for row in rows
            if row["mode"] not in (*TEXT_MODES, "none") and row["estimated"] and not row["own"]
        ),
        "oci/ elsewhere": sorted(
            row["name"]
            for row in rows
            if row["name"].startswith("oci/") and row["host"] != "oracle"
        ),
    }


def table(rows: list[dict[str, Any]]) -> Table:
    made = Table(title="LiteLLM's names, by mode", title_justify="left", box=None, padding=(0, 1))
    made.add_column("mode")
    for name in ("names", *GRADES[:-1]):
        made.add_column(name, justify="right")
    for mode, count in Counter(row["mode"] for row in rows).most_common():
        grades = Counter(row["grade"] for row in rows if row["mode"] == mode)
        made.add_row(mode, str(count), *(str(grades[grade] or "") for grade in GRADES[:-1]))
    return made


def main() -> None:
    rows = measure()
    arguments = sys.argv[1:]
    if "--json" in arguments:
        print(json.dumps(rows, indent=1))
    elif "--list" in arguments:
        grade = arguments[arguments.index("--list") + 1]
        print("\n".join(row["name"] for row in rows if row["text"] and row["grade"] == grade))
    else:
        console = Console(width=150)
        console.print(table(rows))
        console.print(summary(rows))


if __name__ == "__main__":
    main()
